//! A backfill: range after range of heap blocks, by several workers, each batch and its record in one transaction.
//!
//! A batch waits for a row at most `lock_timeout`. By default that is half of PostgreSQL's `deadlock_timeout`: of two that
//! wait for each other it is the batch that gives up, before the application could be chosen as the victim.
//!
//! - `place`: where positions mean something; `queue`, `turn`, `passes`, `pace`: what comes next, without I/O
//! - `job`: what the workers share; `ahead`: the jobs after it; `crew`: who works; `worker`: the loop of each; `batch`: one
//!   transaction; `failing`: the rows that a batch is refused for; `sweep`: what is left in the end
//! - `keyset`: a table that has no ranges of blocks

mod ahead;
mod batch;
mod crew;
mod failing;
mod gate;
mod job;
mod keyset;
mod pace;
mod passes;
mod place;
mod queue;
mod sweep;
mod turn;
mod worker;

use self::crew::Crew;
use self::job::Job;
use self::place::Place;
use self::queue::{Queue, Range};
use self::sweep::{Rounds, Then};
use super::run::Driver;
use crate::error::{Code, Failure};
use crate::event::Event;
use crate::pg::{Limits, Parameter, Refusal, Row, Type, get};
use crate::sql::bookkeeping::{assert_fence, checkpoint, finish_checkpoint, mark_batch, ranges, start_checkpoint};
use crate::sql::{Backfill, MigrationScript, Scan, ScriptStep, Statement};

impl Driver<'_> {
    /// Fills a table to its end, then looks whether rows are left: those that a writer changed in the middle of a batch
    /// may be passed over by it, and are found again here. Those that always get away are left to the comparison of owners.
    pub(super) async fn backfill(
        &mut self,
        migration: &MigrationScript,
        step: &ScriptStep,
        work: &Backfill,
    ) -> Result<(), Failure> {
        let written = match work.scan {
            Scan::Ranges { .. } | Scan::Cascade { .. } => self.fill(migration, step, work).await?,
            Scan::Keyset => self.fill_by_key(step, work).await?,
        };
        self.rows += written;
        Ok(())
    }

    async fn fill(&self, migration: &MigrationScript, step: &ScriptStep, work: &Backfill) -> Result<u64, Failure> {
        let ahead = if work.left.is_some() { self.ahead(migration).await } else { Vec::new() };
        let mut jobs = vec![self.job(step, work).await?];
        if work.left.is_some() {
            jobs.extend(self.jobs_ahead(migration, step, &ahead).await?);
        }
        let (job, crew) = (&jobs[0], Crew(&jobs));
        let _filling: Vec<_> = jobs.iter().map(|job| self.throttle.fills(job.table_oid())).collect();
        let mut rounds = Rounds::default();
        loop {
            self.crew(&crew).await?;
            let left = self.sweep(job).await?;
            let then = rounds.then(left.rows, job.unowned());
            if let Some(refused) = job.refused(&left, then != Then::Again) {
                return Err(refused);
            }
            match then {
                Then::Again => job.again(left.ranges),
                Then::Over => break,
                Then::Unowned => return Err(without_owner(step, left.rows)),
            }
        }
        // A row that a writer mended may lie elsewhere since, and where it lay may not have been gone over again.
        if !job.failing().is_empty() {
            self.forget_failing(step).await?;
        }
        self.finish(step).await?;
        Ok(jobs.iter().map(Job::written).sum())
    }

    /// The backfill as it was left, if its positions still mean something here; else from the beginning.
    async fn job<'s>(&self, step: &'s ScriptStep, work: &'s Backfill) -> Result<Job<'s>, Failure> {
        let (place, end) = Place::of(&self.worker, work).await?;
        let fence = assert_fence(self.fence);
        let opening: Vec<Statement> =
            std::iter::once(fence).chain(work.settings.iter().cloned()).chain([mark_batch(place.table_oid)]).collect();
        let key: [Parameter<'_>; 2] = [(&self.run, Type::INT8), (&step.id, Type::TEXT)];
        let asked = |refusal: Refusal| refusal.failure("reading the checkpoint");
        if let Some(row) = self.worker.ask(&checkpoint(), &key).await.map_err(asked)?.first() {
            let stored = Place { table_oid: get(row, 0)?, file_node: get(row, 1)?, timeline: get(row, 2)? };
            let (next_block, stored_end): (i64, i64) = (get(row, 3)?, get(row, 4)?);
            if stored == place && stored_end <= end {
                let recorded = self.worker.ask(&ranges(), &key).await.map_err(asked)?;
                let (recorded, rows) = recorded_ranges(&recorded)?;
                let rows = rows + get::<i64>(row, 5)?.unsigned_abs();
                let queue = if next_block < stored_end { Queue::new(stored_end, &recorded) } else { Queue::default() };
                let job = Job::new(step, work, place, opening, stored_end, queue, rows);
                self.noted_failing(step).await?.into_iter().for_each(|row| job.add_failing(row));
                return Ok(job);
            }
        }
        if !self.noted_failing(step).await?.is_empty() {
            self.forget_failing(step).await?;
        }
        let rows = self.start(step, &place, end).await?;
        Ok(Job::new(step, work, place, opening, end, Queue::new(end, &[]), rows))
    }

    /// Notes that a backfill begins, or begins anew; answers the rows that it wrote before.
    async fn start(&self, step: &ScriptStep, place: &Place, end: i64) -> Result<u64, Failure> {
        let values: [Parameter<'_>; 6] = [
            (&self.run, Type::INT8),
            (&step.id, Type::TEXT),
            (&place.table_oid, Type::INT8),
            (&place.file_node, Type::INT8),
            (&place.timeline, Type::TEXT),
            (&end, Type::INT8),
        ];
        let started = self.noted(step, &start_checkpoint(), &values).await?;
        started.first().map_or(Ok(0), |row| get::<i64>(row, 0).map(i64::unsigned_abs))
    }

    /// Notes that everything is done, and how much it was.
    async fn finish(&self, step: &ScriptStep) -> Result<(), Failure> {
        let key: [Parameter<'_>; 2] = [(&self.run, Type::INT8), (&step.id, Type::TEXT)];
        let counted = self.noted(step, &finish_checkpoint(), &key).await?;
        let Some(row) = counted.first() else { return Ok(()) };
        let (expected, written): (i64, i64) = (get(row, 0)?, get(row, 1)?);
        self.observer.observe(&Event::Reconciled {
            id: step.id.clone(),
            expected: expected.unsigned_abs(),
            written: written.unsigned_abs(),
        });
        Ok(())
    }

    /// Writes to a backfill's checkpoint, unless another run took over.
    async fn noted(
        &self,
        step: &ScriptStep,
        statement: &Statement,
        values: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let limits = Limits::patient(&self.locks);
        let sent = self.worker.batch(&limits, &[assert_fence(self.fence)], &[(statement, values)]).await;
        let mut answers = sent.map_err(|refusal| self.stopped(step, &refusal))?;
        Ok(answers.pop().unwrap_or_default())
    }
}

/// The recorded ranges with how many passes each has, and the rows that were written in them.
fn recorded_ranges(rows: &[Row]) -> Result<(Vec<(Range, usize)>, u64), Failure> {
    let mut written = 0;
    let mut ranges = Vec::new();
    for row in rows {
        let (passes, passes_done): (i32, i32) = (get(row, 2)?, get(row, 3)?);
        let range =
            Range { passes_done: usize::try_from(passes_done).unwrap_or(0), ..Range::new(get(row, 0)?, get(row, 1)?) };
        ranges.push((range, usize::try_from(passes).unwrap_or(0)));
        written += get::<i64>(row, 4)?.unsigned_abs();
    }
    Ok((ranges, written))
}

fn without_owner(step: &ScriptStep, left: u64) -> Failure {
    Failure::new(Code::RowsUnowned, format!("{}: {left} rows have no owner by their source", step.id))
        .hint("give them an owner, or set unowned = \"system\" and run `tenantctl migrate --replan`")
}
