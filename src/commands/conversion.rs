//! A conversion that is ready to run, or its way back: the lock is held, and the script is the stored one or a new one.

use std::collections::BTreeSet;

use super::expected::{Drift, Expected};
use super::planning::{self, Planned};
use crate::catalog::Catalog;
use crate::config::{Config, FailingRow, ThrottleLimits};
use crate::error::{Code, Failure};
use crate::event::{Observer, Start};
use crate::execute::bookkeeping::{self, RunKind, StoredRun};
use crate::execute::control::{self, Control};
use crate::execute::{self, Done, Interrupt, Target, Tools, Watch, lost, status, throttle};
use crate::pg::settings::Settings;
use crate::pg::{Access, Session};
use crate::plan::Kind;
use crate::sql::{self, Script};

/// What the operator asks for.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// The plan that was reviewed.
    pub expect: Option<Expected>,
    /// What becomes of a run that stopped before its end.
    pub unfinished: Unfinished,
}

/// What becomes of a run that stopped before its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unfinished {
    /// It goes on with its stored script.
    #[default]
    Resume,
    /// It is given up, and what is left is planned anew.
    Replan,
}

impl Order {
    /// Plans anew, and refuses what nobody reviewed. What changed since the review explains a plan that cannot be made, too.
    async fn plan(&self, worker: &Session, config: &Config) -> Result<Planned, Failure> {
        let catalog = worker.catalog(&config.schemas).await?;
        let drift = Drift::of(self.expect.as_ref(), &catalog);
        let planned = match planning::plan_for(worker, config, catalog).await {
            Ok(planned) => planned,
            Err(failure) => return drift.refuse().and(Err(failure)),
        };
        self.refuse_other(&planned.script, Start::Fresh, &drift)?;
        Ok(planned)
    }

    fn refuse_other(&self, script: &Script, start: Start, drift: &Drift) -> Result<(), Failure> {
        self.expect.as_ref().map_or(Ok(()), |expected| expected.refuse_other(script, start, drift))
    }
}

/// A conversion before its first write.
pub struct Conversion {
    watch: Watch,
    worker: Session,
    settings: Settings,
    throttle: ThrottleLimits,
    failing_row: FailingRow,
    work: Work,
}

/// What there is to do.
enum Work {
    /// An unfinished run goes on.
    Resume(Box<StoredRun>),
    /// A new one.
    Begin(Box<Begun>),
}

/// A run that is not stored yet.
pub(super) struct Begun {
    pub(super) kind: RunKind,
    pub(super) script: Script,
    /// What `diff` compares with later.
    pub(super) catalog: Catalog,
}

/// What both ways begin with: the lock, and the session that works.
pub(super) struct Ground {
    watch: Watch,
    pub(super) worker: Session,
    settings: Settings,
}

impl Ground {
    /// Takes the lock.
    pub(super) async fn take(settings: &Settings) -> Result<Ground, Failure> {
        let lock = settings.with_application_name("tenantctl lock");
        let watch = Watch::lock(Session::open(&lock, Access::Write).await?).await?;
        let settings = settings.with_application_name("tenantctl");
        let worker = Session::open(&settings, Access::Write).await?;
        Ok(Ground { watch, worker, settings })
    }

    pub(super) fn resume(self, config: &Config, run: StoredRun) -> Conversion {
        self.with(config, Work::Resume(Box::new(run)))
    }

    pub(super) fn begin(self, config: &Config, begun: Begun) -> Conversion {
        self.with(config, Work::Begin(Box::new(begun)))
    }

    fn with(self, config: &Config, work: Work) -> Conversion {
        let Ground { watch, worker, settings } = self;
        let (throttle, failing_row) = (config.throttle.clone(), config.failing_row);
        Conversion { watch, worker, settings, throttle, failing_row, work }
    }
}

impl Conversion {
    /// Takes the lock, and finds the unfinished run or plans a new one. Nothing is written yet.
    ///
    /// # Errors
    /// Another run holds the lock; the plan is blocked, or not the expected one; the role may not do what is needed.
    pub async fn open(settings: &Settings, config: &Config, order: &Order) -> Result<Conversion, Failure> {
        let ground = Ground::take(settings).await?;
        let worker = &ground.worker;
        let presence = bookkeeping::presence(worker).await?;
        if presence.runs {
            lost::refuse_half_way_back(worker).await?;
        }
        let unfinished = match order.unfinished {
            Unfinished::Resume if presence.runs => bookkeeping::open_run(worker).await?,
            Unfinished::Resume | Unfinished::Replan => None,
        };
        match unfinished {
            Some(run) => {
                refuse_elsewhere(&run, worker).await?;
                order.refuse_other(&run.script, Start::Resumed, &Drift::default())?;
                Ok(ground.resume(config, run))
            }
            None => {
                let planned = order.plan(worker, config).await?;
                refuse_blocked(&planned)?;
                let Planned { script, catalog, .. } = planned;
                Ok(ground.begin(config, Begun { kind: RunKind::Migrate, script, catalog }))
            }
        }
    }

    /// What will be executed.
    pub fn script(&self) -> &Script {
        match &self.work {
            Work::Resume(run) => &run.script,
            Work::Begin(begun) => &begun.script,
        }
    }

    /// Whether an unfinished run goes on.
    pub fn start(&self) -> Start {
        match &self.work {
            Work::Resume(_) => Start::Resumed,
            Work::Begin(_) => Start::Fresh,
        }
    }

    /// Whether everything is done already.
    pub fn is_nothing(&self) -> bool {
        self.script().migrations.is_empty()
    }

    /// How many of its migrations earlier processes applied.
    ///
    /// # Errors
    /// The question failed.
    pub async fn applied(&self) -> Result<usize, Failure> {
        let status = status::read(&self.worker).await?;
        let applied = |version: i32| status.applied.iter().any(|applied| applied.version == version);
        Ok(self.script().migrations.iter().filter(|migration| applied(migration.version)).count())
    }

    /// Gives an unfinished run up of which a new plan found nothing left to do.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn close(&self) -> Result<(), Failure> {
        let left =
            bookkeeping::presence(&self.worker).await?.runs && bookkeeping::open_run(&self.worker).await?.is_some();
        if left { bookkeeping::abandon_run(&self.worker).await.map(|_| ()) } else { Ok(()) }
    }

    /// What an operator wanted of the unfinished run, which holds for the rest of it.
    ///
    /// # Errors
    /// The question failed.
    pub async fn control(&self) -> Result<Control, Failure> {
        if bookkeeping::presence(&self.worker).await?.runs && bookkeeping::open_run(&self.worker).await?.is_some() {
            return control::current(&self.worker).await;
        }
        Ok(Control::default())
    }

    /// Whether rows are written in batches.
    fn fills(&self) -> bool {
        self.script().steps().any(|step| matches!(step.work, sql::Work::Backfill(_)))
    }

    /// Executes it, up to the target.
    ///
    /// # Errors
    /// Where and why it stopped; what is done stays done.
    pub async fn run(self, observer: &dyn Observer, interrupt: Interrupt, target: Target) -> Result<Done, Failure> {
        let start = self.start();
        bookkeeping::prepare(&self.worker, &self.script().locks).await?;
        // From here on what is there must not vanish. A resumed run takes the limits that are given now.
        let limits = if self.fills() { self.throttle.clone() } else { self.throttle.without_signals() };
        let (throttle, sampler) = throttle::begin(&self.settings, &limits).await?;
        let stored = match self.work {
            Work::Resume(run) => *run,
            Work::Begin(begun) => {
                // Only one that is planned anew leaves an unfinished run behind; what was wanted of it holds for the rest.
                if !bookkeeping::abandon_run(&self.worker).await? {
                    control::forget(&self.worker).await?;
                }
                bookkeeping::start_run(&self.worker, begun.kind, &begun.script, &begun.catalog).await?
            }
        };
        let (worker, settings, watch) = (self.worker, self.settings, &self.watch);
        let failing_row = self.failing_row;
        let tools = Tools { worker, settings, watch, observer, interrupt, throttle, failing_row };
        tokio::select! {
            done = execute::run(tools, stored, start, target) => done,
            never = sampler.run(observer) => match never {},
        }
    }
}

/// A run that was begun on another cluster knows other files and positions.
pub(super) async fn refuse_elsewhere(run: &StoredRun, worker: &Session) -> Result<(), Failure> {
    let here = worker.catalog(&[]).await?.server.system_identifier;
    if here.is_empty() || run.system_identifier.is_empty() || here == run.system_identifier {
        return Ok(());
    }
    let what = format!("run {} was begun on another cluster, of which this database is a copy", run.id);
    Err(Failure::new(Code::SchemaDrifted, what)
        .hint("run `tenantctl migrate --replan`: it keeps what is done and plans the rest anew"))
}

/// Blockers and missing rights in one report; where only rights are missing, another role may run the same plan.
fn refuse_blocked(planned: &Planned) -> Result<(), Failure> {
    let script = &planned.script;
    let is_right = |kind| matches!(kind, Kind::RightMissing | Kind::SignalForbidden);
    let rights = script.notices.iter().filter(|notice| is_right(notice.kind));
    let rights: Vec<&str> = rights.map(|notice| notice.text.trim_start_matches("migrate needs ")).collect();
    let lacks = format!("the role {} lacks:\n{}", planned.catalog.server.role, rights.join("\n"));
    let grant = "run as the owner of the tables, or grant what is missing";
    let (mut lines, mut remedies): (Vec<String>, BTreeSet<&str>) =
        script.blockers.iter().map(|blocker| (blocker.describe(), blocker.remedy.as_str())).unzip();
    if lines.is_empty() {
        let refusal = Failure::new(Code::RightsMissing, lacks).hint(grant);
        return if rights.is_empty() { Ok(()) } else { Err(refusal) };
    }
    if !rights.is_empty() {
        lines.push(lacks);
        remedies.insert(grant);
    }
    Err(Failure::new(Code::PlanBlocked, format!("the plan is blocked:\n{}", lines.join("\n")))
        .hint(remedies.into_iter().collect::<Vec<_>>().join("; ")))
}
