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
