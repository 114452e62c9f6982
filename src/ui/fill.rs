//! A backfill as its batches tell: rows, costs, and how fast it goes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::event::Event;

/// How far back the speed looks: long enough to be calm, short enough to follow a throttle.
const WINDOW: Duration = Duration::from_secs(15);

/// What the batches of a backfill add up to.
#[derive(Debug, Default)]
pub(super) struct Fill {
    /// Rows so far, those of earlier processes included.
    pub(super) rows_total: u64,
    /// Rows that it is expected to have at its end.
    pub(super) rows_expected: Option<u64>,
    /// Heap blocks that are behind it.
    pub(super) block: u64,
    /// Of how many.
    pub(super) blocks: u64,
    heap: Option<Heap>,
    rows: u64,
    hot_rows: u64,
    wal_bytes: u64,
    /// When each worker ended its last batch.
    workers: BTreeMap<u32, Duration>,
    pace: Pace,
}

/// Blocks of the heap.
#[derive(Debug, Clone, Copy)]
struct Heap {
    first: u64,
    now: u64,
}

/// How fast a backfill goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Speed {
    /// Rows that got their owner in a second.
    pub(super) rows_per_second: f64,
    /// Until its end; nothing before two batches tell.
    pub(super) left: Option<Duration>,
}

impl Fill {
    /// Takes in a batch; other events are none.
    pub(super) fn note(&mut self, event: &Event, now: Duration) {
        let Event::BatchDone {
            rows,
            rows_total,
            rows_expected,
            hot_rows,
            wal_bytes,
            worker,
            block,
            blocks,
            heap_blocks,
            elapsed,
            ..
        } = event
        else {
            return;
        };
        (self.rows_total, self.rows_expected) = (*rows_total, *rows_expected);
        (self.block, self.blocks) = (*block, *blocks);
        self.rows += rows;
        self.hot_rows += hot_rows;
        self.wal_bytes += wal_bytes;
        self.workers.insert(*worker, now);
        let heap = self.heap.get_or_insert(Heap { first: *blocks, now: *blocks });
        heap.now = heap_blocks.unwrap_or(heap.now);
        self.pace.note(Batch { at: now, elapsed: *elapsed, rows: *rows, share: self.share() });
    }

    /// The share that is done, from 0 to 1: by rows or by blocks, whichever is further. Where there are more rows than were
    /// expected, only blocks tell.
    pub(super) fn share(&self) -> f64 {
        let by_rows = match self.rows_expected {
            Some(expected) if self.rows_total < expected => self.rows_total as f64 / expected as f64,
            _ => 0.0,
        };
        let by_blocks = if self.blocks == 0 { 0.0 } else { self.block as f64 / self.blocks as f64 };
        by_rows.max(by_blocks).min(1.0)
    }

    /// How fast it goes; nothing where no batch ended for so long that nobody knows.
    pub(super) fn speed(&self, now: Duration) -> Option<Speed> {
        self.pace.speed(now)
    }

    /// The share of rows whose new version stayed on its page, where it is measured.
    pub(super) fn hot_share(&self) -> Option<f64> {
        (self.rows > 0 && self.wal_bytes > 0).then(|| (self.hot_rows as f64 / self.rows as f64).min(1.0))
    }

    /// Bytes of WAL, where they are measured.
    pub(super) fn wal(&self) -> Option<u64> {
        (self.wal_bytes > 0).then_some(self.wal_bytes)
    }

    /// The heap's blocks by those that it had, where that is looked up.
    pub(super) fn heap_growth(&self) -> Option<f64> {
        self.heap
            .filter(|heap| heap.first > 0 && heap.now != heap.first)
            .map(|heap| heap.now as f64 / heap.first as f64)
    }

    /// Workers with a batch in the last seconds.
    pub(super) fn workers(&self, now: Duration) -> usize {
        self.workers.values().filter(|at| **at + WINDOW >= now).count().max(1)
    }
}

/// One batch, as far as the speed needs it.
#[derive(Debug, Clone, Copy)]
struct Batch {
    /// When it was done.
    at: Duration,
    /// How long it took.
    elapsed: Duration,
    /// Its rows.
    rows: u64,
    /// The share of all that was done then.
    share: f64,
}

/// The batches of the last seconds.
#[derive(Debug, Default)]
struct Pace {
    batches: VecDeque<Batch>,
    rows: u64,
}

impl Pace {
    fn note(&mut self, batch: Batch) {
        // A rescan begins at the first block again: what was measured before tells nothing about its end.
        if self.batches.back().is_some_and(|last| batch.share < last.share) {
            *self = Pace::default();
        }
        self.batches.push_back(batch);
        self.rows += batch.rows;
        while self.batches.len() > 2
            && let Some(first) = self.batches.front().filter(|first| first.at + WINDOW < batch.at)
        {
            self.rows -= first.rows;
            self.batches.pop_front();
        }
    }

    fn speed(&self, now: Duration) -> Option<Speed> {
        let (first, last) = (self.batches.front()?, self.batches.back()?);
        if last.at + WINDOW.max(last.elapsed * 4) < now {
            return None;
        }
        let time = (last.at + first.elapsed).saturating_sub(first.at).as_secs_f64();
        // What the first batch did is unknown, so the share is counted from its end.
        let (gone, share) = (last.at.saturating_sub(first.at).as_secs_f64(), last.share - first.share);
        let left = (share > 0.0).then(|| Duration::try_from_secs_f64((1.0 - last.share) * gone / share).ok()).flatten();
        Some(Speed { rows_per_second: if time > 0.0 { self.rows as f64 / time } else { 0.0 }, left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(batches: impl IntoIterator<Item = (u32, u64, f64)>) -> Speed {
        let (mut pace, mut now) = (Pace::default(), Duration::ZERO);
        for (second, rows, share) in batches {
            now = second * SECOND;
            pace.note(Batch { at: now, elapsed: SECOND, rows, share });
        }
        pace.speed(now).unwrap_or(Speed { rows_per_second: -1.0, left: None })
    }

    #[test]
    fn the_first_batch_tells_a_rate_and_no_end() {
        assert_eq!(pace([(1, 500, 0.01)]), Speed { rows_per_second: 500.0, left: None });
    }

    #[test]
    fn the_end_follows_from_the_last_seconds_and_not_from_the_average() {
        let fast = (1..=20).map(|second| (second, 1_000, f64::from(second) * 0.02));
        // The throttle now lets a tenth through.
        let slow = (21..=60).map(|second| (second, 100, 0.4 + f64::from(second - 20) * 0.002));
        let speed = pace(fast.chain(slow));
        assert_eq!(speed.rows_per_second, 100.0);
        assert_eq!(speed.left.map(|left| left.as_secs_f64().round()), Some(260.0));
    }

    #[test]
    fn a_rescan_starts_the_measuring_again() {
        assert_eq!(pace([(1, 10, 0.1), (2, 10, 1.0), (3, 7, 0.05)]), Speed { rows_per_second: 7.0, left: None });
    }

    #[test]
    fn a_backfill_without_a_batch_for_long_has_no_speed() {
        let mut pace = Pace::default();
        pace.note(Batch { at: SECOND, elapsed: SECOND, rows: 10, share: 0.1 });
        assert!(pace.speed(16 * SECOND).is_some());
        assert_eq!(pace.speed(17 * SECOND), None);
    }
}
