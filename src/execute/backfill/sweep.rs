//! What is left of a table when its workers are done: looked for range by range, so that no snapshot of ours is old.

use super::job::Job;
use super::place::Place;
use crate::error::Failure;
use crate::execute::run::Driver;
use crate::pg::{Parameter, Refusal, Type, get};

/// Blocks of one look: 64 megabytes.
const BLOCKS: i64 = 8192;

/// Rows that are left, and where.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) rows: u64,
    pub(super) ranges: Vec<(i64, i64)>,
}

/// The rounds over a table.
///
/// While writers change rows that wait for their owners, a batch may miss one that moves away before it, or meet one whose
/// new parent is younger than the batch. What gets away again and again is left to the comparison of owners, when the
/// filler looks at changed rows too.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    left: Option<u64>,
}

/// What comes after a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Another round.
    Again,
    /// Nothing: it was the last one.
    Over,
    /// The finding that rows have no owner by their source.
    Unowned,
}

impl Rounds {
    /// After a round that left so many rows, and met so many whose source names no owner.
    pub(super) fn then(&mut self, left: u64, unowned: u64) -> Then {
        let in_vain = self.left.is_some_and(|before| left >= before);
        self.left = Some(left);
        match (left, in_vain) {
            (0, _) => Then::Over,
            (_, false) => Then::Again,
            (_, true) if unowned > 0 => Then::Unowned,
            (_, true) => Then::Over,
        }
    }
}

impl Driver<'_> {
    /// Looks through the table as long as it is by now. Nothing is left where a pass over it is the proof itself.
    pub(super) async fn sweep(&self, job: &Job<'_>) -> Result<Left, Failure> {
        let mut left = Left::default();
        let Some(query) = &job.work.left else { return Ok(left) };
        let (_, end) = Place::of(&self.worker, job.work).await?;
        let mut first = 0;
        while first < end {
            self.may_begin().await?;
            let past = (first + BLOCKS).min(end);
            let (from, to) = (format!("({first},0)"), format!("({past},0)"));
            let range: [Parameter<'_>; 2] = [(&from, Type::TEXT), (&to, Type::TEXT)];
            let (rows, _) = self.wait(job.step, &self.worker).on(self.worker.ask(query, &range)).await;
            let rows = rows.map_err(|refusal| self.stopped(job.step, &refusal))?;
            let row = rows.first().ok_or_else(|| self.stopped(job.step, &Refusal::unexpected("the rows left")))?;
            let found = get::<i64>(row, 0)?.unsigned_abs();
            if found > 0 {
                left.rows += found;
                left.ranges.push((first, past));
            }
            first = past;
        }
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_go_on_while_fewer_rows_are_left() {
        let mut rounds = Rounds::default();
        let then: Vec<Then> = [9, 4, 1, 0].into_iter().map(|left| rounds.then(left, 0)).collect();
        assert_eq!(then, [Then::Again, Then::Again, Then::Again, Then::Over]);
    }

    #[test]
    fn rows_that_get_away_again_are_left_to_the_comparison() {
        let mut rounds = Rounds::default();
        assert_eq!([rounds.then(5, 0), rounds.then(5, 0)], [Then::Again, Then::Over]);
    }

    #[test]
    fn rows_without_an_owner_by_their_source_are_met_twice() {
        let mut rounds = Rounds::default();
        assert_eq!([rounds.then(5, 2), rounds.then(3, 1)], [Then::Again, Then::Again], "one may have got its owner");
        assert_eq!(rounds.then(4, 2), Then::Unowned, "and more of them may come");
    }
}
