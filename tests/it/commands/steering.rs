//! `pause`, `resume` and `tune` from another process, and what `status` shows meanwhile.

use std::time::Duration;

use serde_json::Value;

use super::{RIGHT, Refusal, shop};
use crate::support::cli::{Cli, Ran, Running, eventually};
use crate::support::{Database, Server, server};

/// Some eighty batches of one block, each with a rest after it.
const SLOW: &str = r#"
[tables.customers]
scope = "tenant"
backfill = "ranges"
[backfill]
min_blocks = 1
max_blocks = 1
batch = "2ms"
pause = "30ms"
"#;
const ROWS: i64 = 8_000;

async fn customers() -> (Database<'static>, Cli) {
    customers_on(server()).await
}

async fn customers_on(server: &Server) -> (Database<'_>, Cli) {
    let database = server.database().await;
    fill(&database, ROWS).await;
    let cli = Cli::to(&database.url()).config(SLOW);
    (database, cli)
}

/// Some hundred rows on a page.
async fn fill(database: &Database<'_>, rows: i64) {
    database.run("CREATE TABLE customers (id bigint PRIMARY KEY, email text)").await;
    let rows = format!("INSERT INTO customers SELECT i, repeat('x', 40) FROM generate_series(1, {rows}) AS i");
    database.run(&rows).await;
}

async fn owned(database: &Database<'_>) -> i64 {
    database.number("SELECT count(*) FROM customers WHERE tenant_id IS NOT NULL").await
}

fn status(cli: &Cli) -> Value {
    cli.run("status --format json").exits(0).json()
}

/// A run in the middle of its backfill.
fn begun(cli: &Cli) -> Running {
    let mut running = cli.start("migrate --yes");
    running.await_event("batch-done", 3);
    running
}

/// Pauses it, and waits until nothing is in flight any more.
fn paused(cli: &Cli) -> Ran {
    let ran = cli.run("pause").exits(0);
    eventually("the run pauses", || status(cli)["run"]["sign"]["state"] == "paused");
    ran
}

/// Fails unless no row gets its owner for longer than a batch and its rest take.
async fn rests(database: &Database<'_>) {
    let before = owned(database).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(owned(database).await, before, "it goes on");
    assert!(0 < before && before < ROWS, "{before} rows: not in the middle");
}

async fn is_done(database: &Database<'_>, ran: &Ran) {
    assert!(ran.stdout.starts_with("Done: "), "{ran:?}");
    assert_eq!(owned(database).await, ROWS);
}

#[tokio::test]
async fn a_run_rests_while_it_is_paused_and_goes_on_when_it_is_resumed() {
    let (database, cli) = customers().await;
    let mut running = begun(&cli);
    let said = paused(&cli).stdout;
    assert!(said.contains("(tenantctl lock) from a local socket pauses after the batch or step in flight"), "{said}");
    assert!(said.ends_with("`tenantctl resume` lets it go on.\n"), "{said}");
    running.await_event("controlled", 1);
    rests(&database).await;

    let told = cli.run("status").exits(0).stdout;
    assert!(told.contains("now:     paused in backfill/public.customers/backfill; last sign "), "{told}");
    assert!(told.contains("(role postgres) from a local socket since 20"), "{told}");
    assert!(told.contains("next:    `tenantctl resume` lets it go on in phase backfill"), "{told}");
    let again = cli.run("pause").exits(0).stdout;
    assert!(again.starts_with("It was paused already, by "), "{again}");
    assert!(again.contains("\nIt has paused, in backfill/public.customers/backfill.\n"), "{again}");

    let said = cli.run("resume").exits(0).stdout;
    assert!(said.contains("(tenantctl lock) from a local socket goes on.\nIt has answered.\n"), "{said}");
    running.await_event("batch-done", 1);
    is_done(&database, &running.wait().exits(0)).await;
    assert!(status(&cli)["run"]["control"].is_null());
}

#[tokio::test]
async fn ctrl_c_ends_a_paused_run_and_the_next_process_stays_paused_and_says_so() {
    let (database, cli) = customers().await;
    let running = begun(&cli);
    paused(&cli);
    running.signal("INT");
    let ran = running.wait().exits(130);
    assert!(ran.stderr.contains(r#""code":"interrupted""#), "{ran:?}");
    let told = cli.run("status").exits(0).stdout;
    assert!(told.contains(" ago: interrupted\n"), "{told}");
    assert!(told.contains("stopped in phase backfill; `tenantctl migrate` goes on, paused until"), "{told}");
    stays_paused_until_it_is_resumed(&database, &cli).await;
}

#[tokio::test]
async fn a_paused_run_that_is_killed_stays_paused_in_the_next_process() {
    let (database, cli) = customers().await;
    let running = begun(&cli);
    paused(&cli);
    running.signal("KILL");
    assert_eq!(running.wait().exit, None);
    eventually("the server notices that the run is gone", || cli.run("status").stdout.contains("running: nothing"));
    let told = cli.run("status").exits(0).stdout;
    assert!(told.contains("now:     the run is dead: its session is gone without a word"), "{told}");
    stays_paused_until_it_is_resumed(&database, &cli).await;
}

async fn stays_paused_until_it_is_resumed(database: &Database<'_>, cli: &Cli) {
    let before = owned(database).await;
    let mut running = cli.start("migrate --yes");
    let first = running.next_event();
    assert_eq!(first["event"], "warning");
    let said = first["text"].as_str().unwrap();
    assert!(said.starts_with("the run is PAUSED by ") && said.contains("(role postgres)"), "{said}");
    running.await_event("controlled", 1);
    eventually("the run pauses", || status(cli)["run"]["sign"]["state"] == "paused");
    rests(database).await;
    assert_eq!(owned(database).await, before);
    cli.run("resume").exits(0);
    is_done(database, &running.wait().exits(0)).await;
}

#[tokio::test]
async fn a_run_that_nobody_works_on_is_paused_for_whoever_goes_on_with_it() {
    let (database, cli) = customers().await;
    let running = begun(&cli);
    running.signal("INT");
    running.wait().exits(130);
    let said = cli.run("pause").exits(0).stdout;
    assert!(said.contains("nobody works on it now. Whoever goes on with it (`tenantctl migrate`) waits"), "{said}");
    stays_paused_until_it_is_resumed(&database, &cli).await;
}

#[tokio::test]
async fn what_is_tuned_holds_in_the_next_process_until_it_is_reset() {
    let (database, cli) = customers().await;
    let running = begun(&cli);
    let told = cli.run("tune --workers 3 --batch-ms 40 --max-lag 5s --format json").exits(0).json();
    let control = &told["control"];
    assert_eq!((&control["workers"], &control["batch_seconds"]), (&3.into(), &0.04.into()), "{told}");
    assert_eq!((&control["max_lag_seconds"], &told["acknowledged"]), (&5.0.into(), &true.into()), "{told}");
    assert_eq!(status(&cli)["run"]["sign"]["batch_seconds"], 0.04);
    running.signal("INT");
    running.wait().exits(130);

    let mut running = cli.start("migrate --yes");
    running.await_event("controlled", 1);
    let told = cli.run("status").exits(0).stdout;
    assert!(
        told.contains("tuned:   3 workers, batches of 40 ms, replicas at most 5.0 s behind; last change by "),
        "{told}"
    );
    let told = cli.run("tune --reset --batch-ms 50").exits(0).stdout;
    assert!(told.contains(" works with batches of 50 ms.\nIt has answered.\n"), "{told}");
    let told = cli.run("tune --reset").exits(0).stdout;
    assert!(told.contains(" works with everything as configured.\nIt has answered.\n"), "{told}");
    assert_eq!(status(&cli)["run"]["sign"]["batch_seconds"], 0.002);
    is_done(&database, &running.wait().exits(0)).await;
}

#[tokio::test]
async fn workers_come_and_go_as_they_are_wanted() {
    let (database, cli) = customers().await;
    let cli = cli.config(&SLOW.replace("\"ranges\"", "\"cascade\"").replace("[backfill]", "[backfill]\nworkers = 2"));
    // Nobody reads its log here: with one, it would wait for its reader after some hundred batches.
    let running = cli.command("migrate --yes --quiet").spawn().unwrap();
    eventually("the backfill begins", || status(&cli)["run"]["sign"]["rows"].is_u64());
    for wanted in [5, 1, 3] {
        let said = cli.run(&format!("tune --workers {wanted}")).exits(0).stdout;
        assert!(said.contains("It has answered."), "{said}");
        eventually("others are at work", || status(&cli)["run"]["sign"]["workers"] == wanted);
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tenantctl' AND datname = current_database()";
        database.until(&format!("SELECT (({sessions}) = {wanted})::integer::bigint")).await;
    }
    paused(&cli);
    rests(&database).await;
    cli.run("tune --workers 20").exits(0);
    cli.run("resume").exits(0);
    Ran::of(running.wait_with_output().unwrap()).exits(0);
    assert_eq!(owned(&database).await, ROWS);
    assert_eq!(database.number("SELECT sum(rows_written)::bigint FROM tenantctl.checkpoint").await, ROWS);
}

#[tokio::test]
async fn batches_grow_towards_the_length_that_is_wanted() {
    let database = server().database().await;
    fill(&database, 60_000).await;
    let cli =
        Cli::to(&database.url()).config(&SLOW.replace("max_blocks = 1", "max_blocks = 4096").replace("2ms", "1ms"));
    let mut running = begun(&cli);
    paused(&cli);
    let blocks = &status(&cli)["run"]["backfills"][0];
    let left = blocks["end_block"].as_u64().unwrap() - blocks["next_block"].as_u64().unwrap();
    cli.run("tune --batch-ms 60000").exits(0);
    cli.run("resume").exits(0);
    running.await_event("controlled", 3);
    let ran = running.wait().exits(0);
    let batches = ran.stderr.matches(r#""event":"batch-done""#).count() as u64;
    assert!(left > 200 && batches < left / 10, "{batches} batches for {left} blocks");
}

#[tokio::test]
async fn a_plan_that_is_made_anew_keeps_what_is_wanted_and_the_next_run_does_not() {
    let (database, cli) = customers().await;
    let running = begun(&cli);
    cli.run("tune --max-lag 7s").exits(0);
    paused(&cli);
    running.signal("INT");
    running.wait().exits(130);
    let mut running = cli.start("migrate --yes --replan");
    assert_eq!(running.next_event()["event"], "warning");
    eventually("the run pauses", || status(&cli)["run"]["sign"]["state"] == "paused");
    assert_eq!(status(&cli)["run"]["id"], 2);
    cli.run("resume").exits(0);
    is_done(&database, &running.wait().exits(0)).await;

    database.run("CREATE TABLE suppliers (id bigint PRIMARY KEY)").await;
    let cli = cli.config(&format!("{SLOW}\n[tables.suppliers]\nscope = \"tenant\"\n"));
    cli.run("migrate --yes --through expand").exits(0);
    let run = &status(&cli)["run"];
    assert_eq!((&run["id"], &run["control"]["max_lag_seconds"]), (&3.into(), &Value::Null), "{run}");
}

#[tokio::test]
async fn without_an_unfinished_run_there_is_nothing_to_steer() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let refusal = Refusal { exit: 3, code: "run-missing", words: &["there is no unfinished run on this database"] };
    for command in ["pause", "resume", "tune --workers 2"] {
        refusal.of(&cli, command, &database).await;
    }
    cli.run("migrate --yes").exits(0);
    refusal.of(&cli, "pause", &database).await;
}

#[tokio::test]
async fn a_role_without_rights_is_told_the_grants_that_it_needs_and_they_are_enough() {
    let server = Server::start();
    let (database, cli) = customers_on(&server).await;
    let running = begun(&cli);
    database.run("CREATE ROLE \"On Call\" LOGIN").await;
    let url = database.url().replacen("//postgres@", "//On%20Call@", 1);
    let on_call = Cli::to(&url);
    let refused = on_call.run("pause --format json").exits(3).json();
    assert_eq!(refused["error"]["code"], "rights-missing");
    let hint = refused["error"]["hint"].as_str().unwrap();
    let grants = hint.strip_prefix("let the owner of schema tenantctl run: ").unwrap();
    assert!(grants.contains("TO \"On Call\""), "{hint}");
    database.run(grants).await;
    let said = on_call.run("pause").exits(0).stdout;
    assert!(said.contains("pauses after the batch or step in flight"), "{said}");
    eventually("the run pauses", || status(&cli)["run"]["sign"]["state"] == "paused");
    assert!(status(&cli)["run"]["control"]["paused"]["by"].as_str().unwrap().contains("(role On Call)"));
    on_call.run("resume").exits(0);
    is_done(&database, &running.wait().exits(0)).await;
    on_call.run("status").exits(3);
    database.run("GRANT SELECT ON ALL TABLES IN SCHEMA tenantctl TO \"On Call\"").await;
    assert!(on_call.run("status").exits(0).stdout.contains("next:    nothing; finished"));
}

#[tokio::test]
async fn a_step_in_flight_is_finished_and_the_next_one_waits() {
    let (database, cli) = customers().await;
    cli.run("migrate --yes --through backfill --quiet").exits(0);
    let writer = database.client("endless import").await;
    writer.batch_execute("BEGIN; UPDATE customers SET email = email WHERE id = 1").await.unwrap();
    let mut running = cli.start("migrate --yes");
    running.await_event("statement-waits", 1);
    let said = cli.run("pause").exits(0).stdout;
    let words = "It has answered, and finishes what is in flight first, in enforce/public.customers/build-index.";
    assert!(said.contains(words), "{said}");
    assert!(
        cli.run("status").exits(0).stdout.contains("now:     pausing: what is in flight is finished first: enforce/")
    );
    writer.batch_execute("ROLLBACK").await.unwrap();
    eventually("the run pauses", || status(&cli)["run"]["sign"]["state"] == "paused");
    let steps = "SELECT count(*) FROM tenantctl.step WHERE step_id LIKE 'enforce/public.customers/%'";
    assert_eq!(database.number(steps).await, 1);
    cli.run("resume").exits(0);
    is_done(&database, &running.wait().exits(0)).await;
}

#[tokio::test]
async fn a_process_that_is_silent_is_told_from_one_that_is_gone() {
    let (database, cli) = customers().await;
    let running = begun(&cli);
    running.signal("STOP");
    eventually("the silence is noticed", || {
        let told = cli.run("status").exits(0).stdout;
        told.contains("now:     no sign for ") && told.contains("its process is suspended, or cut off from the server")
    });
    let said = cli.run("pause").exits(0).stdout;
    assert!(said.contains("It has not answered yet: `tenantctl status` shows whether it lives."), "{said}");
    assert_eq!(cli.run("pause --format json").exits(0).json()["acknowledged"], false);
    running.signal("CONT");
    eventually("the run pauses", || status(&cli)["run"]["sign"]["state"] == "paused");
    cli.run("resume").exits(0);
    is_done(&database, &running.wait().exits(0)).await;
}

#[tokio::test]
async fn a_wrong_tuning_is_refused_before_anything_is_asked() {
    let cli = Cli::nowhere();
    for wrong in ["", "--workers 0", "--workers 1000", "--batch-ms 0", "--max-lag 5", "--max-lag 0s", "--max-lag soon"]
    {
        cli.run(&format!("tune {wrong}")).exits(2);
    }
}
