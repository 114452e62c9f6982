//! Phase `backfill`: every existing row gets its owner.

use super::{Op, Owner, Plan, TablePlan};
use crate::catalog::Table;

/// The steps of the phase for one table.
///
/// While rows are filled, the filler looks at new rows only: before an UPDATE whose table has a trigger for it, PostgreSQL
/// locks each row and logs that, and a batch is such an UPDATE. So a row that a writer changes meanwhile may be left
/// without an owner, or with that of a parent it had. Once the fill is over, the filler looks at every changed row: from
/// then on no row gets a wrong owner or keeps one that is touched, and whatever else is wrong lies still until it is
/// reconciled. That is why a row must not move away from the comparison with its old owner, and the filler settles for the
/// changes that concern it only after that. A parent may go to just the owner that such a row has by mistake, so it passes
/// its owner on to every child, and the batch that corrects a row locks the parent first.
///
/// A derived table is reconciled even where nothing was written: its rows may have moved to another parent between the
/// new column and the trigger that passes owners down.
pub(super) fn ops(plan: &Plan, table: &TablePlan, _now: &Table) -> Vec<Op> {
    if table.owned.column.as_ref().is_some_and(|column| column.not_null) {
        return Vec::new();
    }
    let name = &table.owned.name;
    let heaps: Vec<&TablePlan> = table.heaps().into_iter().filter_map(|heap| plan.table(heap)).collect();
    let written = heaps.iter().filter(|heap| heap.strategy.writes());
    let mut ops: Vec<Op> = written.map(|heap| Op::Backfill(heap.owned.name.clone())).collect();
    let follows = table.is_written(plan);
    let derived = table.owned.owner != Owner::System;
    if follows {
        ops.push(Op::FollowOwner(name.clone()));
    }
    if follows || derived {
        ops.extend(heaps.iter().map(|heap| Op::Reconcile(heap.owned.name.clone())));
    }
    if follows && derived {
        ops.push(Op::SettleFiller(name.clone()));
    }
    let written = heaps.iter().filter(|heap| heap.strategy.writes());
    ops.extend(written.map(|heap| Op::Vacuum(heap.owned.name.clone())));
    if table.partitions.is_some() && table.strategy.writes() {
        ops.push(Op::AnalyzeTree(name.clone()));
    }
    ops
}
