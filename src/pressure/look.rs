//! What the server answers at one moment, as it answers it.

use serde::Deserialize;

use crate::catalog::LockHolder;

/// One look at the server. What was not asked for is nothing.
#[derive(Debug, Clone)]
pub struct Look {
    /// What the catalogs show.
    pub sights: Result<Sights, Trouble>,
    /// Segments of log that wait for the archiver.
    pub backlog: Option<Result<u64, Trouble>>,
    /// Seconds that a small commit took.
    pub commit: Option<Result<f64, Trouble>>,
    /// The operator's number.
    pub probe: Option<Result<f64, Trouble>>,
}

/// Why something was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The role may not; this statement would mend it.
    Forbidden(String),
    /// It went wrong.
    Failing(String),
}

/// What the catalogs show.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Sights {
    /// The role sees what other roles' sessions do.
    pub sees_all: bool,
    /// The role may list the archiver's queue.
    pub lists_archive: bool,
    /// The role, quoted as a statement wants it.
    pub role: String,
    /// Log is archived.
    pub archives: bool,
    /// Where the log is.
    pub position: u64,
    /// There are replicas that the role may not look at.
    pub hidden_replicas: bool,
    /// Standbys and subscribers that are connected, backups left out.
    pub replicas: Vec<Replica>,
    /// Slots that outlive their session.
    pub slots: Vec<Slot>,
    /// Who waits for us.
    pub waiters: Waiters,
    /// Active sessions of others.
    pub active_sessions: u64,
    /// VACUUM on the tables that are filled.
    pub vacuums: Vec<Vacuum>,
    /// The session of this database with the oldest snapshot, or a prepared transaction.
    pub oldest: Option<LockHolder>,
}

/// A standby or subscriber.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Replica {
    /// Its sender's process.
    pub pid: i32,
    /// Its `application_name`.
    pub name: String,
    /// What it has replayed, or received where it replays nothing.
    pub position: Option<u64>,
    /// How far the server says that it is behind.
    pub lag_seconds: Option<f64>,
    /// When it last reported, by its own clock: only whether it changes counts.
    pub reported: Option<String>,
    /// The oldest transaction that its queries hold, while it is not the newest one.
    pub holds: Option<String>,
}

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Somebody reads it.
    pub active: bool,
    /// Bytes of log that it keeps; nothing where it keeps none.
    pub retained: Option<u64>,
    /// Bytes of log after which the server gives it up, counted as `retained` is.
    pub given_up_at: Option<u64>,
    /// The server gave it up.
    pub lost: bool,
    /// The oldest transaction that it holds, while it is not the newest one.
    pub holds: Option<String>,
}

/// Sessions that wait for a lock of ours.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Waiters {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Option<Holder>,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Holder {
    /// Its backend.
    pub pid: i32,
    /// Its `application_name`.
    pub application: String,
}

/// A running VACUUM that is not ours.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Vacuum {
    /// The table, as it is written in SQL.
    pub table: String,
    /// It is autovacuum's.
    pub automatic: bool,
    /// Its process.
    pub pid: i32,
}
