//! What holds the backfills back: what was seen on the server, judged by the operator's limits. No I/O, no clock.
//!
//! A [`Look`] is what the server answered at one moment; a [`History`] makes a [`Reading`] a signal of it; [`judge`] makes
//! the [`Pressure`] of those, and [`rest`] says what a worker does about it. What cannot be read counts as bad news.

mod history;
mod judge;
mod look;
mod rest;
mod words;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::config::ThrottleLimits;

pub use history::History;
pub use judge::judge;
pub use look::{Holder, Look, Replica, Sights, Slot, Trouble, Vacuum, Waiters};
pub use rest::rest;
pub use words::{overview, signals_table};

/// Something on the server that a backfill can spoil, by the name that it has in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// How far a replica is behind, in seconds.
    ReplicaLag,
    /// The same in bytes of log.
    ReplicaBytes,
    /// Bytes of log that a slot keeps.
    SlotWal,
    /// Segments of log that wait for the archiver.
    ArchiveBacklog,
    /// Sessions that wait for a lock of ours.
    LockWaiters,
    /// Other sessions that are active.
    ActiveSessions,
    /// Runs of VACUUM on tables that are filled.
    Autovacuum,
    /// Age of the oldest snapshot, in seconds.
    Snapshot,
    /// How long a small commit takes, in seconds.
    CommitLatency,
    /// The operator's own number.
    Probe,
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 10] = [
        Signal::ReplicaLag,
        Signal::ReplicaBytes,
        Signal::SlotWal,
        Signal::ArchiveBacklog,
        Signal::LockWaiters,
        Signal::ActiveSessions,
        Signal::Autovacuum,
        Signal::Snapshot,
        Signal::CommitLatency,
        Signal::Probe,
    ];

    /// The key of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::ReplicaLag => "replica_lag",
            Signal::ReplicaBytes => "replica_bytes",
            Signal::SlotWal => "slot_wal",
            Signal::ArchiveBacklog => "archive_backlog",
            Signal::LockWaiters => "lock_waiters",
            Signal::ActiveSessions => "active_sessions",
            Signal::Autovacuum => "autovacuum",
            Signal::Snapshot => "snapshot",
            Signal::CommitLatency => "commit_latency",
            Signal::Probe => "probe",
        }
    }

    /// What counts, as a sentence.
    fn meaning(self) -> &'static str {
        match self {
            Signal::ReplicaLag => "How long ago the WAL passed the point to which the slowest replica has replayed it.",
            Signal::ReplicaBytes => "How much WAL a replica has left to replay, or to receive where it replays none.",
            Signal::SlotWal => {
                "How much WAL a slot keeps; where the server gives slots up (max_slot_wal_keep_size), three quarters of that is \
                 the limit, if it is less."
            }
            Signal::ArchiveBacklog => "How many segments of WAL wait for the archiver; only with archive_mode.",
            Signal::LockWaiters => {
                "How many sessions wait for a lock that a session of tenantctl holds or is queued for before them."
            }
            Signal::ActiveSessions => "How many sessions of others are active, in all databases.",
            Signal::Autovacuum => "Whether VACUUM that is not tenantctl's works on a table being filled.",
            Signal::Snapshot => {
                "How old the oldest snapshot or transaction of the database is, prepared ones too; how long a slot, or a replica \
                 with hot_standby_feedback, has held one transaction."
            }
            Signal::CommitLatency => {
                "How long the commit of a tiny change in schema tenantctl takes, the network left out: the median of three."
            }
            Signal::Probe => "What throttle.probe.sql answers.",
        }
    }

    /// What the role needs to look at it.
    fn needs(self) -> &'static str {
        match self {
            Signal::ReplicaLag | Signal::ReplicaBytes => "pg_monitor, where there are replicas",
            Signal::ArchiveBacklog => "pg_monitor, where there is an archive",
            Signal::ActiveSessions | Signal::Autovacuum | Signal::Snapshot => "pg_monitor",
            Signal::SlotWal | Signal::LockWaiters | Signal::CommitLatency => "",
            Signal::Probe => "what the question needs",
        }
    }

    /// Whether somebody wants it watched.
    pub fn is_on(self, limits: &ThrottleLimits) -> bool {
        self.limit(limits).is_some()
    }

    /// The limit in the signal's own unit; nothing where it is off.
    #[expect(clippy::cast_precision_loss, reason = "a limit of petabytes may be off by a byte")]
    fn limit(self, limits: &ThrottleLimits) -> Option<f64> {
        match self {
            Signal::ReplicaLag => limits.replica_lag.map(|limit| limit.as_secs_f64()),
            Signal::ReplicaBytes => limits.replica_bytes.map(|limit| limit as f64),
            Signal::SlotWal => limits.slot_wal.map(|limit| limit as f64),
            Signal::ArchiveBacklog => limits.archive_backlog.map(|limit| limit as f64),
            Signal::LockWaiters => limits.lock_waiters.map(|limit| limit as f64),
            Signal::ActiveSessions => limits.active_sessions.map(|limit| limit as f64),
            Signal::Autovacuum => limits.autovacuum.map(|_| 1.0),
            Signal::Snapshot => limits.snapshot.map(|limit| limit.as_secs_f64()),
            Signal::CommitLatency => limits.commit_latency.map(|limit| limit.as_secs_f64()),
            Signal::Probe => limits.probe.as_ref().map(|probe| probe.limit),
        }
    }

    /// The highest level that its value alone leads to. To wait for somebody's VACUUM or snapshot may be to wait for ever.
    fn ceiling(self, limits: &ThrottleLimits) -> f64 {
        match self {
            Signal::Autovacuum => f64::from(limits.autovacuum.unwrap_or(0)) / 100.0,
            Signal::Snapshot => 0.8,
            Signal::ReplicaLag
            | Signal::ReplicaBytes
            | Signal::SlotWal
            | Signal::ArchiveBacklog
            | Signal::LockWaiters
            | Signal::ActiveSessions
            | Signal::CommitLatency
            | Signal::Probe => 1.0,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of a signal.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// It was read.
    Value(Seen),
    /// There is nothing to read, such as no replica.
    Absent,
    /// The role may not read it; this grant mends that.
    Forbidden {
        /// A statement.
        grant: String,
    },
    /// It cannot be read, or what it was read from is gone.
    Failing {
        /// A sentence.
        why: String,
    },
}

/// A value, in the signal's own unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The value.
    pub value: f64,
    /// Whose it is: `replica "standby1"`; empty where it is the server's.
    pub whom: String,
    /// A limit of the server's own that is closer than the operator's.
    pub closer_limit: Option<f64>,
}

impl Seen {
    fn of(value: f64, whom: impl Into<String>) -> Reading {
        Reading::Value(Seen { value, whom: whom.into(), closer_limit: None })
    }
}

/// One reading a signal that is on.
pub type Readings = BTreeMap<Signal, Reading>;

/// How much the server is under, and why.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pressure {
    /// From 0, none, to 1: nothing goes on.
    pub level: f64,
    /// What it comes from; nothing at level 0.
    pub reason: Option<Reason>,
}

impl Pressure {
    /// Whether nothing goes on.
    pub fn stops(&self) -> bool {
        self.level >= 1.0
    }

    /// The reason in words.
    pub fn words(&self) -> Option<&str> {
        self.reason.as_ref().map(|reason| reason.text.as_str())
    }
}

/// What pressure comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// The signal.
    pub signal: Signal,
    /// Signal, value, limit and whom, as a lower-case fragment: `replica "standby1" is 14s behind (limit 10s)`.
    pub text: String,
}
