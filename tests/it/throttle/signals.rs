//! Signals of the server itself.

use std::sync::{Arc, Once};
use std::time::Duration;

use tenantctl::event::Event;
use tenantctl::execute::Target;
use tenantctl::plan::Phase;

use super::{STEP, Slow, a_while, batches_in_the_pause, config, is_pause, pressures, relieved, server, shop, unowned};
use crate::support::now;
use crate::support::run::{Run, starts};

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_slot_that_nobody_reads_pauses_the_backfill_until_it_is_dropped() {
    let server = server(&[]);
    let database = shop(&server).await;
    database.run("SELECT pg_create_physical_replication_slot('gone', true)").await;
    let outcome =
        relieved(&database, &config("slot_wal = \"8KiB\""), "slot \"gone\", which nobody reads, keeps ", || {
            now(async {
                a_while().await;
                database.run("SELECT pg_drop_replication_slot('gone')").await;
            });
        })
        .await;
    assert!(pressures(&outcome)[0].ends_with(" of WAL (limit 8.0 KiB)"), "{:#?}", pressures(&outcome));
    assert!(batches_in_the_pause(&outcome) <= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_slot_that_the_server_would_give_up_has_a_closer_limit() {
    let server = server(&[("max_slot_wal_keep_size", "32MB")]);
    let database = shop(&server).await;
    database.run("SELECT pg_create_physical_replication_slot('slow', true)").await;
    // Two of the segments that it may keep.
    for _ in 0..2 {
        database.run("SELECT pg_switch_wal(); INSERT INTO customers SELECT max(id) + 1, 'new' FROM customers").await;
    }
    let outcome = Run::to_the_end().on(&database, &config("slot_wal = \"1TiB\"")).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    let told = pressures(&outcome);
    assert!(told[0].contains("slot \"slow\", which nobody reads, keeps "), "{told:#?}");
    assert!(told[0].ends_with(" MiB)"), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn log_that_waits_for_the_archiver_pauses_the_backfill_until_the_archiver_works() {
    let server = server(&[("archive_mode", "on")]);
    let database = shop(&server).await;
    database.run("ALTER SYSTEM SET archive_command = 'false'").await;
    database.run("SELECT pg_reload_conf()").await;
    for _ in 0..3 {
        database.run("SELECT pg_switch_wal(); INSERT INTO customers SELECT max(id) + 1, 'new' FROM customers").await;
    }
    relieved(&database, &config("archive_backlog = 2"), "segments of WAL wait for the archiver (limit 2)", || {
        database.run_now("ALTER SYSTEM SET archive_command = 'true'");
        database.run_now("SELECT pg_reload_conf()");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_session_that_waits_for_a_batch_holds_the_next_ones_back() {
    let server = server(&[]);
    let database = shop(&server).await;
    let mut config = config("lock_waiters = 1");
    config.locks.timeout = Duration::from_secs(60);
    // The first batch gets the first row, and waits for another one of the same block; so somebody can wait for it.
    let holder = database.client("holder").await;
    let waiter = database.client("web").await;
    let waiting = tokio::spawn({
        let ours =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'tenantctl%'
             AND EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'holder' AND state = 'idle in transaction')";
        async move {
            while waiter.query_one(ours, &[]).await.unwrap().get::<_, i64>(0) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            waiter.batch_execute("UPDATE orders SET note = 'mine' WHERE id = 1").await.unwrap();
        }
    });
    let run = Run::reacting(|_, event, _| {
        if starts(event, STEP) {
            now(async { holder.batch_execute("BEGIN; SELECT FROM orders WHERE id = 5 FOR UPDATE").await.unwrap() });
        }
        if is_pause(event, "1 session waits for a lock of tenantctl: pid ") {
            now(async { holder.batch_execute("COMMIT").await.unwrap() });
        }
    });
    let outcome = run.on(&database, &config).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert!(pressures(&outcome)[0].contains(" (web) (limit 1)"), "{:#?}", pressures(&outcome));
    waiting.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_old_snapshot_slows_the_backfill_and_names_its_session_without_its_query() {
    let server = server(&[]);
    let database = shop(&server).await;
    let reader = database.client("nightly report").await;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'secret'").await.unwrap();
    // An index would wait for the end of the snapshot.
    let outcome = Run::to(Target::Phase(Phase::Backfill)).on(&database, &config("snapshot = \"1ms\"")).await;
    assert_eq!(unowned(&database).await, 0, "{:?}", outcome.done);
    let told = pressures(&outcome);
    assert!(told[0].starts_with("0.80 pid "), "{told:#?}");
    assert!(told[0].contains("(nightly report, idle in transaction) has kept dead rows"), "{told:#?}");
    assert!(!told.concat().contains("secret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn under_pressure_a_worker_rests_by_how_long_its_batches_take() {
    let server = server(&[]);
    let database = shop(&server).await;
    let reader = database.client("nightly report").await;
    let (began, slow) = (Once::new(), Slow::until(0.5));
    let run = Run::reacting(|_, event, _| {
        slow.down(event);
        if matches!(event, Event::BatchDone { .. }) {
            began.call_once(|| {
                now(async { reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap() })
            });
        }
        if matches!(event, Event::Pressure { .. }) {
            now(async { reader.batch_execute("COMMIT").await.unwrap() });
        }
    });
    let config = config("snapshot = \"1ms\"");
    let outcome = run.on(&database, &config).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    let rests =
        |event: &Event| matches!(event, Event::Pressure { level, resting, .. } if *level == 0.8 && !resting.is_zero());
    assert!(outcome.events.iter().any(rests), "{:#?}", pressures(&outcome));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_vacuum_on_a_table_that_is_filled_slows_the_backfill() {
    let server = server(&[]);
    let database = shop(&server).await;
    let slow = Slow::until(0.5);
    let (reader, vacuum) = (database.client("pins a page").await, Arc::new(database.client("by hand").await));
    let run = Run::reacting(|_, event, _| {
        slow.down(event);
        // A page that somebody pins makes a freezing VACUUM wait in the middle; its rows are filled all the same.
        if starts(event, STEP) {
            now(async {
                reader.batch_execute("BEGIN; DECLARE c CURSOR FOR SELECT FROM orders; FETCH 1 FROM c").await.unwrap();
                let vacuum = Arc::clone(&vacuum);
                tokio::spawn(async move { vacuum.batch_execute("VACUUM (FREEZE) orders").await });
                database.until("SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = 'orders'::regclass").await;
            });
        }
        if matches!(event, Event::Pressure { .. }) {
            now(async { reader.batch_execute("ROLLBACK").await.unwrap() });
        }
    });
    let config = config("autovacuum = \"50%\"");
    let outcome = run.on(&database, &config).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    let told = pressures(&outcome);
    assert!(told[0].starts_with("0.50 pid ") && told[0].ends_with(" vacuums public.orders"), "{told:#?}");
    assert_eq!(told[1], "0.00 -", "{told:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn active_sessions_of_others_count_and_ours_do_not() {
    let server = server(&[]);
    let database = shop(&server).await;
    let busy = database.client("busy").await;
    let sleeping = tokio::spawn(async move { busy.batch_execute("SELECT pg_sleep(600)").await });
    relieved(&database, &config("active_sessions = 1"), "1 session is active (limit 1)", || {
        database.run_now("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'busy'");
    })
    .await;
    assert!(sleeping.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_commit_is_tried_at_every_look_and_one_that_does_not_go_through_pauses_the_backfill() {
    let server = server(&[]);
    let database = shop(&server).await;
    let (config, slow) = (config("commit_latency = \"1h\""), Slow::until(1.0));
    let holder = database.client("holder").await;
    let run = Run::reacting(|_, event, _| {
        slow.down(event);
        if starts(event, STEP) {
            now(async { holder.batch_execute("BEGIN; LOCK TABLE tenantctl.commit_probe").await.unwrap() });
        }
        if is_pause(event, "commit_latency cannot be read: ") {
            now(async { holder.batch_execute("COMMIT").await.unwrap() });
        }
    });
    let outcome = run.on(&database, &config).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert!(pressures(&outcome)[0].starts_with("1.00 commit_latency"), "{:#?}", pressures(&outcome));
    let probed = "SELECT count(*) FROM tenantctl.commit_probe WHERE probed_at > now() - interval '1 minute'";
    assert_eq!(database.number(probed).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_session_that_looks_is_made_again_when_it_breaks() {
    let server = server(&[]);
    let database = shop(&server).await;
    let config = config("slot_wal = \"1GiB\"");
    let slow = Slow::until(1.0);
    let broken = Once::new();
    let run = Run::reacting(|_, event, _| {
        slow.down(event);
        if matches!(event, Event::BatchDone { .. }) {
            broken.call_once(|| {
                let looking = "application_name = 'tenantctl throttle'";
                database.run_now(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {looking}"));
            });
        }
    });
    let outcome = run.on(&database, &config).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    let told = pressures(&outcome);
    assert!(told[0].starts_with("1.00 slot_wal cannot be read: "), "{told:#?}");
    assert_eq!(told[1], "0.00 -", "{told:#?}");
}
