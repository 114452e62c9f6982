//! A backfill in the order of a key, by one worker: for a table whose rows lie in no ranges of blocks.
//!
//! The key of the last row that was passed is a value of the user's: it is kept in the checkpoint and told to nobody.

use std::time::{Duration, Instant};

use super::pace::{FIRST, Pace};
use super::place::Place;
use super::sweep::{Rounds, Then};
use super::without_owner;
use super::worker::pause;
use crate::error::Failure;
use crate::event::Event;
use crate::execute::run::Driver;
use crate::pg::{Fault, Limits, Parameter, Refusal, Row, Type, get};
use crate::sql::bookkeeping::{assert_fence, mark_batch};
use crate::sql::keyset::{forget_key, last_key, record_key};
use crate::sql::{Backfill, ScriptStep, Statement};

/// Rows in a block where nobody knows better.
const USUAL_ROWS: u64 = 40;

/// How far it is.
struct Walk<'a> {
    step: &'a ScriptStep,
    work: &'a Backfill,
    table_oid: i64,
    /// The heap's blocks when it began, and its rows: what a pace in blocks means in rows.
    blocks: u64,
    expected: u64,
    /// Sent first in each batch's transaction.
    opening: Vec<Statement>,
    last: Option<Vec<String>>,
    /// Rows written so far, by earlier processes too.
    rows: u64,
    /// Rows written here.
    written: u64,
    /// Rows of this walk whose source named no owner.
    unowned: u64,
}

/// What a batch did.
struct Passed {
    seen: u64,
    written: u64,
    unowned: u64,
    wal: u64,
    hot: u64,
    heap: u64,
    last: Option<Vec<String>>,
}

impl Driver<'_> {
    /// Fills a table to its last key, then looks whether rows are left, as over ranges of blocks.
    pub(super) async fn fill_by_key(&self, step: &ScriptStep, work: &Backfill) -> Result<u64, Failure> {
        let mut walk = self.walk(step, work).await?;
        let _filling = self.throttle.fills(u32::try_from(walk.table_oid).unwrap_or(0));
        let _at_work = self.hold.enter();
        let mut rounds = Rounds::default();
        loop {
            self.to_the_last_key(&mut walk).await?;
            let left = self.left_anywhere(step, work).await?;
            match rounds.then(left, walk.unowned) {
                Then::Again => {}
                Then::Over => break,
                Then::Unowned => return Err(without_owner(step, left)),
            }
            (walk.last, walk.unowned) = (None, 0);
            self.forget(step).await?;
        }
        self.forget(step).await?;
        self.finish(step).await?;
        Ok(walk.written)
    }

    /// The walk as it was left, if its key still means something here; else from the beginning. A key outlives a table that
    /// was written anew, but not a server that lost its last rows.
    async fn walk<'a>(&self, step: &'a ScriptStep, work: &'a Backfill) -> Result<Walk<'a>, Failure> {
        let (place, end) = Place::of(&self.worker, work).await?;
        let (fence, mark) = (assert_fence(self.fence), mark_batch(place.table_oid));
        let blocks = end.unsigned_abs().max(1);
        let mut walk = Walk {
            step,
            work,
            table_oid: place.table_oid,
            blocks,
            expected: work.rows.filter(|rows| *rows > 0).unwrap_or(blocks * USUAL_ROWS),
            opening: std::iter::once(fence).chain(work.settings.iter().cloned()).chain([mark]).collect(),
            last: None,
            rows: 0,
            written: 0,
            unowned: 0,
        };
        let key: [Parameter<'_>; 2] = [(&self.run, Type::INT8), (&step.id, Type::TEXT)];
        let stored = self.worker.ask(&last_key(), &key).await;
        let stored = stored.map_err(|refusal| refusal.failure("reading the checkpoint"))?;
        if let Some(row) = stored.first() {
            walk.rows = get::<i64>(row, 2)?.unsigned_abs();
            if get::<i64>(row, 0)? == place.table_oid && get::<String>(row, 1)? == place.timeline {
                walk.last = get(row, 3)?;
                return Ok(walk);
            }
        }
        self.start(step, &place, end).await?;
        self.forget(step).await?;
        Ok(walk)
    }

    async fn forget(&self, step: &ScriptStep) -> Result<(), Failure> {
        let key: [Parameter<'_>; 2] = [(&self.run, Type::INT8), (&step.id, Type::TEXT)];
        self.noted(step, &forget_key(), &key).await.map(drop)
    }

    async fn to_the_last_key(&self, walk: &mut Walk<'_>) -> Result<(), Failure> {
        let mut pace = Pace::new(&walk.work.pace, FIRST);
        let (mut attempt, mut busy) = (0, Duration::ZERO);
        loop {
            self.admit(busy).await?;
            pace.aim(self.hold.batch(walk.work.pace.batch));
            let started = Instant::now();
            let rows = u64::from(pace.blocks()) * (walk.expected / walk.blocks).max(1);
            let (outcome, holders) = self.wait(walk.step, &self.worker).on(self.pass(walk, rows)).await;
            match outcome {
                Ok(passed) => {
                    (attempt, busy) = (0, started.elapsed());
                    pace.learn(busy);
                    self.tell_passed(walk, &passed, busy);
                    if passed.last.is_none() {
                        return Ok(());
                    }
                    walk.last = passed.last;
                    pause(&walk.work.pace, busy).await;
                }
                Err(refusal) if refusal.fault == Fault::Contended => {
                    attempt += 1;
                    pace.contended();
                    self.rest(walk.step, attempt, holders).await?;
                }
                Err(refusal) => return Err(self.stopped(walk.step, &refusal)),
            }
        }
    }

    /// One batch: its rows and its key, or neither.
    async fn pass(&self, walk: &Walk<'_>, rows: u64) -> Result<Passed, Refusal> {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let batch: [Parameter<'_>; 2] = [(&walk.last, Type::TEXT_ARRAY), (&rows, Type::INT8)];
        let reached = i64::try_from(walk.reached()).unwrap_or(i64::MAX);
        let record: [Parameter<'_>; 4] = [
            (&self.run, Type::INT8),
            (&walk.step.id, Type::TEXT),
            (&walk.table_oid, Type::INT8),
            (&reached, Type::INT8),
        ];
        let recorded = record_key();
        let sent: [(&Statement, &[Parameter<'_>]); 2] = [(&walk.work.batch, &batch), (&recorded, &record)];
        let answers = self.worker.batch(&Limits::patient(&self.locks), &walk.opening, &sent).await?;
        let rows: Vec<&Row> = answers.iter().filter_map(|rows| rows.first()).collect();
        let passed = if let [batch, record] = rows.as_slice() { passed(batch, record) } else { None };
        passed.ok_or_else(|| Refusal::unexpected("the batch's counts"))
    }

    fn tell_passed(&self, walk: &mut Walk<'_>, passed: &Passed, took: Duration) {
        walk.rows += passed.written;
        walk.written += passed.written;
        walk.unowned += passed.unowned;
        self.observer.observe(&Event::BatchDone {
            id: walk.step.id.clone(),
            rows: passed.written,
            rows_seen: passed.seen,
            rows_total: walk.rows,
            rows_expected: walk.work.rows,
            hot_rows: passed.hot,
            wal_bytes: passed.wal,
            worker: 0,
            block: if passed.last.is_none() { walk.blocks } else { walk.reached() },
            blocks: walk.blocks,
            heap_blocks: Some(passed.heap),
            elapsed: took,
        });
    }

    /// How many rows are left in the table; none where a walk through it is the proof itself.
    async fn left_anywhere(&self, step: &ScriptStep, work: &Backfill) -> Result<u64, Failure> {
        let Some(query) = &work.left else { return Ok(0) };
        self.may_begin().await?;
        let (rows, _) = self.wait(step, &self.worker).on(self.worker.ask(query, &[])).await;
        let rows = rows.map_err(|refusal| self.stopped(step, &refusal))?;
        let row = rows.first().ok_or_else(|| self.stopped(step, &Refusal::unexpected("the rows left")))?;
        Ok(get::<i64>(row, 0)?.unsigned_abs())
    }
}

impl Walk<'_> {
    /// The blocks that so many rows would lie in.
    fn reached(&self) -> u64 {
        (self.rows.saturating_mul(self.blocks) / self.expected).min(self.blocks.saturating_sub(1))
    }
}

fn passed(batch: &Row, record: &Row) -> Option<Passed> {
    let count = |row: &Row, column| get::<i64>(row, column).ok().map(|number| number.max(0).unsigned_abs());
    Some(Passed {
        seen: count(batch, 0)?,
        written: count(batch, 1)?,
        unowned: count(batch, 2)?,
        wal: count(record, 0)?,
        hot: count(record, 1)?,
        heap: count(record, 2)?,
        last: get(record, 3).ok()?,
    })
}
