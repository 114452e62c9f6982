//! What was measured, run by run.

use serde::Serialize;

use super::meter::Cost;
use super::scenario::Scenario;

/// Everything of one benchmark.
#[derive(Debug, Serialize)]
pub struct Results {
    /// Where and when.
    pub conditions: Conditions,
    /// Every run, in its order.
    pub runs: Vec<Run>,
}

/// Where and when it was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Conditions {
    /// The time of its beginning, in UTC.
    pub date: String,
    /// The command.
    pub command: String,
    /// Versions of tenantctl, of PostgreSQL and of the system.
    pub versions: Vec<String>,
    /// Processors and memory.
    pub machine: String,
    /// Processes that wanted to run when it began, on average over a minute: anything but nearly 0 spoils the times.
    pub load: Option<f64>,
    /// The server's settings that are not PostgreSQL's defaults.
    pub settings: Vec<(String, String)>,
    /// What else one should know.
    pub remarks: Vec<String>,
}

/// One run of one way.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// The tables.
    pub scenario: Scenario,
    /// The way's name; nothing for the application alone.
    pub rival: Option<&'static str>,
    /// The way's name in a report.
    pub title: &'static str,
    /// The round; what is in the same one is compared.
    pub round: u32,
    /// What came out.
    pub outcome: Outcome,
}

/// What came out of a run.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "part", rename_all = "kebab-case")]
pub enum Outcome {
    /// On an idle server.
    Idle {
        /// How long it took.
        seconds: f64,
        /// What it cost the server.
        #[serde(flatten)]
        cost: Cost,
    },
    /// Beside an application.
    Writer {
        /// How long it took.
        seconds: f64,
        /// What the application beside saw.
        latency: Latency,
    },
    /// As a program of its own.
    Memory {
        /// The most memory that it held.
        bytes: u64,
    },
    /// It failed, so nothing of it counts.
    Failed {
        /// Why.
        why: String,
    },
}

/// What the application beside saw.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Transactions that were due while the backfill ran.
    pub transactions: usize,
    /// Those of them that failed.
    pub failed: usize,
    /// Milliseconds that half of them took at most.
    pub p50: f64,
    /// Milliseconds that 95 % took at most.
    pub p95: f64,
    /// Milliseconds that 99 % took at most.
    pub p99: f64,
    /// Milliseconds of the slowest.
    pub worst: f64,
}
