//! What a conversion does to the application's own triggers, with the rights of a superuser and without; and the
//! statement that this all replaces.

use tenantctl::commands::conversion::{Conversion, Order};
use tenantctl::config::Config;
use tenantctl::execute::Target;
use tokio_postgres::error::SqlState;

use super::{convert_while_writing, every_owner_is_the_organization, in_small_batches};
use crate::execute::{config, convert, convert_with};
use crate::support::{Database, server};

/// Tables with the trigger `set_updated_at`; the fixture's rows were last changed long ago.
const TRIGGERED: [&str; 5] = ["workflows", "models", "knowledge_bases", "rules", "decision_tables"];

const OWNED: &str = "
DO $$
DECLARE item record;
BEGIN
    FOR item IN SELECT c.oid::regclass AS name, c.relkind FROM pg_class AS c
                WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO %I', CASE item.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, item.name, 'ROLE');
    END LOOP;
END $$";

/// The fixture, owned by an ordinary role as a managed server gives it to a team; and the role's name.
async fn owned_by_a_team(rows: u32) -> (Database<'static>, String) {
    let database = Database::saas25(rows).await;
    let role = give_to_a_team(&database).await;
    (database, role)
}

/// Makes an ordinary role the owner of everything.
pub(super) async fn give_to_a_team(database: &Database<'_>) -> String {
    let role = format!("team_{}", database.name);
    let rights = format!(
        "CREATE ROLE {role} LOGIN NOSUPERUSER IN ROLE pg_monitor; GRANT CREATE ON DATABASE {} TO {role};
         GRANT USAGE, CREATE ON SCHEMA public TO {role};",
        database.name
    );
    database.run(&(rights + &OWNED.replace("ROLE", &role))).await;
    role
}

/// What the plan says about the triggers of a table.
async fn notice(database: &Database<'_>, role: &str, config: &Config, table: &str) -> String {
    let conversion = Conversion::open(&database.settings_as(role), config, &Order::default()).await.unwrap();
    let about = |name: &tenantctl::catalog::QualifiedName| name.name.as_str() == table;
    let notices = conversion.script().notices.iter().filter(|notice| notice.table.as_ref().is_some_and(about));
    notices.map(|notice| notice.text.as_str()).find(|text| text.contains("set_updated_at")).unwrap().to_owned()
}

/// How many rows of a table say that they were changed today.
async fn touched(database: &Database<'_>, table: &str) -> i64 {
    database.number(&format!("SELECT count(*) FROM {table} WHERE updated_at > now() - interval '1 day'")).await
}

#[tokio::test]
async fn a_superusers_backfill_touches_no_updated_at() {
    let database = Database::saas25(2000).await;
    let config = in_small_batches(config("tenantctl.org.toml"));
    let text = notice(&database, "postgres", &config, "workflows").await;
    assert_eq!(text, "the backfill skips the triggers set_updated_at (session_replication_role = replica)");
    convert(&database, &config, Target::End).await.unwrap();
    for table in TRIGGERED {
        assert_eq!(touched(&database, table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_backfill_by_a_role_that_may_skip_triggers_touches_no_updated_at() {
    if server().major() < 15 {
        return; // GRANT SET ON PARAMETER is new in 15.
    }
    let (database, role) = owned_by_a_team(2000).await;
    database.run(&format!("GRANT SET ON PARAMETER session_replication_role TO {role}")).await;
    let config = config("tenantctl.org.toml");
    let text = notice(&database, &role, &config, "workflows").await;
    assert_eq!(text, "the backfill skips the triggers set_updated_at (session_replication_role = replica)");
    convert_with(&database.settings_as(&role), &config, Target::End).await.unwrap();
    for table in TRIGGERED {
        assert_eq!(touched(&database, table).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordinary_owner_converts_while_the_application_writes_and_is_told_that_triggers_fire() {
    let (database, role) = owned_by_a_team(5000).await;
    let config = config("tenantctl.org.toml");
    let text = notice(&database, &role, &config, "workflows").await;
    assert_eq!(text, "the backfill fires the triggers set_updated_at on every row: the role may not skip them");
    convert_while_writing(&database, &database.settings_as(&role), &config).await;
    every_owner_is_the_organization(&database).await;
    assert_eq!(touched(&database, "workflows").await, database.number("SELECT count(*) FROM workflows").await);
    let superusers = "SELECT count(*) FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = p.proowner
                      WHERE p.pronamespace = 'tenantctl'::regnamespace AND r.rolsuper";
    assert_eq!(database.number(superusers).await, 0);
}

#[tokio::test]
async fn the_generated_migration_fails_on_rows_where_the_conversion_does_not() {
    let database = Database::saas25(2000).await;
    let client = database.client("generated migration").await;
    let tenants = "CREATE TABLE tenants (id bigserial PRIMARY KEY, name text NOT NULL, slug text NOT NULL UNIQUE)";
    let migration = |rest: &str| {
        format!("{tenants}; ALTER TABLE workflows ADD COLUMN tenant_id bigint NOT NULL {rest} REFERENCES tenants (id)")
    };
    let refused = client.batch_execute(&migration("")).await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::NOT_NULL_VIOLATION));
    let message = refused.as_db_error().unwrap().message();
    assert_eq!(message, "column \"tenant_id\" of relation \"workflows\" contains null values");
    // A default only moves the failure: the tenant that it names does not exist yet.
    let refused = client.batch_execute(&migration("DEFAULT 1")).await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::FOREIGN_KEY_VIOLATION));

    convert(&database, &config("tenantctl.toml"), Target::End).await.unwrap();
    let proven = "SELECT count(*) FROM pg_attribute AS a JOIN pg_constraint AS k ON k.conrelid = a.attrelid AND k.contype = 'f'
                  WHERE a.attname = 'tenant_id' AND a.attnotnull AND k.conkey = ARRAY[a.attnum] AND k.convalidated
                  AND k.confrelid = 'tenants'::regclass AND a.attrelid = ANY ('{workflows, models, rules, decision_tables,
                  knowledge_bases}'::regclass[])";
    assert_eq!(database.number(proven).await, 5);
    assert_eq!(database.number("SELECT count(*) FROM workflows WHERE tenant_id = 1").await, 40);
}
