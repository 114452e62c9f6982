//! A backfill: range after range of heap blocks, each batch and its checkpoint in one transaction.
//!
//! A batch waits for a row at most `lock_timeout`. By default that is half of PostgreSQL's `deadlock_timeout`: of two that
//! wait for each other it is the batch that gives up, before the application could be chosen as the victim.

use std::time::Instant;

use super::pace::Pace;
use super::run::Driver;
use crate::error::{Code, Failure};
use crate::event::Event;
use crate::pg::{Fault, Limits, Parameter, Refusal, Session, Type, get};
use crate::sql::bookkeeping::{checkpoint, mark_batch, move_checkpoint, start_checkpoint, timeline};
use crate::sql::{Backfill, ScriptStep, Statement};

/// Where a position means something. VACUUM FULL, CLUSTER, a restore or a failover make another place of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    table_oid: i64,
    file_node: i64,
    timeline: String,
}

/// How far a pass over the table is.
#[derive(Debug)]
struct Position {
    table_oid: i64,
    next_block: i64,
    end_block: i64,
    rows: u64,
}

/// What a batch answered.
struct Batch {
    seen: u64,
    written: u64,
    unowned: u64,
}

impl Driver<'_> {
    /// Fills a table to its end, then looks whether rows are left: those that a writer changed in the middle of a batch
    /// are passed over by it, and found again here.
    pub(super) async fn backfill(&mut self, step: &ScriptStep, backfill: &Backfill) -> Result<(), Failure> {
        let (place, end_block) = locate(&self.worker, backfill).await?;
        let mut position = self.position(step, &place, end_block).await?;
        let mut before = None;
        loop {
            let unowned = self.pass(step, backfill, &mut position).await?;
            let Some(left) = self.left(step, backfill).await? else { return Ok(()) };
            if left == 0 {
                return Ok(());
            }
            if unowned > 0 || before == Some(left) {
                return Err(without_owner(step, left));
            }
            before = Some(left);
            let (place, end_block) = locate(&self.worker, backfill).await?;
            self.start_over(step, &place, end_block).await?;
            position = Position { table_oid: place.table_oid, next_block: 0, end_block, rows: position.rows };
        }
    }

    /// One pass over what is left of the table; answers how many rows had no owner by their source.
    async fn pass(&mut self, step: &ScriptStep, work: &Backfill, position: &mut Position) -> Result<u64, Failure> {
        let mut pace = Pace::new(&work.pace);
        let mut unowned = 0;
        let mut attempt = 0;
        while position.next_block < position.end_block {
            self.may_go_on()?;
            let started = Instant::now();
            let until = (position.next_block + i64::from(pace.blocks())).min(position.end_block);
            let (outcome, holders) = self.wait(step).on(self.batch(step, work, position, until)).await;
            match outcome {
                Ok(batch) => {
                    attempt = 0;
                    unowned += batch.unowned;
                    self.rows += batch.written;
                    position.rows += batch.written;
                    position.next_block = until;
                    pace.learn(started.elapsed());
                    self.tell(step, work, position, &batch, started);
                    tokio::time::sleep(work.pace.pause).await;
                }
                Err(refusal) if refusal.fault == Fault::Contended => {
                    attempt += 1;
                    pace.contended();
                    self.rest(step, attempt, holders).await?;
                }
                Err(refusal) => return Err(self.stopped(step, &refusal)),
            }
        }
        Ok(unowned)
    }

    fn tell(&self, step: &ScriptStep, work: &Backfill, position: &Position, batch: &Batch, started: Instant) {
        self.observer.observe(&Event::BatchDone {
            id: step.id.clone(),
            rows: batch.written,
            rows_seen: batch.seen,
            rows_total: position.rows,
            rows_expected: work.rows,
            hot_rows: 0,
            wal_bytes: 0,
            worker: 0,
            block: position.next_block.unsigned_abs(),
            blocks: position.end_block.unsigned_abs(),
            elapsed: started.elapsed(),
        });
    }

    /// One batch: its rows and its checkpoint, or neither.
    async fn batch(
        &mut self,
        step: &ScriptStep,
        work: &Backfill,
        position: &Position,
        until: i64,
    ) -> Result<Batch, Refusal> {
        let (first, past) = (format!("({},0)", position.next_block), format!("({until},0)"));
        let limits = Limits::patient(&self.locks);
        let mark = mark_batch(position.table_oid);
        let settings: Vec<Statement> = work.settings.iter().cloned().chain([mark]).collect();
        let transaction = self.worker.begin(&limits, &settings).await?;
        let range: [Parameter<'_>; 2] = [(&first, Type::TEXT), (&past, Type::TEXT)];
        let rows = transaction.send(&work.batch, &range).await?;
        let batch = rows.first().and_then(counted).ok_or_else(|| Refusal::unexpected("the batch's counts"))?;
        let written = i64::try_from(batch.written).unwrap_or(i64::MAX);
        let moved: [Parameter<'_>; 6] = [
            (&self.run, Type::INT8),
            (&step.id, Type::TEXT),
            (&until, Type::INT8),
            (&written, Type::INT8),
            (&self.fence, Type::INT8),
            (&position.table_oid, Type::INT8),
        ];
        if transaction.change(&move_checkpoint(), &moved).await? != 1 {
            return Err(Refusal::fenced());
        }
        transaction.commit().await?;
        Ok(batch)
    }

    /// The stored position, if it still means something here; else the beginning.
    async fn position(&self, step: &ScriptStep, place: &Place, end_block: i64) -> Result<Position, Failure> {
        let key: [Parameter<'_>; 2] = [(&self.run, Type::INT8), (&step.id, Type::TEXT)];
        let rows = self.worker.ask(&checkpoint(), &key).await;
        let rows = rows.map_err(|refusal| refusal.failure("reading the checkpoint"))?;
        let mut written = 0;
        if let Some(row) = rows.first() {
            let stored = Place { table_oid: get(row, 0)?, file_node: get(row, 1)?, timeline: get(row, 2)? };
            let (next_block, stored_end): (i64, i64) = (get(row, 3)?, get(row, 4)?);
            written = get::<i64>(row, 5)?.unsigned_abs();
            if stored == *place && stored_end <= end_block {
                return Ok(Position { table_oid: place.table_oid, next_block, end_block: stored_end, rows: written });
            }
        }
        self.start_over(step, place, end_block).await?;
        Ok(Position { table_oid: place.table_oid, next_block: 0, end_block, rows: written })
    }

    async fn start_over(&self, step: &ScriptStep, place: &Place, end_block: i64) -> Result<(), Failure> {
        let values: [Parameter<'_>; 7] = [
            (&self.run, Type::INT8),
            (&step.id, Type::TEXT),
            (&place.table_oid, Type::INT8),
            (&place.file_node, Type::INT8),
            (&place.timeline, Type::TEXT),
            (&end_block, Type::INT8),
            (&self.fence, Type::INT8),
        ];
        let sent = self.worker.send(&start_checkpoint(), &values).await;
        let rows = sent.map_err(|refusal| self.stopped(step, &refusal))?;
        if rows.is_empty() { Err(self.stopped(step, &Refusal::fenced())) } else { Ok(()) }
    }

    /// How many rows are left; nothing where the pass itself is the proof.
    async fn left(&self, step: &ScriptStep, backfill: &Backfill) -> Result<Option<u64>, Failure> {
        let Some(query) = &backfill.left else { return Ok(None) };
        self.may_go_on()?;
        let (rows, _) = self.wait(step).on(self.worker.ask(query, &[])).await;
        let rows = rows.map_err(|refusal| self.stopped(step, &refusal))?;
        let row = rows.first().ok_or_else(|| self.stopped(step, &Refusal::unexpected("the count of rows left")))?;
        Ok(Some(get::<i64>(row, 0)?.unsigned_abs()))
    }
}

/// Where the table is now, and how long; read after the filler was committed, so rows beyond that end have an owner.
async fn locate(session: &Session, backfill: &Backfill) -> Result<(Place, i64), Failure> {
    let row = session.one(&backfill.extent, &[]).await?;
    let timeline: String = get(&session.one(&timeline(), &[]).await?, 0)?;
    Ok((Place { table_oid: get(&row, 0)?, file_node: get(&row, 1)?, timeline }, get(&row, 2)?))
}

fn counted(row: &crate::pg::Row) -> Option<Batch> {
    let count = |column| get::<i64>(row, column).ok().map(i64::unsigned_abs);
    Some(Batch { seen: count(0)?, written: count(1)?, unowned: count(2)? })
}

fn without_owner(step: &ScriptStep, left: u64) -> Failure {
    Failure::new(Code::RowsUnowned, format!("{}: {left} rows have no owner by their source", step.id))
        .hint("give them an owner, or set unowned = \"system\" and run `tenantctl migrate --replan`")
}
