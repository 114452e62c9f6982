//! Plans that were reviewed, targets, questions, and runs that meet.

use std::time::Duration;

use tenantctl::sql::bookkeeping::LOCK_KEY;

use super::{RIGHT, Refusal, shop};
use crate::support::cli::Cli;

#[tokio::test]
async fn without_a_terminal_nobody_is_asked_and_nothing_is_done() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let client = database.client("test").await;
    let before = crate::support::dump::untouched(&client).await;
    let ran = cli.run("migrate").exits(2);
    assert!(ran.stderr.contains("Plan for PostgreSQL") && ran.stdout.is_empty(), "the question's subject: {ran:?}");
    assert!(ran.stderr.contains("error[usage-invalid]: nobody can answer \"Convert "), "{ran:?}");
    assert!(ran.stderr.contains("hint: run it in a terminal, or answer with --yes"), "{ran:?}");
    assert_eq!(cli.run("migrate --format json").exits(2).json()["error"]["code"], "usage-invalid");
    assert!(before == crate::support::dump::untouched(&client).await);
}

#[tokio::test]
async fn a_reviewed_plan_is_migrated_and_then_there_is_nothing_to_do() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let said = cli.run("plan --out plan.json").exits(0);
    assert!(said.stderr.contains("the plan is in plan.json"), "{said:?}");
    assert_eq!(cli.read("plan.json"), cli.run("plan --format json").exits(0).stdout, "one format");
    let outcome = cli.run("migrate --plan plan.json --yes --format json").exits(0).json();
    assert_eq!((&outcome["state"], &outcome["migrations_left"]), (&"finished".into(), &0.into()));
    let unowned = database.number("SELECT count(*) FROM orders WHERE tenant_id IS DISTINCT FROM 1").await;
    assert_eq!(unowned, 0);
    let again = cli.run("migrate --plan plan.json --yes --format json").exits(0).json();
    assert_eq!(again["state"], "nothing-to-do");
    assert_eq!(cli.run("migrate").exits(0).stdout, "Nothing to do: every migration is applied.\n");
}

#[tokio::test]
async fn another_plan_than_the_reviewed_one_is_refused() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    cli.write("plan.json", &cli.run("plan --format json").stdout);
    database.run("ALTER TABLE orders ADD COLUMN tenant_id bigint").await;
    let words = ["the database is not the one of the plan any more", "public.orders: column tenant_id bigint is new"];
    let refusal = Refusal { exit: 1, code: "plan-changed", words: &words };
    refusal.of(&cli, "migrate --yes --plan plan.json", &database).await;
    let words = ["the plan has the fingerprint sha256:", "review the plan again"];
    let refusal = Refusal { exit: 1, code: "plan-changed", words: &words };
    refusal.of(&cli, "migrate --yes --expect sha256:00", &database).await;
    let now = cli.run("plan --format json").json()["fingerprint"].as_str().unwrap().to_owned();
    cli.run(&format!("migrate --yes --expect {now}")).exits(0);
}

#[tokio::test]
async fn a_plan_file_that_was_edited_or_is_none_is_refused() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let plan = cli.run("plan --format json").stdout;
    cli.write("plan.json", &plan.replacen("ADD COLUMN", "DROP COLUMN", 1));
    let words = ["plan.json: ", "somebody edited it", "plan again"];
    Refusal { exit: 1, code: "plan-changed", words: &words }
        .of(&cli, "migrate --yes --plan plan.json", &database)
        .await;
    cli.write("plan.json", "{\"error\": {}}");
    let words = ["reading the plan plan.json: ", "tenantctl plan --out plan.json"];
    let refusal = Refusal { exit: 2, code: "file-failed", words: &words };
    refusal.of(&cli, "migrate --yes --plan plan.json", &database).await;
    let refusal = Refusal { exit: 2, code: "file-failed", words: &["reading the plan nowhere.json: "] };
    refusal.of(&cli, "migrate --yes --plan nowhere.json", &database).await;
}

#[tokio::test]
async fn a_plan_is_refused_where_the_schema_changed_though_the_statements_would_be_the_same() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    cli.run("plan --out plan.json").exits(0);
    database.run("INSERT INTO orders SELECT i, 1, 1 FROM generate_series(20, 99) AS i; ANALYZE").await;
    database.run("ALTER TABLE customers ADD CONSTRAINT \"One mail\" UNIQUE (email)").await;
    let before = cli.run("plan --format json").json()["fingerprint"].clone();
    assert!(cli.read("plan.json").contains(before.as_str().unwrap()), "the statements are the same");
    let words = ["unique constraint One mail (email) is new", "tenantctl plan --out FILE"];
    let refusal = Refusal { exit: 1, code: "plan-changed", words: &words };
    refusal.of(&cli, "migrate --yes --plan plan.json", &database).await;
    database.run("ALTER TABLE customers DROP CONSTRAINT \"One mail\"").await;
    cli.run("migrate --yes --plan plan.json").exits(0);
}

#[tokio::test]
async fn a_table_that_nobody_classified_is_said_to_be_new_to_the_plan() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    cli.run("plan --out plan.json").exits(0);
    database.run("CREATE TABLE invoices (id bigint)").await;
    let refusal = Refusal { exit: 1, code: "plan-changed", words: &["table public.invoices is new"] };
    refusal.of(&cli, "migrate --yes --plan plan.json", &database).await;
}

#[tokio::test]
async fn a_plan_of_another_database_or_configuration_is_refused_as_such() {
    let (database, other) = (shop().await, shop().await);
    let cli = Cli::to(&database.url()).config(RIGHT);
    cli.run("plan --out plan.json").exits(0);
    let elsewhere = Cli::to(&other.url()).config(RIGHT);
    elsewhere.write("plan.json", &cli.read("plan.json"));
    let made = format!("it was made for another database, {}; this one is {}", database.name, other.name);
    let refusal = Refusal { exit: 1, code: "plan-changed", words: &[&made] };
    refusal.of(&elsewhere, "migrate --yes --plan plan.json", &other).await;
    let said = elsewhere.run("migrate --yes --plan plan.json").stderr;
    assert!(!said.contains("made again"), "every table has another oid in another database: {said}");

    cli.write("tenantctl.toml", &RIGHT.replace("unowned = \"system\"", "unowned = \"system\"\nbackfill = \"batched\""));
    let words = ["the plan has the fingerprint sha256:", "so the configuration, the role, the rows"];
    let refusal = Refusal { exit: 1, code: "plan-changed", words: &words };
    refusal.of(&cli, "migrate --yes --plan plan.json", &database).await;
}

#[tokio::test]
async fn a_version_beyond_the_plan_is_refused_with_those_that_it_has() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let words = ["--to 99: the plan has the versions 1 to 7", "`tenantctl plan` shows"];
    let refusal = Refusal { exit: 2, code: "usage-invalid", words: &words };
    refusal.of(&cli, "migrate --yes --to 99", &database).await;
}

#[tokio::test]
async fn a_second_run_is_refused_with_the_first_ones_process_and_application() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let first = database.client("nightly conversion").await;
    let row =
        first.query_one(&format!("SELECT pg_backend_pid() FROM pg_advisory_lock({LOCK_KEY})"), &[]).await.unwrap();
    let holder = format!("pid {} (nightly conversion)", row.get::<_, i32>(0));
    let words = ["another run of tenantctl works on this database", &holder, "tenantctl status"];
    Refusal { exit: 3, code: "run-active", words: &words }.of(&cli, "migrate --yes", &database).await;
    let status = cli.run("status").exits(0).stdout;
    assert!(status.contains(&holder), "{status}");
}

#[tokio::test]
async fn a_run_that_has_just_ended_does_not_stand_in_the_way() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let ended = database.client("tenantctl lock").await;
    ended.execute(&format!("SELECT pg_advisory_lock({LOCK_KEY})"), &[]).await.unwrap();
    let next = cli.command("migrate --yes").spawn().unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    drop(ended);
    tokio::task::yield_now().await;
    let output = tokio::task::spawn_blocking(|| next.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_reviewed_plan_that_is_blocked_is_refused_with_its_blockers() {
    let database = shop().await;
    let config = RIGHT.replace("unowned = \"system\"", "unowned = \"stop\"");
    let cli = Cli::to(&database.url()).config(&config);
    cli.run("plan --out plan.json").exits(1);
    let words = ["the plan is blocked:", "public.orders: 2 rows have no owner by their source", "give them an owner"];
    let refusal = Refusal { exit: 1, code: "plan-blocked", words: &words };
    refusal.of(&cli, "migrate --yes --plan plan.json", &database).await;
}
