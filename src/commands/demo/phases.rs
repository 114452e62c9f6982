//! Sums a run up by phase: the demo tells it in four lines.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::event::{Event, Observer};
use crate::report::demo::PhaseDone;

/// Listens for the sums, and passes every event on to whoever shows it live.
pub(super) struct Phases<'a> {
    live: Option<&'a dyn Observer>,
    sums: Mutex<Vec<(PhaseDone, Instant)>>,
}

impl<'a> Phases<'a> {
    pub fn new(live: Option<&'a dyn Observer>) -> Self {
        Phases { live, sums: Mutex::default() }
    }

    /// What was done so far.
    pub fn done(self) -> Vec<PhaseDone> {
        // A panic elsewhere does not make the numbers wrong.
        let sums = self.sums.into_inner().unwrap_or_else(PoisonError::into_inner);
        sums.into_iter().map(|(done, _)| done).collect()
    }
}

impl Observer for Phases<'_> {
    fn observe(&self, event: &Event) {
        if let Some(live) = self.live {
            live.observe(event);
        }
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::MigrationStarted { phase, .. } = event
            && sums.last().is_none_or(|(done, _)| done.phase != *phase)
        {
            let done = PhaseDone { phase: *phase, migrations: 0, steps: 0, rows: 0, elapsed: Duration::ZERO };
            sums.push((done, Instant::now()));
        }
        let Some((done, began)) = sums.last_mut() else { return };
        match event {
            Event::StepDone { .. } => done.steps += 1,
            Event::BatchDone { rows, .. } => done.rows += rows,
            Event::MigrationDone { .. } => {
                done.migrations += 1;
                done.elapsed = began.elapsed();
            }
            _ => {}
        }
    }
}
