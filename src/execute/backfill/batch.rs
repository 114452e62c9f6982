//! One batch: a pass over a range and its record, in one transaction and one round trip.

use super::job::Job;
use super::queue::Range;
use super::turn::Pass;
use crate::execute::run::Driver;
use crate::pg::{Limits, Parameter, Refusal, Row, Session, Type, get};
use crate::plan::Cascade;
use crate::sql::bookkeeping::record_range;
use crate::sql::{Scan, Statement};

/// What a batch did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    /// Rows in need of an owner; only a first pass counts them.
    pub(super) seen: Option<u64>,
    /// Rows that got theirs.
    pub(super) written: u64,
    /// Rows whose source names none.
    pub(super) unowned: u64,
    /// Rows among the written that stayed in their page.
    pub(super) hot: u64,
    /// Bytes of log.
    pub(super) wal: u64,
    /// Blocks of the heap by now.
    pub(super) heap: u64,
}

impl Driver<'_> {
    /// One pass over a range: its rows and its record, or neither.
    pub(super) async fn batch(
        &self,
        job: &Job<'_>,
        session: &Session,
        range: Range,
        pass: Pass,
        cascade: &Cascade,
    ) -> Result<Done, Refusal> {
        let (first, past) = (format!("({},0)", range.first), format!("({},0)", range.end));
        let number = i32::try_from(pass.number).unwrap_or(i32::MAX);
        let lines = cascade.lines(pass.number);
        let mut batch: Vec<Parameter<'_>> = vec![(&first, Type::TEXT), (&past, Type::TEXT)];
        if let Scan::Cascade { .. } = job.work.scan {
            batch.extend::<[Parameter<'_>; 2]>([(&number, Type::INT4), (&lines, Type::BYTEA)]);
        }
        let passes = i32::try_from(cascade.passes()).unwrap_or(i32::MAX);
        let passes_done = number.saturating_add(1);
        let workers = job.workers();
        let record: [Parameter<'_>; 8] = [
            (&self.run, Type::INT8),
            (&job.step.id, Type::TEXT),
            (&range.first, Type::INT8),
            (&range.end, Type::INT8),
            (&passes, Type::INT4),
            (&passes_done, Type::INT4),
            (&job.place.table_oid, Type::INT8),
            (&workers, Type::INT4),
        ];
        let limits = Limits::patient(&self.locks);
        let recorded = record_range();
        let sent: [(&Statement, &[Parameter<'_>]); 2] = [(&job.work.batch, &batch), (&recorded, &record)];
        let answers = session.batch(&limits, &job.opening, &sent).await?;
        let rows: Vec<&Row> = answers.iter().filter_map(|rows| rows.first()).collect();
        let done = if let [batch, record] = rows.as_slice() { done(batch, record) } else { None };
        done.ok_or_else(|| Refusal::unexpected("the batch's counts"))
    }
}

fn done(batch: &Row, record: &Row) -> Option<Done> {
    let count = |row: &Row, column| get::<i64>(row, column).ok().map(i64::unsigned_abs);
    Some(Done {
        seen: get::<Option<i64>>(batch, 0).ok()?.map(i64::unsigned_abs),
        written: count(batch, 1)?,
        unowned: count(batch, 2)?,
        wal: get::<i64>(record, 0).ok().map(|bytes| bytes.max(0).unsigned_abs())?,
        hot: count(record, 1)?,
        heap: count(record, 2)?,
    })
}
