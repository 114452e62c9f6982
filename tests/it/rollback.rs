//! A conversion that is taken back leaves the database as it was, whatever of it was done, while the application goes on.

mod interrupted;
mod phases;
mod refusals;
mod writers;

use tenantctl::commands::way_back::Back;
use tenantctl::config::Config;
use tenantctl::sql::rollback::Keep;

use crate::support::run::{Outcome, Run, config};
use crate::support::{Database, dump};
use crate::{aicd, partitions};

/// Everything.
const ALL: Back = Back { keep: None, discard_ownership: false };

/// The schemas of the fixtures.
const SCHEMAS: [&str; 2] = ["public", "archive"];

fn keeping(keep: Keep) -> Back {
    Back { keep: Some(keep), discard_ownership: false }
}

async fn back(database: &Database<'_>, config: &Config, back: Back) -> Outcome {
    Run::to_the_end().back(back).on(database, config).await
}

/// Every object of the application.
async fn schema(database: &Database<'_>) -> String {
    dump::objects(&database.client("picture").await, &SCHEMAS).await.join("\n")
}

/// Every row of the application.
async fn rows(database: &Database<'_>) -> String {
    dump::rows(&database.client("picture").await, &SCHEMAS).await
}

/// Fails with the lines that differ.
#[track_caller]
fn same(found: &str, expected: &str, what: &str) {
    let differs = |a: &str, b: &str| a.lines().filter(|line| !b.contains(line)).collect::<Vec<_>>().join("\n");
    let (less, more) = (differs(expected, found), differs(found, expected));
    assert!(found == expected, "{what}\nmissing:\n{less}\ntoo much:\n{more}");
}

/// Every fixture with each of its configurations.
const FIXTURES: [&str; 5] = ["saas25", "saas25, adopted", "aicd, mapped", "aicd, adopted", "partitions"];

/// One of them: the loaded database and the configuration.
async fn loaded(name: &str) -> (Database<'static>, Config) {
    match name {
        "saas25" => (Database::saas25(600).await, config("tenantctl.toml")),
        "saas25, adopted" => (Database::saas25(600).await, config("tenantctl.org.toml")),
        "aicd, mapped" => (aicd::aicd(400).await, aicd::config("tenantctl.toml")),
        "aicd, adopted" => (aicd::aicd(400).await, aicd::config("tenantctl.adopt.toml")),
        _ => (partitions::loaded().await, partitions::config()),
    }
}
