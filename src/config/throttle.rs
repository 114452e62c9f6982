//! What the backfills give way to: a limit for every signal, or none where it is off.

use std::time::Duration;

/// When the backfills slow down, and when they stop. Not a part of the plan: a run that is resumed takes what is given now.
#[derive(Debug, Clone, PartialEq)]
pub struct ThrottleLimits {
    /// How often the server is looked at.
    pub every: Duration,
    /// The longest pause before the run stops, resumable.
    pub max_pause: Duration,
    /// How far a replica may be behind.
    pub replica_lag: Option<Duration>,
    /// How many bytes of log a replica may have left to replay.
    pub replica_bytes: Option<u64>,
    /// How many bytes of log a slot may keep.
    pub slot_wal: Option<u64>,
    /// How many segments of log may wait for the archiver.
    pub archive_backlog: Option<u64>,
    /// How many sessions may wait for a lock of ours.
    pub lock_waiters: Option<u64>,
    /// How many sessions of others may be active.
    pub active_sessions: Option<u64>,
    /// Which part of the time, in percent, is rested while VACUUM works on a table that is filled.
    pub autovacuum: Option<u8>,
    /// How old a snapshot may be.
    pub snapshot: Option<Duration>,
    /// How long a small commit may take.
    pub commit_latency: Option<Duration>,
    /// A number of the operator's own.
    pub probe: Option<ThrottleProbe>,
}

/// The operator's own question.
#[derive(Debug, Clone, PartialEq)]
pub struct ThrottleProbe {
    /// A SELECT that answers one number.
    pub sql: String,
    /// How high it may be.
    pub limit: f64,
}

impl ThrottleLimits {
    /// The same with every signal off.
    #[must_use]
    pub fn without_signals(&self) -> ThrottleLimits {
        ThrottleLimits {
            every: self.every,
            max_pause: self.max_pause,
            replica_lag: None,
            replica_bytes: None,
            slot_wal: None,
            archive_backlog: None,
            lock_waiters: None,
            active_sessions: None,
            autovacuum: None,
            snapshot: None,
            commit_latency: None,
            probe: None,
        }
    }
}
