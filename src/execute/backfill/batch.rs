//! A pass over a range, or what can be filled of it: a batch, with its record in one transaction and one round trip.

use std::time::Instant;

use super::failing::FailedRow;
use super::job::Job;
use super::queue::Range;
use super::turn::Pass;
use crate::execute::run::Driver;
use crate::pg::{Limits, Parameter, Refusal, Row, Session, Type, get};
use crate::plan::Cascade;
use crate::sql::bookkeeping::record_range;
use crate::sql::{Statement, failing};

/// What a batch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// Which rows a batch is to fill, and what is recorded of their range with it.
#[derive(Debug)]
pub(super) struct Part {
    /// The first row position, and the one past the last.
    pub(super) rows: (String, String),
    /// The pass's number, and which lines belong to it.
    pub(super) pass: (usize, Vec<u8>),
    /// What it has to do with lists.
    pub(super) listing: Listing,
    /// The range of blocks, with the passes that are done of it then.
    pub(super) range: Range,
    /// How many passes it has.
    pub(super) passes: usize,
    /// The range is gone over from its beginning with it, maybe not for the first time.
    pub(super) begins: bool,
    /// What is known to fail of the range, where it is done but for that.
    pub(super) failed: Option<Vec<FailedRow>>,
}

/// What a part has to do with the lists of its range; the number is the range's place in its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    /// Nothing: it looks for its rows itself.
    None,
    /// It makes them, or adds to what the part before it made.
    Makes { of: usize },
    /// It takes its rows from there.
    Takes { of: usize },
}

impl Part {
    /// A pass over a range, or a part of it.
    fn of(range: Range, pass: Pass, cascade: &Cascade) -> Part {
        Part {
            rows: (format!("({},0)", pass.blocks.0), format!("({},0)", pass.blocks.1)),
            pass: (pass.number, cascade.lines(pass.number)),
            listing: match pass.is_listed {
                _ if pass.makes_list() => Listing::Makes { of: pass.of },
                true => Listing::Takes { of: pass.of },
                false => Listing::None,
            },
            range: Range { passes_done: pass.number + usize::from(pass.blocks.1 == range.end), ..range },
            passes: cascade.passes(),
            begins: pass.number == 0 && pass.blocks.0 == range.first,
            failed: pass.last.then(Vec::new),
        }
    }
}

impl Driver<'_> {
    /// One pass over a range, or a part of it.
    pub(super) async fn batch(
        &self,
        job: &Job<'_>,
        session: &Session,
        worker: u32,
        range: Range,
        pass: Pass,
        cascade: &Cascade,
    ) -> Result<Done, Refusal> {
        let started = Instant::now();
        let part = Part::of(range, pass, cascade);
        let done = self.part(job, session, &part).await?;
        let reached = job.note(done, pass.size() as f64 / part.passes as f64);
        self.tell(job, worker, done, reached, started.elapsed());
        Ok(done)
    }

    /// Some rows of a range and its record, or neither.
    pub(super) async fn part(&self, job: &Job<'_>, session: &Session, part: &Part) -> Result<Done, Refusal> {
        let number = i32::try_from(part.pass.0).unwrap_or(i32::MAX);
        let mut batch: Vec<Parameter<'_>> = vec![(&part.rows.0, Type::TEXT), (&part.rows.1, Type::TEXT)];
        let last_listed = i32::try_from(part.passes.saturating_sub(2)).unwrap_or(i32::MAX);
        let of;
        let text = match (part.listing, &job.work.lists) {
            (Listing::Makes { of: place }, Some(lists)) => {
                of = place.to_string();
                batch.extend::<[Parameter<'_>; 4]>([
                    (&of, Type::TEXT),
                    (&part.pass.1, Type::BYTEA),
                    (&last_listed, Type::INT4),
                    (&part.begins, Type::BOOL),
                ]);
                &lists.first
            }
            (Listing::Takes { of: place }, Some(lists)) => {
                of = place.to_string();
                batch.extend::<[Parameter<'_>; 2]>([(&of, Type::TEXT), (&number, Type::INT4)]);
                &lists.later
            }
            (_, Some(_)) => {
                batch.extend::<[Parameter<'_>; 2]>([(&number, Type::INT4), (&part.pass.1, Type::BYTEA)]);
                &job.work.batch
            }
            (_, None) => &job.work.batch,
        };
        let passes = i32::try_from(part.passes).unwrap_or(i32::MAX);
        let passes_done = i32::try_from(part.range.passes_done).unwrap_or(i32::MAX);
        let workers = i32::try_from(self.hold.at_work()).unwrap_or(i32::MAX);
        let record: [Parameter<'_>; 9] = [
            (&self.run, Type::INT8),
            (&job.step.id, Type::TEXT),
            (&part.range.first, Type::INT8),
            (&part.range.end, Type::INT8),
            (&passes, Type::INT4),
            (&passes_done, Type::INT4),
            (&job.place.table_oid, Type::INT8),
            (&workers, Type::INT4),
            (&part.begins, Type::BOOL),
        ];
        let (recorded, forget, note) = (record_range(), failing::forget(), failing::note());
        let mut sent: Vec<(&Statement, &[Parameter<'_>])> = vec![(text, &batch), (&recorded, &record)];
        if part.failed.is_some() && job.is_failing(part.range) {
            sent.push((&forget, &record[..4]));
        }
        let failed = part.failed.as_deref().unwrap_or_default();
        let lines: Vec<i32> = failed.iter().map(|row| row.line).collect();
        let names: Vec<&str> = failed.iter().map(|row| row.name.as_str()).collect();
        let reasons: Vec<&str> = failed.iter().map(|row| row.reason.as_str()).collect();
        let noted: [Parameter<'_>; 6] = [
            (&self.run, Type::INT8),
            (&job.step.id, Type::TEXT),
            (&part.range.first, Type::INT8),
            (&lines, Type::INT4_ARRAY),
            (&names, Type::TEXT_ARRAY),
            (&reasons, Type::TEXT_ARRAY),
        ];
        if !failed.is_empty() {
            sent.push((&note, &noted));
        }
        let answers = session.batch(&Limits::patient(&self.locks), &job.opening, &sent).await?;
        if part.failed.is_some() {
            job.set_failing(part.range, failed);
        }
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
