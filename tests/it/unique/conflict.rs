//! `ON CONFLICT` that names a key which becomes unique within each tenant.

use tenantctl::plan::Kind;

use super::{config, plan, said, with};
use crate::support::Server;

const USERS: &str = "CREATE TABLE users (id bigint PRIMARY KEY, email text UNIQUE, code text, kind text);
CREATE UNIQUE INDEX users_code ON users (lower(code), kind) WHERE code <> '';";
const RULES: &str =
    "[tables.users]\nscope = \"tenant\"\nunique.users_email_key = \"scoped\"\nunique.users_code = \"scoped\"";

fn upsert(name: &str, target: &str) -> String {
    format!(
        "CREATE FUNCTION {name}() RETURNS void LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO users (id, email) VALUES (1, 'a') ON CONFLICT {target} DO UPDATE SET email = excluded.email; END $$;"
    )
}

#[tokio::test]
async fn functions_that_name_the_key_by_its_columns_or_its_name_are_told_what_to_write() {
    let functions = [
        upsert("by_column", "(email)"),
        upsert("by_name", "ON CONSTRAINT users_email_key"),
        upsert("by_expression", "(lower(code), kind) WHERE code <> ''"),
        upsert("by_id", "(id)"),
        upsert("by_more", "(email, kind)"),
    ];
    let database = with(&(USERS.to_owned() + &functions.concat())).await;
    let expected = [
        "public.users: users_code becomes unique within each tenant: ON CONFLICT in the functions public.by_expression seems to name it; from enforce on that may be ON CONFLICT (tenant_id and all that users_code has), and it must be once the old key is gone",
        "public.users: users_email_key becomes unique within each tenant: ON CONFLICT in the functions public.by_column, public.by_name seems to name it; from enforce on that may be ON CONFLICT (tenant_id, email), and it must be once the old key is gone",
    ];
    assert_eq!(said(&plan(&database, &config(RULES)).await, Kind::ConflictTarget), expected);
    let global = RULES.replace("\"scoped\"", "{ scope = \"global\", reason = \"as ever\" }");
    assert_eq!(said(&plan(&database, &config(&global)).await, Kind::ConflictTarget), [""; 0]);
}

#[tokio::test]
async fn statements_that_clients_were_seen_to_send_are_counted() {
    let server = Server::with(&[("shared_buffers", "16MB"), ("shared_preload_libraries", "pg_stat_statements")]);
    let database = server.database().await;
    database.run(&format!("CREATE EXTENSION pg_stat_statements; {USERS}")).await;
    let client = database.client("app").await;
    let upsert = "WITH new AS (SELECT $1::text AS email) INSERT INTO users (id, email) SELECT 1, email FROM new ON CONFLICT (email) DO NOTHING";
    for email in ["a", "b", "a"] {
        client.execute(upsert, &[&email]).await.unwrap_or(0);
    }
    let said = said(&plan(&database, &config(RULES)).await, Kind::ConflictTarget);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("ON CONFLICT in statements of clients seems to name it ("), "{said:?}");
}

/// Both targets find a key between enforce and the end of the old one.
#[tokio::test]
async fn the_old_and_the_new_target_both_work_after_the_run() {
    let database = with(USERS).await;
    assert!(crate::support::run::Run::to_the_end().on(&database, &config(RULES)).await.is_finished());
    for target in
        ["(email)", "(tenant_id, email)", "ON CONSTRAINT users_email_key", "ON CONSTRAINT users_tenant_id_email_key"]
    {
        let upsert = format!(
            "INSERT INTO users (id, email, tenant_id) VALUES (1, 'a', 1) ON CONFLICT {target} DO UPDATE SET kind = 'again'"
        );
        database.run(&upsert).await;
    }
    assert_eq!(database.number("SELECT count(*) FROM users WHERE kind = 'again'").await, 1);
}
