//! How a table's existing rows get their owner, and which way is chosen for it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OwnedTable, Owners};
use crate::catalog::Table;
use crate::config::{Config, StrategyChoice};
use crate::error::{Code, Failure};

/// How a table's existing rows are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// `ADD COLUMN ... DEFAULT constant`: the catalog vouches for every existing row, none is written.
    Instant,
    /// Several passes over each range of heap blocks, every pass in the room that the one before it left.
    Cascade,
    /// Batches over ranges of heap blocks.
    Ranges,
    /// Batches in the order of a key.
    Keyset,
}

impl Strategy {
    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Instant => "instant",
            Strategy::Cascade => "cascade",
            Strategy::Ranges => "ranges",
            Strategy::Keyset => "keyset",
        }
    }

    /// Whether existing rows are written.
    pub fn writes(self) -> bool {
        self != Strategy::Instant
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Chooses how existing rows are filled.
///
/// `instant` needs one constant for all of them and a new column (its default then stands for the rows that are there),
/// and PostgreSQL takes no new column with a default where whole rows of the table are stored elsewhere.
pub(super) fn choose(config: &Config, owners: &Owners, owned: &OwnedTable, table: &Table) -> Result<Strategy, Failure> {
    let obstacle = obstacle(config, owners, owned, table);
    match (owned.choice, obstacle) {
        (StrategyChoice::Auto | StrategyChoice::Instant, None) => Ok(Strategy::Instant),
        (StrategyChoice::Auto, Some(_)) | (StrategyChoice::Batched | StrategyChoice::Ranges, _) => Ok(Strategy::Ranges),
        (StrategyChoice::Cascade, _) => Ok(Strategy::Cascade),
        (StrategyChoice::Keyset, _) => Ok(Strategy::Keyset),
        (StrategyChoice::Instant, Some(why)) => {
            let message = format!("{}: {}: backfill = \"instant\" cannot be: {why}", config.at(owned.line), owned.name);
            Err(Failure::new(Code::ConfigInvalid, message).hint("drop the key, or set backfill = \"batched\""))
        }
    }
}

/// Why a default cannot stand for the rows that are there; nothing where it can.
fn obstacle(config: &Config, owners: &Owners, owned: &OwnedTable, table: &Table) -> Option<String> {
    if owned.column.is_some() {
        return Some(format!("the column {} is there already", config.tenant_column));
    }
    if !owners.is_constant(owned) {
        return Some("its rows do not all have the same owner".to_owned());
    }
    stored(table)
}

/// Where whole rows of the table are stored, which keeps PostgreSQL from adding a column with a default.
pub(super) fn stored(table: &Table) -> Option<String> {
    if table.stored_in.is_empty() {
        return None;
    }
    let names: Vec<String> = table.stored_in.iter().map(ToString::to_string).collect();
    Some(format!(
        "whole rows of it are in columns of {}, so PostgreSQL refuses a column with a default",
        names.join(", ")
    ))
}
