//! The old application survives a conversion while it writes: what it may notice is listed in the plan, and no row of it
//! is lost, left without an owner or left with the wrong one.

mod counted;
mod filler;
mod follow;
mod movers;
mod role;

use std::time::Duration;

use tenantctl::config::{Config, Scope, StrategyChoice};
use tenantctl::execute::Target;
use tenantctl::pg::settings::Settings;
use tokio_postgres::Client;

use crate::execute::{config, convert_with};
use crate::support::Database;
use crate::support::app::{Application, Ledger};

/// Every table of `tenantctl.org.toml` whose owner is a parent's: its key, and the table that this leads to.
const PARENTS: [(&str, &str, &str); 10] = [
    ("rules", "\"workflowId\"", "workflows"),
    ("decision_tables", "\"workflowId\"", "workflows"),
    ("workflow_nodes", "workflow_id", "workflows"),
    ("endpoints", "\"workflowId\"", "workflows"),
    ("node_runs", "node_id", "workflow_nodes"),
    ("rule_versions", "rule_id", "rules"),
    ("\"decisionTableRows\"", "\"decisionTableId\"", "decision_tables"),
    ("kb_documents", "knowledge_base_id", "knowledge_bases"),
    ("widgets", "\"knowledgeBaseId\"", "knowledge_bases"),
    ("org_user", "org_id", "org"),
];

/// Tables whose owner is the organization, in the configuration where organizations are the tenants.
const TOPS: [(&str, &str); 3] = [("workflows", "\"orgId\""), ("models", "org_id"), ("knowledge_bases", "\"orgId\"")];

const COUNTED: [&str; 8] = [
    "workflows",
    "workflow_nodes",
    "node_runs",
    "rules",
    "models",
    "kb_documents",
    "\"decisionTableRows\"",
    "rule_versions",
];

/// Every table in batches, and so small ones that the conversion lasts.
fn in_small_batches(mut config: Config) -> Config {
    for rule in &mut config.tables {
        if let Scope::Tenant(owner) = &mut rule.scope {
            owner.strategy = StrategyChoice::Batched;
        }
    }
    (config.backfill.min_blocks, config.backfill.max_blocks) = (1, 2);
    config
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

async fn counts(client: &Client) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in COUNTED {
        counts.push(count(client, &format!("SELECT count(*) FROM {table}")).await);
    }
    counts
}

/// Converts with these settings while six sessions write, and lets them go on for a while on the converted database.
async fn convert_while_writing(database: &Database<'_>, settings: &Settings, config: &Config) {
    let client = database.client("test").await;
    let before = counts(&client).await;
    let last_version = count(&client, "SELECT max(id) FROM rule_versions").await;
    let application = Application::start(database, 6).await;
    let done = convert_with(settings, config, Target::End).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let ledger = application.stop().await;
    assert!(done.unwrap().finished);
    assert_eq!(ledger.errors, [].into(), "{ledger:#?}");
    assert!(ledger.successes > 100 && ledger.rows["node_runs"] > 0, "it hardly wrote: {ledger:#?}");
    assert!(ledger.longest.0 < Duration::from_secs(5), "it waited too long: {:?}", ledger.longest);
    assert_eq!(counts(&client).await, expected(&before, last_version, &ledger), "{COUNTED:?}");
    no_row_is_without_owner(&client).await;
    report(&ledger);
}

/// Tells what the application noticed, to whoever runs the test with `--nocapture`.
#[expect(clippy::print_stderr, reason = "a measurement, not an assertion")]
fn report(ledger: &Ledger) {
    let Ledger { successes, cached_plans, longest, .. } = ledger;
    eprintln!("old application: {successes} statements, {cached_plans} stale star plans, longest {longest:?}");
}

fn expected(before: &[i64], last_version: i64, ledger: &Ledger) -> Vec<i64> {
    let new_versions = ledger.versions.iter().filter(|id| **id > last_version).count();
    let change = |table: &&str| match *table {
        "rule_versions" => i64::try_from(new_versions).unwrap(),
        table => ledger.rows.get(table).copied().unwrap_or(0),
    };
    COUNTED.iter().zip(before).map(|(table, before)| before + change(table)).collect()
}

async fn no_row_is_without_owner(client: &Client) {
    for table in PARENTS.map(|(child, ..)| child).into_iter().chain(TOPS.map(|(top, _)| top)) {
        let left = count(client, &format!("SELECT count(*) FROM {table} WHERE tenant_id IS NULL")).await;
        assert_eq!(left, 0, "{table} has rows without an owner");
    }
}

async fn every_child_has_its_parents_owner(client: &Client) {
    for (child, key, parent) in PARENTS {
        let owner = if parent == "org" { "p.id" } else { "p.tenant_id" };
        let sql = format!(
            "SELECT count(*) FROM {child} AS c JOIN {parent} AS p ON p.id = c.{key} WHERE c.tenant_id <> {owner}"
        );
        assert_eq!(count(client, &sql).await, 0, "{child} has stale owners");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_writes_on_while_everything_becomes_the_system_tenants() {
    let database = Database::saas25(5000).await;
    convert_while_writing(&database, &database.settings(), &config("tenantctl.toml")).await;
    let client = database.client("test").await;
    for table in PARENTS.map(|(child, ..)| child).into_iter().chain(TOPS.map(|(top, _)| top)) {
        let others = count(&client, &format!("SELECT count(*) FROM {table} WHERE tenant_id <> 1")).await;
        assert_eq!(others, 0, "{table} has owners that do not exist yet");
    }
}

/// Every owner is the organization that the row's own chain of parents leads to.
async fn every_owner_is_the_organization(database: &Database<'_>) {
    let client = database.client("test").await;
    every_child_has_its_parents_owner(&client).await;
    for (top, organization) in TOPS {
        let system = "(SELECT id FROM org WHERE slug = 'system')";
        let sql = format!("SELECT count(*) FROM {top} WHERE tenant_id <> coalesce({organization}, {system})");
        assert_eq!(count(&client, &sql).await, 0, "{top} has owners that are not its organization");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_writes_on_while_organizations_become_tenants() {
    let database = Database::saas25(5000).await;
    convert_while_writing(&database, &database.settings(), &config("tenantctl.org.toml")).await;
    every_owner_is_the_organization(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_writes_on_through_a_long_conversion_in_tiny_batches() {
    let database = Database::saas25(5000).await;
    convert_while_writing(&database, &database.settings(), &in_small_batches(config("tenantctl.org.toml"))).await;
    every_owner_is_the_organization(&database).await;
}
