//! What a step is expected to cost: estimates, never a promise.

use std::iter::Sum;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalog::{from_seconds, seconds};

/// The expected cost of a step, of a migration or of the whole plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Rows that are written.
    pub rows: u64,
    /// Transactions that write them.
    pub batches: u64,
    /// Bytes of write-ahead log.
    pub wal_bytes: u64,
    /// Bytes that the heap grows by, before VACUUM gives room back.
    pub heap_bytes: u64,
    /// Bytes that indexes grow by, new ones included.
    pub index_bytes: u64,
    /// The time that it takes.
    #[schemars(with = "f64")]
    #[serde(rename = "duration_seconds", serialize_with = "seconds", deserialize_with = "from_seconds")]
    pub duration: Duration,
    /// The rows among them whose new version stays in its page, so that no index gets an entry.
    pub hot_rows: u64,
    /// Tables of which nobody knows the size, so that their share is missing here.
    pub unknown: u64,
}

impl Cost {
    /// The share of rows whose new version stays in its page, 0 to 1; nothing where no row is written.
    pub fn hot_share(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.hot_rows as f64 / self.rows as f64)
    }

    /// Bytes of disk that the tables and their indexes grow by.
    pub fn disk_bytes(&self) -> u64 {
        self.heap_bytes + self.index_bytes
    }
}

impl<'a> Sum<&'a Cost> for Cost {
    fn sum<I: Iterator<Item = &'a Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), |sum, cost| Cost {
            rows: sum.rows + cost.rows,
            batches: sum.batches + cost.batches,
            wal_bytes: sum.wal_bytes + cost.wal_bytes,
            heap_bytes: sum.heap_bytes + cost.heap_bytes,
            index_bytes: sum.index_bytes + cost.index_bytes,
            duration: sum.duration + cost.duration,
            hot_rows: sum.hot_rows + cost.hot_rows,
            unknown: sum.unknown + cost.unknown,
        })
    }
}
