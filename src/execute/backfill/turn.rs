//! A worker's ranges, gone over in turn.
//!
//! Pass k is done on each range before pass k + 1 on any: while the worker is elsewhere, the transactions of the others end
//! that could still see what the last pass left behind, and the next one finds it removable.

use std::sync::Arc;

use super::queue::Range;
use crate::plan::Cascade;

/// How many ranges a turn has. (Measured: with two workers on one each, pruning is held back for every fourth row; with
/// four each indexes still grew by a twentieth, with eight they did not: to make lists takes longer than any other pass.)
pub(super) const RANGES: usize = 8;

/// Some ranges and their passes.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) ranges: Vec<Range>,
    /// How far each was listed in this turn, in blocks: its session has the lists for the later passes.
    listed: Vec<i64>,
    pub(super) cascade: Arc<Cascade>,
}

/// A pass over a range, or a part of its first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    /// Which of the turn's ranges.
    pub(super) of: usize,
    /// Its number, from 0.
    pub(super) number: usize,
    /// It takes whatever is left.
    pub(super) last: bool,
    /// The session has its list.
    pub(super) is_listed: bool,
    /// The first block, and the one past the last.
    pub(super) blocks: (i64, i64),
}

impl Pass {
    /// It looks up the owners of all passes.
    pub(super) fn makes_list(self) -> bool {
        self.number == 0 && !self.last
    }

    /// How many blocks it goes over.
    pub(super) fn size(self) -> i64 {
        self.blocks.1 - self.blocks.0
    }
}

impl Turn {
    /// Ranges that were begun with more passes go on with the last one.
    pub(super) fn new(mut ranges: Vec<Range>, cascade: Arc<Cascade>) -> Turn {
        let last = cascade.passes().saturating_sub(1);
        ranges.iter_mut().for_each(|range| range.passes_done = range.passes_done.min(last));
        Turn { listed: ranges.iter().map(|range| range.first).collect(), ranges, cascade }
    }

    /// The pass that comes next; none where all ranges are done. One that makes lists comes in parts of so many blocks: it
    /// takes longer than those that take their rows from there.
    pub(super) fn next(&self, part: i64) -> Option<Pass> {
        let passes = self.cascade.passes();
        let left = self.ranges.iter().enumerate().filter(|(_, range)| range.passes_done < passes);
        let (of, range) = left.min_by_key(|(_, range)| range.passes_done)?;
        let (number, last) = (range.passes_done, range.passes_done + 1 == passes);
        let whole = Pass {
            of,
            number,
            last,
            is_listed: self.listed[of] == range.end && !last,
            blocks: (range.first, range.end),
        };
        if !whole.makes_list() {
            return Some(whole);
        }
        let (first, end) = (self.listed[of], range.end.min(self.listed[of].saturating_add(part.max(1))));
        Some(Pass { blocks: (first, end), ..whole })
    }

    /// A pass, or a part of it, is done.
    pub(super) fn advance(&mut self, pass: Pass) {
        if pass.makes_list() {
            self.listed[pass.of] = pass.blocks.1;
        }
        if pass.blocks.1 == self.ranges[pass.of].end {
            self.leave(pass);
        }
    }

    /// What is missing of a pass is left to the last one.
    pub(super) fn leave(&mut self, pass: Pass) {
        self.ranges[pass.of].passes_done = pass.number + 1;
    }

    /// Nothing is left to do of a pass's range.
    pub(super) fn end(&mut self, pass: Pass) {
        self.ranges[pass.of].passes_done = self.cascade.passes();
    }

    /// The ranges that are not done.
    pub(super) fn left(self) -> impl Iterator<Item = Range> {
        let passes = self.cascade.passes();
        self.ranges.into_iter().filter(move |range| range.passes_done < passes)
    }

    /// Takes a range out, for later; the others keep their places.
    pub(super) fn remove(&mut self, pass: Pass) -> Range {
        let range = self.ranges[pass.of];
        self.end(pass);
        range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pass_goes_over_all_ranges_before_the_next_one() {
        let cascade = Arc::new(Cascade::new(4.0, 8.0, 0.0));
        let passes = cascade.passes();
        let mut turn = Turn::new(vec![Range::new(0, 8), Range::new(8, 16)], cascade);
        let mut seen = Vec::new();
        while let Some(pass) = turn.next(8) {
            seen.push((pass.number, pass.of, pass.last));
            turn.advance(pass);
        }
        let all = (0..passes).flat_map(|number| (0..2).map(move |of| (number, of, number + 1 == passes)));
        assert_eq!(seen, all.collect::<Vec<_>>());
    }

    #[test]
    fn what_is_left_of_a_turn_are_the_ranges_that_lack_a_pass() {
        let mut turn = Turn::new(vec![Range::new(0, 8), Range::new(8, 16)], Arc::new(Cascade::single()));
        turn.next(8).into_iter().for_each(|first| turn.advance(first));
        assert_eq!(turn.left().collect::<Vec<_>>(), [Range::new(8, 16)]);
    }

    #[test]
    fn a_range_that_was_begun_with_more_passes_ends_with_the_last_one() {
        let range = Range { passes_done: 30, ..Range::new(0, 8) };
        let turn = Turn::new(vec![range], Arc::new(Cascade::single()));
        let next = turn.next(8).map(|pass| (pass.of, pass.number, pass.last, pass.is_listed));
        assert_eq!(next, Some((0, 0, true, false)));
    }

    #[test]
    fn a_pass_that_makes_lists_comes_in_parts_and_the_others_do_not() {
        let cascade = Arc::new(Cascade::new(4.0, 8.0, 0.0));
        let mut turn = Turn::new(vec![Range::new(10, 18)], cascade);
        let mut parts = Vec::new();
        while let Some(pass) = turn.next(3) {
            parts.push((pass.number, pass.blocks, pass.is_listed));
            turn.advance(pass);
        }
        assert_eq!(parts[..3], [(0, (10, 13), false), (0, (13, 16), false), (0, (16, 18), false)]);
        assert_eq!(parts[3], (1, (10, 18), true));
    }

    #[test]
    fn a_range_whose_listing_was_left_has_no_lists() {
        let mut turn = Turn::new(vec![Range::new(10, 18)], Arc::new(Cascade::new(4.0, 8.0, 0.0)));
        turn.next(3).into_iter().for_each(|part| turn.advance(part));
        turn.next(3).into_iter().for_each(|part| turn.leave(part));
        assert_eq!(turn.next(3).map(|pass| (pass.number, pass.is_listed)), Some((1, false)));
    }
}
