//! What `pg::introspect` says about real servers of every version.

use std::fmt::Write;

use insta::assert_snapshot;
use serde::Serialize;
use serde_json::Value;
use tenantctl::catalog::{Catalog, Firing, ForeignKey, Ident, QualifiedName, RowSecurity, Table, TableKind};
use tenantctl::pg::introspect::introspect;
use tokio_postgres::Client;

use crate::support::Server;

mod diff;
mod links;
mod live;

const NASTY: &str = include_str!("catalog/nasty.sql");

/// A server on which `sql` ran, and its superuser's connection.
async fn server_with(sql: &str) -> (Server, Client) {
    let server = Server::start();
    let client = server.connect("postgres", "test").await;
    client.batch_execute(sql).await.unwrap();
    (server, client)
}

async fn catalog(client: &Client, schemas: &[&str]) -> Catalog {
    introspect(client, &idents(schemas)).await.unwrap()
}

fn idents(names: &[&str]) -> Vec<Ident> {
    names.iter().map(|name| Ident::new(*name).unwrap()).collect()
}

fn table<'a>(catalog: &'a Catalog, schema: &str, name: &str) -> &'a Table {
    let name = QualifiedName { schema: Ident::new(schema).unwrap(), name: Ident::new(name).unwrap() };
    catalog.tables.get(&name).unwrap_or_else(|| panic!("no table {name}"))
}

fn foreign_key<'a>(catalog: &'a Catalog, name: &str) -> &'a ForeignKey {
    let [key] = &table(catalog, "public", name).foreign_keys[..] else { panic!("{name} has not one foreign key") };
    key
}

fn names(catalog: &Catalog) -> Vec<String> {
    catalog.tables.keys().map(ToString::to_string).collect()
}

/// Tables line by line in JSON, without what differs between servers: oids, sizes, and the NOT NULL constraints of 18.
fn render(catalog: &Catalog) -> String {
    let mut text = String::new();
    for (name, table) in &catalog.tables {
        let Value::Object(mut facts) = serde_json::to_value(table).unwrap() else { panic!("a table is an object") };
        let parts = ["columns", "keys", "foreign_keys", "checks", "indexes", "triggers"]
            .map(|part| (part, facts.remove(part).unwrap()));
        facts.retain(|fact, _| !["oid", "rows", "heap_bytes", "total_bytes", "storage"].contains(&fact.as_str()));
        writeln!(text, "{name} {}", json(&facts)).unwrap();
        for (part, items) in parts {
            for item in items.as_array().unwrap() {
                if !item["definition"].as_str().is_some_and(|definition| definition.starts_with("NOT NULL ")) {
                    writeln!(text, "  {part} {}", json(item)).unwrap();
                }
            }
        }
    }
    for view in &catalog.views {
        writeln!(text, "view {}", json(view)).unwrap();
    }
    for function in &catalog.row_functions {
        writeln!(text, "function {}", json(function)).unwrap();
    }
    text
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

#[tokio::test]
async fn a_nasty_schema_reads_the_same_on_every_version() {
    let (_server, client) = server_with(NASTY).await;
    client.batch_execute("INSERT INTO \"Sales.EU\".line VALUES (NULL, 1), (NULL, 1)").await.unwrap();
    let broken = "CREATE UNIQUE INDEX CONCURRENTLY broken ON \"Sales.EU\".line (b)";
    client.batch_execute(broken).await.unwrap_err();
    assert_snapshot!(render(&catalog(&client, &["Sales.EU", "select"]).await));
}

#[tokio::test]
async fn one_schema_is_read_alone_but_names_the_parents_in_another() {
    let (_server, client) = server_with(NASTY).await;
    let catalog = catalog(&client, &["Sales.EU", "missing"]).await;
    assert!(catalog.tables.keys().all(|name| name.schema.as_str() == "Sales.EU"));
    let parent = &table(&catalog, "Sales.EU", "user").foreign_keys[0].parent;
    assert_eq!((parent.schema.as_str(), parent.name.as_str()), ("select", "user"));
}

#[tokio::test]
async fn tables_of_extensions_of_the_system_and_of_tenantctl_are_left_out() {
    let (_server, client) = server_with(
        "CREATE TABLE mine (id int); CREATE TABLE theirs (id int); ALTER EXTENSION plpgsql ADD TABLE theirs;
         CREATE VIEW of_theirs AS SELECT id FROM theirs; CREATE FUNCTION f(theirs) RETURNS int LANGUAGE sql RETURN 1;
         CREATE SCHEMA tenantctl; CREATE TABLE tenantctl.run (id int); CREATE TEMP TABLE passing (id int);
         CREATE VIEW tenantctl.progress AS SELECT id FROM mine",
    )
    .await;
    let catalog = catalog(&client, &["public", "pg_catalog", "information_schema", "pg_temp", "tenantctl"]).await;
    assert_eq!(names(&catalog), ["public.mine"]);
    assert_eq!((catalog.views, catalog.row_functions), (vec![], vec![]));
}

#[tokio::test]
async fn the_server_says_who_it_is_and_what_the_role_may() {
    let (server, client) = server_with("CREATE ROLE low LOGIN; CREATE ROLE free LOGIN BYPASSRLS CREATEROLE").await;
    let root = catalog(&client, &[]).await.server;
    assert_eq!((root.role.as_str(), root.database.as_str()), ("postgres", "postgres"));
    assert!(root.superuser && root.bypass_rls && root.may_skip_triggers && root.may_create_schema);
    assert!(root.major() >= 14 && root.system_identifier.parse::<u64>().is_ok());

    let low = catalog(&server.connect("low", "test").await, &[]).await.server;
    assert_eq!(low.system_identifier, root.system_identifier);
    assert!(!low.superuser && !low.bypass_rls && !low.may_skip_triggers && !low.may_create_schema);

    client
        .batch_execute(
            "GRANT CREATE ON DATABASE postgres TO free;
             REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
        )
        .await
        .unwrap();
    if root.major() >= 15 {
        client.batch_execute("GRANT SET ON PARAMETER session_replication_role TO free").await.unwrap();
    }
    let free = catalog(&server.connect("free", "test").await, &[]).await.server;
    assert!(!free.superuser && free.bypass_rls && free.may_create_schema);
    assert_eq!(free.may_skip_triggers, root.major() >= 15);
    assert_eq!(free.system_identifier, "", "asking was forbidden");
}

#[tokio::test]
async fn a_role_without_rights_sees_every_table_and_that_it_may_not_read_it() {
    let (server, client) = server_with(NASTY).await;
    client
        .batch_execute(
            "CREATE ROLE low LOGIN; CREATE ROLE crew; GRANT crew TO low; GRANT USAGE ON SCHEMA \"select\" TO low;
             GRANT SELECT ON \"select\".\"user\", \"Sales.EU\".\"user\" TO low;
             CREATE TABLE public.own (id int); ALTER TABLE public.own OWNER TO crew",
        )
        .await
        .unwrap();
    let schemas = ["Sales.EU", "select", "public"];
    let all = catalog(&client, &schemas).await;
    let low = catalog(&server.connect("low", "test").await, &schemas).await;
    assert_eq!(names(&low), names(&all));
    assert_eq!(table(&low, "Sales.EU", "user").columns, table(&all, "Sales.EU", "user").columns);
    assert_eq!(table(&low, "Sales.EU", "line").foreign_keys, table(&all, "Sales.EU", "line").foreign_keys);

    let rights = |schema, name| {
        let table = table(&low, schema, name);
        (table.may_read, table.may_alter, table.may_create)
    };
    assert_eq!(rights("select", "user"), (true, false, false));
    assert_eq!(rights("Sales.EU", "user"), (false, false, false), "its schema is closed");
    assert!(matches!(rights("public", "own"), (true, true, _)), "owned through a group");
}

#[tokio::test]
async fn a_sleeping_trigger_makes_a_foreign_key_doubtful_on_either_side_and_anywhere_in_its_partitions() {
    let (_server, client) = server_with(
        "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (p int REFERENCES parent);
         CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree) PARTITION BY RANGE (id);
         CREATE TABLE branch PARTITION OF tree FOR VALUES FROM (0) TO (9) PARTITION BY RANGE (id);
         CREATE TABLE leaf PARTITION OF branch FOR VALUES FROM (0) TO (9)",
    )
    .await;
    let enabled = async |name: &str| foreign_key(&catalog(&client, &["public"]).await, name).triggers_enabled;
    // The twins that a key to a partitioned table has for each partition are not listed (see foreign_key).
    assert!(enabled("child").await && enabled("tree").await && enabled("branch").await && enabled("leaf").await);
    for side in ["child", "parent"] {
        client.batch_execute(&format!("ALTER TABLE {side} DISABLE TRIGGER ALL")).await.unwrap();
        assert!(!enabled("child").await, "asleep on {side}");
        client.batch_execute(&format!("ALTER TABLE {side} ENABLE TRIGGER ALL")).await.unwrap();
        assert!(enabled("child").await);
    }
    client.batch_execute("ALTER TABLE leaf DISABLE TRIGGER ALL").await.unwrap();
    assert!(!enabled("tree").await && !enabled("leaf").await);
}

#[tokio::test]
async fn a_partition_is_published_with_its_root_and_with_its_schema() {
    let (_server, client) = server_with(
        "CREATE TABLE root (id int) PARTITION BY RANGE (id); CREATE SCHEMA apart; CREATE UNLOGGED TABLE fleeting (id int);
         CREATE TABLE apart.leaf PARTITION OF root FOR VALUES FROM (0) TO (9); CREATE TABLE alone (id int);
         CREATE PUBLICATION everything FOR ALL TABLES; CREATE PUBLICATION by_root FOR TABLE root",
    )
    .await;
    let newer = catalog(&client, &[]).await.server.major() >= 15;
    if newer {
        client.batch_execute("CREATE PUBLICATION by_schema FOR TABLES IN SCHEMA public").await.unwrap();
    }
    let catalog = catalog(&client, &["public", "apart"]).await;
    let publications =
        |schema, name| -> Vec<&str> { table(&catalog, schema, name).publications.iter().map(Ident::as_str).collect() };
    let by_schema: &[&str] = if newer { &["by_schema"] } else { &[] };
    assert_eq!(publications("apart", "leaf"), [&["by_root"], by_schema, &["everything"]].concat());
    assert_eq!(publications("public", "root"), publications("apart", "leaf"));
    assert_eq!(publications("public", "alone"), [by_schema, &["everything"]].concat());
    assert!(publications("public", "fleeting").is_empty(), "unlogged tables are never sent");
}

#[tokio::test]
async fn every_level_of_a_partition_tree_is_subscribed_when_one_is() {
    let (server, client) = server_with(
        "CREATE TABLE root (id int) PARTITION BY RANGE (id); CREATE ROLE low LOGIN; CREATE TABLE alone (id int);
         CREATE TABLE leaf PARTITION OF root FOR VALUES FROM (0) TO (9); CREATE PUBLICATION p FOR TABLE leaf",
    )
    .await;
    let subscribe = format!(
        "CREATE SUBSCRIPTION s CONNECTION 'host={} user=postgres dbname=postgres' PUBLICATION p
             WITH (create_slot = false, slot_name = NONE, enabled = false)",
        server.host()
    );
    client.batch_execute(&subscribe).await.unwrap();
    let catalog = catalog(&server.connect("low", "test").await, &["public"]).await;
    let subscribed: Vec<bool> = ["leaf", "root", "alone"].map(|name| table(&catalog, "public", name).subscribed).into();
    assert_eq!(subscribed, [true, true, false]);
}

#[tokio::test]
async fn sizes_are_those_of_the_files_and_partitioned_tables_have_none() {
    let (_server, client) = server_with(
        "CREATE TABLE fresh (id int); CREATE TABLE t (id int PRIMARY KEY, x text); ALTER TABLE t ALTER x SET STORAGE EXTERNAL;
         INSERT INTO t SELECT i, repeat('x', 3000) FROM generate_series(1, 1000) i;
         CREATE TABLE root (id int) PARTITION BY RANGE (id); CREATE TABLE leaf PARTITION OF root DEFAULT;
         INSERT INTO root SELECT generate_series(1, 1000)",
    )
    .await;
    client.batch_execute("VACUUM ANALYZE").await.unwrap();
    let later = "CREATE TABLE later (id int, x text); INSERT INTO later SELECT i, repeat('x', 28) FROM generate_series(1, 5000) i;
        INSERT INTO t SELECT i FROM generate_series(1001, 2000) i";
    client.batch_execute(later).await.unwrap();
    let catalog = catalog(&client, &["public"]).await;
    let sizes = "SELECT pg_relation_size('t')::text, pg_relation_size('t_pkey')::text";
    let row = client.query_one(sizes, &[]).await.unwrap();
    let bytes = |column: usize| row.get::<_, String>(column).parse::<u64>().unwrap();
    let analyzed = table(&catalog, "public", "t");
    assert_eq!(analyzed.heap_bytes, bytes(0), "also what came after ANALYZE");
    assert!(analyzed.rows.unwrap() > 1000 && analyzed.storage.toast_bytes > 3_000_000);
    let key = &analyzed.storage.indexes[&Ident::new("t_pkey").unwrap()];
    assert_eq!((key.bytes, key.entries), (bytes(1), Some(1000)));
    assert_eq!(analyzed.storage.statistics[&Ident::new("id").unwrap()].width, 4);
    assert!(analyzed.total_bytes > 3_000_000 + bytes(0) + bytes(1), "TOAST and indexes count");
    let root = table(&catalog, "public", "root");
    assert_eq!((root.rows, root.heap_bytes, root.total_bytes), (Some(1000), 0, 0));
    let guess = table(&catalog, "public", "later").rows.unwrap();
    assert!((4000..6000).contains(&guess), "never analyzed, so by its size and its columns: {guess}");
    assert_eq!(table(&catalog, "public", "fresh").rows, Some(0));
}

#[tokio::test]
async fn the_spelling_does_not_depend_on_the_settings_of_the_role() {
    let (server, client) = server_with(NASTY).await;
    client
        .batch_execute(
            "ALTER TABLE \"Sales.EU\".line ADD CHECK (a > 1), ADD d date DEFAULT '2020-01-31';
             CREATE ROLE odd SUPERUSER LOGIN; ALTER ROLE odd SET quote_all_identifiers = on;
             ALTER ROLE odd SET datestyle = 'German'; ALTER ROLE odd SET timezone = 'Asia/Tokyo';
             ALTER ROLE odd SET search_path = \"select\", public; ALTER ROLE odd SET intervalstyle = iso_8601;
             ALTER ROLE odd SET default_transaction_read_only = on",
        )
        .await
        .unwrap();
    let plain = catalog(&client, &["Sales.EU", "select"]).await;
    let odd = server.connect("odd", "test").await;
    assert_eq!(render(&catalog(&odd, &["Sales.EU", "select"]).await), render(&plain));
    let path: String = odd.query_one("SHOW search_path", &[]).await.unwrap().get(0);
    assert_eq!(path, "\"select\", public", "the session's own settings are back");
}

#[tokio::test]
async fn what_18_added_to_constraints_is_told_from_what_they_resemble() {
    let (_server, client) = server_with("CREATE TABLE parent (id int PRIMARY KEY); CREATE EXTENSION btree_gist").await;
    if catalog(&client, &[]).await.server.major() < 18 {
        return;
    }
    client
        .batch_execute(
            "CREATE TABLE child (p int REFERENCES parent NOT ENFORCED, n int);
             ALTER TABLE child ADD CONSTRAINT unproven NOT NULL n NOT VALID;
             CREATE TABLE stay (id int, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
             CREATE TABLE meal (id int, during daterange, FOREIGN KEY (id, PERIOD during) REFERENCES stay (id, PERIOD during))",
        )
        .await
        .unwrap();
    let catalog = catalog(&client, &["public"]).await;
    assert!(!foreign_key(&catalog, "child").enforced && !foreign_key(&catalog, "child").validated);
    assert!(foreign_key(&catalog, "meal").enforced && foreign_key(&catalog, "meal").period);
    assert!(table(&catalog, "public", "stay").primary_key().unwrap().period);
    assert!(!table(&catalog, "public", "parent").primary_key().unwrap().period);
    let child = table(&catalog, "public", "child");
    assert!(child.column(&Ident::new("n").unwrap()).unwrap().not_null);
    assert_eq!(child.checks[0].definition.as_deref(), Some("NOT NULL n"));
    assert!(!child.checks[0].validated);
}

#[tokio::test]
async fn kinds_rights_and_triggers_are_what_the_schema_says() {
    let (_server, client) = server_with(NASTY).await;
    let catalog = catalog(&client, &["Sales.EU", "select"]).await;
    let kind = |name| table(&catalog, "Sales.EU", name).kind;
    assert_eq!([kind("event"), kind("event_2020")], [TableKind::Partitioned; 2]);
    assert_eq!(kind("event_2020 one"), TableKind::Partition);
    assert_eq!([kind("animal"), kind("dog")], [TableKind::Inherited; 2]);
    assert_eq!([kind("far"), kind("line")], [TableKind::Foreign, TableKind::Ordinary]);
    assert_eq!(table(&catalog, "select", "user").row_security, RowSecurity::Forced);
    assert_eq!(table(&catalog, "Sales.EU", "user").row_security, RowSecurity::Enabled);
    let triggers: Vec<_> = table(&catalog, "Sales.EU", "line")
        .triggers
        .iter()
        .map(|t| (t.name.as_str(), t.firing, t.on_update, t.before_row))
        .collect();
    let expected = [
        ("after", Firing::Disabled, false, false),
        ("before", Firing::Origin, true, true),
        ("late", Firing::Always, true, false),
    ];
    assert_eq!(triggers, expected);
    let copies = &table(&catalog, "Sales.EU", "event_2020 one").triggers;
    assert_eq!(copies.len(), 1, "a partition's copy of the root's trigger is a user's trigger, on 14 too");
}
