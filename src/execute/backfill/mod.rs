//! A backfill: range after range of heap blocks, by several workers, each batch and its record in one transaction.
//!
//! A batch waits for a row at most `lock_timeout`. By default that is half of PostgreSQL's `deadlock_timeout`: of two that
//! wait for each other it is the batch that gives up, before the application could be chosen as the victim.
//!
//! - `place`: where positions mean something; `queue`, `turn`, `passes`, `pace`: what comes next, without I/O
//! - `job`: what the workers share; `worker`: their loop; `batch`: one transaction; `sweep`: what is left in the end

mod batch;
mod gate;
mod job;
mod pace;
mod passes;
mod place;
mod queue;
mod sweep;
mod turn;
mod worker;

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use self::job::Job;
use self::place::Place;
use self::queue::{Queue, Range};
use super::run::Driver;
use crate::error::{Code, Failure};
use crate::event::Event;
use crate::pg::{Limits, Parameter, Refusal, Row, Type, get};
use crate::sql::bookkeeping::{assert_fence, checkpoint, finish_checkpoint, mark_batch, ranges, start_checkpoint};
use crate::sql::{Backfill, ScriptStep, Statement};

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worker {
    /// It found nothing more to do, or was one too many.
    Left,
    /// It could not connect.
    Missing,
}

impl Driver<'_> {
    /// Fills a table to its end, then looks whether rows are left: those that a writer changed in the middle of a batch
    /// may be passed over by it, and are found again here.
    pub(super) async fn backfill(&mut self, step: &ScriptStep, work: &Backfill) -> Result<(), Failure> {
        let job = self.job(step, work).await?;
        let outcome = self.fill(&job).await;
        let (written, _) = job.counted();
        outcome?;
        self.finish(&job).await?;
        self.rows += written;
        Ok(())
    }

    async fn fill(&self, job: &Job<'_>) -> Result<(), Failure> {
        let _filling = self.throttle.fills(u32::try_from(job.place.table_oid).unwrap_or(0));
        let mut before = None;
        loop {
            self.crew(job).await?;
            let left = self.sweep(job).await?;
            if left.rows == 0 {
                return Ok(());
            }
            let (_, unowned) = job.counted();
            if unowned > 0 || before == Some(left.rows) {
                return Err(without_owner(job.step, left.rows));
            }
            before = Some(left.rows);
            job.again(left.ranges);
        }
    }

    /// Lets as many workers as are wanted and find something to do work until nothing is left; more or fewer, when that
    /// changes. Each has a session of its own; the first one has the run's.
    async fn crew(&self, job: &Job<'_>) -> Result<(), Failure> {
        let mut wishes = self.hold.wishes();
        let mut outcome = Ok(());
        let mut at_work = FuturesUnordered::new();
        let mut numbers = BTreeSet::new();
        let mut hiring = true;
        loop {
            if hiring {
                let wanted = job.room(self.hold.workers(job.work.pace.workers));
                let missing = (0..wanted).filter(|number| numbers.insert(*number)).collect::<Vec<_>>();
                at_work
                    .extend(missing.into_iter().map(|number| async move { (number, self.worker(job, number).await) }));
            }
            tokio::select! {
                ended = at_work.next() => match ended {
                    Some((number, ended)) => {
                        numbers.remove(&number);
                        // One that was sent away may be wanted again by now; one that never came is asked for no more.
                        hiring = matches!(ended, Ok(Worker::Left)) && outcome.is_ok() && job.has_more();
                        outcome = outcome.and(ended.map(|_| ()));
                    }
                    None => return outcome,
                },
                changed = wishes.changed() => hiring = changed.is_ok() && outcome.is_ok() && job.has_more(),
            }
        }
    }

    /// One worker, from its first turn to its last.
    async fn worker(&self, job: &Job<'_>, number: u32) -> Result<Worker, Failure> {
        if number == 0 {
            self.work(job, &self.worker, number).await?;
            return Ok(Worker::Left);
        }
        match self.hire().await {
            Ok(session) => self.work(job, &session, number).await.map(|()| Worker::Left),
            // The others do its part.
            Err(failure) => {
                self.observer.observe(&Event::WorkerMissing { worker: number, reason: failure.to_string() });
                Ok(Worker::Missing)
            }
        }
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
                return Ok(Job::new(step, work, place, opening, stored_end, queue, rows));
            }
        }
        let values: [Parameter<'_>; 6] = [
            (&self.run, Type::INT8),
            (&step.id, Type::TEXT),
            (&place.table_oid, Type::INT8),
            (&place.file_node, Type::INT8),
            (&place.timeline, Type::TEXT),
            (&end, Type::INT8),
        ];
        let rows =
            self.noted(step, &start_checkpoint(), &values).await?.first().map_or(Ok(0), |row| get::<i64>(row, 0))?;
        Ok(Job::new(step, work, place, opening, end, Queue::new(end, &[]), rows.unsigned_abs()))
    }

    /// Notes that everything is done, and how much it was.
    async fn finish(&self, job: &Job<'_>) -> Result<(), Failure> {
        let key: [Parameter<'_>; 2] = [(&self.run, Type::INT8), (&job.step.id, Type::TEXT)];
        let counted = self.noted(job.step, &finish_checkpoint(), &key).await?;
        let Some(row) = counted.first() else { return Ok(()) };
        let (expected, written): (i64, i64) = (get(row, 0)?, get(row, 1)?);
        self.observer.observe(&Event::Reconciled {
            id: job.step.id.clone(),
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
