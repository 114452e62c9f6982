//! A plan as a document: what `plan --out` writes, `plan --format json` prints and `migrate --plan` reads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Script;
use crate::catalog::Catalog;
use crate::error::{Code, Failure};

/// A script with the database that it was made for, so that what changed since can be said.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Document {
    /// What will be sent.
    #[serde(flatten)]
    pub script: Script,
    /// The database as it was planned.
    pub catalog: Catalog,
}

impl Document {
    /// Reads a document back.
    ///
    /// # Errors
    /// Those of [`Script::from_json`], and [`Code::BookkeepingUnreadable`] where the catalog is not in it.
    pub fn from_json(text: &str) -> Result<Document, Failure> {
        #[derive(Deserialize)]
        struct Beside {
            catalog: Catalog,
        }
        let script = Script::from_json(text)?;
        let Beside { catalog } = serde_json::from_str(text).map_err(|error| {
            Failure::new(Code::BookkeepingUnreadable, format!("the catalog of the plan cannot be read: {error}"))
                .hint("it was written by another version of tenantctl; use that one, or plan again")
        })?;
        Ok(Document { script, catalog })
    }
}
