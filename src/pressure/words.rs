//! How pressure is told: signal, value, limit and whom, so that the operator can check it.

use std::time::Duration;

use bytesize::ByteSize;

use super::{Reading, Readings, Seen, Signal};
use crate::config::ThrottleLimits;

/// What a signal's value is, beside its limit.
pub(super) fn over(signal: Signal, seen: &Seen, limit: f64) -> String {
    let (value, limit) = (amount(signal, seen.value), amount(signal, limit));
    let whom = &seen.whom;
    match signal {
        Signal::ReplicaLag => format!("{whom} is {value} behind (limit {limit})"),
        Signal::ReplicaBytes => format!("{whom} has {value} of WAL left to replay (limit {limit})"),
        Signal::SlotWal => format!("{whom} keeps {value} of WAL (limit {limit})"),
        Signal::ArchiveBacklog => format!("{value} segments of WAL wait for the archiver (limit {limit})"),
        Signal::LockWaiters if seen.value == 1.0 => {
            format!("1 session waits for a lock of tenantctl: {whom} (limit {limit})")
        }
        Signal::LockWaiters => format!("{value} sessions wait for locks of tenantctl, such as {whom} (limit {limit})"),
        Signal::ActiveSessions if seen.value == 1.0 => format!("1 session is active (limit {limit})"),
        Signal::ActiveSessions => format!("{value} sessions are active (limit {limit})"),
        Signal::Autovacuum => whom.clone(),
        Signal::Snapshot => format!("{whom} has kept dead rows from making room for {value} (limit {limit})"),
        Signal::CommitLatency => format!("a small commit takes {value} (limit {limit})"),
        Signal::Probe => format!("throttle.probe answers {value} (limit {limit})"),
    }
}

/// What is watched, what is not there and what is off, in one sentence; `readings` are the first ones.
pub fn overview(readings: &Readings, limits: &ThrottleLimits) -> String {
    let (mut watched, mut absent, mut off) = (Vec::new(), Vec::new(), Vec::new());
    for signal in Signal::ALL {
        match (signal.limit(limits), readings.get(&signal)) {
            // Nobody misses a question of one's own.
            (None, _) if signal == Signal::Probe => {}
            (None, _) => off.push(signal.to_string()),
            (Some(_), Some(Reading::Absent)) => absent.push(signal.to_string()),
            (Some(_), _) => watched.push(format!("{signal} ({})", limit_words(signal, limits))),
        }
    }
    let part = |what: &str, signals: &[String]| match signals {
        [] => String::new(),
        signals => format!("; {what}: {}", signals.join(", ")),
    };
    let watched = if watched.is_empty() { "nothing".to_owned() } else { watched.join(", ") };
    format!("the backfills give way to {watched}{}{}", part("not there", &absent), part("off", &off))
}

/// The table of the documentation, with the defaults.
pub fn signals_table(defaults: &ThrottleLimits) -> String {
    let row = |signal: Signal| {
        let (limit, most) = (limit_words(signal, defaults), signal.ceiling(defaults) * 100.0);
        let most = if most == 0.0 { String::new() } else { format!("{most}%") };
        format!("| `{signal}` | {limit} | {most} | {} | {} |\n", signal.meaning(), signal.needs())
    };
    let rows: String = Signal::ALL.into_iter().map(row).collect();
    format!(
        "| signal | default limit | rests at most | what counts | right |\n| --- | ---: | ---: | --- | --- |\n{rows}"
    )
}

/// The limit as an operator writes it.
fn limit_words(signal: Signal, limits: &ThrottleLimits) -> String {
    match (signal, signal.limit(limits)) {
        (Signal::Autovacuum, _) => format!("{}%", limits.autovacuum.unwrap_or(0)),
        (_, Some(limit)) => amount(signal, limit),
        (_, None) => "off".to_owned(),
    }
}

/// A value in the signal's unit.
fn amount(signal: Signal, value: f64) -> String {
    match signal {
        Signal::ReplicaLag | Signal::Snapshot | Signal::CommitLatency => time(value),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a u64")]
        Signal::ReplicaBytes | Signal::SlotWal => ByteSize::b(value.max(0.0) as u64).display().iec().to_string(),
        Signal::ArchiveBacklog | Signal::LockWaiters | Signal::ActiveSessions | Signal::Autovacuum | Signal::Probe => {
            format!("{value}")
        }
    }
}

/// Milliseconds below a second, tenths below ten, whole seconds from there.
fn time(seconds: f64) -> String {
    let Ok(time) = Duration::try_from_secs_f64(seconds) else { return format!("{seconds}s") };
    match seconds {
        ..1.0 => format!("{}ms", time.as_millis()),
        ..9.95 => {
            let tenths = (seconds * 10.0).round() / 10.0;
            format!("{tenths}s")
        }
        _ => humantime::format_duration(Duration::from_secs(time.as_secs())).to_string(),
    }
}
