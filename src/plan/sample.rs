//! What giving rows an owner costs, measured on a copy of some of a table's pages.

use std::collections::BTreeMap;

use crate::catalog::QualifiedName;

/// The samples by table.
pub type Samples = BTreeMap<QualifiedName, Sample>;

/// What was measured: totals of the copied rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// Rows that the batches wrote.
    pub rows: u64,
    /// Rows among them that stayed in their page.
    pub hot_rows: u64,
    /// Bytes of log, without pages as a whole: the copy is new, so that its pages are in the log already.
    pub record_bytes: u64,
    /// Bytes that the copy's heap grew by.
    pub heap_bytes: u64,
    /// Bytes that its indexes grew by.
    pub index_bytes: u64,
    /// Seconds that the batches took, without the look-up of the owner.
    pub seconds: f64,
    /// Bytes of an index on the owner column.
    pub owner_index_bytes: u64,
    /// Seconds that its build took.
    pub owner_index_seconds: f64,
}

impl Sample {
    /// How much of something there is for each row.
    pub(super) fn per_row(&self, of_all: f64) -> f64 {
        of_all / (self.rows as f64).max(1.0)
    }
}
