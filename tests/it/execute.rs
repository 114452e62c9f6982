//! Conversions of real databases, end to end.

use std::sync::Mutex;

use tenantctl::commands::conversion::{Conversion, Order, Unfinished};
use tenantctl::config::{self, Config};
use tenantctl::error::Failure;
use tenantctl::event::{Event, Observer};
use tenantctl::execute::{Done, Interrupt, Target};
use tenantctl::pg::settings::Settings;

use crate::support::{Database, dump, fixture};

/// Remembers every event.
#[derive(Default)]
pub struct Recorder(pub Mutex<Vec<Event>>);

impl Observer for Recorder {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

pub fn config(file: &str) -> Config {
    config::parse(&fixture(file), file).unwrap()
}

/// Converts a database as far as the target.
pub async fn convert(database: &Database<'_>, config: &Config, target: Target) -> Result<Done, Failure> {
    convert_with(&database.settings(), config, target).await
}

/// Converts the database that the settings lead to, as their role.
pub async fn convert_with(settings: &Settings, config: &Config, target: Target) -> Result<Done, Failure> {
    let order = Order::default();
    let conversion = Conversion::open(settings, config, &order).await?;
    if conversion.is_nothing() {
        return Ok(Done::default());
    }
    let (_stopper, interrupt) = Interrupt::channel();
    conversion.run(&Recorder::default(), interrupt, target).await
}

#[tokio::test]
async fn everything_becomes_the_system_tenants_and_a_second_run_finds_nothing_to_do() {
    let database = Database::saas25(3000).await;
    let config = config("tenantctl.toml");
    let done = convert(&database, &config, Target::End).await.unwrap();
    assert!(done.finished && done.rows > 0);
    let client = database.client("test").await;
    let before = (dump::schema(&client).await, dump::owners(&client, "tenant_id").await);
    let owners = database.number("SELECT count(*) FROM tenants WHERE slug = 'system' AND id = 1").await;
    assert_eq!(owners, 1);
    let again = convert(&database, &config, Target::End).await.unwrap();
    assert_eq!(again, Done::default());
    assert_eq!((dump::schema(&client).await, dump::owners(&client, "tenant_id").await), before);
}

#[tokio::test]
async fn organizations_become_tenants_and_owners_are_derived_over_several_keys() {
    let database = Database::saas25(3000).await;
    let done = convert(&database, &config("tenantctl.org.toml"), Target::End).await.unwrap();
    assert!(done.finished);
    let wrong = database
        .number(
            "SELECT count(*) FROM node_runs AS r JOIN workflow_nodes AS n ON n.id = r.node_id
             JOIN workflows AS w ON w.id = n.workflow_id
             WHERE r.tenant_id IS DISTINCT FROM coalesce(w.\"orgId\", (SELECT id FROM org WHERE slug = 'system'))",
        )
        .await;
    assert_eq!(wrong, 0);
    assert!(database.number("SELECT count(DISTINCT tenant_id) FROM node_runs").await > 5);
    let again = convert(&database, &config("tenantctl.org.toml"), Target::End).await.unwrap();
    assert_eq!(again, Done::default());
}

#[tokio::test]
async fn a_new_plan_with_nothing_left_closes_the_unfinished_run() {
    let (database, config) = (Database::saas25(600).await, config("tenantctl.toml"));
    convert(&database, &config, Target::End).await.unwrap();
    database.run("UPDATE tenantctl.run SET finished_at = NULL").await;
    let order = Order { unfinished: Unfinished::Replan, ..Order::default() };
    let conversion = Conversion::open(&database.settings(), &config, &order).await.unwrap();
    assert!(conversion.is_nothing());
    conversion.close().await.unwrap();
    let open = "SELECT count(*) FROM tenantctl.run WHERE finished_at IS NULL AND abandoned_at IS NULL";
    assert_eq!(database.number(open).await, 0);
}
