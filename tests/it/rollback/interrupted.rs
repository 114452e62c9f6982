//! A way back that is stopped anywhere, and the way back of a conversion that was.

use tenantctl::event::Event;

use super::{ALL, FIXTURES, back, loaded, rows, same, schema};
use crate::support::run::{Run, Stop, is_progress, stop_at, stop_going};

/// A question is asked again each time, so nothing is won by its answer.
fn gets_further(event: &Event) -> bool {
    is_progress(event) && !matches!(event, Event::StepDone { id, .. } if id.ends_with("/check"))
}

/// An adopted table of tenants with columns that were there before, and trees of partitions.
const STOPPED: [&str; 2] = ["saas25, adopted", "partitions"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_that_is_stopped_after_every_step_ends_the_same() {
    for name in STOPPED {
        let (database, config) = loaded(name).await;
        let before = (schema(&database).await, rows(&database).await);
        assert!(Run::to_the_end().on(&database, &config).await.is_finished());
        let mut stops = 0;
        while stop_going(&database, &config, Some(ALL), Stop::Neat, |_, event| gets_further(event)).await {
            stops += 1;
            assert!(stops < 1000, "{name}: a run began without getting further");
        }
        assert!(stops > 20, "{name}: {stops}");
        same(&schema(&database).await, &before.0, name);
        same(&rows(&database).await, &before.1, name);
        assert_eq!(database.number("SELECT count(*) FROM tenantctl.run").await, 2, "{name}: it was not gone on with");
    }
}

/// Twice for every step: when its statement has just been sent, and when it is committed and the next one is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_that_is_killed_in_every_step_and_after_it_ends_the_same() {
    for name in STOPPED {
        let (database, config) = loaded(name).await;
        let before = (schema(&database).await, rows(&database).await);
        assert!(Run::to_the_end().on(&database, &config).await.is_finished());
        let mut rounds = 0;
        loop {
            let sent = |_: usize, event: &Event| matches!(event, Event::StepStarted { .. });
            stop_going(&database, &config, Some(ALL), Stop::Crash, sent).await;
            if !stop_going(&database, &config, Some(ALL), Stop::Crash, |_, event| gets_further(event)).await {
                break;
            }
            rounds += 1;
            assert!(rounds < 1000, "{name}: a run began without getting further");
        }
        assert!(rounds > 5, "{name}: {rounds}");
        same(&schema(&database).await, &before.0, name);
        same(&rows(&database).await, &before.1, name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversion_that_stopped_anywhere_is_taken_back_as_far_as_it_came() {
    for name in FIXTURES {
        let (template, config) = loaded(name).await;
        let database = template.copy().await;
        let events = Run::to_the_end().on(&database, &config).await.events.len();
        database.remove().await;
        for (round, at) in (3..events).step_by((events / 9).max(1)).enumerate() {
            let stop = if round % 2 == 0 { Stop::Crash } else { Stop::Neat };
            let what = format!("{name}, {stop:?} at {at} of {events}");
            let database = template.copy().await;
            let before = (schema(&database).await, rows(&database).await);
            stop_at(&database, &config, stop, |number, _| number == at).await;
            if round % 3 == 0 {
                // Given up, planned anew, and stopped again: two runs have begun what is taken back.
                let outcome = Run::reacting(|number, _, stopper| {
                    if number == 30 {
                        stopper.ask();
                    }
                });
                outcome.anew().on(&database, &config).await;
            }
            let done = back(&database, &config, ALL).await;
            assert!(done.is_finished(), "{what}: {:?}", done.done);
            same(&schema(&database).await, &before.0, &what);
            same(&rows(&database).await, &before.1, &what);
            database.remove().await;
        }
    }
}
