//! A run in plain lines, for a log: one line for a step when it is done, and more only while it lasts long or waits.
//!
//! No control characters, and no line that only repeats.

use std::time::Duration;

use super::progress::{Batch, Progress};
use super::words;
use crate::catalog::LockHolder;
use crate::event::Event;
use crate::plan::{LockLevel, Phase};
use crate::report::human::{count, counted, duration};

/// How often a backfill is spoken of.
const BACKFILL_EVERY: Duration = Duration::from_secs(5);
/// How long a step goes on before it is spoken of at all; after that each time twice as long as before.
const STEP_AFTER: Duration = Duration::from_secs(5);
/// How often a wait is spoken of while the same sessions hold us up.
const WAIT_EVERY: Duration = Duration::from_secs(30);

/// Turns events into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    progress: Progress,
    phase: Option<Phase>,
    step: Option<Step>,
    wait: Option<(Vec<i32>, Duration)>,
}

/// The step that is running.
#[derive(Debug)]
struct Step {
    id: String,
    lock: LockLevel,
    since: Duration,
    /// When it is to be spoken of again.
    speak_at: Duration,
    /// Rows that it gave their owner.
    rows: Option<u64>,
}

impl Lines {
    /// The line for an event at a time since the start, without its end; nothing where there is nothing new to say.
    pub(super) fn line(&mut self, event: &Event, now: Duration) -> Option<String> {
        self.progress.note(event);
        match event {
            Event::RunStarted { run, start, fingerprint, migrations, .. } => {
                Some(format!("{}, {fingerprint}", words::run_started(*run, *start, *migrations)))
            }
            Event::MigrationStarted { phase, .. } => {
                let new = self.phase.replace(*phase) != Some(*phase);
                new.then(|| format!("phase {phase}"))
            }
            Event::StepStarted { id, lock, .. } => {
                let speak_at = now + STEP_AFTER;
                self.step = Some(Step { id: id.clone(), lock: *lock, since: now, speak_at, rows: None });
                self.wait = None;
                None
            }
            Event::StepSkipped { id } => Some(self.about(id, "found done")),
            Event::LockWaited { id, attempt, attempts, holders, rest } => {
                let words =
                    self.waits(holders, now).then(|| words::lock_waited(holders, *attempt, *attempts, *rest))?;
                Some(self.about(id, &words))
            }
            Event::StatementWaits { id, elapsed, holders } => {
                let words = self.waits(holders, now).then(|| words::statement_waits(holders, *elapsed))?;
                Some(self.about(id, &words))
            }
            Event::BatchDone { .. } => self.batch(event, now),
            Event::Pressure { level, reason, .. } => Some(words::pressure(*level, reason.as_deref())),
            Event::WorkerMissing { worker, reason } => Some(words::worker_missing(*worker, reason)),
            Event::Reconciled { id, expected, written } => {
                let meanwhile = words::reconciled(*expected, *written)?;
                Some(self.about(id, &meanwhile))
            }
            Event::Controlled { paused, workers, batch, by } => Some(words::controlled(*paused, *workers, *batch, by)),
            Event::StepDone { id, elapsed } => Some(self.done(id, *elapsed)),
            Event::MigrationDone { .. } => None,
            Event::Stopping => Some(words::STOPPING.to_owned()),
            Event::RunFinished { run, migrations } => {
                Some(format!("run {run} is done: {} applied", counted(*migrations, "migration", "migrations")))
            }
        }
    }

    /// The line for a step that goes on for long without an event of its own.
    pub(super) fn tick(&mut self, now: Duration) -> Option<String> {
        let step = self.step.as_mut().filter(|step| now >= step.speak_at)?;
        let running = now.saturating_sub(step.since);
        step.speak_at = now + running;
        let lock = match step.lock {
            LockLevel::None => "no lock".to_owned(),
            lock => lock.to_string(),
        };
        let id = step.id.clone();
        Some(self.about(&id, &format!("still at it after {} ({lock})", duration(running))))
    }

    fn done(&mut self, id: &str, elapsed: Duration) -> String {
        let rows = self.step.take().and_then(|step| step.rows);
        let rows = rows.map(|rows| format!("{} rows in ", count(rows))).unwrap_or_default();
        let line = self.about(id, &format!("{rows}{}", duration(elapsed)));
        self.progress.finish(id);
        line
    }

    /// The step, then what there is to say about it.
    fn about(&self, id: &str, words: &str) -> String {
        self.numbered(&format!("{}: {words}", self.progress.title(id)))
    }

    /// Which migration of how many it is, then the words.
    fn numbered(&self, words: &str) -> String {
        let of = self.progress.migrations.to_string();
        format!("[{:>width$}/{of}] {words}", self.progress.migration, width = of.len())
    }

    fn batch(&mut self, event: &Event, now: Duration) -> Option<String> {
        let Event::BatchDone { id, rows, rows_total, rows_expected, block, blocks, elapsed, .. } = event else {
            return None;
        };
        let batch = Batch { at: now, elapsed: *elapsed, rows: *rows, block: *block, blocks: *blocks };
        let speed = self.progress.batch(id, batch);
        let step = self.step.as_mut()?;
        step.rows = Some(*rows_total);
        if now < step.speak_at {
            return None;
        }
        step.speak_at = now + BACKFILL_EVERY;
        let so_far = words::backfill(*rows_total, *rows_expected, speed);
        Some(self.about(id, &format!("{so_far}, block {} of {}", count(*block), count(*blocks))))
    }

    fn waits(&mut self, holders: &[LockHolder], now: Duration) -> bool {
        let pids: Vec<i32> = holders.iter().map(|holder| holder.pid).collect();
        let known = self.wait.as_ref().is_some_and(|(said, at)| *said == pids && now < *at + WAIT_EVERY);
        if !known {
            self.wait = Some((pids, now));
        }
        // Who waits is spoken of already.
        if let Some(step) = &mut self.step {
            step.speak_at = step.speak_at.max(now + WAIT_EVERY);
        }
        !known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Start;

    const SECOND: Duration = Duration::from_secs(1);

    /// A run whose seventh migration of twelve has begun its step.
    fn at_a_step() -> Lines {
        let mut lines = Lines::default();
        let fingerprint = "sha256:ab".to_owned();
        lines.line(
            &Event::RunStarted {
                run: 1,
                start: Start::Fresh,
                fingerprint,
                migrations: 12,
                rows_expected: None,
                expected: None,
            },
            Duration::ZERO,
        );
        for version in 1..=7 {
            let name = "backfill_orders".to_owned();
            lines.line(&Event::MigrationStarted { version, name, phase: Phase::Backfill, steps: 1 }, Duration::ZERO);
        }
        assert_eq!(lines.line(&started(), Duration::ZERO), None);
        lines
    }

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
            hot_rows: 0,
            wal_bytes: 0,
            worker: 0,
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
        let mut lines = at_a_step();
        let spoken: Vec<String> = (1..=12).filter_map(|n| lines.line(&batch(n), n as u32 * SECOND)).collect();
        let step = "[ 7/12] give every row of public.orders its owner: ";
        assert_eq!(
            spoken,
            [
                format!("{step}6,170 of ~1,000,000 rows, 1.2k rows/s, 4m 5s left, block 80 of 4,000"),
                format!("{step}12,340 of ~1,000,000 rows, 1.2k rows/s, 4m 0s left, block 160 of 4,000"),
            ]
        );
        let done = Event::StepDone { id: "step".to_owned(), elapsed: 13 * SECOND };
        assert_eq!(lines.line(&done, 13 * SECOND), Some(format!("{step}14,808 rows in 13 s")));
    }

    #[test]
    fn a_step_that_lasts_is_spoken_of_after_five_seconds_and_then_ever_more_rarely() {
        let mut lines = at_a_step();
        let spoken: Vec<u32> = (1..=60).filter(|second| lines.tick(*second * SECOND).is_some()).collect();
        assert_eq!(spoken, [5, 10, 20, 40]);
        let words = "[ 7/12] give every row of public.orders its owner: still at it after 1m 20s (ROW EXCLUSIVE)";
        assert_eq!(lines.tick(80 * SECOND).as_deref(), Some(words));
        lines.line(&Event::StepDone { id: "step".to_owned(), elapsed: 90 * SECOND }, 90 * SECOND);
        assert_eq!(lines.tick(900 * SECOND), None, "nothing runs");
    }

    #[test]
    fn a_wait_names_who_holds_the_lock_and_then_is_silent_until_something_changes() {
        let mut lines = at_a_step();
        let said = lines.line(&waited(123, 3), SECOND);
        let words = "[ 7/12] give every row of public.orders its owner: waiting for a lock: pid 123 (psql\u{fffd}[2J, idle \
                     in transaction for 12 s), attempt 3 of 60, again in 1.2 s";
        assert_eq!(said.as_deref(), Some(words));
        assert_eq!(lines.line(&waited(123, 4), 3 * SECOND), None);
        assert_eq!(lines.tick(6 * SECOND), None, "the wait is spoken of already");
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
        let mut lines = at_a_step();
        assert_eq!(
            lines.line(&holders(5), SECOND).as_deref(),
            Some(
                "[ 7/12] give every row of public.orders its owner: waiting for older transactions for 1.0 s: pid 1 \
                 (active for 1.0 s), pid 2 (active for 1.0 s), pid 3 (active for 1.0 s), 2 more"
            )
        );
        let gone = "[ 7/12] give every row of public.orders its owner: waiting for older transactions for 1.0 s: they have just gone";
        assert_eq!(lines.line(&holders(0), SECOND).as_deref(), Some(gone));
    }
}
