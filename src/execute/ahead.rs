//! What is ahead of a run by the costs of its plan.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::plan::Cost;
use crate::sql::{MigrationScript, ScriptStep};

/// What the steps that are left are expected to take; nothing where nobody knows the size of any table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ahead {
    /// Rows that they write.
    pub(super) rows: Option<u64>,
    /// Their time.
    pub(super) time: Option<Duration>,
}

impl Ahead {
    /// Of these migrations without the steps that are done.
    pub(super) fn of(migrations: &[&MigrationScript], done: &BTreeSet<String>) -> Ahead {
        let steps = migrations.iter().flat_map(|migration| &migration.steps);
        Ahead::of_steps(steps.filter(|step| !done.contains(&step.id)))
    }

    fn of_steps<'a>(steps: impl Iterator<Item = &'a ScriptStep>) -> Ahead {
        let cost: Cost = steps.map(|step| &step.cost).sum();
        // What is known is a part of the whole, and better than nothing.
        let known = cost.rows > 0 || cost.unknown == 0;
        Ahead { rows: known.then_some(cost.rows), time: known.then_some(cost.duration) }
    }
}
