//! What an operator wants of a run, from any machine, while it goes on: written into the bookkeeping, and read from there by
//! the run several times a second.
//!
//! The wishes belong to the unfinished run: a process that goes on with it goes on with them, and so does a plan that is
//! made anew for what is left. They end with the run.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

use super::bookkeeping::{self, StoredRun};
use super::interrupt::{Interrupt, Urgency};
use super::pulse::{Beat, Pulse, State};
use super::status;
use super::throttle::Throttle;
use super::watch::Watch;
use crate::catalog::seconds_if_any;
use crate::error::{Code, Failure};
use crate::event::{Event, Observer};
use crate::pg::{Fault, Parameter, Refusal, Row, Session, Type, get};
use crate::pressure::Pressure;
use crate::sql::{Query, Work, control as sql};

/// How often the wishes are asked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often the pulse is written at least.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// What is wanted; nothing where it is as configured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Control {
    /// Grows with every change.
    pub revision: i64,
    /// Who paused the run, and when.
    pub paused: Option<Mark>,
    /// How many batches run at once.
    pub workers: Option<u32>,
    /// How long a batch should take.
    #[serde(rename = "batch_seconds", serialize_with = "seconds_if_any")]
    pub batch: Option<Duration>,
    /// How far a replica may be behind.
    #[serde(rename = "max_lag_seconds", serialize_with = "seconds_if_any")]
    pub max_lag: Option<Duration>,
    /// The last change of any of it.
    pub changed: Option<Mark>,
}

/// Who did something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// A name, a role and an address.
    pub by: String,
    /// By the server's clock.
    pub at: String,
}

impl Control {
    /// Nothing is wanted: everything is as configured.
    pub fn is_as_configured(&self) -> bool {
        let Control { revision: _, paused, workers, batch, max_lag, changed: _ } = self;
        paused.is_none() && workers.is_none() && batch.is_none() && max_lag.is_none()
    }

    fn of(row: &Row) -> Result<Control, Failure> {
        let mark = |at: usize, by: usize| -> Result<Option<Mark>, Failure> {
            let at: Option<String> = get(row, at)?;
            let by: Option<String> = get(row, by)?;
            Ok(at.map(|at| Mark { at, by: by.unwrap_or_else(|| "somebody".to_owned()) }))
        };
        let millis = |column: usize| -> Result<Option<Duration>, Failure> {
            let millis: Option<i64> = get(row, column)?;
            Ok(millis.map(|millis| Duration::from_millis(millis.unsigned_abs())))
        };
        Ok(Control {
            revision: get(row, 0)?,
            paused: mark(1, 2)?,
            workers: get::<Option<i32>>(row, 3)?.map(i32::unsigned_abs),
            batch: millis(4)?,
            max_lag: millis(5)?,
            changed: mark(6, 7)?,
        })
    }
}

/// What an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// No batch and no step begins.
    Pause,
    /// It goes on.
    Resume,
    /// Other limits.
    Tune(Tuning),
}

/// Other limits than the configured ones; what is not named stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tuning {
    /// What is not named becomes as configured.
    pub reset: bool,
    /// How many batches run at once.
    pub workers: Option<u32>,
    /// How long a batch should take.
    pub batch: Option<Duration>,
    /// How far a replica may be behind.
    pub max_lag: Option<Duration>,
}

/// The run that can be steered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steerable {
    /// Its number.
    pub run: i64,
    /// What was wanted of it so far.
    pub control: Control,
}

/// Finds the unfinished run.
///
/// # Errors
/// [`Code::RunMissing`] where there is none; [`Code::BookkeepingUnreadable`] where a tenantctl works on it that cannot be
/// steered; [`Code::RightsMissing`] with the statements that mend it.
pub async fn steerable(session: &Session) -> Result<Steerable, Failure> {
    let presence = bookkeeping::presence(session).await?;
    let runs = match presence.runs {
        true => ask(session, &sql::steerable_run()).await?,
        false => Vec::new(),
    };
    let Some(row) = runs.first() else { return Err(missing(session).await) };
    if !presence.control {
        let tool: String = get(row, 1)?;
        let what = format!("the unfinished run was begun by tenantctl {tool}, which cannot be steered");
        return Err(Failure::new(Code::BookkeepingUnreadable, what)
            .hint("interrupt it (Ctrl-C, or SIGTERM) and go on with this version: `tenantctl migrate`"));
    }
    Ok(Steerable { run: get(row, 0)?, control: read(session).await? })
}

async fn missing(session: &Session) -> Failure {
    let planning = status::active(session).await.ok().flatten().map(|active| active.describe());
    let planning = planning.map(|who| format!("; {who} is about to begin or to end one")).unwrap_or_default();
    Failure::new(Code::RunMissing, format!("there is no unfinished run on this database{planning}")).hint(
        "only a run that has begun can be paused, resumed or tuned: `tenantctl migrate` begins one, `tenantctl status` shows it",
    )
}

/// What is wanted now; everything as configured where a run cannot be steered yet.
///
/// # Errors
/// The question failed.
pub async fn current(session: &Session) -> Result<Control, Failure> {
    if bookkeeping::presence(session).await?.control { read(session).await } else { Ok(Control::default()) }
}

async fn read(session: &Session) -> Result<Control, Failure> {
    ask(session, &sql::wishes()).await?.first().map_or_else(|| Ok(Control::default()), Control::of)
}

async fn ask(session: &Session, query: &Query) -> Result<Vec<Row>, Failure> {
    match session.ask(query, &[]).await {
        Ok(rows) => Ok(rows),
        Err(refusal) => Err(refused(session, &refusal).await),
    }
}

/// Writes a wish; `who` is what the operator is called on this machine. Answers the revision to wait for.
///
/// # Errors
/// As [`steerable`].
pub async fn wish(session: &Session, who: &str, wish: Wish) -> Result<i64, Failure> {
    let who: Parameter<'_> = (&who, Type::TEXT);
    let sent = match wish {
        Wish::Pause => session.send(&sql::pause(), &[who]).await,
        Wish::Resume => session.send(&sql::resume(), &[who]).await,
        Wish::Tune(Tuning { reset, workers, batch, max_lag }) => {
            let workers = workers.map(|workers| i32::try_from(workers).unwrap_or(i32::MAX));
            let [batch, max_lag] = [batch, max_lag].map(|time| time.map(millis));
            let values: [Parameter<'_>; 5] =
                [who, (&reset, Type::BOOL), (&workers, Type::INT4), (&batch, Type::INT8), (&max_lag, Type::INT8)];
            session.send(&sql::tune(), &values).await
        }
    };
    match sent {
        Ok(rows) => match rows.first() {
            Some(row) => get(row, 0),
            None => Err(missing(session).await),
        },
        Err(refusal) => Err(refused(session, &refusal).await),
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// A role that may not is told what it needs.
async fn refused(session: &Session, refusal: &Refusal) -> Failure {
    let failure = refusal.failure("steering the run");
    match (refusal.fault, session.one(&sql::role(), &[]).await.and_then(|row| get::<String>(&row, 0))) {
        (Fault::Forbidden, Ok(role)) => {
            failure.hint(format!("let the owner of schema tenantctl run: {}", sql::grants(&role)))
        }
        _ => failure,
    }
}

/// Forgets what was wanted of earlier runs.
///
/// # Errors
/// The statement failed.
pub async fn forget(session: &Session) -> Result<(), Failure> {
    let sent = session.send(&sql::forget(), &[]).await;
    sent.map(|_| ()).map_err(|refusal| refusal.failure("forgetting what was wanted of earlier runs"))
}

/// How many work, and how many of them wait at the hold.
#[derive(Debug, Default)]
struct Crew {
    working: AtomicU32,
    held: AtomicU32,
}

/// Counts somebody for as long as it lives.
pub(super) struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn one_more(counter: &'a AtomicU32) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Counted(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Crew {
    /// How many work: between the backfills it is the run itself.
    fn working(&self) -> u32 {
        self.working.load(Ordering::Relaxed).max(1)
    }

    fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= self.working()
    }
}

/// What is wanted of the work, and where it waits while the run is paused.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    wishes: watch::Receiver<Control>,
    crew: Arc<Crew>,
}

impl Hold {
    /// How many workers are wanted where so many are configured.
    pub(super) fn workers(&self, configured: u32) -> u32 {
        self.wishes.borrow().workers.unwrap_or(configured).max(1)
    }

    /// How long a batch should take where so long is configured.
    pub(super) fn batch(&self, configured: Duration) -> Duration {
        self.wishes.borrow().batch.unwrap_or(configured)
    }

    /// Tells whenever something else is wanted.
    pub(super) fn wishes(&self) -> watch::Receiver<Control> {
        self.wishes.clone()
    }

    /// Counts a worker for as long as the answer lives.
    pub(super) fn enter(&self) -> Counted<'_> {
        Counted::one_more(&self.crew.working)
    }

    /// How many workers are at work, whatever they fill.
    pub(super) fn at_work(&self) -> u32 {
        self.crew.working()
    }

    /// Waits while the run is paused; also an interrupt or the loss of the run's lock ends it, for the caller to look at.
    pub(super) async fn pass(&self, mut interrupt: Interrupt, lock: &Watch) {
        let mut wishes = self.wishes.clone();
        if wishes.borrow().paused.is_none() {
            return;
        }
        let _held = Counted::one_more(&self.crew.held);
        let mut lost = lock.session().ending();
        tokio::select! {
            // Nobody can resume it any more where the other side is gone; the run ends then.
            _ = wishes.wait_for(|control| control.paused.is_none()) => {}
            () = interrupt.reached(Urgency::Finish) => {}
            _ = lost.wait() => {}
        }
    }
}

/// Follows the wishes of a run, and writes its pulse.
pub(super) struct Controller<'a> {
    watch: &'a Watch,
    pulse: &'a Pulse<'a>,
    pressure: watch::Receiver<Pressure>,
    filling: watch::Receiver<Vec<u32>>,
    wishes: watch::Sender<Control>,
    crew: Arc<Crew>,
    run: i64,
    fence: i64,
    /// How long a batch should take where nothing else is wanted.
    configured: Option<Duration>,
}

impl<'a> Controller<'a> {
    /// Reads the wishes for the first time.
    pub(super) async fn begin(
        watch: &'a Watch,
        pulse: &'a Pulse<'a>,
        throttle: &Throttle,
        stored: &StoredRun,
        fence: i64,
    ) -> Result<Self, Failure> {
        let set = watch.session().send(&sql::short_waits(), &[]).await;
        set.map_err(|refusal| refusal.failure("setting up the session that holds the lock"))?;
        let wishes = watch::Sender::new(read(watch.session()).await?);
        let configured = stored.script.steps().find_map(|step| match &step.work {
            Work::Backfill(backfill) => Some(backfill.pace.batch),
            Work::Statements(_) | Work::Condition(_) => None,
        });
        let (pressure, filling) = (throttle.pressure(), throttle.filling());
        Ok(Controller {
            watch,
            pulse,
            pressure,
            filling,
            wishes,
            crew: Arc::default(),
            run: stored.id,
            fence,
            configured,
        })
    }

    /// Where the run waits while it is paused.
    pub(super) fn hold(&self) -> Hold {
        Hold { wishes: self.wishes.subscribe(), crew: Arc::clone(&self.crew) }
    }

    /// Follows for as long as it is awaited.
    pub(super) async fn follow(&self) -> Infallible {
        if !self.wishes.borrow().is_as_configured() {
            self.tell(&self.wishes.borrow().clone());
        }
        let mut last: Option<(Instant, i64, State)> = None;
        loop {
            // Who cannot be asked right now wants what was wanted before. A lost connection ends the run elsewhere.
            if let Ok(control) = read(self.watch.session()).await {
                let before = self.wishes.borrow().revision;
                // Whoever waits for other wishes is not woken by the same ones.
                self.wishes.send_if_modified(|wishes| {
                    let differ = *wishes != control;
                    wishes.clone_from(&control);
                    differ
                });
                if before != control.revision {
                    self.tell(&control);
                }
            }
            let now = (Instant::now(), self.wishes.borrow().revision, self.state());
            let due = |(at, revision, state): (Instant, i64, State)| {
                at.elapsed() >= BEAT_EVERY || (revision, state) != (now.1, now.2)
            };
            if last.is_none_or(due) {
                self.beat(now.2, None).await;
                last = Some(now);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The last sign of the run: how it ended.
    pub(super) async fn end(&self, how: &str) {
        self.beat(State::Ended, Some(how)).await;
    }

    fn state(&self) -> State {
        match (self.wishes.borrow().paused.is_some(), self.crew.is_held()) {
            (false, _) => State::Working,
            (true, false) => State::Pausing,
            (true, true) => State::Paused,
        }
    }

    fn tell(&self, control: &Control) {
        self.pulse.observe(&Event::Controlled {
            paused_by: control.paused.as_ref().map(|mark| mark.by.clone()),
            workers: control.workers,
            batch: control.batch,
            max_lag: control.max_lag,
            by: control.changed.as_ref().map(|mark| mark.by.clone()).unwrap_or_default(),
        });
    }

    /// What holds the backfills back; what was seen last is old where there is none.
    fn pressure(&self) -> Pressure {
        if self.filling.borrow().is_empty() { Pressure::default() } else { self.pressure.borrow().clone() }
    }

    /// A pulse that cannot be written is missed by those who look, and the run goes on.
    async fn beat(&self, state: State, ended: Option<&str>) {
        let control = self.wishes.borrow().clone();
        let beat = Beat {
            run: self.run,
            fence: self.fence,
            state,
            ended,
            revision: control.revision,
            workers: self.crew.working(),
            batch: control.batch.or(self.configured),
            pressure: self.pressure(),
        };
        self.pulse.beat(self.watch.session(), &beat).await.ok();
    }
}
