//! What is left of a table: ranges of blocks, handed out in turns.

/// Blocks that belong together: they are gone over in the same passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// Its first block.
    pub(super) first: i64,
    /// The block after its last one.
    pub(super) end: i64,
    /// Passes that are done.
    pub(super) passes_done: usize,
    /// It waited until all others were done.
    pub(super) late: bool,
}

impl Range {
    /// A range that nobody began.
    pub(super) fn new(first: i64, end: i64) -> Range {
        Range { first, end, passes_done: 0, late: false }
    }

    /// How many blocks.
    pub(super) fn blocks(&self) -> i64 {
        self.end - self.first
    }
}

/// The ranges that are left: those that were begun, and gaps between what is done.
#[derive(Debug, Default)]
pub(super) struct Queue {
    begun: Vec<Range>,
    /// From the last to the first.
    gaps: Vec<(i64, i64)>,
    /// Those that come last.
    late: Vec<Range>,
}

impl Queue {
    /// What is left of so many blocks beside the recorded ranges, in the order of their first blocks. A record says also
    /// how many passes its range has in all.
    pub(super) fn new(blocks: i64, recorded: &[(Range, usize)]) -> Queue {
        let mut queue = Queue::default();
        let mut next = 0;
        for (range, passes) in recorded {
            if range.first > next {
                queue.gaps.push((next, range.first));
            }
            if range.passes_done < *passes {
                queue.begun.push(*range);
            }
            next = next.max(range.end);
        }
        if next < blocks {
            queue.gaps.push((next, blocks));
        }
        queue.gaps.reverse();
        queue
    }

    /// These blocks once more.
    pub(super) fn again(gaps: impl IntoIterator<Item = (i64, i64)>) -> Queue {
        let mut gaps: Vec<(i64, i64)> = gaps.into_iter().collect();
        gaps.sort_unstable_by(|a, b| b.cmp(a));
        Queue { gaps, ..Queue::default() }
    }

    /// Blocks that nobody took yet.
    pub(super) fn blocks(&self) -> i64 {
        let gaps: i64 = self.gaps.iter().map(|(first, end)| end - first).sum();
        gaps + self.begun.iter().chain(&self.late).map(Range::blocks).sum::<i64>()
    }

    /// At most so many ranges of at most so many blocks, for one worker; none where nothing is left.
    pub(super) fn take(&mut self, ranges: usize, blocks: i64) -> Vec<Range> {
        (0..ranges).map_while(|_| self.next(blocks)).collect()
    }

    fn next(&mut self, blocks: i64) -> Option<Range> {
        if let Some(begun) = self.begun.pop() {
            return Some(begun);
        }
        let Some((first, end)) = self.gaps.pop() else { return self.late.pop() };
        let past = end.min(first + blocks.max(1));
        if past < end {
            self.gaps.push((past, end));
        }
        Some(Range::new(first, past))
    }

    /// A range for when nothing else is left.
    pub(super) fn put_off(&mut self, range: Range) {
        self.late.push(Range { late: true, ..range });
    }

    /// Ranges that somebody began, for somebody else.
    pub(super) fn give_back(&mut self, ranges: impl IntoIterator<Item = Range>) {
        self.begun.extend(ranges);
    }

    /// Takes nothing any more.
    pub(super) fn close(&mut self) {
        *self = Queue::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(first: i64, end: i64, passes: usize) -> (Range, usize) {
        (Range { passes_done: passes, ..Range::new(first, end) }, 16)
    }

    #[test]
    fn a_queue_hands_out_every_block_once() {
        let mut queue = Queue::new(100, &[]);
        let turns: Vec<_> = std::iter::from_fn(|| Some(queue.take(2, 30)).filter(|turn| !turn.is_empty())).collect();
        let ranges = [Range::new(0, 30), Range::new(30, 60), Range::new(60, 90), Range::new(90, 100)];
        assert_eq!(turns.concat(), ranges);
        assert_eq!(turns.len(), 2);
    }

    #[test]
    fn what_is_done_is_not_handed_out_again_and_what_was_begun_goes_on_with_its_passes() {
        let mut queue = Queue::new(100, &[done(0, 10, 16), done(20, 30, 5), done(40, 50, 16)]);
        let begun = Range { passes_done: 5, ..Range::new(20, 30) };
        let rest = [begun, Range::new(10, 20), Range::new(30, 40), Range::new(50, 100)];
        assert_eq!(queue.blocks(), 80);
        assert_eq!(queue.take(9, 64), rest);
        assert_eq!(queue.take(9, 64), []);
    }

    #[test]
    fn a_table_that_shrank_gives_nothing_beyond_its_end() {
        assert_eq!(Queue::new(5, &[done(0, 10, 16)]).take(1, 10), []);
    }
}
