//! Reads `[throttle]`: every signal has a limit, or is off.

use std::time::Duration;

use toml::{Spanned, Value};

use super::Reader;
use crate::config::written;
use crate::config::{ThrottleLimits, ThrottleProbe};

/// The word for a signal that nobody looks at.
const OFF: &str = "off";

impl Reader<'_> {
    pub(super) fn throttle(&mut self, written: &written::Throttle) -> ThrottleLimits {
        let limits = ThrottleLimits {
            every: self.duration("throttle.every", &written.every),
            max_pause: self.duration("throttle.max_pause", &written.max_pause),
            replica_lag: self.time_limit("throttle.replica_lag", &written.replica_lag),
            replica_bytes: self.size_limit("throttle.replica_bytes", &written.replica_bytes),
            slot_wal: self.size_limit("throttle.slot_wal", &written.slot_wal),
            archive_backlog: self.count_limit("throttle.archive_backlog", &written.archive_backlog),
            lock_waiters: self.count_limit("throttle.lock_waiters", &written.lock_waiters),
            active_sessions: self.count_limit("throttle.active_sessions", &written.active_sessions),
            autovacuum: self.share("throttle.autovacuum", &written.autovacuum),
            snapshot: self.time_limit("throttle.snapshot", &written.snapshot),
            commit_latency: self.time_limit("throttle.commit_latency", &written.commit_latency),
            probe: written.probe.as_ref().map(|probe| self.probe(probe)),
        };
        if !(Duration::from_millis(100)..=Duration::from_secs(60)).contains(&limits.every) {
            let what =
                "must be from 100ms to 1m: looking costs the server a little, and what is not seen is not heeded";
            self.wrong(&written.every, "throttle.every", what);
        }
        if limits.max_pause < limits.every {
            let what = "must be at least throttle.every, for example \"10m\"";
            self.wrong(&written.max_pause, "throttle.max_pause", what);
        }
        limits
    }

    fn time_limit(&mut self, key: &str, value: &Spanned<String>) -> Option<Duration> {
        if value.get_ref() == OFF {
            return None;
        }
        let limit = humantime::parse_duration(value.get_ref()).unwrap_or_else(|error| {
            self.wrong(value, key, format!("{error}; write a time with its unit, such as \"10s\", or \"off\""));
            Duration::from_secs(1)
        });
        if limit.is_zero() {
            self.wrong(value, key, "must be more than nothing; \"off\" does not look at it");
        }
        Some(limit)
    }

    fn size_limit(&mut self, key: &str, value: &Spanned<String>) -> Option<u64> {
        if value.get_ref() == OFF {
            return None;
        }
        match value.get_ref().parse::<bytesize::ByteSize>() {
            Ok(size) if size.as_u64() > 0 => return Some(size.as_u64()),
            Ok(_) => self.wrong(value, key, "must be more than nothing; \"off\" does not look at it"),
            Err(_) => self.wrong(value, key, "not a size; write it with its unit, such as \"512MiB\", or \"off\""),
        }
        None
    }

    fn count_limit(&mut self, key: &str, value: &Spanned<Value>) -> Option<u64> {
        match value.get_ref() {
            Value::String(word) if word == OFF => return None,
            Value::Integer(count @ 1..) => return Some(count.unsigned_abs()),
            Value::Integer(_) => self.wrong(value, key, "must be at least 1; \"off\" does not look at it"),
            other => {
                let what = format!("a whole number or \"off\" is expected, not {}", other.type_str());
                self.wrong(value, key, what);
            }
        }
        None
    }

    fn share(&mut self, key: &str, value: &Spanned<String>) -> Option<u8> {
        if value.get_ref() == OFF {
            return None;
        }
        let percent = value.get_ref().strip_suffix('%').and_then(|number| number.trim().parse().ok());
        if !percent.is_some_and(|percent: u8| (1..=100).contains(&percent)) {
            self.wrong(value, key, "not a part of the time; write \"1%\" to \"100%\", or \"off\"");
        }
        percent
    }

    fn probe(&mut self, written: &written::Probe) -> ThrottleProbe {
        let sql = written.sql.get_ref().trim().trim_end_matches(';').trim_end();
        if sql.is_empty() {
            self.wrong(&written.sql, "throttle.probe.sql", "is empty; write a SELECT that answers one number");
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody's limit has sixteen digits")]
        let limit = match written.limit.get_ref() {
            Value::Integer(number) => *number as f64,
            Value::Float(number) => *number,
            _ => f64::NAN,
        };
        if !(limit.is_finite() && limit > 0.0) {
            self.wrong(&written.limit, "throttle.probe.limit", "must be a number above 0");
        }
        ThrottleProbe { sql: sql.to_owned(), limit }
    }
}
