//! Signals in the middle of a run, and how it goes on.

use serde_json::Value;

use crate::support::cli::{Cli, Ran, eventually, signal};
use crate::support::{Database, server};

/// Some thirty batches of one block, one after the other, each with a rest after it.
const SLOW: &str = r#"
[tables.customers]
scope = "tenant"
backfill = "ranges"
[backfill]
batch = "1ms"
min_blocks = 1
max_blocks = 1
workers = 1
pause = "30ms"
"#;

async fn customers() -> (Database<'static>, Cli) {
    let database = server().database().await;
    database.run("CREATE TABLE customers (id bigint PRIMARY KEY, email text)").await;
    database.run("INSERT INTO customers SELECT i, repeat('x', 40) FROM generate_series(1, 3000) AS i").await;
    let cli = Cli::to(&database.url()).config(SLOW);
    (database, cli)
}

/// Fails unless what the checkpoint counts is what the table shows, in the middle of it.
async fn checkpoint_is_right(database: &Database<'_>) {
    let written = database.number("SELECT coalesce(sum(rows_written), 0)::bigint FROM tenantctl.backfill_range").await;
    let owned = database.number("SELECT count(*) FROM customers WHERE tenant_id IS NOT NULL").await;
    assert_eq!(written, owned);
    assert!(0 < owned && owned < 3000, "{owned} rows: not in the middle");
}

/// Runs the rest, and fails unless everything is done then, and no block twice.
async fn goes_on(database: &Database<'_>, cli: &Cli) {
    let left = "SELECT end_block - (SELECT count(*) FROM tenantctl.backfill_range) FROM tenantctl.checkpoint";
    let left = database.number(left).await;
    let Ran { stdout, stderr, .. } = cli.run("migrate --yes --log-format json").exits(0);
    let events: Vec<Value> = stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["start"], "resumed");
    let fills = |event: &&Value| event["event"] == "batch-done" && event["id"] == "backfill/public.customers/backfill";
    assert_eq!(events.iter().filter(fills).count() as i64, left);
    assert!(stdout.starts_with("Done: "), "{stdout}");
    assert_eq!(database.number("SELECT count(*) FROM customers WHERE tenant_id = 1").await, 3000);
    assert!(cli.run("status").stdout.contains("next:    nothing; finished"));
}

async fn is_interrupted_neatly_by(name: &str) {
    let (database, cli) = customers().await;
    let mut running = cli.start("migrate --yes");
    running.await_event("batch-done", 3);
    running.signal(name);
    let Ran { stdout, stderr, .. } = running.wait().exits(130);
    assert!(stdout.starts_with("Stopped at backfill/public.customers/"), "{stdout}");
    assert!(stdout.contains("; 2 migrations are left. What is done"), "{stdout}");
    assert!(stdout.ends_with("To go on: run the same command again to go on\n"), "{stdout}");
    assert!(stderr.contains(r#""event":"stopping""#) && stderr.contains(r#""code":"interrupted""#), "{stderr}");
    checkpoint_is_right(&database).await;
    let status = cli.run("status").exits(0).stdout;
    assert!(status.contains("next:    stopped in phase backfill; `tenantctl migrate` goes on"), "{status}");
    goes_on(&database, &cli).await;
}

#[tokio::test]
async fn ctrl_c_finishes_the_batch_and_the_next_run_goes_on() {
    is_interrupted_neatly_by("INT").await;
}

#[tokio::test]
async fn sigterm_does_what_ctrl_c_does() {
    is_interrupted_neatly_by("TERM").await;
}

#[tokio::test]
async fn after_a_kill_the_next_run_goes_on() {
    let (database, cli) = customers().await;
    let mut running = cli.start("migrate --yes");
    running.await_event("batch-done", 3);
    running.signal("KILL");
    assert_eq!(running.wait().exit, None);
    eventually("the server notices that the run is gone", || cli.run("status").stdout.contains("running: nothing"));
    checkpoint_is_right(&database).await;
    goes_on(&database, &cli).await;
}

#[tokio::test]
async fn an_interrupted_run_is_told_in_json_too() {
    let (_database, cli) = customers().await;
    let mut running = cli.start("migrate --yes --format json");
    running.await_event("batch-done", 1);
    running.signal("INT");
    let outcome = running.wait().exits(130).json();
    assert_eq!((&outcome["state"], &outcome["migrations_left"]), (&"stopped".into(), &2.into()));
    let error = &outcome["stopped"]["error"];
    assert_eq!((&error["code"], &error["exit"]), (&"interrupted".into(), &130.into()));
    assert_eq!(error["resumable"], true);
}

#[tokio::test]
async fn the_second_ctrl_c_cancels_a_statement_that_waits_for_an_old_transaction() {
    let (database, cli) = customers().await;
    cli.run("migrate --yes --through backfill --quiet").exits(0);
    let writer = database.client("endless import").await;
    writer.batch_execute("BEGIN; UPDATE customers SET email = email WHERE id = 1").await.unwrap();
    let mut running = cli.start("migrate --yes");
    running.await_event("statement-waits", 1);
    running.signal("INT");
    running.await_event("warning", 1);
    assert!(running.child.try_wait().unwrap().is_none(), "the first one waits for the statement");
    running.signal("INT");
    let ran = running.wait().exits(130);
    assert!(ran.stdout.starts_with("Stopped at enforce/public.customers/build-index: interrupted"), "{ran:?}");
    writer.batch_execute("ROLLBACK").await.unwrap();
    cli.run("migrate --yes").exits(0);
    assert_eq!(database.number("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, 0);
}

#[tokio::test]
async fn the_third_ctrl_c_leaves_a_server_that_answers_no_more() {
    let (database, cli) = customers().await;
    let cli = cli.config(&format!("{SLOW}[locks]\ntimeout = \"60s\"\n"));
    let mut running = cli.start("migrate --yes");
    running.await_event("batch-done", 1);
    // Only in the middle of a batch, and not in the rest after it, does the run need an answer.
    let holder = database.client("holder").await;
    holder.batch_execute("BEGIN; SELECT FROM customers WHERE id = 2000 FOR UPDATE").await.unwrap();
    let waiting = format!("{WORKER} AND wait_event_type = 'Lock'");
    let worker = loop {
        if let Some(row) = holder.query_opt(&waiting, &[]).await.unwrap() {
            break row.get::<_, i64>(0).try_into().unwrap();
        }
        // The view is the same for as long as a transaction goes on.
        holder.batch_execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
    };
    signal("STOP", worker);
    for _ in 0..2 {
        running.signal("INT");
        running.await_event("warning", 1);
    }
    assert!(running.child.try_wait().unwrap().is_none(), "neither finishing nor cancelling is possible");
    running.signal("INT");
    let ran = running.wait();
    signal("CONT", worker);
    ran.exits(130);
    holder.batch_execute("ROLLBACK").await.unwrap();
    eventually("the server notices that the run is gone", || cli.run("status").stdout.contains("running: nothing"));
    checkpoint_is_right(&database).await;
    goes_on(&database, &cli).await;
}

/// The process of the session that does a run's work.
const WORKER: &str =
    "SELECT pid::bigint FROM pg_stat_activity WHERE application_name = 'tenantctl' AND datname = current_database()";
