//! Stops at every event of a run.

use std::sync::Arc;

use tenantctl::config::Config;
use tenantctl::event::Event;
use tokio::task::JoinSet;

use super::picture;
use crate::support::Database;
use crate::support::run::{Run, Stop, config, is_progress, stop_at};

const ROWS: u32 = 600;
const CONFIGS: [&str; 2] = ["tenantctl.toml", "tenantctl.org.toml"];
/// Trials at a time; each waits for the server most of the time.
const TOGETHER: usize = 4;

/// A fixture that is loaded, and what an uninterrupted run makes of it.
struct Expected {
    template: Database<'static>,
    config: Config,
    picture: String,
    events: Vec<Event>,
}

impl Expected {
    async fn of(file: &str) -> Arc<Self> {
        let (template, config) = (Database::saas25(ROWS).await, config(file));
        let database = template.copy().await;
        let outcome = Run::to_the_end().on(&database, &config).await;
        assert!(outcome.is_finished(), "{:?}", outcome.done);
        let picture = picture(&database).await;
        assert!(picture.contains("open runs: 0") && picture.contains("<n>1</n>"), "{picture}");
        database.remove().await;
        Arc::new(Expected { template, config, picture, events: outcome.events })
    }

    /// After how many events something is committed.
    fn boundaries(&self) -> usize {
        self.events.iter().filter(|event| is_progress(event)).count()
    }

    /// Stops at these events of as many runs, one after the other, and goes on to the end.
    async fn holds_when_stopped_at(&self, stop: Stop, numbers: &[usize]) {
        let database = self.template.copy().await;
        for (round, &at) in numbers.iter().enumerate() {
            let reached = stop_at(&database, &self.config, stop, |number, _| number == at).await;
            assert!(reached || round > 0 || at > self.events.len(), "{stop:?}: there was no event {at}");
        }
        self.ends_as_expected(database, &format!("{stop:?} at {numbers:?}")).await;
    }

    async fn ends_as_expected(&self, database: Database<'_>, how: &str) {
        let outcome = Run::to_the_end().on(&database, &self.config).await;
        assert!(outcome.is_finished(), "{how}: {:?}", outcome.done);
        let found = picture(&database).await;
        let differs = |a: &str, b: &str| a.lines().filter(|line| !b.contains(line)).collect::<Vec<_>>().join("\n");
        let (less, more) = (differs(&self.picture, &found), differs(&found, &self.picture));
        assert!(found == self.picture, "{how}\nmissing:\n{less}\ntoo much:\n{more}");
        database.remove().await;
    }
}

/// Every trial on a copy of its own.
async fn each(expected: &Arc<Expected>, trials: impl IntoIterator<Item = (Stop, Vec<usize>)>) {
    let mut running = JoinSet::new();
    for (stop, numbers) in trials {
        if running.len() == TOGETHER {
            running.join_next().await.unwrap().unwrap();
        }
        let expected = Arc::clone(expected);
        running.spawn(async move { expected.holds_when_stopped_at(stop, &numbers).await });
    }
    while let Some(trial) = running.join_next().await {
        trial.unwrap();
    }
}

/// Every event of both configurations, alone, neatly and not: the proof, for a release.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes twenty minutes"]
async fn a_stop_at_any_event_changes_nothing_about_the_end() {
    for file in CONFIGS {
        let expected = Expected::of(file).await;
        let every = (1..=expected.events.len()).flat_map(|at| [(Stop::Neat, vec![at]), (Stop::Crash, vec![at])]);
        each(&expected, every).await;
    }
}

/// The same for every day: all step boundaries and batches are the next tests'; here are events of all kinds between
/// them, and two stops in one conversion.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_at_an_event_changes_nothing_about_the_end() {
    for file in CONFIGS {
        let expected = Expected::of(file).await;
        // How many events the batches make depends on the time they take: a run may have some fewer.
        let some = (1..expected.events.len() * 9 / 10 - 11).step_by(41);
        each(&expected, some.flat_map(|at| [(Stop::Neat, vec![at, 3]), (Stop::Crash, vec![at + 11, 5])])).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversion_that_is_asked_to_stop_after_every_step_and_every_batch_ends_the_same() {
    for file in CONFIGS {
        let expected = Expected::of(file).await;
        let database = expected.template.copy().await;
        let mut stops = 0;
        while stop_at(&database, &expected.config, Stop::Neat, |_, event| is_progress(event)).await {
            stops += 1;
            assert!(stops <= expected.boundaries(), "a run began without getting further");
        }
        // Nothing is left to stop between the last batch of a comparison with the parents and the end of its step, and a
        // busy server makes larger batches than the run that was counted.
        assert!(stops * 4 >= expected.boundaries() * 3, "{stops} of {}", expected.boundaries());
        expected.ends_as_expected(database, "a stop at every boundary").await;
    }
}

/// Twice for every step: when its statement has just been sent, and when it is committed and the next one is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversion_that_is_killed_in_every_step_and_after_it_ends_the_same() {
    for file in CONFIGS {
        let expected = Expected::of(file).await;
        let database = expected.template.copy().await;
        let mut rounds = 0;
        loop {
            let sent = |_, event: &Event| matches!(event, Event::StepStarted { .. });
            stop_at(&database, &expected.config, Stop::Crash, sent).await;
            if !stop_at(&database, &expected.config, Stop::Crash, |_, event| is_progress(event)).await {
                break;
            }
            rounds += 1;
            assert!(rounds <= expected.boundaries(), "a run began without getting further");
        }
        assert!(rounds > expected.boundaries() / 4, "{rounds} rounds");
        expected.ends_as_expected(database, "a kill at every boundary").await;
    }
}
