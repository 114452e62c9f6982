//! How the plan is *said*: the only home of conversion SQL.
//!
//! [`render`] turns a [`Plan`] into a [`Script`]; `plan` prints it, `migrate` sends it, a run stores it. No code outside
//! this folder can make a [`Statement`], so nothing else can be sent.

mod advice;
mod batch;
pub mod bookkeeping;
pub mod calibration;
pub mod census;
mod condition;
pub mod control;
mod correction;
mod ddl;
pub mod disagreement;
mod document;
pub mod facts;
pub mod failing;
pub mod filled;
mod filler;
mod guard;
pub mod keyset;
mod lists;
pub mod lookup;
pub(crate) mod mapping;
pub mod offline;
mod overview;
mod owner_column;
mod pass_down;
mod probe;
pub mod psql;
pub mod quote;
mod reference;
pub mod rollback;
mod script;
pub mod snapshot;
pub mod throttle;
mod tree;
mod undo;
mod unique_key;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use batch::{Backfill, Scan, Vacuum};
pub use condition::{Condition, ConditionKind};
pub use document::Document;
pub use lists::Lists;
pub use overview::{TableOverview, TableOwner, TableScope};
pub use owner_column::{OwnerColumn, OwnerReference, TenantKey};
pub use probe::StepState;
pub use script::{MigrationScript, Script, ScriptStep, Work, render};
pub use tree::DRIFTED;

#[cfg(doc)]
use crate::plan::Plan;

/// A statement that changes the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Statement(String);

impl Statement {
    fn new(text: impl Into<String>) -> Self {
        Statement(text.into())
    }

    /// The text as it is sent, without a final semicolon.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A statement that only reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Query(String);

impl Query {
    /// Makes a query; `verify` writes its own next to the check, with [`quote`].
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Query(text.into())
    }

    /// The text as it is sent.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// The schema of the bookkeeping and of the fillers' functions.
pub const BOOKKEEPING_SCHEMA: &str = "tenantctl";
