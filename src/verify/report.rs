//! What a run of the checks found out: a verdict for every check and object, and what follows from them all.

use super::{Check, Severity};
use crate::error::Exit;

/// What is known about one object in the end, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds: a validated constraint vouches for every row, so none was read.
    Proved {
        /// The constraint.
        by: String,
    },
    /// It holds: the rows were read.
    Checked,
    /// It holds: the catalog shows it.
    Catalog,
    /// It does not hold.
    Broken {
        /// What is wrong, without any row's value.
        what: String,
        /// How many rows, where rows were counted.
        count: Option<u64>,
    },
    /// Nobody knows; that is no pass.
    Unverified {
        /// Why not.
        reason: String,
    },
}

impl Outcome {
    /// The word that is printed: how it is known, or that it is not.
    pub fn evidence(&self) -> &'static str {
        match self {
            Outcome::Proved { .. } => "proved",
            Outcome::Checked | Outcome::Broken { count: Some(_), .. } => "checked",
            Outcome::Catalog | Outcome::Broken { count: None, .. } => "catalog",
            Outcome::Unverified { .. } => "unverified",
        }
    }
}

/// What one check says about one object.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The check.
    pub check: &'static Check,
    /// The object.
    pub object: String,
    /// What is known about it.
    pub outcome: Outcome,
}

/// One violated instance of a check.
#[derive(Debug, Clone, Copy)]
pub struct Finding<'a> {
    /// The check, which knows the harm and the remedy.
    pub check: &'static Check,
    /// The object.
    pub object: &'a str,
    /// What is wrong with it.
    pub what: &'a str,
    /// How many rows, where rows were counted.
    pub count: Option<u64>,
}

/// Everything that a run found out.
#[derive(Debug, Clone)]
pub struct Report {
    /// How many checks were asked.
    pub checks: usize,
    /// How many tables the catalog has.
    pub tables: usize,
    /// One verdict for every check and object, in the order of the checks.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// What does not hold, the worst first.
    pub fn findings(&self) -> Vec<Finding<'_>> {
        let mut findings: Vec<Finding<'_>> = self
            .verdicts
            .iter()
            .filter_map(|verdict| match &verdict.outcome {
                Outcome::Broken { what, count } => {
                    Some(Finding { check: verdict.check, object: &verdict.object, what, count: *count })
                }
                _ => None,
            })
            .collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.check.severity));
        findings
    }

    /// What nobody knows, with the reason.
    pub fn unverified(&self) -> impl Iterator<Item = (&Verdict, &str)> {
        self.verdicts.iter().filter_map(|verdict| match &verdict.outcome {
            Outcome::Unverified { reason } => Some((verdict, reason.as_str())),
            _ => None,
        })
    }

    /// How many findings are that bad.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings().iter().filter(|finding| finding.check.severity == severity).count()
    }

    /// Whether every question was answered.
    pub fn is_complete(&self) -> bool {
        self.unverified().next().is_none()
    }

    /// How the process ends. What was found weighs more than what could not be looked at: it is there either way.
    pub fn exit(&self, fail_on: Severity) -> Exit {
        if self.findings().iter().any(|finding| finding.check.severity >= fail_on) {
            Exit::Findings
        } else if !self.is_complete() {
            Exit::Stopped
        } else {
            Exit::Done
        }
    }
}
