//! Keys that cannot count within each tenant, because something finds rows by them alone.

use tenantctl::commands::planning;
use tenantctl::error::Code;
use tenantctl::pg::{Access, Session};

use super::{config, with};
use crate::support::{Database, server};

async fn refused(database: &Database<'_>, rules: &str) -> String {
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let failure = planning::plan(&session, &config(rules)).await.map(|_| ()).unwrap_err();
    assert_eq!(failure.code, Code::ConfigInvalid);
    failure.message
}

async fn accepted(database: &Database<'_>, rules: &str) {
    super::plan(database, &config(rules)).await;
}

const PARENT: &str = "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE);";

#[tokio::test]
async fn a_key_by_which_rows_find_their_owner_stays() {
    let database =
        with(&format!("{PARENT} CREATE TABLE logins (id int, email text NOT NULL REFERENCES users (email))")).await;
    let rules = "[tables.users]\nscope = \"tenant\"\nunique.users_email_key = \"scoped\"\n[tables.logins]\nscope = \"tenant\"\n";
    let by_parent = format!("{rules}source = \"parent\"\nparent = \"users\"");
    assert_eq!(
        refused(&database, &by_parent).await,
        "tenantctl.toml:3: public.users: unique.users_email_key cannot be \"scoped\": rows of public.logins find their owner by it; set scope = \"global\" with that as its reason"
    );
    accepted(&database, rules).await;
    accepted(&database, &by_parent.replace("\"scoped\"", "{ scope = \"global\", reason = \"of old\" }")).await;
}

#[tokio::test]
async fn a_key_that_a_foreign_key_goes_on_to_lead_to_stays() {
    let rules = |logins: &str| {
        format!("[tables.users]\nscope = \"tenant\"\nunique.users_email_key = \"scoped\"\n[tables.logins]\n{logins}")
    };
    let database = with(&format!("{PARENT} CREATE TABLE logins (id int, email text REFERENCES users (email))")).await;
    let text = refused(&database, &rules("scope = \"shared\"")).await;
    assert!(text.contains("logins_email_fkey of public.logins leads to it, and rows there have no owner"), "{text}");
    let kept = "scope = \"tenant\"\nreferences.logins_email_fkey = { scope = \"global\", reason = \"of old\" }";
    let text = refused(&database, &rules(kept)).await;
    assert!(text.contains("logins_email_fkey of public.logins leads to it and stays as it is"), "{text}");
    let database =
        with(&format!("{PARENT} CREATE TABLE logins (id int, email text REFERENCES users (email) ON DELETE SET NULL)"))
            .await;
    match server().major() {
        14 => {
            let text = refused(&database, &rules("scope = \"tenant\"")).await;
            assert!(text.contains("leads to it and stays, for ON DELETE SET NULL"), "{text}");
        }
        _ => accepted(&database, &rules("scope = \"tenant\"")).await,
    }
}

#[tokio::test]
async fn a_column_by_which_tenants_are_mapped_or_named_stays_unique() {
    let database = with(
        "CREATE TABLE orgs (code text PRIMARY KEY, name text NOT NULL, slug text NOT NULL, number int NOT NULL UNIQUE);
         CREATE TABLE tasks (id int, org int NOT NULL)",
    )
    .await;
    let rules = |decision: &str| {
        format!(
            "[tenants.map]\ntable = \"orgs\"\nkey = \"code\"\nname = \"name\"\nslug = \"slug\"\n
             [tables.orgs]\nscope = \"tenant\"\nsource = \"column\"\ncolumn = \"code\"\n{decision}\n
             [tables.tasks]\nscope = \"tenant\"\nsource = \"column\"\ncolumn = \"org\"\nmatches = \"number\""
        )
    };
    let text = refused(&database, &rules("unique.orgs_pkey = \"scoped\"")).await;
    assert!(text.contains("unique.orgs_pkey cannot be \"scoped\": the tenants are mapped by it"), "{text}");
    let text = refused(&database, &rules("unique.orgs_number_key = \"scoped\"")).await;
    assert!(text.contains("rows of public.tasks name their tenant by it"), "{text}");
}
