//! Where a run is, as its events tell: pure, with the time since the start as an argument.
//!
//! [`Progress`] is the run, [`Step`] a step in flight, of which there may be several.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fill::Fill;
use crate::catalog::LockHolder;
use crate::event::Event;
use crate::plan::LockLevel;
use crate::report::human::printable;

/// For so long the plan's own costs weigh as much as what was seen of the run.
const TRUST_IN_PLAN: Duration = Duration::from_secs(10);
/// A table that is helped on before its turn is spoken of for so long after a batch.
const AT_WORK: Duration = Duration::from_secs(3);

/// What bars and lines remember of a run.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Migrations of this run.
    pub(super) migrations: usize,
    /// Which one it is at, from 1.
    pub(super) migration: usize,
    /// Its name, such as `V7__backfill_orders`.
    pub(super) name: String,
    /// When the run began.
    pub(super) since: Duration,
    /// The steps in flight, the longest running first.
    pub(super) steps: Vec<Step>,
    /// Backfills that are helped on before their steps begin.
    early: BTreeMap<String, Early>,
    /// What holds the backfills back.
    pub(super) hold: Hold,
    pressure: Pressure,
    paused: Option<String>,
    rows_expected: Option<u64>,
    expected: Option<Duration>,
    /// Of the steps that are over.
    over: Over,
    /// How long nothing went on.
    still: Duration,
}

/// What holds the backfills back.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Hold {
    /// Nothing.
    #[default]
    Free,
    /// They rest between batches.
    Slowed {
        /// How much, from 0 to 1.
        level: f64,
        /// Why.
        reason: Option<String>,
    },
    /// No batch begins, for a reason of the server's.
    Stopped {
        /// Since when.
        since: Duration,
        /// Why.
        reason: Option<String>,
    },
    /// No batch begins, since somebody said so.
    Paused {
        /// Since when.
        since: Duration,
        /// Who.
        by: String,
    },
}

impl Hold {
    /// Whether nothing goes on.
    pub(super) fn is_still(&self) -> bool {
        self.still_since().is_some()
    }

    fn still_since(&self) -> Option<Duration> {
        match self {
            Hold::Free | Hold::Slowed { .. } => None,
            Hold::Stopped { since, .. } | Hold::Paused { since, .. } => Some(*since),
        }
    }
}

/// A backfill before its step begins.
#[derive(Debug)]
struct Early {
    fill: Fill,
    /// When its last batch was done.
    at: Duration,
}

#[derive(Debug, Default)]
struct Pressure {
    level: f64,
    reason: Option<String>,
}

#[derive(Debug, Default)]
struct Over {
    rows: u64,
    expected: Duration,
}

impl Progress {
    /// Takes in an event; call it before anything is said about it. A step that is over is given back.
    pub(super) fn note(&mut self, event: &Event, now: Duration) -> Option<Step> {
        match event {
            Event::RunStarted { migrations, rows_expected, expected, .. } => {
                // A run may begin paused.
                let Progress { hold, pressure, paused, .. } = std::mem::take(self);
                let (migrations, rows_expected, expected) = (*migrations, *rows_expected, *expected);
                let before = Progress { hold, pressure, paused, ..Progress::default() };
                *self = Progress { migrations, since: now, rows_expected, expected, ..before };
            }
            Event::MigrationStarted { version, name, .. } => {
                self.migration += 1;
                self.name = format!("V{version}__{}", printable(name));
            }
            Event::StepStarted { id, title, lock, expected } => {
                self.steps.retain(|step| step.id != *id);
                let fill = self.early.remove(id).map(|early| early.fill);
                let (id, title, is_early) = (id.clone(), printable(title), fill.is_some());
                let (lock, expected) = (*lock, *expected);
                self.steps.push(Step { id, title, lock, since: now, expected, wait: None, fill, is_early });
            }
            Event::StepSkipped { id, expected } => {
                self.over.expected += *expected;
                return self.end(id);
            }
            Event::StepDone { id, .. } => {
                let step = self.end(id)?;
                self.over.expected += step.expected;
                return Some(step);
            }
            Event::LockWaited { id, attempt, attempts, holders, rest } => {
                let (attempt, attempts, rest) = (*attempt, *attempts, *rest);
                self.waits(id, Wait::Lock { holders: holders.clone(), attempt, attempts, rest });
            }
            Event::StatementWaits { id, elapsed, holders } => {
                self.waits(id, Wait::Transactions { holders: holders.clone(), elapsed: *elapsed });
            }
            Event::BatchDone { id, .. } => {
                if let Some(step) = self.steps.iter_mut().find(|step| step.id == *id) {
                    step.wait = None;
                    step.fill.get_or_insert_default().note(event, now);
                } else {
                    let early =
                        self.early.entry(id.clone()).or_insert_with(|| Early { fill: Fill::default(), at: now });
                    early.fill.note(event, now);
                    early.at = now;
                }
            }
            Event::Pressure { level, reason, .. } => {
                self.pressure = Pressure { level: *level, reason: reason.clone() };
                self.judge(now);
            }
            Event::Controlled { paused_by, .. } => {
                self.paused.clone_from(paused_by);
                self.judge(now);
            }
            Event::WorkerMissing { .. }
            | Event::RowFailed { .. }
            | Event::Reconciled { .. }
            | Event::MigrationDone { .. }
            | Event::Stopping
            | Event::RunFinished { .. } => {}
        }
        None
    }

    /// The step in flight with this id.
    pub(super) fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// What a step does, or its id where it is not in flight.
    pub(super) fn title(&self, id: &str) -> String {
        self.step(id).map_or_else(|| printable(id), |step| step.title.clone())
    }

    /// Tables that are helped on just now before their steps begin, with how far they are.
    pub(super) fn early(&self, now: Duration) -> impl Iterator<Item = (String, &Fill)> {
        let at_work = self.early.iter().filter(move |(_, early)| early.at + AT_WORK >= now);
        at_work.map(|(id, early)| (subject(id).unwrap_or_else(|| printable(id)), &early.fill))
    }

    /// Rows that the run wrote, and before it an earlier process for a backfill that goes on.
    pub(super) fn rows(&self) -> u64 {
        let early = self.early.values().map(|early| &early.fill);
        let in_flight = self.steps.iter().filter_map(|step| step.fill.as_ref()).chain(early);
        self.over.rows + in_flight.map(|fill| fill.rows_total).sum::<u64>()
    }

    /// Rows that the plan expects it to write.
    pub(super) fn rows_expected(&self) -> Option<u64> {
        self.rows_expected
    }

    /// The share of the run that is done, from 0 to 1: by the plan's costs, where it has some.
    pub(super) fn share(&self, now: Duration) -> f64 {
        let by_count = || self.migration.saturating_sub(1) as f64 / self.migrations.max(1) as f64;
        let expected = self.expected.filter(|expected| !expected.is_zero());
        let share = expected.map_or_else(by_count, |expected| self.done(now).as_secs_f64() / expected.as_secs_f64());
        share.min(1.0)
    }

    /// How long the run still goes on, by the plan's costs and how true they came so far; nothing while nothing goes on.
    pub(super) fn left(&self, now: Duration) -> Option<Duration> {
        let expected = self.expected.filter(|_| !self.hold.is_still())?;
        let done = self.done(now);
        let speed = (done + TRUST_IN_PLAN).as_secs_f64() / (self.active(now) + TRUST_IN_PLAN).as_secs_f64();
        Duration::try_from_secs_f64(expected.saturating_sub(done).as_secs_f64() / speed).ok()
    }

    /// What is done of the expected time.
    fn done(&self, now: Duration) -> Duration {
        self.over.expected + self.steps.iter().map(|step| step.done(now)).sum::<Duration>()
    }

    /// How long the run went on, without the time in which nothing could.
    fn active(&self, now: Duration) -> Duration {
        let still = self.hold.still_since().map_or(Duration::ZERO, |since| now.saturating_sub(since.max(self.since)));
        now.saturating_sub(self.since).saturating_sub(self.still + still)
    }

    fn waits(&mut self, id: &str, wait: Wait) {
        if let Some(step) = self.steps.iter_mut().find(|step| step.id == id) {
            step.wait = Some(wait);
        }
    }

    fn end(&mut self, id: &str) -> Option<Step> {
        let place = self.steps.iter().position(|step| step.id == id)?;
        let step = self.steps.remove(place);
        self.over.rows += step.fill.as_ref().map_or(0, |fill| fill.rows_total);
        Some(step)
    }

    /// Somebody's word goes before the server's state, and a stop that goes on keeps its beginning.
    fn judge(&mut self, now: Duration) {
        let before = self.hold.still_since();
        let reason = self.pressure.reason.clone();
        self.hold = match (&self.paused, self.pressure.level) {
            (Some(by), _) => {
                let since = if let Hold::Paused { since, .. } = self.hold { since } else { now };
                Hold::Paused { since, by: by.clone() }
            }
            (None, level) if level >= 1.0 => {
                let since = if let Hold::Stopped { since, .. } = self.hold { since } else { now };
                Hold::Stopped { since, reason }
            }
            (None, level) if level > 0.0 => Hold::Slowed { level, reason },
            (None, _) => Hold::Free,
        };
        if before != self.hold.still_since() {
            self.still += before.map_or(Duration::ZERO, |since| now.saturating_sub(since.max(self.since)));
        }
    }
}

/// A step in flight.
#[derive(Debug)]
pub(super) struct Step {
    /// Its id.
    pub(super) id: String,
    /// What it does.
    pub(super) title: String,
    /// Its lock.
    pub(super) lock: LockLevel,
    /// When it began.
    pub(super) since: Duration,
    /// What it waits for.
    pub(super) wait: Option<Wait>,
    /// Its batches, where it has some.
    pub(super) fill: Option<Fill>,
    /// Whether some of its batches were done before it began.
    pub(super) is_early: bool,
    expected: Duration,
}

/// What a step waits for.
#[derive(Debug)]
pub(super) enum Wait {
    /// A lock that was not to be had; the step rests and tries again.
    Lock {
        /// Who held it.
        holders: Vec<LockHolder>,
        /// Which attempt failed.
        attempt: u32,
        /// Of how many.
        attempts: u32,
        /// The rest before the next one.
        rest: Duration,
    },
    /// Transactions that are older than a statement of it.
    Transactions {
        /// Whose.
        holders: Vec<LockHolder>,
        /// For how long it waits.
        elapsed: Duration,
    },
}

impl Wait {
    /// Who keeps it waiting.
    pub(super) fn holders(&self) -> &[LockHolder] {
        match self {
            Wait::Lock { holders, .. } | Wait::Transactions { holders, .. } => holders,
        }
    }
}

impl Step {
    /// What it works on: `public.orders` of `backfill/public.orders/backfill`.
    pub(super) fn subject(&self) -> String {
        subject(&self.id).unwrap_or_else(|| self.title.clone())
    }

    /// What is done of its expected time.
    fn done(&self, now: Duration) -> Duration {
        match &self.fill {
            Some(fill) => self.expected.mul_f64(fill.share()),
            None => self.expected.min(now.saturating_sub(self.since)),
        }
    }
}

fn subject(id: &str) -> Option<String> {
    let (_, rest) = id.split_once('/')?;
    rest.rsplit_once('/').map(|(subject, _)| printable(subject))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Start;

    const SECOND: Duration = Duration::from_secs(1);

    fn started(id: &str, expected: u32) -> Event {
        let title = format!("do {id}");
        Event::StepStarted { id: id.to_owned(), title, lock: LockLevel::None, expected: expected * SECOND }
    }

    fn run(expected: u32) -> Progress {
        let mut progress = Progress::default();
        let fingerprint = "sha256:ab".to_owned();
        let (rows_expected, expected) = (Some(3_000), Some(expected * SECOND));
        let event =
            Event::RunStarted { run: 1, start: Start::Fresh, fingerprint, migrations: 2, rows_expected, expected };
        progress.note(&event, Duration::ZERO);
        progress
    }

    #[test]
    fn what_is_left_of_a_run_begins_with_the_plan_and_follows_how_true_it_came() {
        let mut progress = run(100);
        assert_eq!(progress.left(Duration::ZERO), Some(100 * SECOND));
        progress.note(&started("a/b/c", 50), Duration::ZERO);
        // It took three times as long as expected, so the other half does so, too, but for the trust in the plan.
        progress.note(&Event::StepDone { id: "a/b/c".to_owned(), elapsed: 150 * SECOND }, 150 * SECOND);
        assert_eq!(progress.left(150 * SECOND), Some(50 * SECOND * 160 / 60));
        assert_eq!(progress.share(150 * SECOND), 0.5);
        // What was found done is no speed, and no time left.
        progress.note(&Event::StepSkipped { id: "a/b/d".to_owned(), expected: 50 * SECOND }, 150 * SECOND);
        assert_eq!(progress.left(150 * SECOND), Some(Duration::ZERO));
    }

    #[test]
    fn time_in_which_nothing_went_on_says_nothing_about_the_end() {
        let pressed = |level| Event::Pressure { level, reason: Some("lag".to_owned()), resting: SECOND };
        let paused = |paused: bool| Event::Controlled {
            paused_by: paused.then(|| "ann".to_owned()),
            workers: None,
            batch: None,
            max_lag: None,
            by: "ben".to_owned(),
        };
        let mut progress = run(100);
        progress.note(&pressed(1.0), 10 * SECOND);
        progress.note(&pressed(1.5), 20 * SECOND);
        assert_eq!(progress.hold, Hold::Stopped { since: 10 * SECOND, reason: Some("lag".to_owned()) });
        assert_eq!((progress.left(500 * SECOND), progress.active(500 * SECOND)), (None, 10 * SECOND));
        progress.note(&paused(true), 500 * SECOND);
        progress.note(&pressed(0.0), 600 * SECOND);
        assert_eq!(progress.hold, Hold::Paused { since: 500 * SECOND, by: "ann".to_owned() });
        progress.note(&paused(false), 1_000 * SECOND);
        assert_eq!((&progress.hold, progress.active(1_000 * SECOND)), (&Hold::Free, 10 * SECOND));
        assert_eq!(progress.active(1_005 * SECOND), 15 * SECOND);
    }

    #[test]
    fn a_step_is_named_by_its_table_where_it_has_one() {
        let mut progress = run(1);
        for (id, subject) in [("backfill/public.a/b/backfill", "public.a/b"), ("prepare/tenants", "do prepare/tenants")]
        {
            progress.note(&started(id, 1), Duration::ZERO);
            assert_eq!(progress.step(id).map(Step::subject).as_deref(), Some(subject));
        }
    }
}
