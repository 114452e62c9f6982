//! The side that looks: every so often while a table is filled, with a session of its own that it makes again when it
//! breaks. While it cannot look, every signal fails.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Busy;
use super::sight::{self, Unanswered};
use crate::config::ThrottleLimits;
use crate::error::Failure;
use crate::event::{Event, Observer};
use crate::pg::settings::Settings;
use crate::pg::{Access, Session};
use crate::pressure::{History, Look, Pressure, Readings, Signal, Trouble, judge, rest};

/// The first rest before connecting again, and the longest.
const RECONNECT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How often an unchanged pause is told again, with its newest value.
const REPEAT: Duration = Duration::from_secs(30);

/// The session that looks, and what it saw.
pub struct Sampler {
    settings: Settings,
    session: Option<Session>,
    /// When to connect again, and why there is no session.
    broken: Option<(Instant, Duration, String)>,
    pressure: watch::Sender<Pressure>,
    filling: watch::Receiver<Vec<u32>>,
    limits: watch::Receiver<ThrottleLimits>,
    busy: Arc<Busy>,
    history: History,
    began: Instant,
    told: Option<(Told, Instant)>,
}

/// What of a pressure is worth telling when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    signal: Option<Signal>,
    fifth: u8,
}

impl Told {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 5")]
    fn of(pressure: &Pressure) -> Self {
        let fifth = if pressure.stops() { 6 } else { (pressure.level.clamp(0.0, 1.0) * 5.0).ceil() as u8 };
        Told { signal: pressure.reason.as_ref().map(|reason| reason.signal), fifth }
    }
}

impl Sampler {
    pub(super) fn new(
        settings: &Settings,
        pressure: watch::Sender<Pressure>,
        filling: watch::Receiver<Vec<u32>>,
        limits: watch::Receiver<ThrottleLimits>,
        busy: Arc<Busy>,
    ) -> Self {
        Sampler {
            settings: settings.with_application_name("tenantctl throttle"),
            session: None,
            broken: None,
            pressure,
            filling,
            limits,
            busy,
            history: History::default(),
            began: Instant::now(),
            told: None,
        }
    }

    /// Connects and looks for the first time.
    pub(super) async fn first(&mut self) -> Result<Readings, Failure> {
        self.session = Some(Session::open(&self.settings, Access::Write).await?);
        Ok(self.sample().await)
    }

    /// Looks, for as long as it is polled.
    pub async fn run(mut self, observer: &dyn Observer) -> Infallible {
        loop {
            if self.filling.borrow_and_update().is_empty() {
                self.tell(observer, &Pressure::default());
                self.changed().await;
                continue;
            }
            self.sample().await;
            let pressure = self.pressure.borrow().clone();
            self.tell(observer, &pressure);
            let every = self.limits.borrow_and_update().every;
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = self.changed() => {}
            }
        }
    }

    /// Waits until other tables are filled, or other limits hold.
    async fn changed(&mut self) {
        let changed = tokio::select! {
            changed = self.filling.changed() => changed,
            changed = self.limits.changed() => changed,
        };
        if changed.is_err() {
            // The workers are gone; the run ends.
            std::future::pending::<()>().await;
        }
    }

    /// Looks once and publishes the pressure.
    async fn sample(&mut self) -> Readings {
        let (limits, tables) = (self.limits.borrow().clone(), self.filling.borrow().clone());
        if !Signal::ALL.into_iter().any(|signal| signal.is_on(&limits)) {
            return Readings::new();
        }
        let look = self.look(&limits, &tables).await;
        let readings = self.history.read(self.began.elapsed(), &look, &limits);
        let pressure = judge(&readings, &limits, &self.pressure.borrow());
        self.pressure.send_replace(pressure);
        readings
    }

    async fn look(&mut self, limits: &ThrottleLimits, tables: &[u32]) -> Look {
        if let Err(why) = self.connected().await {
            let failing = || Trouble::Failing(why.clone());
            return Look {
                sights: Err(failing()),
                backlog: Some(Err(failing())),
                commit: Some(Err(failing())),
                probe: Some(Err(failing())),
            };
        }
        let sights = self.ask(async |session| sight::sights(session, tables).await).await;
        let lists = sights.as_ref().is_ok_and(|sights| sights.archives && sights.lists_archive);
        let mut look = Look { sights, backlog: None, commit: None, probe: None };
        if lists && limits.archive_backlog.is_some() {
            look.backlog = Some(self.ask(async |session| sight::backlog(session).await).await);
        }
        if limits.commit_latency.is_some() {
            look.commit = Some(self.ask(async |session| sight::commit(session).await).await);
        }
        if let Some(probe) = &limits.probe {
            look.probe = Some(self.ask(async |session| sight::operators(session, &probe.sql).await).await);
        }
        look
    }

    /// Asks one question; a session that is of no use any more is given up.
    async fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(&mut Session) -> Result<T, Unanswered>,
    ) -> Result<T, Trouble> {
        let Some(session) = &mut self.session else {
            return Err(Trouble::Failing("the connection broke".to_owned()));
        };
        question(session).await.map_err(|unanswered| {
            if unanswered.lost {
                self.session = None;
            }
            unanswered.trouble
        })
    }

    /// Connects again where the session broke, with growing rests in between.
    async fn connected(&mut self) -> Result<(), String> {
        if self.session.is_some() {
            return Ok(());
        }
        let rested = match &self.broken {
            Some((again, _, why)) if Instant::now() < *again => return Err(why.clone()),
            Some((_, rest, _)) => (*rest * 2).min(RECONNECT.1),
            None => RECONNECT.0,
        };
        let opened = tokio::time::timeout(CONNECT_WITHIN, Session::open(&self.settings, Access::Write)).await;
        let why = match opened {
            Ok(Ok(session)) => {
                (self.session, self.broken) = (Some(session), None);
                return Ok(());
            }
            Ok(Err(failure)) => failure.message,
            Err(_) => format!("no connection within {}", humantime::format_duration(CONNECT_WITHIN)),
        };
        self.broken = Some((Instant::now() + rested, rested, why.clone()));
        Err(why)
    }

    /// Tells what changed, and again what lasts.
    fn tell(&mut self, observer: &dyn Observer, pressure: &Pressure) {
        let now = Told::of(pressure);
        let known = match &self.told {
            None => now.fifth == 0,
            Some((told, when)) => *told == now && (!pressure.stops() || when.elapsed() < REPEAT),
        };
        if known {
            return;
        }
        self.told = Some((now, Instant::now()));
        observer.observe(&Event::Pressure {
            level: pressure.level,
            reason: pressure.words().map(str::to_owned),
            resting: rest(pressure.level, self.busy.get()),
        });
    }
}
