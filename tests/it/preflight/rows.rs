//! Tables whose whole rows are stored in columns elsewhere: PostgreSQL refuses them a new column with a default.

use tenantctl::catalog::Ident;
use tenantctl::config::{self, Config};
use tenantctl::error::Code;
use tenantctl::execute::Target;
use tenantctl::pg::introspect::introspect;
use tenantctl::plan::Kind;

use super::{plan_as, said, shop_with};
use crate::execute::convert;
use crate::support::plan::name;

/// Every way to store a row of `customers`, the last one in a schema that nobody asked for.
const STORED: &str = r#"
CREATE DOMAIN some_customer AS customers;
CREATE TYPE pair AS (seller customers, buyer bigint);
CREATE TYPE customer_range AS RANGE (subtype = customers);
CREATE VIEW "Customers now" AS SELECT * FROM customers;
CREATE VIEW whole AS SELECT customers FROM customers;
CREATE SCHEMA "Old Data";
CREATE TABLE "Old Data"."Order" (id bigint PRIMARY KEY, "was" customers[]);
CREATE TABLE a_plain (x customers);
CREATE TABLE b_domain (x some_customer);
CREATE TABLE c_pair (x pair);
CREATE TABLE d_range (x customer_range);
CREATE MATERIALIZED VIEW e_whole AS SELECT c FROM customers AS c;
CREATE TABLE f_parts (x customers) PARTITION BY RANGE (x);
CREATE TABLE g_view (x whole[], y "Customers now");
INSERT INTO a_plain SELECT c FROM customers AS c;"#;

const RULES: &str = r#"
[tables]
customers = { scope = "tenant" }
orders = { scope = "tenant", source = "parent", parent = "customers" }
a_plain = { scope = "ignored" }
b_domain = { scope = "ignored" }
c_pair = { scope = "ignored" }
d_range = { scope = "ignored" }
f_parts = { scope = "ignored" }
g_view = { scope = "ignored" }
"#;

fn config(text: &str) -> Config {
    config::parse(text, "t.toml").unwrap()
}

#[tokio::test]
async fn rows_that_are_stored_elsewhere_are_filled_in_batches_and_the_plan_says_where_they_are() {
    let database = shop_with(STORED).await;
    let script = plan_as(&database, "postgres", &config(RULES)).await;
    let expected = "public.customers: its rows are filled in batches: whole rows of it are in columns of \"Old Data\".Order, \
                    public.a_plain, public.b_domain, public.c_pair, public.d_range, public.e_whole, public.f_parts, \
                    public.g_view, so PostgreSQL refuses a column with a default";
    assert_eq!(said(&script, Kind::RowsStored), [expected]);
    convert(&database, &config(RULES), Target::End).await.unwrap();
    let unowned = "SELECT count(*) FROM customers WHERE tenant_id IS DISTINCT FROM 1";
    assert_eq!(database.number(unowned).await, 0);
    assert_eq!(database.number("SELECT count(*) FROM a_plain WHERE (x).tenant_id IS NULL").await, 5, "as they were");
    assert_eq!(said(&plan_as(&database, "postgres", &config(RULES)).await, Kind::RowsStored), [""; 0]);
}

/// Each way alone is refused by PostgreSQL and known to the catalog; what stores nothing is neither.
#[tokio::test]
async fn a_column_with_a_default_is_refused_exactly_where_the_catalog_knows_of_stored_rows() {
    let database = shop_with(STORED).await;
    let client = database.client("test").await;
    let customers = name("public", "customers");
    let mut left = vec!["\"Old Data\".\"Order\"", "a_plain", "b_domain", "c_pair", "d_range", "f_parts", "g_view"];
    client.batch_execute("DROP MATERIALIZED VIEW e_whole").await.unwrap();
    loop {
        let catalog = introspect(&client, &[Ident::new("public").unwrap()]).await.unwrap();
        assert_eq!(catalog.tables[&customers].stored_in.len(), left.len(), "{left:?}");
        let added = client.batch_execute("BEGIN; ALTER TABLE customers ADD COLUMN n bigint DEFAULT 1; COMMIT").await;
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(added.is_ok(), left.is_empty(), "{left:?}");
        let Some(gone) = left.pop() else { break };
        client.batch_execute(&format!("DROP TABLE {gone}")).await.unwrap();
    }
}

#[tokio::test]
async fn instant_is_refused_where_rows_are_stored_elsewhere() {
    let database = shop_with("CREATE MATERIALIZED VIEW kept AS SELECT c FROM customers AS c").await;
    let text = "[tables]\ncustomers = { scope = \"tenant\", backfill = \"instant\" }\norders = { scope = \"shared\" }";
    let config = config(text);
    let failure = convert(&database, &config, Target::End).await.unwrap_err();
    assert_eq!(failure.code, Code::ConfigInvalid);
    let why = "t.toml:2: public.customers: backfill = \"instant\" cannot be: whole rows of it are in columns of public.kept, ";
    assert!(failure.message.starts_with(why), "{failure}");
    database.run("DROP MATERIALIZED VIEW kept").await;
    convert(&database, &config, Target::End).await.unwrap();
}
