//! What `tenantctl verify` asks, and how it judges the answer: one file a family of checks, all of it values.
//!
//! A [`Check`] is an invariant with a stable id. Its judge looks at the [`Contract`] (what every table is declared to be)
//! and the catalog, and gives one [`Case`] for each object: settled by the catalog, proved by a constraint, or a
//! [`Question`] about rows that somebody else has to send. A new check is one value in its family's file; the listing, the
//! explanation and the tests follow from it. Nothing here talks to a server.

mod contract;
mod coverage;
mod drift;
mod indexes;
mod ownership;
mod posture;
mod proof;
mod references;
mod report;
mod rows;
mod sources;

use std::fmt;

use serde::Serialize;

use crate::catalog::Catalog;
use crate::error::{Code, Failure};
use crate::sql::Query;

pub use contract::{Class, Contract, RuleProblem};
pub use drift::{Baseline, Concern, Drift, drift};
pub use report::{Finding, Outcome, Report, Verdict};

/// One invariant.
#[derive(Debug)]
pub struct Check {
    /// Its stable name: kebab-case, never used again for anything else.
    pub id: &'static str,
    /// How bad a violation is.
    pub severity: Severity,
    /// What it costs to know.
    pub cost: Cost,
    /// What holds where the check is silent, as a sentence.
    pub promise: &'static str,
    /// What happens where it does not hold.
    pub harm: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// SQL that breaks a correctly converted database so that the check fires: an example, and the check's own test.
    pub violation: &'static str,
    /// Looks at every object that the check is about.
    pub judge: fn(&Contract, &Catalog) -> Vec<Case>,
}

/// How bad a violation is; the worst comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// One ordinary change away from harm, or slow.
    Warning,
    /// Harm is possible today, or a proof that isolation rests on is missing.
    Error,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Severity; 3] = [Severity::Error, Severity::Warning, Severity::Info];

    /// The word that is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What it costs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// The catalog tells, however many rows there are.
    Catalog,
    /// Rows are read, unless a constraint vouches for them.
    Rows,
}

impl Cost {
    /// The word that is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Cost::Catalog => "catalog",
            Cost::Rows => "rows",
        }
    }
}

/// One object that a check looks at.
#[derive(Debug)]
pub struct Case {
    /// The object, for people: `public.orders`, or `public.orders.orders_pkey` for a part of it.
    pub object: String,
    /// What is known about it without reading a row.
    pub state: State,
}

/// What is known without reading a row.
#[derive(Debug)]
pub enum State {
    /// It is known already.
    Settled(Outcome),
    /// Only the rows can tell.
    Ask(Question),
}

impl Case {
    fn settled(object: impl fmt::Display, outcome: Outcome) -> Self {
        Case { object: object.to_string(), state: State::Settled(outcome) }
    }

    /// The catalog shows that it holds, or what is wrong.
    fn by_catalog(object: impl fmt::Display, broken: Option<String>) -> Self {
        Case::settled(object, broken.map_or(Outcome::Catalog, |what| Outcome::Broken { what, count: None }))
    }

    fn ask(object: impl fmt::Display, question: Question) -> Self {
        Case { object: object.to_string(), state: State::Ask(question) }
    }
}

/// A question that only rows answer, with a number.
#[derive(Debug)]
pub struct Question {
    /// Asked first where the rows may not be there at all: 0 means that there is nothing that could be broken.
    pub given: Option<Query>,
    /// One row with one `bigint`.
    pub query: Query,
    /// What is wrong if that is the number.
    pub judge: fn(u64) -> Option<String>,
}

/// Every check, family by family.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let families = [
        coverage::CHECKS,
        ownership::CHECKS,
        rows::CHECKS,
        sources::CHECKS,
        references::CHECKS,
        indexes::CHECKS,
        posture::CHECKS,
    ];
    families.into_iter().flatten()
}

/// The check with that id.
///
/// # Errors
/// [`Code::UsageInvalid`] where there is none.
pub fn named(id: &str) -> Result<&'static Check, Failure> {
    all().find(|check| check.id == id).ok_or_else(|| {
        Failure::new(Code::UsageInvalid, format!("there is no check {id:?}"))
            .hint("`tenantctl verify --list` shows every check")
    })
}

/// A number of things: `1 row`, `12 rows`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
