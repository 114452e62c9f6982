//! Counts what a run does while its events pass by on their way to the terminal.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::event::{Event, Observer};
use crate::report::outcome::{Applied, Backfills};

/// Listens for the outcome, and passes every event on.
pub(super) struct Tally<'a> {
    next: &'a dyn Observer,
    counts: Mutex<Counts>,
}

/// What was counted.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts {
    /// The run's number.
    pub run: Option<i64>,
    /// The migrations that are in the history now.
    pub applied: Vec<Applied>,
    /// Rows written by backfills.
    pub rows: u64,
    /// What the backfills cost, as far as this process did them; nothing where it did none.
    pub backfills: Option<Backfills>,
    /// The step that is running.
    pub at: Option<String>,
    current: Option<(Applied, Instant)>,
    /// Rows of each step in flight; a backfill may write some before its step begins.
    written: BTreeMap<String, u64>,
    /// When each step in flight began, and whether it is a backfill.
    steps: BTreeMap<String, (Instant, bool)>,
}

impl<'a> Tally<'a> {
    pub fn new(next: &'a dyn Observer) -> Self {
        Tally { next, counts: Mutex::default() }
    }

    /// What was counted so far; a backfill in flight took the time until now.
    pub fn counts(&self) -> Counts {
        let mut counts = self.lock().clone();
        let filling: Duration =
            counts.steps.values().filter(|(_, fills)| *fills).map(|(began, _)| began.elapsed()).sum();
        counts.backfills.iter_mut().for_each(|backfills| backfills.elapsed += filling);
        counts
    }

    /// A panic elsewhere does not make the numbers wrong.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Tally<'_> {
    fn observe(&self, event: &Event) {
        self.next.observe(event);
        let mut counts = self.lock();
        match event {
            Event::RunStarted { run, .. } => counts.run = Some(*run),
            Event::MigrationStarted { version, name, .. } => {
                let migration = format!("V{version}__{name}");
                let applied = Applied { migration, steps: 0, skipped: 0, rows_written: 0, elapsed: Duration::ZERO };
                counts.current = Some((applied, Instant::now()));
            }
            Event::StepStarted { id, .. } => {
                counts.at = Some(id.clone());
                let fills = counts.written.contains_key(id);
                counts.steps.insert(id.clone(), (Instant::now(), fills));
            }
            Event::StepSkipped { .. } => {
                if let Some((applied, _)) = &mut counts.current {
                    applied.skipped += 1;
                }
            }
            Event::BatchDone { id, rows, hot_rows, wal_bytes, .. } => {
                counts.rows += rows;
                let backfills = counts.backfills.get_or_insert_default();
                backfills.rows_written += rows;
                backfills.hot_rows += hot_rows;
                backfills.wal_bytes += wal_bytes;
                if let Some((_, fills)) = counts.steps.get_mut(id) {
                    *fills = true;
                }
                *counts.written.entry(id.clone()).or_default() += rows;
            }
            Event::Reconciled { expected, written, .. } => {
                counts.backfills.get_or_insert_default().rows_meanwhile += expected.saturating_sub(*written);
            }
            Event::StepDone { id, elapsed } => {
                counts.at = None;
                if let (Some((_, true)), Some(backfills)) = (counts.steps.remove(id), &mut counts.backfills) {
                    backfills.elapsed += *elapsed;
                }
                let rows = counts.written.remove(id).unwrap_or(0);
                if let Some((applied, _)) = &mut counts.current {
                    applied.steps += 1;
                    applied.rows_written += rows;
                }
            }
            Event::MigrationDone { .. } => {
                if let Some((mut applied, began)) = counts.current.take() {
                    applied.elapsed = began.elapsed();
                    counts.applied.push(applied);
                }
            }
            Event::LockWaited { .. }
            | Event::StatementWaits { .. }
            | Event::WorkerMissing { .. }
            | Event::RowFailed { .. }
            | Event::Pressure { .. }
            | Event::Controlled { .. }
            | Event::Stopping
            | Event::RunFinished { .. } => {}
        }
    }
}
