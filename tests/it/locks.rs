//! Beside sessions that hold locks: the run waits in a way that blocks nobody, says for whom, and can be stopped.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tenantctl::catalog::LockHolder;
use tenantctl::config::Config;
use tenantctl::error::{Code, Resumable};
use tenantctl::event::Event;
use tokio_postgres::Client;

use crate::support::run::{Run, config, starts};
use crate::support::{Database, now};

const TIMEOUT: Duration = Duration::from_millis(400);

/// Short waits between the attempts, so that the test is short too.
fn impatient() -> Config {
    let mut config = config("tenantctl.toml");
    config.locks.timeout = TIMEOUT;
    config.locks.max_wait = Duration::from_millis(200);
    config
}

/// A session of the application, in a transaction that did something and does nothing now.
async fn idle_in_transaction(database: &Database<'_>, did: &str) -> (Client, i32) {
    let holder = database.client("nightly report").await;
    // Asked before: in a transaction, the answer's portal would keep its snapshot, which an index waits for too.
    let pid = holder.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    holder.batch_execute(&format!("BEGIN; {did}")).await.unwrap();
    (holder, pid)
}

fn is_named(holders: &[LockHolder], pid: i32) -> bool {
    holders
        .iter()
        .any(|who| who.pid == pid && who.application == "nightly report" && who.state == "idle in transaction")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_table_is_asked_for_again_and_again_and_other_readers_hardly_notice() {
    let (database, config) = (Database::saas25(600).await, impatient());
    let (holder, pid) = idle_in_transaction(&database, "SELECT count(*) FROM rules").await;
    let waits = AtomicUsize::new(0);
    let run = Run::reacting(|_, event, _| {
        if let Event::LockWaited { id, holders, attempt, .. } = event {
            assert_eq!(id, "expand/public.rules/add-owner-column");
            assert!(is_named(holders, pid), "attempt {attempt}: {holders:?}");
            if waits.fetch_add(1, Ordering::Relaxed) == 3 {
                now(async { holder.batch_execute("COMMIT").await.unwrap() });
            }
        }
    });
    let over = AtomicBool::new(false);
    let converted = async {
        let outcome = run.on(&database, &config).await;
        over.store(true, Ordering::Relaxed);
        outcome
    };
    let reader = database.client("reader").await;
    let reads = async {
        let mut longest = Duration::ZERO;
        while !over.load(Ordering::Relaxed) {
            let started = Instant::now();
            reader.query_one("SELECT count(*) FROM rules", &[]).await.unwrap();
            longest = longest.max(started.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        longest
    };
    let (outcome, longest) = tokio::join!(converted, reads);
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert_eq!(waits.into_inner(), 4);
    // It did wait behind us, or the test shows nothing; the rest is a slow machine's.
    assert!(longest > TIMEOUT / 2 && longest < TIMEOUT * 2, "{longest:?}");
}

#[tokio::test]
async fn a_table_that_is_never_free_stops_the_run_which_goes_on_later() {
    let (database, mut config) = (Database::saas25(100).await, impatient());
    config.locks.attempts = 2;
    let (holder, pid) = idle_in_transaction(&database, "SELECT count(*) FROM rules").await;
    let stopped = Run::to_the_end().on(&database, &config).await;
    let failure = stopped.done.unwrap_err();
    assert_eq!((failure.code, failure.code.resumable()), (Code::LockNotAcquired, Resumable::Yes), "{failure}");
    assert!(failure.message.contains(&format!("pid {pid} (nightly report, idle in transaction")), "{failure}");
    assert_eq!(stopped.events.iter().filter(|event| matches!(event, Event::LockWaited { .. })).count(), 1);

    holder.batch_execute("COMMIT").await.unwrap();
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
}

const BACKFILL: &str = "backfill/public.kb_documents/backfill";
const HOLDS_A_ROW: &str = "SELECT FROM kb_documents WHERE id = 1 FOR UPDATE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_somebody_holds_is_passed_by_no_batch_and_its_holder_is_named() {
    let (database, config) = (Database::saas25(600).await, impatient());
    let (holder, pid) = idle_in_transaction(&database, "SELECT 1").await;
    let run = Run::reacting(|_, event, _| match event {
        event if starts(event, BACKFILL) => now(async { holder.batch_execute(HOLDS_A_ROW).await.unwrap() }),
        Event::LockWaited { id, holders, .. } => {
            assert!(id == BACKFILL && is_named(holders, pid), "{id}: {holders:?}");
            now(async { holder.batch_execute("COMMIT").await.unwrap() });
        }
        _ => {}
    });
    let outcome = run.on(&database, &config).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert!(outcome.events.iter().any(|event| matches!(event, Event::LockWaited { .. })));
}

/// Holds up the build of an index, which waits for every older writer of its table.
const WRITES: &str = "LOCK TABLE rules IN ROW EXCLUSIVE MODE";
const BUILD: &str = "enforce/public.rules/build-key/rules_tenant_id_id_key";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_waits_for_older_transactions_says_so_and_is_built_when_they_end() {
    let (database, config) = (Database::saas25(100).await, impatient());
    let (holder, pid) = idle_in_transaction(&database, "SELECT 1").await;
    let run = Run::reacting(|_, event, _| match event {
        event if starts(event, BUILD) => now(async { holder.batch_execute(WRITES).await.unwrap() }),
        Event::StatementWaits { id, holders, elapsed } => {
            assert!(id == BUILD && is_named(holders, pid), "{id}: {holders:?}");
            assert!(*elapsed > TIMEOUT, "a time limit would have ended it");
            now(async { holder.batch_execute("COMMIT").await.unwrap() });
        }
        _ => {}
    });
    let outcome = run.on(&database, &config).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert!(outcome.events.iter().any(|event| matches!(event, Event::StatementWaits { .. })));
    assert_eq!(database.number("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_interrupt_cancels_an_index_that_waits() {
    let (database, config) = (Database::saas25(100).await, impatient());
    let (holder, _) = idle_in_transaction(&database, "SELECT 1").await;
    let asked = AtomicUsize::new(0);
    let run = Run::reacting(|_, event, stopper| match event {
        event if starts(event, BUILD) => now(async { holder.batch_execute(WRITES).await.unwrap() }),
        // The first leaves it alone: it is asked to finish what it does.
        Event::StatementWaits { .. } => {
            asked.fetch_add(1, Ordering::Relaxed);
            stopper.ask();
        }
        _ => {}
    });
    let stopped = run.on(&database, &config).await;
    assert_eq!((stopped.code(), asked.into_inner()), (Some(Code::Interrupted), 2), "{:?}", stopped.done);
    holder.batch_execute("COMMIT").await.unwrap();
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_interrupt_cancels_a_batch_that_waits_for_a_row() {
    let (database, mut config) = (Database::saas25(600).await, impatient());
    config.locks.timeout = Duration::from_secs(60);
    let (holder, _) = idle_in_transaction(&database, "SELECT 1").await;
    let run = Run::reacting(|_, event, stopper| match event {
        event if starts(event, BACKFILL) => now(async { holder.batch_execute(HOLDS_A_ROW).await.unwrap() }),
        Event::StatementWaits { id, .. } => {
            assert_eq!(id, BACKFILL);
            stopper.ask();
            stopper.ask();
        }
        _ => {}
    });
    let started = Instant::now();
    let stopped = run.on(&database, &config).await;
    assert_eq!(stopped.code(), Some(Code::Interrupted), "{:?}", stopped.done);
    assert!(started.elapsed() < Duration::from_secs(30));
    holder.batch_execute("COMMIT").await.unwrap();
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
}
