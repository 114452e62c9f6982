//! Runs that a test listens to, stops neatly, or breaks off.

use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use tenantctl::commands::conversion::{Conversion, Order, Unfinished};
use tenantctl::commands::way_back::Back;
use tenantctl::config::{self, Config};
use tenantctl::error::{Code, Failure};
use tenantctl::event::{Event, Observer};
use tenantctl::execute::{Done, Interrupt, Stopper, Target};
use tokio::sync::Notify;

use super::{Database, fixture};

/// The fixture's configuration with batches of one block, so that there are many places to stop at.
pub fn config(file: &str) -> Config {
    let mut config = config::parse(&fixture(file), file).unwrap();
    (config.backfill.min_blocks, config.backfill.max_blocks) = (1, 1);
    config.backfill.pause = Duration::ZERO;
    config
}

/// How long the slowest machine may take for a run that does not hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a run ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It is asked to stop, as Ctrl-C does.
    Neat,
    /// It is gone, as after SIGKILL: its next statement is on its way, and its connections break.
    Crash,
}

type React<'t> = Box<dyn Fn(usize, &Event, &Stopper) + Send + Sync + 't>;

/// Remembers every event, and lets the test do something at one.
struct Listener<'t> {
    seen: Mutex<Vec<Event>>,
    stopper: Stopper,
    react: React<'t>,
}

impl Observer for Listener<'_> {
    fn observe(&self, event: &Event) {
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(event.clone());
            seen.len()
        };
        (self.react)(number, event, &self.stopper);
    }
}

/// One run of the tool, as a test wants it.
pub struct Run<'t> {
    order: Order,
    back: Option<Back>,
    target: Target,
    react: React<'t>,
}

/// What a run did and said.
pub struct Outcome {
    pub done: Result<Done, Failure>,
    pub events: Vec<Event>,
}

impl Outcome {
    /// The code of the failure.
    pub fn code(&self) -> Option<Code> {
        self.done.as_ref().err().map(|failure| failure.code)
    }

    /// It went to the end of its script.
    pub fn is_finished(&self) -> bool {
        self.done.as_ref().is_ok_and(|done| done.finished)
    }

    /// How many batches a table's backfill committed.
    pub fn batches(&self, step: &str) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::BatchDone { id, .. } if id == step)).count()
    }
}

impl<'t> Run<'t> {
    /// To the end, undisturbed.
    pub fn to_the_end() -> Self {
        Run::reacting(|_, _, _| {})
    }

    /// As far as a target.
    pub fn to(target: Target) -> Self {
        Run { target, ..Run::to_the_end() }
    }

    /// With something to do at every event; it gets the event's number, from 1.
    pub fn reacting(react: impl Fn(usize, &Event, &Stopper) + Send + Sync + 't) -> Self {
        Run { order: Order::default(), back: None, target: Target::End, react: Box::new(react) }
    }

    /// With something to do once, at the first event like this.
    pub fn doing_at(is_here: impl Fn(&Event) -> bool + Send + Sync + 't, act: impl Fn() + Send + Sync + 't) -> Self {
        let once = Once::new();
        Run::reacting(move |_, event, _| {
            if is_here(event) {
                once.call_once(&act);
            }
        })
    }

    /// Gives an unfinished run up first.
    pub fn replanned() -> Self {
        Run::to_the_end().anew()
    }

    /// With an unfinished run given up first.
    pub fn anew(self) -> Self {
        Run { order: Order { unfinished: Unfinished::Replan, ..Order::default() }, ..self }
    }

    /// Back instead of forth.
    pub fn back(self, back: Back) -> Self {
        Run { back: Some(back), ..self }
    }

    /// Runs.
    pub async fn on(self, database: &Database<'_>, config: &Config) -> Outcome {
        let (stopper, interrupt) = Interrupt::channel();
        let listener = Listener { seen: Mutex::default(), stopper, react: self.react };
        let run = run(database, config, (&self.order, self.back), self.target, &listener, interrupt);
        let done = tokio::time::timeout(PATIENCE, run).await.expect("the run hangs");
        Outcome { done, events: listener.seen.into_inner().unwrap() }
    }
}

async fn run(
    database: &Database<'_>,
    config: &Config,
    order: (&Order, Option<Back>),
    target: Target,
    observer: &dyn Observer,
    interrupt: Interrupt,
) -> Result<Done, Failure> {
    let conversion = open(database, config, order).await?;
    if conversion.is_nothing() {
        return Ok(Done { finished: true, ..Done::default() });
    }
    conversion.run(observer, interrupt, target).await
}

/// The lock of a run that was broken off is gone when the server has noticed; that is a matter of milliseconds.
async fn open(
    database: &Database<'_>,
    config: &Config,
    (order, back): (&Order, Option<Back>),
) -> Result<Conversion, Failure> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let opened = match back {
            Some(back) => back.open(&database.settings(), config).await,
            None => Conversion::open(&database.settings(), config, order).await,
        };
        match opened {
            Err(failure) if failure.code == Code::RunActive && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            opened => return opened,
        }
    }
}

/// Whether something of the script was committed just before the event: a stop at it has made progress.
pub fn is_progress(event: &Event) -> bool {
    matches!(event, Event::StepDone { .. } | Event::BatchDone { .. })
}

/// Whether the event is the start of that step.
pub fn starts(event: &Event, step: &str) -> bool {
    matches!(event, Event::StepStarted { id, .. } if id == step)
}

/// Runs until the first event that the test chooses, by its number or itself; whether it came.
pub async fn stop_at(
    database: &Database<'_>,
    config: &Config,
    stop: Stop,
    is_here: impl Fn(usize, &Event) -> bool + Send + Sync,
) -> bool {
    stop_going(database, config, None, stop, is_here).await
}

/// The same for a run that goes back, where one is given.
pub async fn stop_going(
    database: &Database<'_>,
    config: &Config,
    back: Option<Back>,
    stop: Stop,
    is_here: impl Fn(usize, &Event) -> bool + Send + Sync,
) -> bool {
    let (reached, once) = (Notify::new(), Once::new());
    let run = Run::reacting(|number, event, stopper| {
        if is_here(number, event) {
            once.call_once(|| {
                reached.notify_one();
                if stop == Stop::Neat {
                    stopper.ask();
                }
            });
        }
    });
    let run = Run { back, ..run };
    match stop {
        Stop::Neat => {
            let outcome = run.on(database, config).await;
            assert!(outcome.is_finished() || outcome.code() == Some(Code::Interrupted), "{:?}", outcome.done);
        }
        Stop::Crash => tokio::select! {
            biased;
            () = reached.notified() => {}
            outcome = run.on(database, config) => assert!(outcome.is_finished(), "{:?}", outcome.done),
        },
    }
    once.is_completed()
}
