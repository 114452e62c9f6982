//! Everything that would stop or spoil a run, found on real servers and told at once.

mod code;
mod names;
mod pooler;
mod report;
mod rights;
mod rows;
mod sessions;
mod surroundings;

use tenantctl::catalog::QualifiedName;
use tenantctl::commands::planning;
use tenantctl::config::{self, Config};
use tenantctl::pg::{Access, Session};
use tenantctl::plan::{Kind, Weight};
use tenantctl::sql::Script;

use crate::support::{Database, server};

/// Two tables that get an owner: one by a default, one row by row.
const SHOP: &str = "
CREATE TABLE customers (id bigint PRIMARY KEY, email text NOT NULL);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, total numeric);
INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 5) AS i;
INSERT INTO orders SELECT i, 1 + i % 5, i FROM generate_series(1, 12) AS i;";

const RIGHT: &str = r#"
[tables.customers]
scope = "tenant"
[tables.orders]
scope = "tenant"
source = "parent"
parent = "customers"
backfill = "batched"
"#;

/// A new [`SHOP`] with something more.
async fn shop_with(sql: &str) -> Database<'static> {
    let database = server().database().await;
    database.run(SHOP).await;
    database.run(sql).await;
    database
}

fn config(more: &str) -> Config {
    config::parse(&format!("{more}\n{RIGHT}"), "t.toml").unwrap()
}

/// The plan as a role sees it.
async fn plan_as(database: &Database<'_>, role: &str, config: &Config) -> Script {
    let session = Session::open(&database.settings_as(role), Access::Read).await.unwrap();
    planning::plan(&session, config).await.unwrap().script
}

async fn plan(database: &Database<'_>) -> Script {
    plan_as(database, "postgres", &config("")).await
}

/// What a plan says of a kind, each behind the table that it is about.
fn said(script: &Script, kind: Kind) -> Vec<String> {
    let line = |table: &Option<QualifiedName>, text: &str| match table {
        Some(table) => format!("{table}: {text}"),
        None => text.to_owned(),
    };
    match kind.weight() {
        Weight::Blocker => {
            let blockers = script.blockers.iter().filter(|blocker| blocker.kind == kind);
            blockers.map(|blocker| line(&blocker.table, &blocker.text)).collect()
        }
        Weight::Notice | Weight::Refusal => {
            let notices = script.notices.iter().filter(|notice| notice.kind == kind);
            notices.map(|notice| line(&notice.table, &notice.text)).collect()
        }
    }
}

/// The one thing that a plan says of a kind.
#[track_caller]
fn only(script: &Script, kind: Kind) -> String {
    let said = said(script, kind);
    let [text] = &said[..] else { panic!("{kind}: {said:#?}\nall: {:#?}\n{:#?}", script.notices, script.blockers) };
    text.clone()
}
