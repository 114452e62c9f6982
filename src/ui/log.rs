//! A line of the log for machines, `--log-format json`: its published form is `docs/log.schema.json`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::catalog::seconds;
use crate::event::Event;
use crate::report::failure::ErrorObject;

/// One line: when it was, and what happened.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LogLine<'a> {
    /// When it was, in UTC, as RFC 3339 writes it.
    pub at: String,
    /// Seconds since the program began, by a clock that never jumps.
    #[schemars(with = "f64")]
    #[serde(rename = "since_start_seconds", serialize_with = "seconds")]
    pub since_start: Duration,
    /// What happened.
    #[serde(flatten)]
    pub what: What<'a>,
}

/// What a line tells of.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum What<'a> {
    /// Something that happened in a run.
    Event(&'a Event),
    /// Something that is said to the operator.
    Message(Message<'a>),
}

/// What is said to the operator.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Message<'a> {
    /// The operator may want to know it; not when quiet.
    Note {
        /// The words.
        text: &'a str,
    },
    /// The operator should know it.
    Warning {
        /// The words.
        text: &'a str,
    },
    /// The command failed.
    Failure {
        /// How, and what to do now.
        error: &'a ErrorObject,
    },
}
