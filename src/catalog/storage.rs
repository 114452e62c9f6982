//! How tables and indexes lie on disk, and how the server logs their changes: what estimates are made from.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Ident;

/// How a table lies on disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Storage {
    /// Its table access method, where that is another one than `heap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_method: Option<Ident>,
    /// The percentage of a page that new rows may fill.
    pub fillfactor: u32,
    /// Bytes of its TOAST table, without that table's index.
    pub toast_bytes: u64,
    /// What ANALYZE found in the columns that the role may read.
    #[serde(default)]
    pub statistics: BTreeMap<Ident, ColumnStatistics>,
    /// Its indexes on disk.
    #[serde(default)]
    pub indexes: BTreeMap<Ident, IndexStorage>,
}

/// What ANALYZE found in a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnStatistics {
    /// The column.
    pub column: Ident,
    /// Average bytes of a value that is not null.
    pub width: u32,
    /// The share of nulls, 0 to 1.
    pub null_share: f64,
    /// How far the order of the values is the order of the rows, -1 to 1.
    pub correlation: Option<f64>,
}

/// How an index lies on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IndexStorage {
    /// The index.
    pub index: Ident,
    /// Its bytes.
    pub bytes: u64,
    /// Its entries, as of the last VACUUM or ANALYZE.
    pub entries: Option<u64>,
}

/// How the server writes its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WalSettings {
    /// A page goes into the log as a whole when it is changed for the first time after a checkpoint.
    pub full_page_writes: bool,
    /// Such pages are compressed.
    pub compressed: bool,
    /// A page whose hint bits alone change goes into the log too (checksums, or `wal_log_hints`).
    pub logs_hints: bool,
    /// The methods of compression that the role may choose for itself, as PostgreSQL calls them; none where it may not.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Bytes of log after which a checkpoint is asked for at the latest (`max_wal_size`).
    pub max_bytes: u64,
}
