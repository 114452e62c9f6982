//! Who works on the database right now, and how the server is set: nothing of it is in a plan's fingerprint.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Ident, LockMode, QualifiedName};

/// The live state of a server at one moment. The default is one that nobody looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Activity {
    /// The role sees what other roles' sessions do (`pg_read_all_stats`, which is in `pg_monitor`).
    pub sees_all: bool,
    /// The server's date, `2026-11-21`; empty where nobody looked.
    pub today: String,
    /// The server is a standby.
    pub in_recovery: bool,
    /// Open transactions of this database, oldest first.
    pub transactions: Vec<Transaction>,
    /// Prepared transactions of this database.
    pub prepared: Vec<Prepared>,
    /// Locks that others hold on the tables that were asked about.
    pub locks: Vec<HeldLock>,
    /// Runs of (auto)vacuum on tables of this database.
    pub vacuums: Vec<Vacuum>,
    /// Tables whose next autovacuum is one against wraparound.
    pub aged: Vec<QualifiedName>,
    /// Replication slots of the cluster.
    pub slots: Vec<Slot>,
    /// Standbys and subscribers that are connected.
    pub replicas: Vec<Replica>,
    /// Segments of write-ahead log cannot be archived at present.
    pub archiver_failing: bool,
    /// Tablespaces other than the default one that hold the tables or their indexes.
    pub tablespaces: Vec<Ident>,
    /// Settings as a new session of the role finds them, in the setting's own unit.
    pub settings: BTreeMap<String, String>,
    /// The schema where the extension `pg_stat_statements` lives.
    pub statements: Option<Ident>,
    /// How the connection got here.
    #[serde(default)]
    pub route: Route,
}

impl Activity {
    /// Whether somebody looked.
    pub fn was_read(&self) -> bool {
        !self.today.is_empty()
    }

    /// A setting that is a number, in its own unit.
    pub fn number(&self, setting: &str) -> Option<i64> {
        self.settings.get(setting)?.parse().ok()
    }
}

/// An open transaction.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Transaction {
    /// Whose it is.
    #[serde(flatten)]
    pub session: LockHolder,
    /// It holds a snapshot, for which CONCURRENTLY waits and which keeps VACUUM from pruning.
    pub snapshot: bool,
}

/// A prepared transaction: it has no session, and keeps its locks over restarts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Prepared {
    /// Its name.
    pub name: String,
    /// How long ago it was prepared.
    #[serde(rename = "open_for_seconds", deserialize_with = "from_seconds")]
    pub open_for: Duration,
}

/// A lock on a table, and who holds it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeldLock {
    /// The table.
    pub table: QualifiedName,
    /// Its mode.
    pub mode: LockMode,
    /// Whose it is.
    pub holder: LockHolder,
}

/// A running VACUUM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Vacuum {
    /// The table.
    pub table: QualifiedName,
    /// It is autovacuum's, which lets go of a table that somebody else wants.
    pub automatic: bool,
    /// It prevents wraparound, so it does not let go.
    pub wraparound: bool,
}

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// It decodes changes of a database.
    pub logical: bool,
    /// Somebody reads it.
    pub active: bool,
    /// Bytes of write-ahead log that it keeps.
    pub retained_bytes: u64,
    /// It holds an old transaction's rows back from VACUUM.
    pub holds_rows: bool,
}

/// A standby or subscriber that is connected.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Replica {
    /// Its `application_name`.
    pub name: String,
    /// A commit waits for it.
    pub synchronous: bool,
    /// Bytes of write-ahead log that it has not replayed.
    pub lag_bytes: u64,
    /// How far its replay is behind; zero where it caught up.
    #[serde(rename = "lag_seconds", deserialize_with = "from_seconds")]
    pub lag: Duration,
    /// Its queries hold rows back from VACUUM here (`hot_standby_feedback`).
    pub holds_rows: bool,
}

/// How the connection got to the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Route {
    /// One and the same backend does not answer everything, or forgets the session's settings.
    pub switches_backends: bool,
    /// The port that was dialled.
    pub dialled: Option<u16>,
    /// The port that the server says it was reached at; nothing over a Unix socket.
    pub reached: Option<u16>,
}

/// A session that holds a lock which we wait for, or would wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockHolder {
    /// Its backend; 0 for a prepared transaction, which has none.
    pub pid: i32,
    /// Its `application_name`; a prepared transaction's name.
    pub application: String,
    /// Its state, for example `idle in transaction`.
    pub state: String,
    /// How long its transaction has been open.
    #[schemars(with = "f64")]
    #[serde(rename = "open_for_seconds", serialize_with = "seconds", deserialize_with = "from_seconds")]
    pub open_for: Duration,
}

impl LockHolder {
    /// One line for people.
    pub fn describe(&self) -> String {
        let open = humantime::format_duration(Duration::from_secs(self.open_for.as_secs()));
        match self.pid {
            0 => format!("prepared transaction {:?} ({open} old)", self.application),
            pid => format!("pid {pid} ({}, {} for {open})", self.application, self.state),
        }
    }
}

/// A time in JSON: seconds as a number, to the millisecond. The field's name says so: `elapsed_seconds`.
pub(crate) fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((time.as_secs_f64() * 1e3).round() / 1e3)
}

/// As [`seconds`], or null.
pub(crate) fn seconds_if_any<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => seconds(time, serializer),
        None => serializer.serialize_none(),
    }
}

/// The time that [`seconds`] wrote.
pub(crate) fn from_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
}
