//! What must be so before a run goes on: a question whose answer may stop it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Query;
use super::quote::{dollar, literal};
use crate::error::Code;

/// A condition on the rows: none may be as it describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// What is wrong where it is not met.
    pub kind: ConditionKind,
    /// What such rows do, behind their number: `rows of public.tasks refer to ...`.
    pub found: String,
    /// What to do then.
    pub remedy: String,
    /// Counts them.
    pub count: Query,
    /// Names some, each as a condition that finds it: `id = '7'`.
    pub sample: Query,
}

/// What is wrong where a condition is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConditionKind {
    /// Rows contradict a constraint that is to come.
    RowsDisagree,
    /// Rows belong to somebody whom nothing else names.
    OwnershipLost,
}

impl ConditionKind {
    /// The code of the failure.
    pub fn code(self) -> Code {
        match self {
            ConditionKind::RowsDisagree => Code::RowsDisagree,
            ConditionKind::OwnershipLost => Code::OwnershipLost,
        }
    }
}

impl Condition {
    /// A block that raises what a run would stop with.
    pub(super) fn block(&self) -> String {
        let body = format!(
            "\nDECLARE\n  number bigint;\nBEGIN\n  EXECUTE {} INTO number;\n  IF number > 0 THEN\n    RAISE EXCEPTION USING \
             MESSAGE = number || {}, HINT = {};\n  END IF;\nEND\n",
            literal(self.count.text()),
            literal(&format!(" {}", self.found)),
            literal(&self.remedy)
        );
        format!("DO {};\n", dollar(&body))
    }
}
