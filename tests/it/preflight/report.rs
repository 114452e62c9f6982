//! All problems in one report, and the page that explains their kinds.

use std::collections::BTreeSet;

use tenantctl::error::Code;
use tenantctl::pg::{Access, Session};
use tenantctl::plan::{Kind, Weight, kinds_table};

use super::{config, plan_as, shop_with};
use crate::support::cli::Cli;

#[tokio::test]
async fn ten_problems_give_ten_entries_in_one_report() {
    let database = shop_with(
        "CREATE VIEW tenants AS SELECT * FROM customers; CREATE SCHEMA tenantctl; CREATE TABLE tenantctl.theirs (id int);
         CREATE PUBLICATION feed FOR TABLE customers; ALTER TABLE orders ADD COLUMN tenant_id text;
         CREATE FUNCTION guard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER no_ddl ON ddl_command_end EXECUTE FUNCTION guard();
         CREATE FUNCTION copy_customers() RETURNS void LANGUAGE sql AS 'INSERT INTO customers SELECT * FROM customers';
         ALTER TABLE orders ADD CHECK (total > 0) NOT VALID, ALTER CONSTRAINT orders_customer_id_fkey DEFERRABLE;
         ALTER TABLE customers ADD UNIQUE (email)",
    )
    .await;
    let reader = database.client("forgotten").await;
    reader.batch_execute("BEGIN; SELECT * FROM customers").await.unwrap();
    let script = plan_as(&database, "postgres", &config("[server]\nlong_transaction = \"0ms\"")).await;
    let found: BTreeSet<Kind> = script
        .blockers
        .iter()
        .map(|blocker| blocker.kind)
        .chain(script.notices.iter().map(|notice| notice.kind))
        .collect();
    for kind in [
        Kind::NameTaken,
        Kind::SchemaTaken,
        Kind::SubscriberNotReady,
        Kind::OwnerColumnType,
        Kind::EventTriggerFires,
        Kind::FunctionStar,
        Kind::ViewStar,
        Kind::ConstraintNotValid,
        Kind::UniqueGlobal,
        Kind::LongTransaction,
        Kind::CachedPlan,
    ] {
        assert!(found.contains(&kind), "{kind} is missing: {found:?}");
    }
    // What stops the run is a blocker, and nothing else is.
    assert!(script.blockers.iter().all(|blocker| blocker.kind.weight() == Weight::Blocker));
    assert!(script.notices.iter().all(|notice| notice.kind.weight() != Weight::Blocker));
    let json = serde_json::to_value(&script).unwrap();
    let kinds: Vec<&str> =
        json["blockers"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"subscriber-not-ready") && kinds.contains(&"schema-taken"), "{kinds:?}");
}

#[tokio::test]
async fn a_configuration_that_does_not_fit_is_told_with_what_preflight_found() {
    let database = shop_with(
        "CREATE SCHEMA tenantctl; CREATE TABLE tenantctl.theirs (id int); CREATE TABLE forgotten (id int);
         CREATE TABLE far (id int); CREATE TABLE near () INHERITS (far); REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    .await;
    let role = format!("reader_{}", database.name);
    database.run(&format!("CREATE ROLE {role} LOGIN")).await;
    let session = Session::open(&database.settings_as(&role), Access::Read).await.unwrap();
    let refused = tenantctl::commands::planning::plan(
        &session,
        &config("[tables.far]\nscope = \"tenant\"\n[tables.near]\nscope = \"ignored\""),
    )
    .await
    .unwrap_err();
    assert_eq!(refused.code, Code::ConfigInvalid);
    let lines: Vec<&str> = refused.message.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[0].contains("public.forgotten is not classified"));
    assert!(lines[1].contains("public.far is part of a classic inheritance tree"));
    assert_eq!(lines[2], "the schema tenantctl holds something else than tenantctl's books");
    assert_eq!(lines[3], "migrate needs USAGE and CREATE on the schema tenantctl (its owner is postgres)");
    Cli::to(&database.url()).config("").run("plan").exits(2);
}

#[test]
fn every_kind_is_explained_once_and_has_a_name_of_its_own() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/preflight.md")).unwrap();
    assert!(page.contains(&kinds_table()), "put this into docs/preflight.md:\n{}", kinds_table());
    let names: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(names.len(), Kind::ALL.len());
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        assert!(kind.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{kind}");
        assert!(kind.meaning().ends_with('.') && kind.advice().ends_with('.'), "{kind}");
    }
}
