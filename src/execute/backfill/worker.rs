//! A worker: turn after turn until nothing is left.

use std::time::{Duration, Instant};

use super::batch::Done;
use super::crew::Crew;
use super::job::{Job, Reached};
use super::turn::Turn;
use crate::config::BackfillLimits;
use crate::error::Failure;
use crate::event::Event;
use crate::execute::run::Driver;
use crate::pg::{Fault, Session};

/// After so many attempts at a range whose rows somebody holds, the others come first.
const PATIENCE: u32 = 3;

impl Driver<'_> {
    /// Works until nothing is left, or until something stops it: the others finish their batch then.
    pub(super) async fn work(&self, crew: &Crew<'_, '_>, session: &Session, number: u32) -> Result<(), Failure> {
        let _at_work = self.hold.enter();
        // A turn may be a single batch, and a rest belongs to the batch before it.
        let mut busy = Duration::ZERO;
        while number < self.hold.workers(crew.configured())
            && let Some((job, turn)) = crew.turn()
        {
            job.count_worker(1);
            let outcome = self.turn(job, session, number, turn, &mut busy).await;
            job.count_worker(-1);
            if outcome.is_err() {
                crew.close();
                return outcome;
            }
        }
        Ok(())
    }

    /// Whether so many workers are still wanted; the first one always is.
    fn is_wanted(&self, job: &Job<'_>, number: u32) -> bool {
        number < self.hold.workers(job.work.pace.workers)
    }

    async fn turn(
        &self,
        job: &Job<'_>,
        session: &Session,
        number: u32,
        mut turn: Turn,
        busy: &mut Duration,
    ) -> Result<(), Failure> {
        let mut attempt = 0;
        while let Some(pass) = turn.next(job.part()) {
            self.admit(*busy).await?;
            if !self.is_wanted(job, number) {
                job.give_back(turn);
                return Ok(());
            }
            job.aim(self.hold.batch(job.work.pace.batch));
            let (range, cascade) = (turn.ranges[pass.of], std::sync::Arc::clone(&turn.cascade));
            let started = Instant::now();
            let (outcome, holders) =
                self.wait(job.step, session).on(self.batch(job, session, number, range, pass, &cascade)).await;
            match outcome {
                Ok(done) => {
                    attempt = 0;
                    let took = started.elapsed();
                    *busy = took;
                    job.learn(pass, &cascade, done, took);
                    turn.advance(pass);
                    pause(&job.work.pace, took).await;
                    self.vacuum(job, session).await?;
                }
                // Whatever this pass left, the last one takes.
                Err(refusal) if refusal.fault == Fault::Contended && !pass.last => turn.leave(pass),
                Err(refusal) if refusal.fault == Fault::Contended => {
                    attempt += 1;
                    job.contended();
                    if attempt >= PATIENCE && !range.late && job.has_more() {
                        job.put_off(turn.remove(pass));
                        attempt = 0;
                    } else {
                        self.rest(job.step, attempt, holders).await?;
                    }
                }
                Err(refusal) if refusal.is_about_a_row() => {
                    self.single_out(job, session, number, (range, pass, cascade.passes()), refusal).await?;
                    turn.end(pass);
                }
                Err(refusal) => return Err(self.stopped(job.step, &refusal)),
            }
        }
        Ok(())
    }

    /// Makes room for later batches, where the plan wants that and it is time.
    async fn vacuum(&self, job: &Job<'_>, session: &Session) -> Result<(), Failure> {
        let Some(statement) = job.vacuum() else { return Ok(()) };
        let sent = session.autocommit(std::slice::from_ref(statement));
        let (outcome, _) = self.wait(job.step, session).on(sent).await;
        outcome.map_err(|refusal| self.stopped(job.step, &refusal))
    }

    pub(super) fn tell(&self, job: &Job<'_>, worker: u32, done: Done, reached: Reached, took: Duration) {
        self.observer.observe(&Event::BatchDone {
            id: job.step.id.clone(),
            rows: done.written,
            rows_seen: done.seen.unwrap_or(done.written),
            rows_total: reached.rows,
            rows_expected: job.work.rows,
            hot_rows: done.hot,
            wal_bytes: done.wal,
            worker,
            block: reached.blocks,
            blocks: job.blocks.unsigned_abs(),
            heap_blocks: Some(done.heap),
            elapsed: took,
        });
    }
}

/// The configured rest belongs to a batch of the configured length; a shorter one has a part of it.
pub(super) async fn pause(pace: &BackfillLimits, took: Duration) {
    let pause = pace.pause.mul_f64((took.as_secs_f64() / pace.batch.as_secs_f64()).min(1.0));
    // The clock of a sleep ticks once a millisecond, even for a sleep of none.
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}
