//! Counts what a run does while its events pass by on their way to the terminal.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::event::{Event, Observer};
use crate::report::outcome::Applied;

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
    /// The step that is running.
    pub at: Option<String>,
    current: Option<(Applied, Instant)>,
}

impl<'a> Tally<'a> {
    pub fn new(next: &'a dyn Observer) -> Self {
        Tally { next, counts: Mutex::default() }
    }

    pub fn counts(&self) -> Counts {
        self.lock().clone()
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
            Event::StepStarted { id, .. } => counts.at = Some(id.clone()),
            Event::StepSkipped { .. } => {
                if let Some((applied, _)) = &mut counts.current {
                    applied.skipped += 1;
                }
            }
            Event::BatchDone { rows, .. } => {
                counts.rows += rows;
                if let Some((applied, _)) = &mut counts.current {
                    applied.rows_written += rows;
                }
            }
            Event::StepDone { .. } => {
                counts.at = None;
                if let Some((applied, _)) = &mut counts.current {
                    applied.steps += 1;
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
            | Event::Reconciled { .. }
            | Event::Pressure { .. }
            | Event::Controlled { .. }
            | Event::Stopping
            | Event::RunFinished { .. } => {}
        }
    }
}
