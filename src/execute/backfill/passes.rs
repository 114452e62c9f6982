//! How a table is gone over: one pass, or a cascade that follows what its passes really reach.

use std::sync::Arc;

use crate::plan::Cascade;
use crate::sql::Scan;

/// Rows on a page where nobody knows better.
const USUAL_ROWS: f64 = 40.0;
/// How many rows have to tell before something is changed.
const SAMPLE: u64 = 4_000;
/// Below this HOT share of the later passes something else than room is missing: an older snapshot sees the old versions.
const HELD_BACK: f64 = 0.3;
/// Below this one the first pass makes too little room.
const TOO_LITTLE: f64 = 0.97;
/// Above this one it may make less.
const PLENTY: f64 = 0.995;
/// How many rows a session lists at once, each of some thirty bytes.
const MOST_LISTED: f64 = 1_500_000.0;
/// By how much the supposed free room of a page changes, in rows.
const STEP: f64 = 0.5;
/// The most that is supposed.
const MOST_SPARE: f64 = 4.0;

/// The passes for the next turn.
#[derive(Debug)]
pub(super) struct Passes {
    growth: Option<f64>,
    rows: f64,
    spare: f64,
    /// More than this was too much.
    ceiling: f64,
    current: Arc<Cascade>,
    written: u64,
    hot: u64,
}

impl Passes {
    /// The passes for a table of so many rows on so many blocks, as the statistics say.
    pub(super) fn new(scan: Scan, rows: Option<u64>, blocks: i64) -> Passes {
        let rows = rows.filter(|rows| *rows > 0 && blocks > 0).map_or(USUAL_ROWS, |rows| rows as f64 / blocks as f64);
        let growth = match scan {
            Scan::Cascade { growth } => Some(f64::from(growth)),
            Scan::Ranges { .. } | Scan::Keyset => None,
        };
        let current = Arc::new(Cascade::single());
        let mut passes = Passes { growth, rows, spare: 0.0, ceiling: MOST_SPARE, current, written: 0, hot: 0 };
        passes.reckon();
        passes
    }

    /// The passes for ranges that nobody began.
    pub(super) fn current(&self) -> Arc<Cascade> {
        Arc::clone(&self.current)
    }

    /// The most blocks of a range where so many of them have their lists at once.
    pub(super) fn most_blocks(&self, ranges: usize) -> i64 {
        (MOST_LISTED / ranges as f64 / self.rows).max(1.0) as i64
    }

    /// Learns from a first pass how many rows are to be filled on a page.
    pub(super) fn saw(&mut self, rows: u64, blocks: i64) {
        if rows > 0 && blocks > 0 {
            let seen = rows as f64 / blocks as f64;
            // A page now and then is different; the next ranges are like the last ones.
            if (seen - self.rows).abs() > 0.1 * self.rows {
                self.rows = seen;
                self.reckon();
            }
        }
    }

    /// Learns from a later pass how many of its rows found room in their page. Early passes find more than late ones: what
    /// the passes are worth is known when a range has gone through all of them, and what others reached says nothing.
    pub(super) fn learn(&mut self, cascade: &Arc<Cascade>, done: (u64, u64), ends_range: bool) {
        if !Arc::ptr_eq(cascade, &self.current) {
            return;
        }
        (self.written, self.hot) = (self.written + done.0, self.hot + done.1);
        if self.written < SAMPLE || !ends_range {
            return;
        }
        let share = self.hot as f64 / self.written as f64;
        if (HELD_BACK..TOO_LITTLE).contains(&share) {
            self.ceiling = self.spare - STEP;
            self.spare = (self.spare - STEP).max(-self.rows / 4.0);
        } else if share > PLENTY && self.spare + STEP <= self.ceiling {
            self.spare += STEP;
        } else {
            return;
        }
        self.reckon();
    }

    fn reckon(&mut self) {
        (self.written, self.hot) = (0, 0);
        if let Some(growth) = self.growth {
            self.current = Arc::new(Cascade::new(self.rows, growth, self.spare));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes() -> Passes {
        Passes::new(Scan::Cascade { growth: 8 }, Some(41_000), 1_000)
    }

    #[test]
    fn ranges_have_one_pass_whatever_they_are_told() {
        let mut passes = Passes::new(Scan::Ranges { at_once: true }, Some(41_000), 1_000);
        passes.saw(9_000, 100);
        passes.learn(&passes.current(), (10_000, 0), true);
        assert_eq!(passes.current().passes(), 1);
    }

    #[test]
    fn where_rows_find_no_room_the_first_pass_makes_more() {
        let mut passes = passes();
        let before = passes.current().cold_share();
        (0..4).for_each(|_| passes.learn(&passes.current(), (5_000, 4_500), true));
        assert!(passes.current().cold_share() > before);
        let more = passes.current();
        // It does not try again what failed.
        (0..9).for_each(|_| passes.learn(&passes.current(), (5_000, 5_000), true));
        assert_eq!(passes.current(), more);
    }

    #[test]
    fn a_range_that_is_half_done_and_passes_that_are_no_longer_chosen_teach_nothing() {
        let mut passes = passes();
        let (before, other) = (passes.current(), Arc::new(Cascade::single()));
        passes.learn(&before, (50_000, 50_000), false);
        passes.learn(&other, (50_000, 20_000), true);
        assert_eq!(passes.current(), before);
        passes.learn(&before, (1, 1), true);
        assert_ne!(passes.current(), before);
    }

    #[test]
    fn where_an_old_snapshot_keeps_the_room_taken_more_of_it_would_not_help() {
        let mut passes = passes();
        let before = passes.current();
        passes.learn(&passes.current(), (5_000, 100), true);
        assert_eq!(passes.current(), before);
    }

    #[test]
    fn pages_with_other_rows_get_other_passes() {
        let mut passes = passes();
        let before = passes.current();
        passes.saw(20_000, 1_000);
        assert_ne!(passes.current(), before);
    }
}
