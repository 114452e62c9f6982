//! The run: refinery walks the versioned migrations and keeps their history, and hands each one to us, step by step.
//!
//! A migration's history row is written together with the record of its last step: in the step's own transaction, or
//! right after it where the step cannot be in one. Every step is probed before it runs, so a record that a crash
//! swallowed costs only the question; a record without its history row is somebody's doing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use refinery_core::{Migration, Runner, Target as RefineryTarget, error::Kind};

use super::ahead::Ahead;
use super::bookkeeping::{self, StoredRun, applied, cause_of, versions};
use super::control::{Controller, Hold};
use super::interrupt::Interrupt;
use super::pulse::Pulse;
use super::throttle::Throttle;
use super::watch::Watch;
use crate::config::{FailingRow, LockLimits};
use crate::error::{Code, Failure};
use crate::event::{Event, Observer, Start};
use crate::pg::settings::Settings;
use crate::pg::{Access, Fault, Limits, Refusal, Session, get};
use crate::plan::Phase;
use crate::sql::bookkeeping::{self as sql, HISTORY, assert_fence, finish_run, from_refinery, history_from_refinery};
use crate::sql::{MigrationScript, Statement};

/// How far a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To the end of its script.
    End,
    /// Up to and with this version.
    Version(i32),
    /// Up to and with this phase.
    Phase(Phase),
}

impl Target {
    /// The last version that is within the target.
    fn version(self, migrations: &[MigrationScript]) -> Option<i32> {
        match self {
            Target::End => None,
            Target::Version(version) => Some(version),
            Target::Phase(phase) => {
                let within = migrations.iter().filter(|migration| migration.phase <= phase);
                Some(within.map(|migration| migration.version).max().unwrap_or(0))
            }
        }
    }
}

/// What a run works with.
pub struct Tools<'a> {
    /// The session that does the work.
    pub worker: Session,
    /// How further sessions reach the server, for the other workers of a backfill.
    pub settings: Settings,
    /// The session that holds the lock.
    pub watch: &'a Watch,
    /// Who listens.
    pub observer: &'a dyn Observer,
    /// How it is asked to stop.
    pub interrupt: Interrupt,
    /// What its backfills give way to.
    pub throttle: Throttle,
    /// What they do at a row that cannot be filled.
    pub failing_row: FailingRow,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// The versions that it applied.
    pub versions: Vec<i32>,
    /// The rows that its backfills wrote.
    pub rows: u64,
    /// Whether nothing of the script is left.
    pub finished: bool,
}

/// Executes a stored run up to the target.
///
/// # Errors
/// Where and why it stopped; everything before is committed, and the same run goes on from there.
pub async fn run(tools: Tools<'_>, stored: StoredRun, start: Start, target: Target) -> Result<Done, Failure> {
    let fence = bookkeeping::take_fence(&tools.worker).await?;
    let history = bookkeeping::presence(&tools.worker).await?.history;
    let was_applied = if history { versions(&tools.worker, &sql::history()).await? } else { BTreeSet::new() };
    let migrations = replayed(&tools.worker, &stored, &was_applied).await?;
    let last = target.version(&stored.script.migrations);
    let within = |migration: &&MigrationScript| last.is_none_or(|last| migration.version <= last);
    let left = stored.script.migrations.iter().filter(|migration| !was_applied.contains(&migration.version));
    let left: Vec<&MigrationScript> = left.filter(within).collect();
    let ahead = Ahead::of(&left, &stored.done);
    tools.observer.observe(&Event::RunStarted {
        run: stored.id,
        start,
        fingerprint: stored.script.fingerprint.clone(),
        migrations: left.len(),
        rows_expected: ahead.rows,
        expected: ahead.time,
    });
    let pulse = Pulse::new(tools.observer);
    let controller = Controller::begin(tools.watch, &pulse, &tools.throttle, &stored, fence).await?;
    let mut runner = Runner::new(&migrations).set_abort_missing(true).set_abort_divergent(true);
    if let Some(last) = last {
        runner = runner.set_target(RefineryTarget::Version(last));
    }
    runner.set_migration_table_name(HISTORY);
    let by_text = stored.script.migrations.iter().map(|migration| (migration.text(), migration.clone())).collect();
    let mut driver = Driver {
        worker: tools.worker,
        settings: tools.settings,
        watch: tools.watch,
        observer: &pulse,
        interrupt: tools.interrupt,
        throttle: tools.throttle,
        failing_row: tools.failing_row,
        locks: stored.script.locks.clone(),
        run: stored.id,
        fence,
        by_text,
        last,
        done: stored.done,
        rows: 0,
        hold: controller.hold(),
    };
    let report = tokio::select! {
        report = runner.run_async(&mut driver) => report.map_err(|error| history_failure(&error)),
        never = controller.follow() => match never {},
    };
    controller.end(report.as_ref().map_or_else(|failure| failure.code.as_str(), |_| "done")).await;
    let report = report?;
    let versions: Vec<i32> = report.applied_migrations().iter().map(Migration::version).collect();
    let all = was_applied.iter().chain(&versions).copied().collect::<BTreeSet<i32>>();
    let finished = stored.script.migrations.iter().all(|migration| all.contains(&migration.version));
    if finished {
        driver.record(&[finish_run(stored.id)]).await?;
        driver.observer.observe(&Event::RunFinished { run: stored.id, migrations: versions.len() });
    }
    Ok(Done { versions, rows: driver.rows, finished })
}

/// Every applied migration from the script that was stored for it, and this run's own: never rendered again, since a
/// newer tenantctl or a changed catalog would write other texts. refinery does not miss a version that no list names, so
/// one that is recorded as done and not in the history is refused here.
async fn replayed(session: &Session, run: &StoredRun, applied: &BTreeSet<i32>) -> Result<Vec<Migration>, Failure> {
    let earlier = bookkeeping::scripts(session).await?;
    let mut migrations: BTreeMap<i32, &MigrationScript> = BTreeMap::new();
    let recorded = bookkeeping::recorded_steps(session).await?;
    for migration in earlier.iter().flat_map(|script| &script.migrations) {
        let last = migration.steps.last().map(|step| (migration.version, step.id.clone()));
        if applied.contains(&migration.version) {
            migrations.insert(migration.version, migration);
        } else if last.is_some_and(|last| recorded.contains(&last)) {
            return Err(divergent(format!("{} is done, but not in tenantctl.schema_history", migration.file_name())));
        }
    }
    migrations.extend(run.script.migrations.iter().map(|migration| (migration.version, migration)));
    let as_refinery = |migration: &&MigrationScript| {
        Migration::unapplied(&migration.file_name(), &migration.text()).map_err(|error| cause_of(&error))
    };
    migrations.values().map(as_refinery).collect()
}

fn divergent(what: String) -> Failure {
    Failure::new(Code::HistoryDivergent, what)
        .hint("the history was changed by hand or restored from elsewhere: compare it with tenantctl.run")
}

fn history_failure(error: &refinery_core::Error) -> Failure {
    match error.kind() {
        Kind::DivergentVersion(applied, _) => {
            divergent(format!("migration {applied} in tenantctl.schema_history is not the one that was stored"))
        }
        Kind::MissingVersion(missing) => {
            divergent(format!("migration {missing} and the stored runs do not fit together: one of them lacks it"))
        }
        _ => cause_of(error),
    }
}

/// What refinery drives. Its text of a migration is only the key: the steps are in the script.
pub(super) struct Driver<'a> {
    pub(super) worker: Session,
    settings: Settings,
    pub(super) watch: &'a Watch,
    pub(super) observer: &'a dyn Observer,
    pub(super) interrupt: Interrupt,
    pub(super) throttle: Throttle,
    pub(super) failing_row: FailingRow,
    pub(super) locks: LockLimits,
    pub(super) run: i64,
    pub(super) fence: i64,
    by_text: BTreeMap<String, MigrationScript>,
    last: Option<i32>,
    pub(super) done: BTreeSet<String>,
    pub(super) rows: u64,
    pub(super) hold: Hold,
}

impl Driver<'_> {
    /// Runs a migration's steps and records it in the history with the last of them.
    async fn migration(&mut self, migration: &MigrationScript, history: &Statement) -> Result<(), Failure> {
        self.observer.observe(&Event::MigrationStarted {
            version: migration.version,
            name: migration.name.clone(),
            phase: migration.phase,
            steps: migration.steps.len(),
        });
        self.compare(migration).await?;
        let recorded = migration.undoes.map(|back| sql::with_undone(history, self.run, back, migration.version));
        let history = recorded.as_ref().unwrap_or(history);
        if migration.steps.is_empty() {
            self.record(std::slice::from_ref(history)).await?;
        }
        let last = migration.steps.len().saturating_sub(1);
        for (number, step) in migration.steps.iter().enumerate() {
            self.may_begin().await?;
            let history = (number == last).then_some(history);
            self.step(migration, step, history).await?;
        }
        self.observer.observe(&Event::MigrationDone { version: migration.version });
        Ok(())
    }

    /// The migrations after a version, as far as this run goes.
    pub(super) fn later(&self, version: i32) -> impl Iterator<Item = &MigrationScript> {
        let mut later: Vec<&MigrationScript> = self.by_text.values().collect();
        later.retain(|migration| migration.version > version && self.last.is_none_or(|last| migration.version <= last));
        later.sort_unstable_by_key(|migration| migration.version);
        later.into_iter()
    }

    /// A session for another worker.
    pub(super) async fn hire(&self) -> Result<Session, Failure> {
        Session::open(&self.settings, Access::Write).await
    }

    /// Compares what the migration touches with the plan: the team's own deploys go on.
    pub(super) async fn compare(&self, migration: &MigrationScript) -> Result<(), Failure> {
        let Some(guard) = &migration.guard else { return Ok(()) };
        let mut differences: Vec<String> = Vec::new();
        for row in self.worker.rows(guard).await? {
            differences.push(get(&row, 0)?);
        }
        if differences.is_empty() {
            return Ok(());
        }
        let what = format!("before {}: {}", migration.file_name(), differences.join("; "));
        Err(Failure::new(Code::SchemaDrifted, what)
            .hint("run `tenantctl migrate --replan`: it keeps what is done and plans the rest anew"))
    }

    /// Waits before a piece of work while the run is paused, and stops as [`Driver::may_go_on`] does.
    pub(super) async fn may_begin(&self) -> Result<(), Failure> {
        self.may_go_on()?;
        self.hold.pass(self.interrupt.clone(), self.watch).await;
        self.may_go_on()
    }

    /// Stops between two pieces of work: when somebody asked, or when the lock is lost.
    pub(super) fn may_go_on(&self) -> Result<(), Failure> {
        self.watch.is_held()?;
        if self.interrupt.is_asked() {
            self.observer.observe(&Event::Stopping);
            return Err(interrupted());
        }
        Ok(())
    }

    /// The statements that are put around a step's own: the fence before, the record and the history after.
    pub(super) fn framed<'s>(
        &self,
        fence: &'s Statement,
        statements: &'s [Statement],
        records: &'s [Statement],
    ) -> impl Iterator<Item = &'s Statement> + use<'s> {
        std::iter::once(fence).chain(statements).chain(records)
    }

    /// Writes records, unless another run took over.
    pub(super) async fn record(&self, records: &[Statement]) -> Result<(), Failure> {
        let fence = assert_fence(self.fence);
        let sent = self.worker.transaction(&Limits::strong(&self.locks), self.framed(&fence, &[], records)).await;
        sent.map_err(|refusal| self.refused(&refusal, "writing the record of the run"))
    }

    /// Why something did not go through. What was cancelled was so by us, most often: for the lock, or for the operator.
    pub(super) fn refused(&self, refusal: &Refusal, doing: &str) -> Failure {
        match refusal.fault {
            Fault::Cancelled => match self.watch.is_held() {
                Err(lost) => lost,
                Ok(()) if self.interrupt.is_asked() => interrupted(),
                Ok(()) => refusal.failure(doing),
            },
            Fault::Contended | Fault::Lost | Fault::Forbidden | Fault::Fenced | Fault::Final => refusal.failure(doing),
        }
    }
}

/// The failure of a run that was asked to stop.
pub(super) fn interrupted() -> Failure {
    Failure::new(Code::Interrupted, "the run was interrupted; everything up to here is committed")
        .hint("run the same command again to go on")
}

impl AsyncTransaction for Driver<'_> {
    type Error = Failure;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(&'a mut self, queries: T) -> Result<usize, Failure> {
        let texts: Vec<&str> = queries.collect();
        if let [text, history] = texts.as_slice()
            && let Some(migration) = self.by_text.get(*text).cloned()
        {
            self.migration(&migration, &from_refinery(history)).await?;
        } else {
            let statements: Vec<Statement> = texts.iter().map(|text| from_refinery(text)).collect();
            self.record(&statements).await?;
        }
        Ok(texts.len())
    }
}

impl AsyncQuery<Vec<Migration>> for Driver<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, Failure> {
        applied(&self.worker, &history_from_refinery(query)).await
    }
}

impl AsyncMigrate for Driver<'_> {}

/// Milliseconds since then, as the bookkeeping wants them.
pub(super) fn millis_since(start: Instant) -> u128 {
    start.elapsed().as_millis()
}
