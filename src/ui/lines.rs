//! A run in plain lines, for a log: no control characters, and no line that only repeats.

use std::time::Duration;

use super::progress::{Batch, Progress};
use super::words;
use crate::event::{Event, LockHolder};
use crate::plan::LockLevel;
use crate::report::human::{counted, duration};

/// How often a backfill is spoken of.
const BACKFILL_EVERY: Duration = Duration::from_secs(5);
/// How often a wait is spoken of while the same sessions hold us up.
const WAIT_EVERY: Duration = Duration::from_secs(30);

/// Turns events into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    progress: Progress,
    backfill: Option<Duration>,
    wait: Option<(Vec<i32>, Duration)>,
}

impl Lines {
    /// The line for an event at a time since the start, without its end; nothing where there is nothing new to say.
    pub(super) fn line(&mut self, event: &Event, now: Duration) -> Option<String> {
        self.progress.note(event, now);
        match event {
            Event::RunStarted { run, start, fingerprint, migrations } => {
                Some(format!("{}, {fingerprint}", words::run_started(*run, *start, *migrations)))
            }
            Event::MigrationStarted { phase, steps, .. } => {
                let Progress { migration, migrations, name, .. } = &self.progress;
                let steps = counted(*steps, "step", "steps");
                Some(format!("migration {migration} of {migrations}: {name} ({phase}, {steps})"))
            }
            Event::StepStarted { id, lock, .. } => {
                (self.backfill, self.wait) = (Some(now), None);
                let lock = match lock {
                    LockLevel::None => "no lock".to_owned(),
                    lock => lock.to_string(),
                };
                Some(format!("start: {} ({lock})", self.progress.title(id)))
            }
            Event::StepSkipped { id } => Some(format!("found done: {}", self.progress.finish(id))),
            Event::LockWaited { attempt, attempts, holders, rest, .. } => {
                self.waits(holders, now).then(|| words::lock_waited(holders, *attempt, *attempts, *rest))
            }
            Event::StatementWaits { elapsed, holders, .. } => {
                self.waits(holders, now).then(|| words::statement_waits(holders, *elapsed))
            }
            Event::BatchDone { .. } => self.batch(event, now),
            Event::StepDone { id, elapsed } => {
                Some(format!("done: {} in {}", self.progress.finish(id), duration(*elapsed)))
            }
            Event::MigrationDone { .. } => {
                let took = duration(self.progress.migration_elapsed(now));
                Some(format!("applied: {} in {took}", self.progress.name))
            }
            Event::Stopping => Some(words::STOPPING.to_owned()),
            Event::RunFinished { run, migrations } => {
                Some(format!("run {run} is done: {} applied", counted(*migrations, "migration", "migrations")))
            }
        }
    }

    fn batch(&mut self, event: &Event, now: Duration) -> Option<String> {
        let Event::BatchDone { id, rows, rows_total, rows_expected, block, blocks, elapsed, .. } = event else {
            return None;
        };
        let batch = Batch { at: now, elapsed: *elapsed, rows: *rows, block: *block, blocks: *blocks };
        let speed = self.progress.batch(id, batch);
        if self.backfill.is_some_and(|last| now < last + BACKFILL_EVERY) {
            return None;
        }
        self.backfill = Some(now);
        let so_far = words::backfill(*rows_total, *rows_expected, *block, *blocks, speed);
        Some(format!("{}: {so_far}", self.progress.title(id)))
    }

    fn waits(&mut self, holders: &[LockHolder], now: Duration) -> bool {
        let pids: Vec<i32> = holders.iter().map(|holder| holder.pid).collect();
        let known = self.wait.as_ref().is_some_and(|(said, at)| *said == pids && now < *at + WAIT_EVERY);
        if !known {
            self.wait = Some((pids, now));
        }
        !known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn started() -> Event {
        let title = "give every row of public.orders its owner".to_owned();
        Event::StepStarted { id: "step".to_owned(), title, lock: LockLevel::RowExclusive }
    }

    fn batch(number: u64) -> Event {
        Event::BatchDone {
            id: "step".to_owned(),
            rows: 1_234,
            rows_seen: 1_234,
            rows_total: number * 1_234,
            rows_expected: Some(1_000_000),
            block: number * 16,
            blocks: 4_000,
            elapsed: SECOND,
        }
    }

    fn waited(pid: i32, attempt: u32) -> Event {
        let holder = LockHolder {
            pid,
            application: "psql\u{1b}[2J".to_owned(),
            state: "idle in transaction".to_owned(),
            open_for: 12 * SECOND,
        };
        let rest = Duration::from_millis(1_200);
        Event::LockWaited { id: "step".to_owned(), attempt, attempts: 60, holders: vec![holder], rest }
    }

    #[test]
    fn a_backfill_is_spoken_of_every_five_seconds_with_rows_rate_block_and_what_is_left() {
        let mut lines = Lines::default();
        lines.line(&started(), Duration::ZERO);
        let spoken: Vec<String> = (1..=12).filter_map(|n| lines.line(&batch(n), n as u32 * SECOND)).collect();
        assert_eq!(
            spoken,
            [
                "give every row of public.orders its owner: 6,170 of ~1,000,000 rows, 1.2k rows/s, 4m 5s left, block 80 \
                 of 4,000",
                "give every row of public.orders its owner: 12,340 of ~1,000,000 rows, 1.2k rows/s, 4m 0s left, block \
                 160 of 4,000",
            ]
        );
    }

    #[test]
    fn a_wait_names_who_holds_the_lock_and_then_is_silent_until_something_changes() {
        let mut lines = Lines::default();
        lines.line(&started(), Duration::ZERO);
        let said = lines.line(&waited(123, 3), SECOND);
        let words = "waiting for a lock: pid 123 (psql\u{fffd}[2J, idle in transaction for 12 s), attempt 3 of 60, \
                     again in 1.2 s";
        assert_eq!(said.as_deref(), Some(words));
        assert_eq!(lines.line(&waited(123, 4), 3 * SECOND), None);
        assert!(lines.line(&waited(9, 5), 5 * SECOND).is_some(), "another session");
        assert!(lines.line(&waited(9, 30), 36 * SECOND).is_some(), "after half a minute");
        lines.line(&started(), 37 * SECOND);
        assert!(lines.line(&waited(9, 1), 38 * SECOND).is_some(), "another step");
    }

    #[test]
    fn many_holders_are_counted_and_none_is_said_to_be_gone() {
        let holders = |count: i32| {
            let holder =
                |pid| LockHolder { pid, application: String::new(), state: "active".to_owned(), open_for: SECOND };
            Event::StatementWaits { id: "step".to_owned(), elapsed: SECOND, holders: (1..=count).map(holder).collect() }
        };
        let mut lines = Lines::default();
        assert_eq!(
            lines.line(&holders(5), SECOND).as_deref(),
            Some(
                "waiting for older transactions for 1.0 s: pid 1 (active for 1.0 s), pid 2 (active for 1.0 s), pid 3 \
                 (active for 1.0 s), 2 more"
            )
        );
        let gone = "waiting for older transactions for 1.0 s: they have just gone";
        assert_eq!(lines.line(&holders(0), SECOND).as_deref(), Some(gone));
    }
}
