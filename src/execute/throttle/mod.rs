//! The closed loop: one session looks at the server while tables are filled, and the workers give way to what it sees.
//!
//! [`begin`] makes both sides: the [`Throttle`], which the workers ask before every batch, and the [`Sampler`], which runs
//! beside them. Whatever is judged, is judged in [`crate::pressure`].

mod sampler;
mod sight;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::config::ThrottleLimits;
use crate::error::{Code, Failure};
use crate::pg::settings::Settings;
use crate::pressure::{History, Pressure, Reading, Readings, Signal, rest};

pub use sampler::Sampler;
pub use sight::first_look;

/// The side of the workers.
#[derive(Debug)]
pub struct Throttle {
    pressure: watch::Receiver<Pressure>,
    /// The oids of the tables that are being filled; the sampler looks only while there is one.
    filling: watch::Sender<Vec<u32>>,
    limits: watch::Sender<ThrottleLimits>,
    configured: ThrottleLimits,
    busy: Arc<Busy>,
}

/// A worker's rest before its next batch: what is left of it stays what it is when the wait is broken off and taken up again.
#[derive(Debug)]
pub struct Rest {
    busy: Duration,
    began: Instant,
    /// Since when everything has stood still.
    stopped: Option<Instant>,
}

impl Rest {
    /// Begins, after having been busy for so long.
    pub fn after(busy: Duration) -> Self {
        Rest { busy, began: Instant::now(), stopped: None }
    }

    /// Leaves a time out of a pause: somebody else held the worker up, and meant to.
    pub fn leave_out(&mut self, time: Duration) {
        self.stopped = self.stopped.map(|since| since + time);
    }
}

/// How long the last batch took, so that an event can tell how long a worker rests.
#[derive(Debug, Default)]
struct Busy(AtomicU64);

impl Busy {
    fn set(&self, time: Duration) {
        self.0.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// Connects and takes the first look: replicas and slots that are there now must not vanish.
///
/// # Errors
/// The server cannot be looked at; a signal may not be read ([`Code::RightsMissing`]), or the operator's own question has
/// no answer. Nothing else that it sees is a reason not to begin.
pub async fn begin(settings: &Settings, limits: &ThrottleLimits) -> Result<(Throttle, Sampler), Failure> {
    let (pressure, seen) = watch::channel(Pressure::default());
    let (filling, tables) = watch::channel(Vec::new());
    let (sender, receiver) = watch::channel(limits.clone());
    let busy = Arc::new(Busy::default());
    let throttle =
        Throttle { pressure: seen, filling, limits: sender, configured: limits.clone(), busy: Arc::clone(&busy) };
    let mut sampler = Sampler::new(settings, pressure, tables, receiver, busy);
    if Signal::ALL.into_iter().any(|signal| signal.is_on(limits)) {
        refuse(&sampler.first().await?)?;
    }
    Ok((throttle, sampler))
}

/// What must be mended before there is anything to give way to.
fn refuse(readings: &Readings) -> Result<(), Failure> {
    let mut grants = BTreeSet::new();
    let mut names = Vec::new();
    for (signal, reading) in readings {
        match reading {
            Reading::Forbidden { grant } => {
                grants.insert(grant.clone());
                names.push(signal.as_str());
            }
            Reading::Failing { why } if *signal == Signal::Probe => {
                return Err(Failure::new(Code::StatementFailed, format!("throttle.{why}"))
                    .hint("mend throttle.probe.sql in the configuration, and run the same command again"));
            }
            Reading::Failing { .. } | Reading::Value(_) | Reading::Absent => {}
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    let grants = grants.into_iter().collect::<Vec<_>>().join("; ");
    Err(Failure::new(Code::RightsMissing, format!("the role may not look at {}: {grants}", names.join(", ")))
        .hint(format!("{grants}; or set them to \"off\" in the configuration's section throttle")))
}

impl Throttle {
    /// Lets the sampler look for as long as the answer lives.
    #[must_use = "the sampler stops looking when it is dropped"]
    pub fn fills(&self, table: u32) -> Filling<'_> {
        self.filling.send_modify(|tables| tables.push(table));
        Filling { throttle: self, table }
    }

    /// The oids of the tables that are being filled.
    pub fn filling(&self) -> watch::Receiver<Vec<u32>> {
        self.filling.subscribe()
    }

    /// What was seen last.
    pub fn pressure(&self) -> watch::Receiver<Pressure> {
        self.pressure.clone()
    }

    /// Lets a replica be so far behind from now on; nothing for as far as is configured.
    pub fn allow_lag(&self, lag: Option<Duration>) {
        let lag = lag.or(self.configured.replica_lag);
        self.limits.send_if_modified(|limits| std::mem::replace(&mut limits.replica_lag, lag) != lag);
    }

    /// Rests for as long as the pressure demands, and waits while it stops everything. Less pressure is noticed at once. May
    /// be dropped at any time, and taken up again.
    ///
    /// # Errors
    /// [`Code::ThrottledTooLong`] after `max_pause`.
    pub async fn rest(&self, resting: &mut Rest) -> Result<(), Failure> {
        self.busy.set(resting.busy);
        let mut pressure = self.pressure.clone();
        loop {
            let now = pressure.borrow_and_update().clone();
            let left = if now.stops() {
                let since = *resting.stopped.get_or_insert_with(Instant::now);
                self.configured.max_pause.saturating_sub(since.elapsed())
            } else {
                resting.stopped = None;
                rest(now.level, resting.busy).saturating_sub(resting.began.elapsed())
            };
            match (left.is_zero(), now.stops()) {
                (true, true) => return Err(self.too_long(&now)),
                (true, false) => return Ok(()),
                (false, _) => {}
            }
            // Nobody changes it any more when the run is over, and with it this wait.
            let changed = async {
                if pressure.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                () = changed => {}
            }
        }
    }

    fn too_long(&self, pressure: &Pressure) -> Failure {
        let pause = humantime::format_duration(self.configured.max_pause);
        let why = pressure.words().unwrap_or("pressure");
        Failure::new(Code::ThrottledTooLong, format!("the backfill was paused for {pause}: {why}"))
            .hint("look into what it names, or change its limit in the section throttle; then run `tenantctl migrate` again to go on")
    }
}

/// A table that is being filled.
#[derive(Debug)]
pub struct Filling<'t> {
    throttle: &'t Throttle,
    table: u32,
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.throttle.filling.send_modify(|tables| {
            if let Some(place) = tables.iter().position(|table| *table == self.table) {
                tables.swap_remove(place);
            }
        });
    }
}

/// What a plan tells of the signals: the first readings, without what would write.
fn readings_of(look: &crate::pressure::Look, limits: &ThrottleLimits) -> Readings {
    History::default().read(Duration::ZERO, look, limits)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config;
    use crate::pressure::Reason;

    fn throttle() -> (watch::Sender<Pressure>, Throttle) {
        let mut limits = config::parse("", "t.toml").unwrap().throttle;
        limits.max_pause = Duration::from_millis(200);
        let (sender, pressure) = watch::channel(Pressure::default());
        let (filling, limits_now) = (watch::channel(Vec::new()).0, watch::channel(limits.clone()).0);
        let busy = Arc::default();
        (sender, Throttle { pressure, filling, limits: limits_now, configured: limits, busy })
    }

    fn at(level: f64) -> Pressure {
        Pressure { level, reason: Some(Reason { signal: Signal::Probe, text: "the fan is loud".to_owned() }) }
    }

    #[tokio::test]
    async fn nobody_rests_without_pressure() {
        let (_sender, throttle) = throttle();
        tokio::time::timeout(Duration::from_secs(5), throttle.rest(&mut Rest::after(Duration::from_secs(60))))
            .await
            .unwrap()
            .unwrap();
    }

    #[tokio::test]
    async fn a_pause_ends_as_soon_as_the_pressure_falls() {
        let (sender, throttle) = throttle();
        sender.send_replace(at(1.0));
        let mut rest = Rest::after(Duration::ZERO);
        let (rested, ()) = tokio::join!(throttle.rest(&mut rest), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            sender.send_replace(at(0.4));
        });
        rested.unwrap();
    }

    #[tokio::test]
    async fn a_rest_that_is_broken_off_comes_to_its_end() {
        let (sender, throttle) = throttle();
        sender.send_replace(at(0.5));
        let mut rest = Rest::after(Duration::from_millis(200));
        while tokio::time::timeout(Duration::from_millis(30), throttle.rest(&mut rest)).await.is_err() {
            assert!(rest.began.elapsed() < Duration::from_secs(20));
        }
    }

    #[tokio::test]
    async fn a_pause_that_lasts_too_long_stops_the_run_with_its_reason() {
        let (sender, throttle) = throttle();
        sender.send_replace(at(1.0));
        let mut rest = Rest::after(Duration::ZERO);
        // Broken off again and again, as when an operator tunes, it is one pause all the same.
        let failure = loop {
            if let Ok(rested) = tokio::time::timeout(Duration::from_millis(30), throttle.rest(&mut rest)).await {
                break rested.unwrap_err();
            }
        };
        assert_eq!(failure.code, Code::ThrottledTooLong);
        assert_eq!(failure.message, "the backfill was paused for 200ms: the fan is loud");
    }

    #[test]
    fn the_tables_that_are_filled_are_known_while_they_are() {
        let (_sender, throttle) = throttle();
        let one = throttle.fills(1);
        let other = throttle.fills(2);
        drop(one);
        assert_eq!(*throttle.filling.borrow(), [2]);
        drop(other);
        assert!(throttle.filling.borrow().is_empty());
    }
}
