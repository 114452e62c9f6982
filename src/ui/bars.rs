//! A run on a terminal: one line for the whole, one for the step, one for what the step is at.
//!
//! All of it is redrawn in place and leaves nothing: the outcome, which follows, lists what was done.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::progress::{Batch, Progress};
use super::words;
use crate::event::Event;

/// How often the spinner turns and the clocks go on.
const TICK: Duration = Duration::from_millis(120);

const OVERALL: &str = "[{bar:24}] {wide_msg} {elapsed}";
const STEP: &str = "{spinner} {wide_msg} {elapsed}";
const BACKFILL: &str = "  [{bar:16}] {percent:>3}% {wide_msg}";
const WAITING: &str = "  {wide_msg}";

/// The live lines at the bottom of the terminal.
pub(super) struct Bars {
    multi: MultiProgress,
    overall: Option<ProgressBar>,
    step: Option<ProgressBar>,
    detail: Option<ProgressBar>,
    progress: Progress,
}

impl Bars {
    pub(super) fn new() -> Self {
        Bars { multi: MultiProgress::new(), overall: None, step: None, detail: None, progress: Progress::default() }
    }

    /// Writes above the live lines.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        self.multi.suspend(write);
    }

    /// Takes the live lines away.
    pub(super) fn clear(&mut self) {
        for bar in [self.detail.take(), self.step.take(), self.overall.take()].into_iter().flatten() {
            bar.finish_and_clear();
        }
    }

    pub(super) fn observe(&mut self, event: &Event, now: Duration) {
        self.progress.note(event);
        match event {
            Event::RunStarted { run, start, migrations, .. } => {
                self.print(&words::run_started(*run, *start, *migrations));
                let overall = ProgressBar::new(*migrations as u64).with_style(style(OVERALL));
                self.overall = Some(self.live(overall));
            }
            Event::MigrationStarted { .. } => {
                let Progress { migration, migrations, name, .. } = &self.progress;
                if let Some(overall) = &self.overall {
                    overall.set_message(format!("migration {migration} of {migrations}: {name}"));
                }
            }
            Event::StepStarted { id, .. } => {
                self.end_step();
                let step = ProgressBar::new_spinner().with_style(style(STEP)).with_message(self.progress.title(id));
                self.step = Some(self.live(step));
            }
            Event::StepSkipped { id } | Event::StepDone { id, .. } => {
                self.progress.finish(id);
                self.end_step();
            }
            Event::LockWaited { attempt, attempts, holders, rest, .. } => {
                self.waiting(words::lock_waited(holders, *attempt, *attempts, *rest));
            }
            Event::StatementWaits { elapsed, holders, .. } => {
                self.waiting(words::statement_waits(holders, *elapsed));
            }
            Event::BatchDone { .. } => self.batch(event, now),
            Event::MigrationDone { .. } => self.overall.iter().for_each(|overall| overall.inc(1)),
            Event::Pressure { level, reason, .. } => self.waiting(words::pressure(*level, reason.as_deref())),
            Event::WorkerMissing { worker, reason } => self.print(&words::worker_missing(*worker, reason)),
            // The outcome tells it.
            Event::Reconciled { .. } => {}
            Event::Controlled { paused, workers, batch, by } => {
                self.print(&words::controlled(*paused, *workers, *batch, by));
            }
            // The answer to the signal says it, and the outcome follows at once.
            Event::Stopping => {}
            Event::RunFinished { .. } => self.clear(),
        }
    }

    fn batch(&mut self, event: &Event, now: Duration) {
        let Event::BatchDone { id, rows, rows_total, rows_expected, block, blocks, elapsed, .. } = event else {
            return;
        };
        let batch = Batch { at: now, elapsed: *elapsed, rows: *rows, block: *block, blocks: *blocks };
        let speed = self.progress.batch(id, batch);
        let so_far = words::backfill(*rows_total, *rows_expected, speed);
        let detail = self.detail(BACKFILL);
        detail.set_length(*blocks);
        detail.set_position((*block).min(*blocks));
        detail.set_message(so_far);
    }

    fn waiting(&mut self, words: String) {
        self.detail(WAITING).set_message(words);
    }

    /// The line under the step, in the style for what it says now.
    fn detail(&mut self, template: &str) -> &ProgressBar {
        let multi = &self.multi;
        let detail = self.detail.get_or_insert_with(|| multi.add(ProgressBar::no_length()));
        detail.set_style(style(template));
        detail
    }

    fn end_step(&mut self) {
        for bar in [self.detail.take(), self.step.take()].into_iter().flatten() {
            bar.finish_and_clear();
        }
    }

    fn live(&self, bar: ProgressBar) -> ProgressBar {
        let bar = self.multi.add(bar);
        bar.enable_steady_tick(TICK);
        bar
    }

    /// A line that stays. A terminal that is gone is no reason to stop the run.
    fn print(&self, line: &str) {
        let _ = self.multi.println(line);
    }
}

/// The templates above are constants that parse, as a test shows; a bar without style would still be right.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_parses() {
        for template in [OVERALL, STEP, BACKFILL, WAITING] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
