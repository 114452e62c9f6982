//! Indexes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ident, QualifiedName};

/// An index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Index {
    /// Its name.
    pub name: Ident,
    /// Its access method, for example `btree`.
    pub method: String,
    /// Its key columns in order; nothing where an expression stands.
    pub columns: Vec<Option<Ident>>,
    /// The other columns that decide whether an update needs a new entry: included ones, and those in its expressions and
    /// its condition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_columns: Vec<Ident>,
    /// Unique.
    pub unique: bool,
    /// Usable by queries; false is what a broken CONCURRENTLY leaves behind.
    pub valid: bool,
    /// It covers only rows that satisfy a condition.
    pub partial: bool,
    /// The index of the partitioned table above that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<QualifiedName>,
    /// How a unique one is built; nothing for others, while another session holds the table exclusively, and in a catalog
    /// that an earlier version kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<IndexDefinition>,
}

/// What an index needs to be built again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IndexDefinition {
    /// What PostgreSQL says behind `USING method (`, the closing parenthesis and all that follows it included.
    pub tail: String,
    /// Its columns that are no part of the key (`INCLUDE`).
    pub included: Vec<Ident>,
    /// Two NULLs count as equal (15 and later).
    pub nulls_not_distinct: bool,
    /// An expression stands among its columns.
    pub expressions: bool,
    /// `CLUSTER` orders the table by it.
    pub clustered: bool,
    /// Where it lies, where not in the database's own tablespace.
    pub tablespace: Option<Ident>,
}

impl Index {
    /// Whether the index keeps something of the column, or asks for it.
    pub fn holds(&self, column: &Ident) -> bool {
        self.columns.iter().flatten().chain(&self.other_columns).any(|it| it == column)
    }
}
