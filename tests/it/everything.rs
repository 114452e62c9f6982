//! A schema with everything in it: what can be converted is, what cannot be is named, and the rest stays as it was.

use std::collections::BTreeMap;

use tenantctl::catalog::TableKind;
use tenantctl::config::{self, Config};
use tenantctl::error::Code;
use tenantctl::pg::{Access, Session};
use tenantctl::plan::resolve;
use tokio_postgres::Client;

use crate::support::cli::Cli;
use crate::support::run::Run;
use crate::support::{Database, dump, server};

const SCHEMAS: [&str; 3] = ["public", "Sales Dept", "audit"];
const CONFIG: &str = include_str!("everything/tenantctl.toml");

async fn everything() -> Database<'static> {
    let mut schema = include_str!("everything/schema.sql").to_owned();
    if server().major() >= 15 {
        schema = schema.replace("\n--15 ", "\n");
    }
    let database = server().database().await;
    database.run(&schema).await;
    database
}

fn config(text: &str) -> Config {
    config::parse(text, "tenantctl.toml").unwrap()
}

/// Every row of every table that has rows, without its owner.
async fn rows(client: &Client) -> BTreeMap<String, String> {
    let sql = "SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'm') AND c.oid <> coalesce(to_regclass('public.tenants'), 0)";
    let tables = client.query(sql, &[&SCHEMAS.as_slice()]).await.unwrap();
    let mut rows = BTreeMap::new();
    for table in tables {
        let table: String = table.get(0);
        let sql = format!(
            "SELECT coalesce(string_agg(row, E'\\n' ORDER BY row), '') FROM \
             (SELECT (to_jsonb(t) - 'tenant_id')::text FROM ONLY {table} AS t) AS r (row)"
        );
        let text: String = client.query_one(&sql, &[]).await.unwrap().get(0);
        rows.insert(table, text);
    }
    rows
}

#[tokio::test]
async fn every_kind_of_relation_is_read_and_temporary_ones_and_views_are_no_tables() {
    let database = everything().await;
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let catalog = session.catalog(&config(CONFIG).schemas).await.unwrap();
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, table) in &catalog.tables {
        let kind = match table.kind {
            TableKind::Ordinary => "ordinary",
            TableKind::Partitioned => "partitioned",
            TableKind::Partition => "partition",
            TableKind::Inherited => "inherited",
            TableKind::Typed => "typed",
            TableKind::Foreign => "foreign",
        };
        kinds.entry(kind).or_default().push(name.name.as_str());
    }
    assert_eq!(kinds.remove("ordinary").unwrap().len(), 12);
    let expected = [
        ("foreign", vec!["far"]),
        ("inherited", vec!["truck", "vehicle"]),
        ("partition", vec!["event_2020_a", "event_2020_b", "event_rest"]),
        ("partitioned", vec!["Event", "event_2020"]),
        ("typed", vec!["place"]),
    ];
    assert_eq!(kinds, expected.into());
    let views: Vec<&str> = catalog.views.iter().map(|view| view.name.name.as_str()).collect();
    assert_eq!(views, ["orderedBy", "ordersOfUser"]);
}

#[tokio::test]
async fn every_kind_that_cannot_be_converted_is_refused_by_its_name_and_all_at_once() {
    let database = everything().await;
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let config = config(&CONFIG.replace("\"ignored\"", "\"tenant\""));
    let catalog = session.catalog(&config.schemas).await.unwrap();
    let failure = resolve(&config, &catalog).unwrap_err();
    assert_eq!(failure.code, Code::ConfigInvalid);
    let refused = [
        ("audit.place", "of a composite type"),
        ("public.far", "foreign table"),
        ("public.truck", "inheritance"),
        ("public.vehicle", "inheritance"),
    ];
    let lines: Vec<&str> = failure.message.lines().collect();
    assert_eq!(lines.len(), refused.len(), "{lines:#?}");
    for ((name, why), line) in refused.iter().zip(lines) {
        assert!(line.contains(&format!(": {name} is ")) && line.contains(why) && line.contains("ignored"), "{line}");
    }
}

#[tokio::test]
async fn a_run_converts_what_it_can_and_leaves_every_other_object_and_every_row_as_it_was() {
    let database = everything().await;
    let client = database.client("test").await;
    let (objects, content) = (dump::objects(&client, &SCHEMAS).await, rows(&client).await);
    assert!(Run::to_the_end().on(&database, &config(CONFIG)).await.is_finished());

    let after = dump::objects(&client, &SCHEMAS).await;
    let lost: Vec<&String> = objects.iter().filter(|object| !after.contains(object)).collect();
    assert!(lost.is_empty(), "{lost:#?}");
    let new: Vec<&String> = after.iter().filter(|object| !objects.contains(object)).collect();
    // A long name may not say that an index is ours; its definition does.
    let is_index = |object: &str| object.starts_with("relation ") && object.contains(" i replica identity");
    let words = ["tenant_id", "tenants", "~tenantctl_"];
    let is_ours = |object: &str| is_index(object) || words.iter().any(|word| object.contains(word));
    assert!(!new.is_empty() && new.iter().all(|object| is_ours(object)), "{new:#?}");
    assert_eq!(rows(&client).await, content, "updated-at columns too: no user's trigger fired");

    let converted =
        after.iter().filter(|object| object.starts_with("column ") && object.contains(".tenant_id bigint NOT NULL"));
    assert_eq!(converted.count(), 16, "the ordinary tables but the shared one, and a tree of five");
    let cli = Cli::to(&database.url()).config(CONFIG);
    cli.run("verify").exits(0);
    let again = cli.run("plan --format json").exits(0).json();
    assert_eq!(again["migrations"].as_array().unwrap().len(), 0, "nothing is left to do");
}
