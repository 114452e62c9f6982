//! The bill as people and machines read it.

use tenantctl::config;
use tenantctl::execute::Target;
use tenantctl::plan::Phase;

use super::{SHAPES, account, planned, shapes};
use crate::execute::convert;
use crate::support::cli::Cli;
use crate::support::run::{Run, Stop, config as small_batches, stop_at};
use crate::support::{Database, Server, dump, fixture, server};

#[tokio::test]
async fn a_plan_shows_its_bill_and_a_script_carries_every_cost() {
    let database = Database::saas25(3000).await;
    database.run("ANALYZE").await;
    let cli = Cli::to(&database.url()).config(&fixture("tenantctl.toml"));
    let text = cli.run("plan").exits(0).stdout;
    let bill = text.split("\nThe bill\n").nth(1).unwrap_or_else(|| panic!("{text}"));
    for words in ["in all", "  expand", "  backfill", "estimated from the catalog's statistics (--calibrate"] {
        assert!(bill.contains(words), "{words}: {bill}");
    }
    let json = cli.run("plan --format json").exits(0).json();
    let step = &json["migrations"].as_array().unwrap().iter().find(|it| it["name"] == "backfill_kb_documents").unwrap();
    assert_eq!(step["steps"][0]["cost"]["rows"], 180);
    let calibrated = cli.run("plan --calibrate").exits(0).stdout;
    assert!(calibrated.contains("measured on copies of some pages of 1 table,"), "{calibrated}");
    assert_eq!(cli.run("plan --format json").json()["fingerprint"], json["fingerprint"], "costs are not sent");
}

#[tokio::test]
async fn a_run_is_told_beside_its_estimate_also_before_its_end() {
    let (database, config) = (Database::saas25(3000).await, config::parse(&fixture("tenantctl.toml"), "t").unwrap());
    let cli = Cli::to(&database.url()).config(&fixture("tenantctl.toml"));
    let none = cli.run("status --report --format json").exits(0).json();
    assert!(none["account"].is_null() && !cli.run("status --report").exits(0).stdout.contains("bill:"));
    convert(&database, &config, Target::Phase(Phase::Expand)).await.unwrap();
    let text = cli.run("status --report").exits(0).stdout;
    assert!(text.contains("bill:    run 1, not finished, ") && text.contains("in all"), "{text}");
    convert(&database, &config, Target::End).await.unwrap();
    let account = &cli.run("status --report --format json").exits(0).json()["account"];
    assert_eq!((&account["finished"], &account["run"]), (&true.into(), &1.into()));
    assert!(account["total"]["ratios"]["wal"].as_f64().unwrap() > 0.0);
    let documents = account["tables"].as_array().unwrap().iter().find(|table| table["table"][1] == "kb_documents");
    assert_eq!(documents.unwrap()["actual"]["rows"], 180);
    assert!(cli.run("status --format json").json()["account"].is_null(), "only where it is asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_an_interrupted_backfill_is_counted_once_and_without_the_pause() {
    // A server of its own: what the other tests log would count too.
    let server = Server::start();
    let (database, mut config) = (server.saas25(3000).await, small_batches("tenantctl.toml"));
    // Two that extend the heap at once extend it by more.
    config.backfill.workers = 1;
    let whole = server.saas25(3000).await;
    Run::to_the_end().on(&whole, &config).await;
    assert!(stop_at(&database, &config, Stop::Neat, |_, event| {
        matches!(event, tenantctl::event::Event::BatchDone { id, block: 5, .. } if id == "backfill/public.kb_documents/backfill")
    })
    .await);
    database.run("CREATE TABLE noise AS SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i").await;
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    let cost = async |database: &Database<'_>| {
        let steps = account(database).await.steps;
        let step = steps.into_iter().find(|step| step.id == "backfill/public.kb_documents/backfill").unwrap();
        step.actual.unwrap()
    };
    let (broken, whole) = (cost(&database).await, cost(&whole).await);
    assert_eq!((broken.rows, broken.batches, broken.heap_bytes), (whole.rows, whole.batches, whole.heap_bytes));
    let ratio = broken.wal_bytes as f64 / whole.wal_bytes as f64;
    assert!((0.8..1.25).contains(&ratio), "{broken:?}\n{whole:?}");
}

#[tokio::test]
async fn hot_updates_are_counted_by_the_batches() {
    let database = server().database().await;
    database.run(SHAPES).await;
    database.run("VACUUM ANALYZE").await;
    convert(&database, &shapes("bigserial", "ranges"), Target::End).await.unwrap();
    let share = |account: &tenantctl::execute::account::Account, table: &str| {
        let step = account.steps.iter().find(|step| step.id == format!("backfill/public.{table}/backfill")).unwrap();
        step.actual.as_ref().unwrap().hot_share().unwrap()
    };
    let account = account(&database).await;
    let (roomy, wide) = (share(&account, "roomy"), share(&account, "wide"));
    assert!((0.3..0.5).contains(&roomy) && wide < 0.05, "{roomy} {wide}");
}

#[tokio::test]
async fn a_size_that_somebody_holds_back_stops_nothing() {
    let (database, config) = (Database::saas25(600).await, config::parse(&fixture("tenantctl.toml"), "t").unwrap());
    convert(&database, &config, Target::Phase(Phase::Prepare)).await.unwrap();
    let holder = database.client("holder").await;
    holder.batch_execute("BEGIN; LOCK TABLE org IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let unknown =
        "SELECT count(*) FROM tenantctl.table_bytes('public.org') AS b WHERE b.heap IS NULL AND b.indexes IS NULL";
    assert_eq!(database.number(unknown).await, 1);
    assert_eq!(database.number("SELECT heap FROM tenantctl.table_bytes('public.\"user\"')").await % 8192, 0);
}

#[tokio::test]
async fn an_estimate_writes_nothing() {
    let database = Database::saas25(600).await;
    let client = database.client("test").await;
    let before = dump::untouched(&client).await;
    let planned = planned(&database, &config::parse(&fixture("tenantctl.toml"), "t").unwrap()).await;
    assert!(planned.script.steps().any(|step| step.cost.rows > 0));
    assert!(before == dump::untouched(&client).await);
}
