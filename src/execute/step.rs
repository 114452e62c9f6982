//! One step: probed, repaired where it broke off, sent as its mode demands, and recorded.

use std::time::Instant;

use super::interrupt::Urgency;
use super::run::{Driver, millis_since};
use super::wait::Wait;
use crate::catalog::LockHolder;
use crate::error::{Code, Failure};
use crate::event::Event;
use crate::pg::{Fault, Limits, Refusal, Session, get};
use crate::plan::TxnMode;
use crate::sql::bookkeeping::{assert_fence, begin_cost, finish_cost, finish_step};
use crate::sql::{MigrationScript, ScriptStep, Statement, StepState, Work};

impl<'a> Driver<'a> {
    /// Does a step, unless the catalog or the record shows that it is done; `history` goes with it.
    pub(super) async fn step(
        &mut self,
        migration: &MigrationScript,
        step: &ScriptStep,
        history: Option<&Statement>,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        self.worker.is_same_backend().await?;
        let state = self.state(step).await?;
        if state == StepState::Done {
            self.observer.observe(&Event::StepSkipped { id: step.id.clone(), expected: step.cost.duration });
            let record = finish_step(self.run, migration.version, &step.id, millis_since(started));
            let records: Vec<Statement> = std::iter::once(record).chain(history.cloned()).collect();
            return self.record(&records).await;
        }
        self.observer.observe(&Event::StepStarted {
            id: step.id.clone(),
            title: step.title.clone(),
            lock: step.lock,
            expected: step.cost.duration,
        });
        if state == StepState::Partial
            && let Some(repair) = &step.repair
        {
            self.unlimited(step, std::slice::from_ref(repair)).await?;
        }
        match (&step.work, step.mode) {
            (Work::Statements(statements), TxnMode::Transaction) => {
                self.transaction(migration, step, statements, history, started).await?;
            }
            (work, _) => {
                self.record(&[begin_cost(self.run, &step.id, step.table(migration))]).await?;
                match work {
                    Work::Statements(statements) => self.unlimited(step, statements).await?,
                    Work::Backfill(backfill) => self.backfill(migration, step, backfill).await?,
                    Work::Condition(condition) => self.condition(step, condition).await?,
                }
                self.record(&self.records(migration, step, history, started)).await?;
            }
        }
        self.done.insert(step.id.clone());
        self.observer.observe(&Event::StepDone { id: step.id.clone(), elapsed: started.elapsed() });
        Ok(())
    }

    /// The catalog's word, where it has one; else what this run recorded.
    async fn state(&self, step: &ScriptStep) -> Result<StepState, Failure> {
        let Some(probe) = &step.probe else {
            return Ok(if self.done.contains(&step.id) { StepState::Done } else { StepState::Absent });
        };
        let word: String = get(&self.worker.one(probe, &[]).await?, 0)?;
        StepState::from_word(&word).ok_or_else(|| {
            Failure::new(Code::StatementFailed, format!("{}: the probe answered {word:?}", step.id))
                .hint("report this as a defect")
        })
    }

    fn records(
        &self,
        migration: &MigrationScript,
        step: &ScriptStep,
        history: Option<&Statement>,
        started: Instant,
    ) -> Vec<Statement> {
        let cost = finish_cost(self.run, &step.id, step.table(migration));
        let record = finish_step(self.run, migration.version, &step.id, millis_since(started));
        [cost, record].into_iter().chain(history.cloned()).collect()
    }

    /// One transaction in one round trip; where the lock is not to be had, it rests and asks again, and says who has it.
    async fn transaction(
        &mut self,
        migration: &MigrationScript,
        step: &ScriptStep,
        statements: &[Statement],
        history: Option<&Statement>,
        started: Instant,
    ) -> Result<(), Failure> {
        let fence = assert_fence(self.fence);
        let begin = begin_cost(self.run, &step.id, step.table(migration));
        let statements: Vec<Statement> = std::iter::once(begin).chain(statements.iter().cloned()).collect();
        let limits = if step.lock.is_strong() { Limits::strong(&self.locks) } else { Limits::patient(&self.locks) };
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.may_begin().await?;
            let records = self.records(migration, step, history, started);
            let framed: Vec<&Statement> = self.framed(&fence, &statements, &records).collect();
            let sent = self.worker.transaction(&limits, framed);
            let (outcome, holders) = self.wait(step, &self.worker).on(sent).await;
            match outcome {
                Ok(()) => return Ok(()),
                Err(refusal) if self.is_contended(&refusal) => self.rest(step, attempt, holders).await?,
                Err(refusal) => return Err(self.stopped(step, &refusal)),
            }
        }
    }

    /// Statements that cannot be in a transaction, without a time limit.
    async fn unlimited(&mut self, step: &ScriptStep, statements: &[Statement]) -> Result<(), Failure> {
        self.record(&[]).await?;
        let (outcome, _) = self.wait(step, &self.worker).on(self.worker.autocommit(statements)).await;
        outcome.map_err(|refusal| self.stopped(step, &refusal))
    }

    /// What waits for a statement that a session sends for the step, and tells whom it waits for.
    pub(super) fn wait(&self, step: &ScriptStep, session: &Session) -> Wait<'a> {
        Wait {
            step: step.id.clone(),
            pid: session.pid(),
            canceller: session.canceller(),
            watch: self.watch,
            observer: self.observer,
            interrupt: self.interrupt.clone(),
        }
    }

    /// Rests before the next attempt: longer each time, never in step with anything else.
    pub(super) async fn rest(&self, step: &ScriptStep, attempt: u32, holders: Vec<LockHolder>) -> Result<(), Failure> {
        if attempt == self.locks.attempts {
            let names: Vec<String> = holders.iter().map(LockHolder::describe).collect();
            let by = if names.is_empty() { String::new() } else { format!(", held by {}", names.join(", ")) };
            let what = format!("{}: the lock was not to be had in {attempt} attempts{by}", step.id);
            return Err(Failure::new(Code::LockNotAcquired, what)
                .hint("end the sessions that hold it, or wait; then run the same command again"));
        }
        let grown = self.locks.timeout.mul_f64(1.4_f64.powi(i32::try_from(attempt).unwrap_or(i32::MAX).min(32)));
        let rest = grown.min(self.locks.max_wait).mul_f64(0.5 + fastrand::f64());
        let (id, attempts) = (step.id.clone(), self.locks.attempts);
        self.observer.observe(&Event::LockWaited { id, attempt, attempts, holders, rest });
        let mut interrupt = self.interrupt.clone();
        tokio::select! {
            () = tokio::time::sleep(rest) => Ok(()),
            () = interrupt.reached(Urgency::Finish) => self.may_go_on(),
        }
    }

    /// Why the step did not go through.
    pub(super) fn stopped(&self, step: &ScriptStep, refusal: &Refusal) -> Failure {
        self.refused(refusal, &format!("{} ({})", step.title, step.id))
    }

    /// Whether trying again is worth it: somebody else holds the lock, or a time limit of ours ended the wait.
    fn is_contended(&self, refusal: &Refusal) -> bool {
        match refusal.fault {
            Fault::Contended => true,
            Fault::Cancelled => !self.interrupt.is_asked(),
            Fault::Lost | Fault::Forbidden | Fault::Fenced | Fault::Final => false,
        }
    }
}
