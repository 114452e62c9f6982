//! Preflight: everything that would stop or spoil the run, all of it at once. One file a matter; the kinds have stable names.
//!
//! What the schema shows is judged from the [`Catalog`], what happens right now from the [`Activity`]. No step, and so no
//! fingerprint, depends on either of the two: preflight only speaks.

mod code;
mod conflict;
mod disk;
mod kind;
mod names;
mod objects;
mod replication;
mod rights;
mod route;
mod sessions;
mod throttle;
mod version;
mod waiting;

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Facts, Op, Owners, Plan, TablePlan, partitions};
use crate::catalog::{Activity, Catalog, Ident, QualifiedName, Table};
use crate::config::Config;
use crate::plan::notice::{Blocker, Notice};

pub use disk::Room;
pub use kind::{Kind, Weight, kinds_table};
pub use rights::unreadable;
pub(super) use waiting::blocked_by;

/// What there is whatever the plan will be.
struct Surroundings<'a> {
    config: &'a Config,
    catalog: &'a Catalog,
    activity: &'a Activity,
}

/// The plan in its surroundings.
struct Preflight<'a> {
    around: Surroundings<'a>,
    owners: &'a Owners,
    plan: &'a Plan,
    facts: &'a Facts,
}

/// What preflight found.
#[derive(Debug, Default)]
pub struct Found {
    /// Something to know.
    pub notices: Vec<Notice>,
    /// What must be mended first.
    pub blockers: Vec<Blocker>,
}

impl Found {
    fn tell(&mut self, kind: Kind, table: Option<&QualifiedName>, text: impl Into<String>) {
        self.notices.push(Notice { kind, table: table.cloned(), text: text.into() });
    }

    fn block(&mut self, kind: Kind, table: Option<&QualifiedName>, text: impl Into<String>, remedy: impl Into<String>) {
        self.blockers.push(Blocker { kind, table: table.cloned(), text: text.into(), remedy: remedy.into() });
    }
}

/// Looks at what needs no plan, for the report of a configuration that gives none.
pub fn surroundings(config: &Config, catalog: &Catalog, activity: &Activity) -> Found {
    let mut found = Found::default();
    Surroundings { config, catalog, activity }.examine(&mut found);
    found
}

/// Looks at everything; a plan with nothing left to do has nothing to fear.
pub(super) fn examine(config: &Config, catalog: &Catalog, owners: &Owners, plan: &Plan, facts: &Facts) -> Found {
    let mut found = Found::default();
    if plan.migrations.is_empty() {
        return found;
    }
    let around = Surroundings { config, catalog, activity: &facts.activity };
    around.examine(&mut found);
    let preflight = Preflight { around, owners, plan, facts };
    rights::on_tables(&preflight, &mut found);
    room(plan, &mut found);
    disk::tablespaces(&facts.activity, &mut found);
    names::examine(&preflight, &mut found);
    objects::examine(&preflight, &mut found);
    code::examine(&preflight, &mut found);
    conflict::examine(&preflight, &mut found);
    throttle::examine(&preflight, &mut found);
    found
}

/// Judges the costs of a plan anew, which are others now.
pub(super) fn judge_costs(plan: &mut Plan) {
    plan.notices.retain(|notice| !disk::JUDGED.contains(&notice.kind));
    plan.blockers.retain(|blocker| !disk::JUDGED.contains(&blocker.kind));
    let mut found = Found::default();
    room(plan, &mut found);
    plan.notices.extend(found.notices);
    plan.blockers.extend(found.blockers);
}

fn room(plan: &Plan, found: &mut Found) {
    disk::examine(&plan.steps().map(|step| &step.cost).sum(), &plan.room, found);
}

impl Surroundings<'_> {
    fn examine(&self, found: &mut Found) {
        rights::on_database(self, found);
        route::examine(self, found);
        version::examine(self, found);
        sessions::examine(self, found);
        replication::examine(self.activity, found);
        names::bookkeeping(self.catalog, found);
    }
}

impl<'a> Preflight<'a> {
    /// The tenant-scoped tables that steps of the plan work on, a partitioned one as a whole.
    fn tables(&self) -> impl Iterator<Item = (&'a QualifiedName, &'a TablePlan, Cow<'a, Table>)> {
        let touched: BTreeSet<&QualifiedName> = self.plan.steps().filter_map(|step| step.op.table()).collect();
        let planned = self.plan.tables.iter().filter(move |(name, _)| touched.contains(name));
        let catalog = self.around.catalog;
        planned.filter_map(move |(name, table)| {
            Some((name, table, partitions::whole(catalog, name, catalog.tables.get(name)?)))
        })
    }

    /// Whether batches write rows of the table.
    fn writes(&self, table: &QualifiedName) -> bool {
        let writes = |op: &Op| matches!(op, Op::Backfill(of) | Op::Reconcile(of) if self.plan.root_of(of) == table);
        self.plan.steps().any(|step| writes(&step.op))
    }
}

fn list<'a>(names: impl IntoIterator<Item = &'a Ident>) -> String {
    names.into_iter().map(Ident::as_str).collect::<Vec<_>>().join(", ")
}
