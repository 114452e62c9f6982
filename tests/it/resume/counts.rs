//! What is told of the rows of a first pass, which is several batches, where it does not come to its end.

use tenantctl::config::{self, Config};
use tenantctl::event::Event;

use crate::support::run::{Outcome, Run, Stop, starts, stop_at};
use crate::support::{Database, now, server};

const ROWS: u64 = 600;
const STEP: &str = "backfill/public.orders/backfill";

/// Some sixteen rows on a page.
async fn shop() -> Database<'static> {
    let database = server().database().await;
    database
        .run(
            "CREATE TABLE customers (id bigint PRIMARY KEY);
             INSERT INTO customers SELECT i FROM generate_series(1, 50) AS i;
             CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, note text);
             INSERT INTO orders SELECT i, 1 + i % 50, repeat('x', 400) FROM generate_series(1, 600) AS i",
        )
        .await;
    database
}

/// Ranges of eight blocks at most, so that each first pass is four batches.
fn config() -> Config {
    let text = "[backfill]\nworkers = 1\nmin_blocks = 4\nmax_blocks = 8\n[locks]\ntimeout = \"20ms\"\n[tables]\ncustomers = { scope \
                = \"tenant\" }\norders = { scope = \"tenant\", source = \"parent\", parent = \"customers\", backfill = \"cascade\" }\n";
    config::parse(text, "t.toml").unwrap()
}

/// What the whole backfill expected and wrote.
fn reconciled(outcome: &Outcome) -> (u64, u64) {
    let told = |event: &Event| match event {
        Event::Reconciled { id, expected, written } if id == STEP => Some((*expected, *written)),
        _ => None,
    };
    outcome.events.iter().find_map(told).unwrap()
}

#[tokio::test]
async fn rows_that_a_first_pass_saw_before_it_was_broken_off_are_expected_once() {
    let database = shop().await;
    let first = |_, event: &Event| matches!(event, Event::BatchDone { id, .. } if id == STEP);
    assert!(stop_at(&database, &config(), Stop::Crash, first).await);
    let outcome = Run::to_the_end().on(&database, &config()).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert_eq!(reconciled(&outcome), (ROWS, ROWS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn every_row_of_a_first_pass_is_told_though_somebody_holds_its_last_ones() {
    let database = shop().await;
    let holder = database.client("holder").await;
    let hold = "BEGIN; SELECT FROM orders WHERE ctid >= \
                format('(%s,0)', pg_relation_size('orders') / current_setting('block_size')::bigint - 1)::tid FOR UPDATE";
    let run = Run::reacting(|_, event, _| match event {
        event if starts(event, STEP) => now(holder.batch_execute(hold)).unwrap(),
        Event::LockWaited { id, .. } if id == STEP => now(holder.batch_execute("COMMIT")).unwrap(),
        _ => {}
    });
    let outcome = run.on(&database, &config()).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    let batches = outcome.events.iter().filter_map(|event| match event {
        Event::BatchDone { id, rows, rows_total, .. } if id == STEP => Some((*rows, *rows_total)),
        _ => None,
    });
    let (rows, totals): (Vec<u64>, Vec<u64>) = batches.unzip();
    assert_eq!((rows.iter().sum::<u64>(), totals.last()), (ROWS, Some(&ROWS)));
    assert_eq!(reconciled(&outcome).1, ROWS);
}
