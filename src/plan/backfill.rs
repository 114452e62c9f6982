//! Phase `backfill`: every existing row gets its owner.

use super::{Op, Owner, Plan, TablePlan};
use crate::catalog::Table;

/// The steps of the phase for one table.
///
/// A derived table is reconciled even where nothing was written: its rows may have moved to another parent between the
/// new column and the trigger that passes owners down.
pub(super) fn ops(plan: &Plan, table: &TablePlan, _now: &Table) -> Vec<Op> {
    if table.owned.column.as_ref().is_some_and(|column| column.not_null) {
        return Vec::new();
    }
    let heaps = table.heaps().into_iter().filter_map(|heap| plan.table(heap));
    let mut ops: Vec<Op> = heaps.flat_map(heap_ops).collect();
    if table.partitions.is_some() && table.strategy.writes() {
        ops.push(Op::AnalyzeTree(table.owned.name.clone()));
    }
    ops
}

/// What a table with rows needs, a leaf or any other.
fn heap_ops(table: &TablePlan) -> Vec<Op> {
    let name = &table.owned.name;
    let written = table.strategy.writes();
    let derived = table.owned.owner != Owner::System;
    let mut ops = Vec::new();
    if written {
        ops.push(Op::Backfill(name.clone()));
    }
    if derived {
        ops.push(Op::Reconcile(name.clone()));
    }
    if written {
        ops.push(Op::Vacuum(name.clone()));
    }
    ops
}
