//! A run on a terminal: the lines of [`panel`], redrawn in place.
//!
//! They leave nothing: the outcome, which follows, lists what was done.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::progress::Progress;
use super::{Clock, panel, words};
use crate::event::Event;

/// How often the spinner turns and the clocks go on.
const TICK: Duration = Duration::from_millis(120);
/// Where nobody tells how wide the terminal is.
const WIDTH: usize = 80;

const TEMPLATE: &str = "{panel}";

/// The live lines at the bottom of the terminal.
pub(super) struct Bars {
    bar: Option<ProgressBar>,
    progress: Arc<Mutex<Progress>>,
    clock: Clock,
}

impl Bars {
    pub(super) fn new(clock: Clock) -> Self {
        Bars { bar: None, progress: Arc::default(), clock }
    }

    /// Writes above the live lines.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the live lines away.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Takes in an event; answers a line that stays, where there is one.
    pub(super) fn observe(&mut self, event: &Event) -> Option<String> {
        lock(&self.progress).note(event, self.clock.elapsed());
        match event {
            Event::RunStarted { run, start, migrations, .. } => {
                let bar = self.bar.insert(ProgressBar::no_length().with_style(style(&self.progress, self.clock)));
                bar.enable_steady_tick(TICK);
                return Some(words::run_started(*run, *start, *migrations));
            }
            Event::Controlled { .. } => {
                return words::controlled(event);
            }
            Event::WorkerMissing { worker, reason } => return Some(words::worker_missing(*worker, reason)),
            Event::RowFailed { id, row, reason, .. } => {
                let title = lock(&self.progress).title(id);
                return Some(format!("{title}: {}", words::row_failed(row, reason)));
            }
            Event::RunFinished { .. } => self.clear(),
            // The outcome tells it.
            Event::Reconciled { .. } => {}
            // The next tick shows them.
            Event::MigrationStarted { .. }
            | Event::StepStarted { .. }
            | Event::StepSkipped { .. }
            | Event::LockWaited { .. }
            | Event::StatementWaits { .. }
            | Event::BatchDone { .. }
            | Event::Pressure { .. }
            | Event::StepDone { .. }
            | Event::MigrationDone { .. } => {}
            // The answer to the signal says it, and the outcome follows at once.
            Event::Stopping => {}
        }
        None
    }
}

/// Draws the panel as it is at that moment, as wide as the terminal is then.
fn style(progress: &Arc<Mutex<Progress>>, clock: Clock) -> ProgressStyle {
    let progress = Arc::clone(progress);
    let draw = move |_: &ProgressState, out: &mut dyn fmt::Write| {
        let width = terminal_size::terminal_size_of(std::io::stderr()).map_or(WIDTH, |(width, _)| width.0.into());
        let lines = panel::lines(&lock(&progress), clock.elapsed(), width);
        // Writing into a String cannot fail.
        let _ = out.write_str(&lines.join("\n"));
    };
    // The template is a constant that parses, as a test shows; a bar without style would still be right.
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("panel", draw)
}

/// A panic elsewhere does not make what is known wrong.
fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_parses() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
