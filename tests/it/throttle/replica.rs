//! A streaming replica that lags, or is gone.

use std::sync::Mutex;

use tenantctl::error::Code;
use tenantctl::event::Event;

use super::standby::Standby;
use super::{Slow, batches_in_the_pause, config, is_pause, pressures, relieved, server, shop};
use crate::support::cli::{Cli, eventually};
use crate::support::now;
use crate::support::run::Run;

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_replica_with_much_left_to_replay_pauses_the_backfill_until_it_has_caught_up() {
    let server = server(&[]);
    let database = shop(&server).await;
    let standby = Standby::of(&server, "standby1").await;
    standby.replays(false).await;
    let config = config("replica_bytes = \"8KiB\"");
    let outcome = relieved(&database, &config, "replica \"standby1\" has ", || {
        now(async {
            super::a_while().await;
            standby.replays(true).await;
        });
    })
    .await;
    let told = pressures(&outcome);
    assert!(told[0].contains("of WAL left to replay (limit 8.0 KiB)"), "{told:#?}");
    assert!(batches_in_the_pause(&outcome) <= 1, "{told:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_replica_that_is_seconds_behind_pauses_the_backfill_until_it_has_caught_up() {
    let server = server(&[]);
    let database = shop(&server).await;
    let standby = Standby::of(&server, "standby1").await;
    standby.replays(false).await;
    let config = config("replica_lag = \"1s\"");
    let outcome = relieved(&database, &config, "replica \"standby1\" is ", || {
        now(async {
            super::a_while().await;
            standby.replays(true).await;
        });
    })
    .await;
    let told = pressures(&outcome);
    assert!(told.iter().any(|told| told.contains("behind (limit 1s)")), "{told:#?}");
    assert!(batches_in_the_pause(&outcome) <= 1, "{told:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_replica_that_vanishes_pauses_the_backfill_until_it_is_back() {
    let server = server(&[]);
    let database = shop(&server).await;
    let standby = Mutex::new(Standby::of(&server, "standby1").await);
    let config = config("replica_lag = \"1h\"");
    let slow = Slow::until(1.0);
    let run = Run::reacting(|_, event, _| {
        slow.down(event);
        match event {
            Event::StepStarted { id, .. } if id == super::STEP => standby.lock().unwrap().crash(),
            event if is_pause(event, "replica \"standby1\" was there when the run began and is gone") => {
                standby.lock().unwrap().start_again();
            }
            _ => {}
        }
    });
    let outcome = run.on(&database, &config).await;
    assert!(outcome.is_finished(), "{:?} {:#?}", outcome.done, pressures(&outcome));
    assert!(pressures(&outcome).iter().any(|told| told.contains("is gone")), "{:#?}", pressures(&outcome));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_replica_that_stays_away_stops_the_run_which_goes_on_without_it() {
    let server = server(&[]);
    let database = shop(&server).await;
    let standby = Mutex::new(Standby::of(&server, "standby1").await);
    let mut config = config("replica_lag = \"1h\"");
    config.throttle.max_pause = std::time::Duration::from_secs(1);
    let slow = Slow::until(1.0);
    let run = Run::reacting(|_, event, _| {
        slow.down(event);
        if matches!(event, Event::StepStarted { id, .. } if id == super::STEP) {
            standby.lock().unwrap().crash();
        }
    });
    let stopped = run.on(&database, &config).await.done.unwrap_err();
    assert_eq!(stopped.code, Code::ThrottledTooLong);
    assert_eq!(stopped.code.exit() as i32, 3);
    assert!(stopped.message.contains("replica \"standby1\" was there when the run began and is gone"), "{stopped}");
    let resumed = Run::to_the_end().on(&database, &config).await;
    assert!(resumed.is_finished(), "{:?}", resumed.done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_operator_lets_the_replica_be_further_behind_and_the_backfill_goes_on() {
    let server = server(&[]);
    let database = shop(&server).await;
    let standby = Standby::of(&server, "standby1").await;
    standby.replays(false).await;
    let config = config("replica_lag = \"1s\"");
    let cli = Cli::to(&database.url());
    let shown = Mutex::new(String::new());
    relieved(&database, &config, "replica \"standby1\" is ", || {
        // The run waits for this listener; its pulse follows when it goes on.
        cli.run("tune --max-lag 1h").exits(0);
        *shown.lock().unwrap() = cli.run("status").exits(0).stdout;
    })
    .await;
    let shown = shown.into_inner().unwrap();
    assert!(shown.contains("tuned:   replicas at most 1h 0m behind; last change by "), "{shown}");
    standby.replays(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_replica_shows_what_the_run_on_its_primary_is_at() {
    let server = server(&[]);
    let database = shop(&server).await;
    let cli = Cli::to(&database.url()).config(
        "[tables.customers]\nscope = \"tenant\"\n[tables.orders]\nscope = \"tenant\"\nsource = \"parent\"\n\
         parent = \"customers\"\nbackfill = \"ranges\"\n[backfill]\nmin_blocks = 1\nmax_blocks = 1\nbatch = \"2ms\"\npause = \"50ms\"\n\
         [throttle]\nreplica_lag = \"off\"",
    );
    let standby = Standby::of(&server, "standby1").await;
    let there = Cli::to(&standby.url(&database.name));
    let mut running = cli.start("migrate --yes");
    running.await_event("batch-done", 1);
    cli.run("pause").exits(0);
    eventually("the replica shows the pause", || {
        let told = there.run("status").exits(0).stdout;
        told.starts_with("running: unknown; this is a standby, which sees no session of its primary\n")
            && told.contains("\nnow:     paused in backfill/public.orders/backfill; last sign ")
            && told.contains("\npaused:  by ")
    });
    let refused = there.run("resume").exits(3).stderr;
    assert!(refused.contains("takes no writes: it is a standby"), "{refused}");
    cli.run("resume").exits(0);
    running.wait().exits(0);
}
