//! Where a run is, as its events tell: pure, with the time as an argument.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::event::Event;
use crate::report::human::printable;

/// How far back the speed of a backfill looks: long enough to be calm, short enough to follow a throttle.
const WINDOW: Duration = Duration::from_secs(15);

/// What bars and lines remember of a run.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Migrations of this run.
    pub(super) migrations: usize,
    /// Which one it is at, from 1.
    pub(super) migration: usize,
    /// Its name, such as `V7__backfill_orders`.
    pub(super) name: String,
    titles: BTreeMap<String, String>,
    paces: BTreeMap<String, Pace>,
}

/// How fast a backfill goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Speed {
    /// Rows that got their owner in a second.
    pub(super) rows_per_second: f64,
    /// Until the end of the heap; nothing before two batches tell.
    pub(super) left: Option<Duration>,
}

impl Progress {
    /// Takes in an event; call it before anything is said about it.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::RunStarted { migrations, .. } => *self = Progress { migrations: *migrations, ..Progress::default() },
            Event::MigrationStarted { version, name, .. } => {
                self.migration += 1;
                self.name = format!("V{version}__{}", printable(name));
            }
            Event::StepStarted { id, title, .. } => {
                self.titles.insert(id.clone(), printable(title));
            }
            _ => {}
        }
    }

    /// What a step does, or its id where it has not begun.
    pub(super) fn title(&self, id: &str) -> String {
        self.titles.get(id).cloned().unwrap_or_else(|| printable(id))
    }

    /// Forgets a step that is over, and gives its title back.
    pub(super) fn finish(&mut self, id: &str) -> String {
        self.paces.remove(id);
        self.titles.remove(id).unwrap_or_else(|| printable(id))
    }

    /// Takes in a batch.
    pub(super) fn batch(&mut self, id: &str, batch: Batch) -> Speed {
        self.paces.entry(id.to_owned()).or_default().batch(batch)
    }
}

/// One batch of a backfill, as far as its speed needs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    /// When it was done.
    pub(super) at: Duration,
    /// How long it took.
    pub(super) elapsed: Duration,
    /// Its rows.
    pub(super) rows: u64,
    /// The next heap block.
    pub(super) block: u64,
    /// The heap's end.
    pub(super) blocks: u64,
}

/// The batches of the last seconds.
#[derive(Debug, Default)]
struct Pace(VecDeque<Batch>);

impl Pace {
    fn batch(&mut self, batch: Batch) -> Speed {
        // A rescan begins at the first block again: what was measured before tells nothing about its end.
        if self.0.back().is_some_and(|last| batch.block < last.block) {
            self.0.clear();
        }
        self.0.push_back(batch);
        while self.0.len() > 2 && self.0.front().is_some_and(|first| first.at + WINDOW < batch.at) {
            self.0.pop_front();
        }
        let first = self.0.front().unwrap_or(&batch);
        let rows: u64 = self.0.iter().map(|batch| batch.rows).sum();
        let time = (batch.at + first.elapsed).saturating_sub(first.at).as_secs_f64();
        // The first batch's own blocks are unknown, so blocks are counted from its end.
        let block_time = batch.at.saturating_sub(first.at).as_secs_f64();
        let blocks = batch.block.saturating_sub(first.block) as f64;
        let ahead = batch.blocks.saturating_sub(batch.block) as f64;
        Speed {
            rows_per_second: if time > 0.0 { rows as f64 / time } else { 0.0 },
            left: (blocks > 0.0).then(|| Duration::try_from_secs_f64(ahead * block_time / blocks).ok()).flatten(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(second: u64, rows: u64, block: u64) -> Batch {
        Batch { at: Duration::from_secs(second), elapsed: Duration::from_secs(1), rows, block, blocks: 1_000 }
    }

    #[test]
    fn the_first_batch_tells_a_rate_and_no_end() {
        let speed = Pace::default().batch(batch(1, 500, 10));
        assert_eq!(speed, Speed { rows_per_second: 500.0, left: None });
    }

    #[test]
    fn the_end_follows_from_the_blocks_of_the_last_seconds_and_not_from_the_average() {
        let mut pace = Pace::default();
        for second in 1..=20 {
            pace.batch(batch(second, 1_000, second * 20));
        }
        // The throttle now lets a tenth through.
        let mut speed = pace.batch(batch(21, 100, 402));
        for second in 22..=60 {
            speed = pace.batch(batch(second, 100, 402 + 2 * (second - 21)));
        }
        assert_eq!(speed.rows_per_second, 100.0);
        assert_eq!(speed.left, Some(Duration::from_secs((1_000 - 480) / 2)));
    }

    #[test]
    fn a_rescan_starts_the_measuring_again() {
        let mut pace = Pace::default();
        pace.batch(batch(1, 10, 100));
        pace.batch(batch(2, 10, 1_000));
        assert_eq!(pace.batch(batch(3, 7, 50)), Speed { rows_per_second: 7.0, left: None });
    }
}
