//! Rows that a constraint or a trigger refuses: named by their key, and everything beside them filled.

use serde_json::Value;
use tenantctl::config::{self, Config, FailingRow};
use tenantctl::error::Code;
use tenantctl::event::Event;

use crate::support::cli::Cli;
use crate::support::run::{Outcome, Run};
use crate::support::{Database, server};

/// Some sixteen rows on a page; the note of each is a secret, its amount may not be negative.
const SHOP: &str = "
CREATE TABLE customers (id bigint PRIMARY KEY, email text NOT NULL);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, amount bigint, note text NOT NULL);
INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 50) AS i;
INSERT INTO orders SELECT i, 1 + i % 50, i, 'secret' || repeat('x', 400) FROM generate_series(1, 600) AS i;";
const ROWS: u64 = 600;

const CHECK: &str = "ALTER TABLE orders ADD CONSTRAINT positive CHECK (amount > 0) NOT VALID";

/// The first row, the last one, and some of a page, two of them neighbours.
const BAD: [i64; 5] = [1, 100, 101, 103, 600];

const STEP: &str = "backfill/public.orders/backfill";
const UNFILLED: &str = "SELECT count(*) FROM orders WHERE tenant_id IS NULL";
const NOTED: &str = "SELECT count(*) FROM tenantctl.backfill_failure";

/// The shop with this on top.
async fn shop(more: &str) -> Database<'static> {
    let database = server().database().await;
    database.run(SHOP).await;
    database.run(more).await;
    database
}

/// Rows that a constraint refuses when they are written again.
async fn with_bad_rows() -> Database<'static> {
    let bad = BAD.map(|id| id.to_string()).join(", ");
    shop(&format!("UPDATE orders SET amount = -424242 WHERE id IN ({bad}); CLUSTER orders USING orders_pkey;")).await
}

fn text(strategy: &str, failing_row: &str) -> String {
    format!(
        "[backfill]\nmin_blocks = 4\nmax_blocks = 8\nfailing_row = \"{failing_row}\"\n[tables.customers]\nscope = \
         \"tenant\"\n[tables.orders]\nscope = \"tenant\"\nsource = \"parent\"\nparent = \"customers\"\nbackfill = \"{strategy}\"\n"
    )
}

fn config(strategy: &str, failing_row: &str) -> Config {
    config::parse(&text(strategy, failing_row), "t.toml").unwrap()
}

/// The rows that a run named, with what refused them.
fn named(outcome: &Outcome) -> Vec<(String, String)> {
    let told = |event: &Event| match event {
        Event::RowFailed { id, row, reason, .. } if id == STEP => Some((row.clone(), reason.clone())),
        _ => None,
    };
    let mut named: Vec<_> = outcome.events.iter().filter_map(told).collect();
    named.sort();
    named
}

/// The finding with which a run ended.
fn finding(outcome: &Outcome) -> String {
    let failure = outcome.done.as_ref().unwrap_err();
    assert_eq!(failure.code, Code::RowsRefused, "{failure:?}");
    let said = format!("{}\n{}", failure.message, failure.hint.as_deref().unwrap_or_default());
    assert!(!said.contains("secret") && !said.contains("424242"), "{said}");
    said
}

/// What the whole backfill expected and wrote.
fn reconciled(outcome: &Outcome) -> Option<(u64, u64)> {
    outcome.events.iter().find_map(|event| match event {
        Event::Reconciled { id, expected, written } if id == STEP => Some((*expected, *written)),
        _ => None,
    })
}

#[tokio::test]
async fn rows_that_are_skipped_are_all_named_and_all_others_filled() {
    for strategy in ["ranges", "cascade"] {
        let database = with_bad_rows().await;
        database.run(CHECK).await;
        let outcome = Run::to_the_end().on(&database, &config(strategy, "skip")).await;
        let said = finding(&outcome);
        let reason = "constraint positive, table public.orders, SQLSTATE 23514";
        let mut expected = BAD.map(|id| (format!("id = '{id}'"), reason.to_owned()));
        expected.sort();
        assert_eq!(named(&outcome), expected, "{strategy}");
        assert!(said.contains("5 rows cannot be filled, and all others are filled: id = "), "{said}");
        assert!(expected.iter().all(|(row, _)| said.contains(&format!("{row} ({reason})"))), "{said}");
        assert_eq!(database.number(UNFILLED).await, 5, "{strategy}");
        assert_eq!(database.number(NOTED).await, 5, "{strategy}");

        // The next run tries these again, and nothing else.
        let again = Run::to_the_end().on(&database, &config(strategy, "skip")).await;
        assert_eq!(named(&again), expected, "{strategy}");
        assert_eq!(database.number(NOTED).await, 5, "{strategy}");

        database.run("ALTER TABLE orders DROP CONSTRAINT positive").await;
        let mended = Run::to_the_end().on(&database, &config(strategy, "skip")).await;
        assert!(mended.is_finished(), "{strategy}: {:?}", mended.done);
        assert_eq!(named(&mended), []);
        assert_eq!(reconciled(&mended), Some((ROWS, ROWS)), "{strategy}");
        assert_eq!(database.number(UNFILLED).await, 0);
        assert_eq!(database.number(NOTED).await, 0);
    }
}

#[tokio::test]
async fn rows_that_somebody_mends_are_filled_by_that_and_forgotten() {
    let database = with_bad_rows().await;
    database.run(CHECK).await;
    finding(&Run::to_the_end().on(&database, &config("cascade", "skip")).await);
    database.run("UPDATE orders SET amount = 1 WHERE amount < 0 AND id < 102").await;
    let outcome = Run::to_the_end().on(&database, &config("cascade", "skip")).await;
    let rows: Vec<_> = named(&outcome).into_iter().map(|(row, _)| row).collect();
    assert_eq!(rows, ["id = '103'", "id = '600'"]);
    assert_eq!(database.number(NOTED).await, 2);
    database.run("DELETE FROM orders WHERE amount < 0").await;
    let outcome = Run::to_the_end().on(&database, &config("cascade", "stop")).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert_eq!(database.number(NOTED).await, 0);
}

#[tokio::test]
async fn a_run_that_stops_at_a_row_keeps_what_is_written_and_goes_on_with_the_setting_given_then() {
    for strategy in ["ranges", "cascade"] {
        let database = with_bad_rows().await;
        database.run(CHECK).await;
        let outcome = Run::to_the_end().on(&database, &config(strategy, "stop")).await;
        let said = finding(&outcome);
        assert!(said.contains("failing_row = \"skip\""), "{said}");
        let rows = named(&outcome);
        assert!(!rows.is_empty() && rows.len() < BAD.len(), "{strategy}: {rows:?}");
        assert_eq!(database.number(NOTED).await, i64::try_from(rows.len()).unwrap());
        let left = database.number(UNFILLED).await.unsigned_abs();
        assert!((5..ROWS).contains(&left), "{strategy}: {left} left");
        // The setting is not a part of the stored script.
        finding(&Run::to_the_end().on(&database, &config(strategy, "skip")).await);
        assert_eq!(database.number(UNFILLED).await, 5);
        database.run("ALTER TABLE orders DROP CONSTRAINT positive").await;
        let mended = Run::to_the_end().on(&database, &config(strategy, "stop")).await;
        assert!(mended.is_finished(), "{strategy}: {:?}", mended.done);
        assert_eq!(reconciled(&mended), Some((ROWS, ROWS)), "{strategy}");
        assert_eq!(database.number(NOTED).await, 0);
    }
}

#[tokio::test]
async fn a_trigger_that_refuses_rows_is_named_without_its_words_and_the_rows_by_their_whole_key() {
    let database = shop(
        "ALTER TABLE orders DROP CONSTRAINT orders_pkey; ALTER TABLE orders ADD COLUMN \"Re\"\"gion\" text NOT NULL DEFAULT 'it''s';
         ALTER TABLE orders ADD PRIMARY KEY (\"Re\"\"gion\", id);
         CREATE FUNCTION \"Refuse it\"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.id IN (7, 300) THEN RAISE EXCEPTION 'order with % is %', NEW.note, NEW.amount USING ERRCODE = 'U0001'; END IF;
             RETURN NEW; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION \"Refuse it\"();
         ALTER TABLE orders ENABLE ALWAYS TRIGGER refuse",
    )
    .await;
    let outcome = Run::to_the_end().on(&database, &config("ranges", "skip")).await;
    let said = finding(&outcome);
    let rows = named(&outcome);
    let keys: Vec<&str> = rows.iter().map(|(row, _)| row.as_str()).collect();
    assert_eq!(keys, ["\"Re\"\"gion\" = 'it''s' AND id = '300'", "\"Re\"\"gion\" = 'it''s' AND id = '7'"]);
    assert!(rows.iter().all(|(_, why)| why.contains("\"Refuse it\"()") && why.ends_with("SQLSTATE U0001")), "{rows:?}");
    assert!(keys.iter().all(|row| said.contains(row)), "{said}");
    assert_eq!(database.number(UNFILLED).await, 2);
    database.run("ALTER TABLE orders DISABLE TRIGGER refuse").await;
    assert!(Run::to_the_end().on(&database, &config("ranges", "skip")).await.is_finished());
}

#[tokio::test]
async fn a_row_without_a_key_is_named_by_its_position() {
    let database = with_bad_rows().await;
    database.run("ALTER TABLE orders DROP CONSTRAINT orders_pkey").await;
    database.run(CHECK).await;
    let bad = "SELECT string_agg(format('ctid = ''%s''', ctid), ',' ORDER BY ctid) FROM orders WHERE amount < 0";
    let positions: String = database.client("test").await.query_one(bad, &[]).await.unwrap().get(0);
    let mut positions: Vec<&str> = positions.split(",ctid").collect();
    let owned: Vec<String> = positions.drain(..).map(|at| format!("ctid{}", at.trim_start_matches("ctid"))).collect();
    let outcome = Run::to_the_end().on(&database, &config("ranges", "skip")).await;
    finding(&outcome);
    let rows: Vec<_> = named(&outcome).into_iter().map(|(row, _)| row).collect();
    assert_eq!(rows.len(), 5);
    assert!(owned.iter().all(|row| rows.contains(row)), "{rows:?} {owned:?}");
}

#[tokio::test]
async fn a_cause_that_lies_in_no_single_row_is_not_looked_for_in_each() {
    let database = shop("UPDATE orders SET amount = -424242; CLUSTER orders USING orders_pkey").await;
    database.run(CHECK).await;
    let outcome = Run::to_the_end().on(&database, &config("ranges", "skip")).await;
    let said = finding(&outcome);
    assert!(said.contains("the cause lies in no single row") && said.contains("more"), "{said}");
    let noted = database.number(NOTED).await;
    assert!((100..120).contains(&noted), "{noted}: {said}");
    // Nothing that was not looked at counts as done.
    finding(&Run::to_the_end().on(&database, &config("ranges", "skip")).await);
    database.run("ALTER TABLE orders DROP CONSTRAINT positive").await;
    let mended = Run::to_the_end().on(&database, &config("ranges", "skip")).await;
    assert!(mended.is_finished(), "{:?}", mended.done);
    assert_eq!(reconciled(&mended), Some((ROWS, ROWS)));
}

#[tokio::test]
async fn what_refuses_the_whole_statement_stops_the_run_as_ever() {
    let database = shop(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON orders FOR EACH STATEMENT EXECUTE FUNCTION refuse();
         ALTER TABLE orders ENABLE ALWAYS TRIGGER refuse",
    )
    .await;
    let outcome = Run::to_the_end().on(&database, &config("ranges", "skip")).await;
    assert_eq!(outcome.code(), Some(Code::StatementFailed));
    assert_eq!(named(&outcome), []);
    assert_eq!(database.number(NOTED).await, 0);
}

#[tokio::test]
async fn a_table_that_was_rewritten_meanwhile_forgets_where_its_rows_were() {
    let database = with_bad_rows().await;
    database.run(CHECK).await;
    finding(&Run::to_the_end().on(&database, &config("ranges", "skip")).await);
    database.run("DELETE FROM orders WHERE id = 100; CLUSTER orders USING orders_pkey").await;
    let outcome = Run::to_the_end().on(&database, &config("ranges", "skip")).await;
    finding(&outcome);
    assert_eq!(named(&outcome).len(), 4);
    assert_eq!(database.number(NOTED).await, 4);
}

#[tokio::test]
async fn the_program_exits_with_a_finding_and_status_lists_the_rows() {
    let database = with_bad_rows().await;
    database.run(CHECK).await;
    let cli = Cli::to(&database.url()).config(&text("cascade", "skip"));
    let ran = cli.run("migrate --yes").exits(1);
    assert!(ran.stderr.contains("error[rows-refused]: ") && ran.stderr.contains("id = '600'"), "{ran:?}");
    assert!(ran.stderr.contains("the row id = '103' is refused (constraint positive"), "{ran:?}");
    let status = cli.run("status").exits(0).stdout;
    assert!(status.contains("refused: 5 rows to mend before the next run\n  "), "{status}");
    assert!(status.contains(&format!("{STEP}: id = '101' (constraint positive")), "{status}");
    let status = cli.run("status --format json").exits(0).json();
    assert_eq!(status["run"]["refused_rows"].as_array().map(Vec::len), Some(5));
    assert_eq!(status["run"]["refused_rows"][0]["step"], Value::from(STEP));
    database.run("ALTER TABLE orders DROP CONSTRAINT positive").await;
    cli.run("migrate --yes").exits(0);
    assert!(!cli.run("status").exits(0).stdout.contains("refused:"));
}

#[test]
fn what_happens_at_a_failing_row_is_configured() {
    assert_eq!(config::parse("", "t.toml").unwrap().failing_row, FailingRow::Stop);
    assert_eq!(config("auto", "skip").failing_row, FailingRow::Skip);
    let wrong = config::parse(&text("auto", "halt"), "t.toml").unwrap_err();
    assert!(wrong.message.contains("unknown variant `halt`, expected `stop` or `skip`"), "{}", wrong.message);
}
