//! Who works on the database right now.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A session that holds a lock which we wait for, or would wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockHolder {
    /// Its backend.
    pub pid: i32,
    /// Its `application_name`.
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
        format!("pid {} ({}, {} for {open})", self.pid, self.application, self.state)
    }
}

/// A time in JSON: seconds as a number, to the millisecond. The field's name says so: `elapsed_seconds`.
pub(crate) fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((time.as_secs_f64() * 1e3).round() / 1e3)
}

/// The time that [`seconds`] wrote.
pub(crate) fn from_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
}
