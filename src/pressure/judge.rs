//! Readings and limits in, pressure out.

use super::words::over;
use super::{Pressure, Reading, Readings, Reason, Seen, Signal};
use crate::config::ThrottleLimits;

/// Where a limit begins to be felt.
const FELT_FROM: f64 = 0.5;
/// What was stopped goes on below this level, so that it does not stop and go at the limit.
const GOES_ON_BELOW: f64 = 0.5;

/// The worst signal wins; `before` is the pressure of the look before.
pub fn judge(readings: &Readings, limits: &ThrottleLimits, before: &Pressure) -> Pressure {
    let pressures = readings.iter().filter_map(|(signal, reading)| pressure(*signal, reading, limits));
    let worst = pressures.max_by(|one, other| one.level.total_cmp(&other.level)).unwrap_or_default();
    if before.stops() && worst.level >= GOES_ON_BELOW && worst.may_stop(limits) {
        return Pressure { level: 1.0, ..worst };
    }
    worst
}

impl Pressure {
    /// Whether its signal can stop the backfills at all.
    fn may_stop(&self, limits: &ThrottleLimits) -> bool {
        self.reason.as_ref().is_some_and(|reason| reason.signal.ceiling(limits) >= 1.0)
    }
}

fn pressure(signal: Signal, reading: &Reading, limits: &ThrottleLimits) -> Option<Pressure> {
    let (level, text) = match reading {
        Reading::Absent => return None,
        Reading::Forbidden { grant } => (1.0, format!("{signal} may not be read ({grant}, or set it to \"off\")")),
        Reading::Failing { why } => (1.0, why.clone()),
        Reading::Value(seen) => {
            let limit = closest(signal.limit(limits)?, seen);
            let level = felt(seen.value, limit).min(signal.ceiling(limits));
            (level, over(signal, seen, limit))
        }
    };
    (level > 0.0).then_some(Pressure { level, reason: Some(Reason { signal, text }) })
}

fn closest(limit: f64, seen: &Seen) -> f64 {
    seen.closer_limit.map_or(limit, |closer| closer.min(limit))
}

/// Nothing up to half of the limit, everything at the limit, and in between what is between.
fn felt(value: f64, limit: f64) -> f64 {
    // An answer that is no number is no good news.
    if value.is_nan() { 1.0 } else { ((value / limit - FELT_FROM) / (1.0 - FELT_FROM)).clamp(0.0, 1.0) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config;

    fn limits() -> ThrottleLimits {
        config::parse("[throttle.probe]\nsql = \"SELECT 1\"\nlimit = 100", "t.toml").unwrap().throttle
    }

    fn seen(signal: Signal, value: f64, whom: &str) -> (Signal, Reading) {
        (signal, Seen::of(value, whom))
    }

    fn judged(readings: &[(Signal, Reading)], before: f64) -> (f64, String) {
        let before = Pressure { level: before, reason: None };
        let pressure = judge(&readings.iter().cloned().collect(), &limits(), &before);
        ((pressure.level * 100.0).round() / 100.0, pressure.words().unwrap_or("-").to_owned())
    }

    #[test]
    fn a_limit_is_felt_from_half_of_it_and_stops_at_the_whole() {
        let mut table = String::new();
        for lag in [0.0, 5.0, 5.5, 7.5, 9.9, 10.0, 95.0] {
            let (level, reason) = judged(&[seen(Signal::ReplicaLag, lag, "replica \"a\"")], 0.0);
            table += &format!("{level:.2}  {reason}\n");
        }
        insta::assert_snapshot!(table, @r#"
        0.00  -
        0.00  -
        0.10  replica "a" is 5.5s behind (limit 10s)
        0.50  replica "a" is 7.5s behind (limit 10s)
        0.98  replica "a" is 9.9s behind (limit 10s)
        1.00  replica "a" is 10s behind (limit 10s)
        1.00  replica "a" is 1m 35s behind (limit 10s)
        "#);
    }

    #[test]
    fn every_signal_says_value_limit_and_whom() {
        const MIB: f64 = 1048576.0;
        let slot =
            Reading::Value(Seen { value: 900.0 * MIB, whom: "slot \"gone\"".into(), closer_limit: Some(768.0 * MIB) });
        let mut table = String::new();
        for reading in [
            seen(Signal::ReplicaBytes, 600.0 * MIB, "replica \"a\""),
            (Signal::SlotWal, slot),
            seen(Signal::ArchiveBacklog, 70.0, ""),
            seen(Signal::LockWaiters, 3.0, "pid 4711 (web)"),
            seen(Signal::Autovacuum, 1.0, "autovacuum works on public.orders"),
            seen(Signal::Snapshot, 600.0, "pid 4711 (nightly report, idle in transaction)"),
            seen(Signal::CommitLatency, 0.08, ""),
            seen(Signal::Probe, 87.5, ""),
            (Signal::Probe, Reading::Failing { why: "probe cannot be read: it answers NULL".into() }),
            (Signal::Snapshot, Reading::Forbidden { grant: "GRANT pg_monitor TO app".into() }),
            (Signal::ReplicaLag, Reading::Absent),
        ] {
            let signal = reading.0;
            let (level, reason) = judged(&[reading], 0.0);
            table += &format!("{signal:<15} {level:.2}  {reason}\n");
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn the_worst_wins() {
        let readings = [seen(Signal::ReplicaLag, 6.0, "replica \"a\""), seen(Signal::Probe, 90.0, "")];
        assert_eq!(judged(&readings, 0.0).0, 0.8);
        let broken = (Signal::SlotWal, Reading::Failing { why: "slot \"x\" is gone".into() });
        let readings = [readings[0].clone(), readings[1].clone(), broken];
        assert_eq!(judged(&readings, 0.0), (1.0, "slot \"x\" is gone".to_owned()));
    }

    #[test]
    fn what_was_stopped_goes_on_at_three_quarters_of_the_limit() {
        let at = |lag, before| judged(&[seen(Signal::ReplicaLag, lag, "replica \"a\"")], before).0;
        assert_eq!((at(9.0, 0.0), at(9.0, 1.0), at(7.6, 1.0)), (0.8, 1.0, 1.0));
        assert_eq!(at(7.4, 1.0), 0.48);
    }

    #[test]
    fn a_vacuum_or_a_snapshot_slows_and_never_stops() {
        let age = Duration::from_secs(86_400).as_secs_f64();
        for before in [0.0, 1.0] {
            assert_eq!(judged(&[seen(Signal::Snapshot, age, "pid 1 (pg_dump, active)")], before).0, 0.8);
            assert_eq!(judged(&[seen(Signal::Autovacuum, 1.0, "autovacuum works on t")], before).0, 0.5);
        }
    }

    #[test]
    fn an_answer_that_is_no_number_stops() {
        assert_eq!(judged(&[seen(Signal::Probe, f64::NAN, "")], 0.0).0, 1.0);
    }
}
