//! Rows that name their tenant themselves, by a column or an expression, and tenants that are mapped from another table.

mod expression;
mod mapping;

use tenantctl::commands::planning::{self, Planned};
use tenantctl::config::{self, Config};
use tenantctl::error::Failure;
use tenantctl::execute::Target;
use tenantctl::pg::{Access, Session};
use tenantctl::plan;

use crate::execute::convert;
use crate::support::plan::{With, catalog, name, table};
use crate::support::{Database, server};

/// Organizations are the tenants; nothing has a foreign key to them, and names need quotes.
const SCHEMA: &str = r#"
CREATE SCHEMA "Odd";
CREATE TABLE "Odd"."Org" (id bigint PRIMARY KEY, name text NOT NULL, slug text NOT NULL UNIQUE, "Login" varchar(40) UNIQUE);
CREATE TABLE "Odd"."Order" (id bigint PRIMARY KEY, "orgId" integer, title text);
CREATE TABLE "Odd".line (id bigint PRIMARY KEY, "orderId" bigint NOT NULL REFERENCES "Odd"."Order" (id));
CREATE TABLE "Odd".event (id bigint PRIMARY KEY, "from" text, data json, found text);
INSERT INTO "Odd"."Org" SELECT i, 'Org ' || i, 'org-' || i, 'Login-' || i FROM generate_series(1, 3) AS i;
INSERT INTO "Odd"."Order" VALUES (1, 1), (2, 2), (3, 3), (4, NULL), (5, 99);
INSERT INTO "Odd".line SELECT i, i FROM generate_series(1, 5) AS i;
INSERT INTO "Odd".event VALUES (1, 'Login-1', '{"org": "2"}', 'x'), (2, 'Login-2', '{}', NULL)"#;

/// The rest of the configuration is the test's.
fn config(rules: &str) -> Config {
    let text = format!("schemas = [\"Odd\"]\n[tenants]\nmode = \"adopt\"\ntable = \"Org\"\n[tables]\n{rules}");
    config::parse(&text, "t.toml").unwrap()
}

const ORDER: &str = r#"Order = { scope = "tenant", source = "column", column = "orgId", unowned = "system" }"#;
const LINE: &str = r#"line = { scope = "tenant", source = "parent", parent = "Order" }"#;
const EVENT: &str =
    r#"event = { scope = "tenant", source = "sql", matches = "Login", expression = "\"from\"", unowned = "system" }"#;

async fn odd() -> Database<'static> {
    let database = server().database().await;
    database.run(SCHEMA).await;
    database
}

async fn planned(database: &Database<'_>, config: &Config) -> Result<Planned, Failure> {
    planning::plan(&Session::open(&database.settings(), Access::Read).await.unwrap(), config).await
}

async fn blockers(database: &Database<'_>, config: &Config) -> Vec<String> {
    planned(database, config).await.unwrap().plan.blockers.iter().map(plan::Blocker::describe).collect()
}

/// The owners of a table's rows in the order of their ids.
async fn owners(database: &Database<'_>, table: &str) -> String {
    let text = format!("SELECT coalesce(string_agg(tenant_id::text, ' ' ORDER BY id), '') FROM {table}");
    database.client("test").await.query_one(&text, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_row_that_names_another_tenant_changes_its_owner_and_its_children_follow() {
    let (database, config) = (odd().await, config(&[ORDER, LINE, EVENT].join("\n")));
    convert(&database, &config, Target::End).await.unwrap();
    let system = "1000";
    assert_eq!(owners(&database, "\"Odd\".\"Order\"").await, format!("1 2 3 {system} {system}"));
    assert_eq!(owners(&database, "\"Odd\".line").await, format!("1 2 3 {system} {system}"));
    assert_eq!(owners(&database, "\"Odd\".event").await, "1 2");
    database
        .run(
            r#"UPDATE "Odd"."Order" SET "orgId" = 3 WHERE id = 1;
               UPDATE "Odd"."Order" SET title = 'same', tenant_id = 3 WHERE id = 2;
               UPDATE "Odd"."Order" SET "orgId" = NULL WHERE id = 3;
               UPDATE "Odd".event SET "from" = 'Login-3', data = '{}' WHERE id = 1;
               INSERT INTO "Odd"."Order" VALUES (6, 2);
               INSERT INTO "Odd".line VALUES (6, 6)"#,
        )
        .await;
    assert_eq!(owners(&database, "\"Odd\".\"Order\"").await, format!("3 2 3 {system} {system} 2"));
    assert_eq!(owners(&database, "\"Odd\".line").await, format!("3 2 3 {system} {system} 2"));
    assert_eq!(owners(&database, "\"Odd\".event").await, "3 2");
}

/// The child's filler climbs over the column of a parent that has no owner yet.
#[tokio::test]
async fn a_child_finds_the_tenant_that_its_parent_names_before_the_backfill_has_been_there() {
    let (database, config) = (odd().await, config(&[ORDER, LINE, EVENT].join("\n")));
    convert(&database, &config, Target::Phase(plan::Phase::Expand)).await.unwrap();
    database.run(r#"INSERT INTO "Odd".line VALUES (7, 2), (8, 5)"#).await;
    assert_eq!(owners(&database, "(SELECT * FROM \"Odd\".line WHERE id > 6) AS new").await, "2 1000");
}

#[tokio::test]
async fn rows_that_name_no_tenant_block_the_plan_unless_the_system_tenant_takes_them() {
    let stop = ORDER.replace("\"system\"", "\"stop\"");
    let config = config(&[&stop, LINE, EVENT].join("\n"));
    assert_eq!(blockers(&odd().await, &config).await, ["Odd.Order: 2 rows have no owner by their source"]);
}

#[tokio::test]
async fn a_column_of_the_source_that_vanishes_stops_the_run() {
    let (database, config) = (odd().await, config(&[ORDER, LINE, EVENT].join("\n")));
    convert(&database, &config, Target::Phase(plan::Phase::Expand)).await.unwrap();
    database.run(r#"ALTER TABLE "Odd".event RENAME COLUMN "from" TO sender"#).await;
    let failure = convert(&database, &config, Target::End).await.unwrap_err();
    assert!(failure.message.contains("Odd.event has no column from any more"), "{failure}");
}

/// What does not fit, all at once, each with its line.
#[test]
fn a_rule_that_does_not_fit_the_database_is_named_with_its_line() {
    let org = table(1, None, &["id bigint!", "name text!", "slug text!", "login text"]).unique("login", &["login"]);
    let mut rows = table(2, None, &["id bigint!", "org_id bigint", "login text", "folded citext", "made bigint"]);
    rows.columns[4].generated = true;
    let tables = ["a", "b", "c", "d", "e", "f", "g"].map(|one| (name("public", one), rows.clone()));
    let catalog = catalog(tables.into_iter().chain([(name("public", "org"), org)]).collect());
    let text = "tenants = { mode = \"adopt\", table = \"org\" }\n[tables]
a = { scope = \"tenant\", source = \"column\", column = \"orgid\" }
b = { scope = \"tenant\", source = \"column\", column = \"login\" }
c = { scope = \"tenant\", source = \"column\", column = \"login\", matches = \"name\" }
d = { scope = \"tenant\", source = \"column\", column = \"folded\", matches = \"login\" }
e = { scope = \"tenant\", source = \"column\", column = \"made\" }
f = { scope = \"tenant\", source = \"sql\", expression = \"made + 1\" }
g = { scope = \"tenant\", source = \"column\", column = \"login\", matches = \"handle\" }";
    let failure = plan::resolve(&config::parse(text, "t.toml").unwrap(), &catalog).unwrap_err();
    insta::assert_snapshot!(failure.message);
}

#[test]
fn without_tenants_there_is_nothing_that_a_row_could_name() {
    let catalog = catalog(vec![(name("public", "a"), table(1, None, &["id bigint!", "org_id bigint"]))]);
    let text = "[tables]\na = { scope = \"tenant\", source = \"column\", column = \"org_id\" }";
    let failure = plan::resolve(&config::parse(text, "t.toml").unwrap(), &catalog).unwrap_err();
    assert!(failure.message.contains("there are no tenants yet that a row could name"), "{failure}");
}
