//! A run in plain lines, for a log: one line for a step when it is done, and more only while it lasts long or waits.
//!
//! No control characters, and no line that only repeats.

use std::collections::BTreeMap;
use std::time::Duration;

use super::progress::{Hold, Progress, Step};
use super::words;
use crate::event::Event;
use crate::plan::{LockLevel, Phase};
use crate::report::human::{count, counted, duration};

/// How long a step goes on before it is spoken of at all; after that each time twice as long as before.
const STEP_AFTER: Duration = Duration::from_secs(5);
/// At least so often a backfill is spoken of.
const BACKFILL_EVERY: Duration = Duration::from_secs(60);
/// How long a run goes on before it is spoken of as a whole; after that each time twice as long as before.
const WHOLE_AFTER: Duration = Duration::from_secs(60);
/// At least so often.
const WHOLE_EVERY: Duration = Duration::from_secs(600);
/// How often a wait, or what holds the backfills back, is spoken of while it stays the same.
const WAIT_EVERY: Duration = Duration::from_secs(30);
/// Of so many backfills in flight each is spoken of; the others are part of the whole.
const SPOKEN_OF: usize = 4;

/// Turns events into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    progress: Progress,
    phase: Option<Phase>,
    /// When each step in flight is to be spoken of again.
    speak_at: BTreeMap<String, Duration>,
    whole_at: Duration,
    wait: Option<(Vec<i32>, Duration)>,
    hold: Option<SaidHold>,
}

/// What was said last of what holds the backfills back.
#[derive(Debug)]
struct SaidHold {
    /// Its words without their numbers, which change all the time.
    what: String,
    still: bool,
    at: Duration,
}

impl Lines {
    /// The line for an event at a time since the start, without its end; nothing where there is nothing new to say.
    pub(super) fn line(&mut self, event: &Event, now: Duration) -> Option<String> {
        let title = match event {
            Event::StepSkipped { id, .. } | Event::StepDone { id, .. } => self.progress.title(id),
            _ => String::new(),
        };
        let over = self.progress.note(event, now);
        match event {
            Event::RunStarted { run, start, fingerprint, migrations, .. } => {
                self.whole_at = now + WHOLE_AFTER;
                Some(format!("{}, {fingerprint}", words::run_started(*run, *start, *migrations)))
            }
            Event::MigrationStarted { phase, .. } => {
                let new = self.phase.replace(*phase) != Some(*phase);
                new.then(|| format!("phase {phase}"))
            }
            Event::StepStarted { id, .. } => {
                self.speak_at.insert(id.clone(), now + STEP_AFTER);
                self.wait = None;
                None
            }
            Event::StepSkipped { .. } => Some(self.numbered(&format!("{title}: found done"))),
            Event::LockWaited { id, .. } | Event::StatementWaits { id, .. } => self.waits(id, now),
            Event::BatchDone { id, .. } => self.batch(id, now),
            Event::Pressure { .. } => self.held(now),
            Event::Controlled { .. } => {
                self.held(now);
                words::controlled(event)
            }
            Event::WorkerMissing { worker, reason } => Some(words::worker_missing(*worker, reason)),
            Event::RowFailed { id, row, reason, .. } => {
                let failed = words::row_failed(row, reason);
                self.progress.step(id).map(|step| self.about(step, &failed))
            }
            Event::Reconciled { id, expected, written } => {
                let meanwhile = words::reconciled(*expected, *written)?;
                self.progress.step(id).map(|step| self.about(step, &meanwhile))
            }
            Event::StepDone { id, elapsed } => {
                self.speak_at.remove(id);
                Some(self.numbered(&format!("{title}: {}", done(over.as_ref(), *elapsed))))
            }
            Event::MigrationDone { .. } => None,
            Event::Stopping => Some(words::STOPPING.to_owned()),
            Event::RunFinished { run, migrations } => {
                Some(format!("run {run} is done: {} applied", counted(*migrations, "migration", "migrations")))
            }
        }
    }

    /// The line for what goes on for long without an event of its own.
    pub(super) fn tick(&mut self, now: Duration) -> Option<String> {
        self.held(now).or_else(|| self.whole(now)).or_else(|| self.still_at_it(now))
    }

    fn still_at_it(&mut self, now: Duration) -> Option<String> {
        let due = |step: &&Step| self.speak_at.get(&step.id).is_some_and(|at| now >= *at);
        let step = self.progress.steps.iter().find(due)?;
        let running = now.saturating_sub(step.since);
        let lock = match step.lock {
            LockLevel::None => "no lock".to_owned(),
            lock => lock.to_string(),
        };
        let line = self.about(step, &format!("still at it after {} ({lock})", duration(running)));
        self.speak_at.insert(step.id.clone(), now + running);
        Some(line)
    }

    /// The run as a whole, where it takes its time.
    fn whole(&mut self, now: Duration) -> Option<String> {
        if now < self.whole_at || self.progress.steps.is_empty() || self.progress.hold.is_still() {
            return None;
        }
        self.whole_at = now + now.saturating_sub(self.progress.since).clamp(WHOLE_AFTER, WHOLE_EVERY);
        let parts = words::whole(&self.progress, now);
        (!parts.is_empty()).then(|| self.numbered(&format!("in all: {}", parts.join(", "))))
    }

    /// The step, then what there is to say about it.
    fn about(&self, step: &Step, words: &str) -> String {
        self.numbered(&format!("{}: {words}", step.title))
    }

    /// Which migration of how many it is, then the words.
    fn numbered(&self, words: &str) -> String {
        let of = self.progress.migrations.to_string();
        format!("[{:>width$}/{of}] {words}", self.progress.migration, width = of.len())
    }

    fn batch(&mut self, id: &str, now: Duration) -> Option<String> {
        let place = self.progress.steps.iter().position(|step| step.id == id)?;
        let step = &self.progress.steps[place];
        let (speak_at, fill) = (self.speak_at.get_mut(id)?, step.fill.as_ref()?);
        if now < *speak_at {
            return None;
        }
        *speak_at = now + now.saturating_sub(step.since).clamp(STEP_AFTER, BACKFILL_EVERY);
        if place >= SPOKEN_OF {
            return None;
        }
        let hold = words::hold(&self.progress.hold, now);
        let how_far = words::how_far(fill, &self.progress.hold, now);
        let parts =
            [how_far, vec![words::blocks(fill)], words::what_it_costs(fill, now), Vec::from_iter(hold)].concat();
        Some(self.about(step, &parts.join(", ")))
    }

    fn waits(&mut self, id: &str, now: Duration) -> Option<String> {
        let step = self.progress.step(id)?;
        let wait = step.wait.as_ref()?;
        let pids: Vec<i32> = wait.holders().iter().map(|holder| holder.pid).collect();
        // Who waits is spoken of already.
        if let Some(speak_at) = self.speak_at.get_mut(id) {
            *speak_at = (*speak_at).max(now + WAIT_EVERY);
        }
        if self.wait.as_ref().is_some_and(|(said, at)| *said == pids && now < *at + WAIT_EVERY) {
            return None;
        }
        self.wait = Some((pids, now));
        Some(self.about(step, &words::wait(wait)))
    }

    /// What holds the backfills back: at once where they stop or go on again, or where it is another thing; else now and
    /// then.
    fn held(&mut self, now: Duration) -> Option<String> {
        let hold = &self.progress.hold;
        let is_due = |said: &SaidHold| now >= said.at + WAIT_EVERY;
        let Some(words) = words::hold(hold, now) else {
            let said = self.hold.take_if(|said| said.still || is_due(said));
            return said.map(|_| words::RELEASED.to_owned());
        };
        let (what, still) = (without_numbers(hold), hold.is_still());
        let is_new = match &self.hold {
            Some(said) => said.still != still || still && said.what != what || is_due(said),
            None => true,
        };
        // The steps are silent meanwhile for a reason that is spoken of.
        self.speak_at.values_mut().filter(|_| still).for_each(|at| *at = (*at).max(now + STEP_AFTER));
        is_new.then(|| {
            self.hold = Some(SaidHold { what, still, at: now });
            words
        })
    }
}

/// How long a step took and, of a backfill, what it did.
fn done(step: Option<&Step>, elapsed: Duration) -> String {
    let Some(fill) = step.and_then(|step| step.fill.as_ref()) else { return duration(elapsed) };
    let ahead = if step.is_some_and(|step| step.is_early) { ", some of them ahead of its turn," } else { "" };
    let rows = format!("{} rows{ahead} in {}", count(fill.rows_total), duration(elapsed));
    [vec![rows], words::measured(fill)].concat().join(", ")
}

/// The kind of thing that holds us back: its reason with other numbers is the same.
fn without_numbers(hold: &Hold) -> String {
    let words = match hold {
        Hold::Free => return String::new(),
        Hold::Slowed { reason, .. } | Hold::Stopped { reason, .. } => reason.clone().unwrap_or_default(),
        Hold::Paused { by, .. } => return format!("paused by {by}"),
    };
    words.chars().filter(|character| !character.is_ascii_digit() && *character != '.').collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::LockHolder;
    use crate::event::Start;

    const SECOND: Duration = Duration::from_secs(1);

    /// A run whose seventh migration of twelve has begun its step.
    fn at_a_step() -> Lines {
        let mut lines = Lines::default();
        let fingerprint = "sha256:ab".to_owned();
        let (rows_expected, expected) = (Some(3_000_000), Some(1_000 * SECOND));
        let run =
            Event::RunStarted { run: 1, start: Start::Fresh, fingerprint, migrations: 12, rows_expected, expected };
        lines.line(&run, Duration::ZERO);
        for version in 1..=7 {
            let name = "backfill_orders".to_owned();
            lines.line(&Event::MigrationStarted { version, name, phase: Phase::Backfill, steps: 1 }, Duration::ZERO);
        }
        assert_eq!(lines.line(&started(), Duration::ZERO), None);
        lines
    }

    fn started() -> Event {
        let title = "give every row of public.orders its owner".to_owned();
        Event::StepStarted { id: "step".to_owned(), title, lock: LockLevel::RowExclusive, expected: SECOND }
    }

    fn batch(number: u64) -> Event {
        Event::BatchDone {
            id: "step".to_owned(),
            rows: 1_234,
            rows_seen: 1_234,
            rows_total: number * 1_234,
            rows_expected: Some(1_000_000),
            hot_rows: 1_111,
            wal_bytes: 1 << 20,
            worker: 0,
            block: number * 16,
            blocks: 4_000,
            heap_blocks: Some(4_400),
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
    fn a_backfill_is_spoken_of_ever_more_rarely_with_rows_rate_block_cost_and_what_is_left() {
        let mut lines = at_a_step();
        let mut spoken = Vec::new();
        for second in 1..=240 {
            let line = lines.line(&batch(u64::from(second)), second * SECOND);
            spoken.extend(line.map(|line| (second, line)));
        }
        let step = "[ 7/12] give every row of public.orders its owner: ";
        let first = "6,170 of ~1,000,000 rows, 1.2k rows/s, 4m 5s left, block 80 of 4,000, HOT 90 %, 5.00 MiB of WAL, heap 1.10x, \
                     1 worker";
        assert_eq!(spoken[0], (5, format!("{step}{first}")));
        assert_eq!(spoken.iter().map(|(second, _)| *second).collect::<Vec<u32>>(), [5, 10, 20, 40, 80, 140, 200]);
        let done = Event::StepDone { id: "step".to_owned(), elapsed: 240 * SECOND };
        let last = format!("{step}296,160 rows in 4m 0s, HOT 90 %, 240.00 MiB of WAL, heap 1.10x");
        assert_eq!(lines.line(&done, 240 * SECOND), Some(last));
    }

    #[test]
    fn a_run_that_takes_its_time_is_spoken_of_as_a_whole() {
        let mut lines = at_a_step();
        lines.line(&batch(1), SECOND);
        lines.line(&waited(1, 1), 2 * SECOND);
        let spoken: Vec<(u32, String)> =
            (3..=900).filter_map(|second| Some((second, lines.tick(second * SECOND)?))).collect();
        let whole: Vec<&(u32, String)> = spoken.iter().filter(|(_, line)| line.contains(" in all: ")).collect();
        assert_eq!(whole[0].1, "[ 7/12] in all: 1,234 of ~3,000,000 rows, about 1h 56m left");
        assert_eq!(whole.iter().map(|(second, _)| *second).collect::<Vec<u32>>(), [60, 120, 240, 480]);
    }

    fn pressed(level: f64, reason: &str) -> Event {
        Event::Pressure { level, reason: Some(reason.to_owned()), resting: SECOND }
    }

    #[test]
    fn why_nothing_goes_on_is_said_at_once_and_then_every_half_minute() {
        let mut lines = at_a_step();
        let lag = |seconds| format!("replica standby1 is {seconds} s behind (limit 10 s)");
        let mut spoken = Vec::new();
        let mut say = |second: u32, line: Option<String>| spoken.extend(line.map(|line| format!("{second}: {line}")));
        for second in 1..=70 {
            say(second, lines.line(&pressed(1.0, &lag(10 + second)), second * SECOND));
            say(second, lines.tick(second * SECOND));
        }
        say(71, lines.line(&pressed(1.0, "17 sessions wait for our locks (limit 5)"), 71 * SECOND));
        say(72, lines.line(&pressed(0.4, &lag(4)), 72 * SECOND));
        say(73, lines.line(&pressed(0.5, &lag(5)), 73 * SECOND));
        say(74, lines.line(&pressed(0.0, ""), 74 * SECOND));
        say(104, lines.tick(104 * SECOND));
        assert_eq!(
            spoken,
            [
                "1: held: replica standby1 is 11 s behind (limit 10 s)",
                "31: held for 30 s: replica standby1 is 41 s behind (limit 10 s)",
                "61: held for 1m 0s: replica standby1 is 71 s behind (limit 10 s)",
                "71: held for 1m 10s: 17 sessions wait for our locks (limit 5)",
                "72: slowed by 40 %: replica standby1 is 4 s behind (limit 10 s)",
                "104: nothing holds the backfills back any more",
            ]
        );
    }

    #[test]
    fn who_paused_a_run_is_said_at_once_and_again_and_a_backfill_says_it_too() {
        let mut lines = at_a_step();
        let by = "ann\u{7}@10.0.0.5".to_owned();
        let (workers, paused) = (Some(4), Some(SECOND / 2));
        let paused_by = Some(by.clone());
        let pause = Event::Controlled { paused_by, workers, batch: paused, max_lag: Some(5 * SECOND), by: by.clone() };
        let said = "set by ann\u{fffd}@10.0.0.5: paused, 4 workers, batches of 500 ms, replicas at most 5.0 s behind";
        assert_eq!(lines.line(&pause, 4 * SECOND).as_deref(), Some(said));
        // The batch that was in flight.
        assert_eq!(lines.line(&batch(1), 4 * SECOND), None);
        let again: Vec<u32> = (5..=100).filter(|second| lines.tick(*second * SECOND).is_some()).collect();
        assert_eq!(again, [34, 64, 94]);
        let words = "paused by ann\u{fffd}@10.0.0.5 for 2m 0s; `tenantctl resume` goes on";
        assert_eq!(lines.tick(124 * SECOND).as_deref(), Some(words));
        let resume = Event::Controlled { paused_by: None, workers: None, batch: None, max_lag: None, by };
        assert!(lines.line(&resume, 125 * SECOND).is_some());
        assert!(lines.tick(126 * SECOND).is_none_or(|line| !line.contains("paused")));
    }

    #[test]
    fn several_backfills_in_flight_are_told_apart_and_the_fifth_is_part_of_the_whole() {
        let mut lines = at_a_step();
        for number in 2..=5 {
            let id = format!("step {number}");
            let title = format!("give every row of table {number} its owner");
            lines.line(&Event::StepStarted { id, title, lock: LockLevel::RowExclusive, expected: SECOND }, SECOND);
        }
        let of = |number: u32| {
            let mut event = batch(9);
            if let (Event::BatchDone { id, .. }, true) = (&mut event, number > 1) {
                *id = format!("step {number}");
            }
            event
        };
        let spoken: Vec<u32> = (1..=5).filter(|number| lines.line(&of(*number), 7 * SECOND).is_some()).collect();
        assert_eq!(spoken, [1, 2, 3, 4]);
        let done = lines.line(&Event::StepDone { id: "step 3".to_owned(), elapsed: SECOND }, 8 * SECOND);
        assert!(
            done.is_some_and(
                |line| line.starts_with("[ 7/12] give every row of table 3 its owner: 11,106 rows in 1.0 s")
            )
        );
        assert_eq!(lines.progress.steps.len(), 4);
    }

    #[test]
    fn a_step_that_lasts_is_spoken_of_after_five_seconds_and_then_ever_more_rarely() {
        let mut lines = at_a_step();
        let mut at_it = |second: u32| lines.tick(second * SECOND).filter(|line| line.contains("still at it"));
        let spoken: Vec<u32> = (1..=60).filter(|second| at_it(*second).is_some()).collect();
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
