//! The pulse of a run: what it is at, once a second, for those who look at it from elsewhere.
//!
//! Everything in it comes from the events that pass by on their way to the operator, so no loop has to keep it up to date.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::catalog::{seconds, seconds_if_any};
use crate::error::Failure;
use crate::event::{Event, Observer};
use crate::pg::{Parameter, Refusal, Session, Type, get};
use crate::pressure::Pressure;
use crate::sql::control as sql;

/// The rate is that of the batches of so long.
const WINDOW: Duration = Duration::from_secs(10);
/// After so long without a sign, a run that says it is at work is not.
const SILENCE: Duration = Duration::from_secs(5);

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It goes on.
    Working,
    /// It is paused, and what was in flight is finished first.
    Pausing,
    /// Nothing is in flight.
    Paused,
    /// The process is over; the run may go on in another one.
    Ended,
}

impl State {
    /// The word in the bookkeeping.
    fn as_str(self) -> &'static str {
        match self {
            State::Working => "working",
            State::Pausing => "pausing",
            State::Paused => "paused",
            State::Ended => "ended",
        }
    }

    /// What a newer tenantctl may write besides is some kind of work.
    fn from_word(word: &str) -> State {
        [State::Pausing, State::Paused, State::Ended].into_iter().find(|s| s.as_str() == word).unwrap_or(State::Working)
    }
}

/// The last sign of a run, as it is read again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sign {
    /// When it was given, by the server's clock.
    pub at: String,
    /// How long ago that was.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Duration,
    /// What the run was doing.
    pub state: State,
    /// How its process ended: `done`, or the code of the failure.
    pub ended: Option<String>,
    /// The revision of the wishes that it knows.
    pub revision: i64,
    /// The step that it is at.
    pub step: Option<String>,
    /// How many batches run at once.
    pub workers: u32,
    /// How long a batch should take.
    #[serde(rename = "batch_seconds", serialize_with = "seconds_if_any")]
    pub batch: Option<Duration>,
    /// Rows written by the backfills in flight.
    pub rows: Option<u64>,
    /// Rows that they are expected to write.
    pub rows_expected: Option<u64>,
    /// How fast, over the last seconds.
    pub rows_per_second: Option<f64>,
    /// Rows of the last batch.
    pub last_batch_rows: Option<u64>,
    /// How long it took.
    #[serde(rename = "last_batch_seconds", serialize_with = "seconds_if_any")]
    pub last_batch: Option<Duration>,
    /// What holds the backfills back, from 0 to 1.
    pub pressure: f64,
    /// Why.
    pub reason: Option<String>,
}

impl Sign {
    /// No sign for longer than a run that lives is silent.
    pub fn is_overdue(&self) -> bool {
        self.age > SILENCE && self.state != State::Ended
    }

    /// How long the backfills in flight still take at this rate.
    pub fn left(&self) -> Option<Duration> {
        let left = self.rows_expected?.checked_sub(self.rows?)?;
        let rate = self.rows_per_second.filter(|rate| *rate > 0.0)?;
        Duration::try_from_secs_f64(left as f64 / rate).ok()
    }

    /// Reads the last sign of a run.
    ///
    /// # Errors
    /// The question failed.
    pub async fn read(session: &Session, run: i64) -> Result<Option<Sign>, Failure> {
        let rows = session.rows(&sql::pulse(run)).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let count = |column| Ok::<_, Failure>(get::<Option<i64>>(row, column)?.map(i64::unsigned_abs));
        let time = |column| Ok::<_, Failure>(count(column)?.map(Duration::from_millis));
        Ok(Some(Sign {
            at: get(row, 0)?,
            age: Duration::try_from_secs_f64(get(row, 1)?).unwrap_or_default(),
            state: State::from_word(get(row, 2)?),
            ended: get(row, 3)?,
            revision: get(row, 4)?,
            step: get(row, 5)?,
            workers: get::<i32>(row, 6)?.unsigned_abs(),
            batch: time(7)?,
            rows: count(8)?,
            rows_expected: count(9)?,
            rows_per_second: get(row, 10)?,
            last_batch_rows: count(11)?,
            last_batch: time(12)?,
            pressure: get(row, 13)?,
            reason: get(row, 14)?,
        }))
    }
}

/// What its caller knows of a beat.
pub(super) struct Beat<'a> {
    pub(super) run: i64,
    pub(super) fence: i64,
    pub(super) state: State,
    pub(super) ended: Option<&'a str>,
    pub(super) revision: i64,
    pub(super) workers: u32,
    pub(super) batch: Option<Duration>,
    pub(super) pressure: Pressure,
}

/// Listens to a run on behalf of its pulse, and passes every event on.
pub(super) struct Pulse<'a> {
    next: &'a dyn Observer,
    vitals: Mutex<Vitals>,
}

/// What the events told so far.
#[derive(Debug, Default)]
struct Vitals {
    step: Option<String>,
    /// The backfills in flight: rows written, rows expected.
    fills: BTreeMap<String, (u64, Option<u64>)>,
    batches: VecDeque<(Instant, u64)>,
    last: Option<(u64, Duration)>,
}

impl<'a> Pulse<'a> {
    pub(super) fn new(next: &'a dyn Observer) -> Self {
        Pulse { next, vitals: Mutex::default() }
    }

    /// Writes what is known now.
    pub(super) async fn beat(&self, session: &Session, beat: &Beat<'_>) -> Result<(), Refusal> {
        let (step, rows, expected, rate, last) = {
            let mut vitals = self.vitals();
            let (rows, expected) = vitals.rows();
            let rate = vitals.rate(Instant::now());
            (vitals.step.clone(), rows, expected, rate, vitals.last)
        };
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let workers = i32::try_from(beat.workers).unwrap_or(i32::MAX);
        let (rows, expected, batch) = (rows.map(number), expected.map(number), beat.batch.map(millis));
        let (last_rows, last_took) = (last.map(|(rows, _)| number(rows)), last.map(|(_, took)| millis(took)));
        let values: [Parameter<'_>; 15] = [
            (&beat.run, Type::INT8),
            (&beat.fence, Type::INT8),
            (&beat.state.as_str(), Type::TEXT),
            (&beat.ended, Type::TEXT),
            (&beat.revision, Type::INT8),
            (&step, Type::TEXT),
            (&workers, Type::INT4),
            (&batch, Type::INT8),
            (&rows, Type::INT8),
            (&expected, Type::INT8),
            (&rate, Type::FLOAT8),
            (&last_rows, Type::INT8),
            (&last_took, Type::INT8),
            (&beat.pressure.level, Type::FLOAT8),
            (&beat.pressure.words(), Type::TEXT),
        ];
        session.send(&sql::beat(), &values).await.map(|_| ())
    }

    /// A panic elsewhere does not make the numbers wrong.
    fn vitals(&self) -> MutexGuard<'_, Vitals> {
        self.vitals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Pulse<'_> {
    fn observe(&self, event: &Event) {
        self.vitals().note(event, Instant::now());
        self.next.observe(event);
    }
}

impl Vitals {
    fn note(&mut self, event: &Event, now: Instant) {
        match event {
            Event::StepStarted { id, .. } => self.step = Some(id.clone()),
            Event::BatchDone { id, rows, rows_total, rows_expected, elapsed, .. } => {
                self.step = Some(id.clone());
                self.fills.insert(id.clone(), (*rows_total, *rows_expected));
                self.batches.push_back((now, *rows));
                self.last = Some((*rows, *elapsed));
            }
            Event::StepDone { id, .. } | Event::StepSkipped { id, .. } => {
                self.fills.remove(id);
                if self.step.as_ref() == Some(id) {
                    self.step = None;
                }
            }
            Event::RunStarted { .. }
            | Event::MigrationStarted { .. }
            | Event::LockWaited { .. }
            | Event::StatementWaits { .. }
            | Event::WorkerMissing { .. }
            | Event::RowFailed { .. }
            | Event::Reconciled { .. }
            | Event::Pressure { .. }
            | Event::Controlled { .. }
            | Event::MigrationDone { .. }
            | Event::Stopping
            | Event::RunFinished { .. } => {}
        }
    }

    /// Rows written and expected by the backfills in flight.
    fn rows(&self) -> (Option<u64>, Option<u64>) {
        if self.fills.is_empty() {
            return (None, None);
        }
        let expected: Option<Vec<u64>> = self.fills.values().map(|(_, expected)| *expected).collect();
        (Some(self.fills.values().map(|(rows, _)| rows).sum()), expected.map(|each| each.iter().sum()))
    }

    /// Rows a second over the last batches; nothing where there were none.
    fn rate(&mut self, now: Instant) -> Option<f64> {
        let is_old = |batch: Option<&(Instant, u64)>| batch.is_some_and(|(at, _)| now.duration_since(*at) > WINDOW);
        while is_old(self.batches.front()) {
            self.batches.pop_front();
        }
        let (first, _) = self.batches.front()?;
        // The first batch of a run took a time of its own, which the window does not know.
        let span = now.duration_since(*first).max(Duration::from_secs(1));
        Some(self.batches.iter().map(|(_, rows)| rows).sum::<u64>() as f64 / span.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn batch(id: &str, rows_total: u64) -> Event {
        Event::BatchDone {
            id: id.to_owned(),
            rows: 1_000,
            rows_seen: 1_000,
            rows_total,
            rows_expected: Some(50_000),
            hot_rows: 0,
            wal_bytes: 0,
            worker: 0,
            block: 1,
            blocks: 100,
            heap_blocks: None,
            elapsed: SECOND,
        }
    }

    #[test]
    fn backfills_in_flight_are_added_up_and_those_that_are_done_leave() {
        let (mut vitals, start) = (Vitals::default(), Instant::now());
        assert_eq!((vitals.rows(), vitals.rate(start)), ((None, None), None));
        (1..=5).for_each(|n| vitals.note(&batch("a", n * 1_000), start + n as u32 * SECOND));
        vitals.note(&batch("b", 1_000), start + 5 * SECOND);
        assert_eq!(vitals.rows(), (Some(6_000), Some(100_000)));
        assert_eq!(vitals.rate(start + 7 * SECOND), Some(1_000.0));
        vitals.note(&Event::StepDone { id: "a".to_owned(), elapsed: SECOND }, start + 7 * SECOND);
        assert_eq!((vitals.rows(), vitals.step.as_deref()), ((Some(1_000), Some(50_000)), Some("b")));
        assert_eq!(vitals.rate(start + 60 * SECOND), None, "nothing was written for long");
    }
}
