//! What of partitions cannot be converted is refused by name, before anything runs.

use tenantctl::commands::planning;
use tenantctl::error::Code;
use tenantctl::pg::{Access, Session};

use super::{CONFIG, parsed};
use crate::support::{Database, server};

const SCHEMA: &str = "CREATE SCHEMA apart;
    CREATE TABLE events (id int, tenant_id bigint) PARTITION BY LIST (id);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);";

async fn refused(database: &Database<'_>, rules: &str) -> String {
    let config = parsed(&format!("[tables]\n{rules}"));
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let failure = planning::plan(&session, &config).await.unwrap_err();
    assert_eq!(failure.code, Code::ConfigInvalid);
    failure.message
}

#[tokio::test]
async fn what_cannot_be_converted_is_named_with_the_way_out() {
    for (change, rules, said) in [
        (
            "CREATE TABLE apart.far PARTITION OF events FOR VALUES IN (2)",
            "events = { scope = \"tenant\" }",
            "its partition apart.far is in a schema that is not looked at; add apart to schemas",
        ),
        (
            "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
             CREATE FOREIGN TABLE events_2 PARTITION OF events FOR VALUES IN (2) SERVER nowhere",
            "events = { scope = \"tenant\" }",
            "its partition public.events_2 is a foreign table, whose rows live on another server",
        ),
        (
            "CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2) PARTITION BY RANGE ((tenant_id + 1))",
            "events = { scope = \"tenant\" }",
            "tenant_id decides to which partition of public.events_2 a row goes",
        ),
        (
            "SELECT 1",
            "events = { scope = \"tenant\" }\nevents_1 = { scope = \"tenant\" }",
            "public.events_1 is a partition of public.events; drop its rule, the root's holds for it",
        ),
        (
            "SELECT 1",
            "events = { scope = \"tenant\" }\nevents_1 = { scope = \"ignored\" }",
            "public.events_1 is a partition of public.events, whose rows have owners; drop its rule",
        ),
    ] {
        let database = server().database().await;
        database.run(SCHEMA).await;
        database.run(change).await;
        let message = refused(&database, rules).await;
        assert!(message.contains(said) && message.lines().count() == 1, "{message}");
        database.remove().await;
    }
}

#[tokio::test]
async fn rows_of_a_partitioned_table_cannot_become_tenants() {
    let database = server().database().await;
    database.run("CREATE TABLE firms (id bigint PRIMARY KEY, name text, slug text) PARTITION BY HASH (id)").await;
    let rules = "firms = { scope = \"tenant\" }\n[tenants.map]\ntable = \"firms\"\n";
    let message = refused(&database, rules).await;
    assert!(message.contains("a row that moves to another partition would get another tenant"), "{message}");
}

#[tokio::test]
async fn a_role_that_does_not_own_a_partition_is_told_which() {
    let database = super::loaded().await;
    let role = format!("half_{}", database.name);
    database.run(&format!("CREATE ROLE {role}; ALTER TABLE events_default OWNER TO {role}; CREATE ROLE {role}_owner LOGIN; ALTER TABLE \"Events\" OWNER TO {role}_owner")).await;
    let session = Session::open(&database.settings_as(&format!("{role}_owner")), Access::Read).await.unwrap();
    database.run(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public, archive TO {role}_owner; GRANT USAGE ON SCHEMA archive TO {role}_owner")).await;
    let script = planning::plan(&session, &parsed(CONFIG)).await.unwrap().script;
    let said = format!("migrate needs ownership of public.events_default (its owner is {role})");
    assert!(script.notices.iter().any(|notice| notice.text == said), "{:#?}", script.notices);
}
