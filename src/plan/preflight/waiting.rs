//! Who would keep a step waiting if it ran right now.

use crate::catalog::{Activity, LockHolder, LockMode, QualifiedName};
use crate::plan::{KeyOp, LockLevel, Op, Plan, ReferenceOp};

/// The sessions that hold what the step would wait for, the longest at work first.
pub(in crate::plan) fn blocked_by(
    plan: &Plan,
    op: &Op,
    activity: &Activity,
    long: std::time::Duration,
) -> Vec<LockHolder> {
    let mut holders: Vec<LockHolder> = Vec::new();
    let wanted = wanted(plan, op);
    for held in &activity.locks {
        let waits =
            |(table, mode): &(&QualifiedName, LockMode)| **table == held.table && mode.conflicts_with(held.mode);
        if wanted.iter().any(waits) && !holders.contains(&held.holder) {
            holders.push(held.holder.clone());
        }
    }
    if matches!(op, Op::BuildIndex { .. } | Op::Key(KeyOp::Build { .. })) {
        // CONCURRENTLY waits for every snapshot that may see the table without the index.
        let old = activity.transactions.iter().filter(|other| other.snapshot && other.session.open_for >= long);
        for other in old {
            if holders.iter().all(|holder| holder.pid != other.session.pid) {
                holders.push(other.session.clone());
            }
        }
    }
    holders.sort_by(|one, other| other.open_for.cmp(&one.open_for).then(one.pid.cmp(&other.pid)));
    holders
}

/// The locks that the step takes or waits to see gone, by table.
fn wanted<'a>(plan: &'a Plan, op: &'a Op) -> Vec<(&'a QualifiedName, LockMode)> {
    let Some(mode) = mode(op.lock()) else { return Vec::new() };
    let tenants = &plan.tenants.table;
    let mut wanted: Vec<_> = op.table().map(|table| (table, mode)).into_iter().collect();
    match op {
        Op::CreateSystemTenant | Op::AddForeignKey { .. } | Op::AdoptForeignKey { .. } => wanted.push((tenants, mode)),
        Op::ValidateForeignKey { .. } => wanted.push((tenants, LockMode::RowShare)),
        // The build waits for every writer of the table to be gone.
        Op::BuildIndex { table, .. } | Op::Key(KeyOp::Build { table, .. }) => wanted.push((table, LockMode::Share)),
        Op::Reference(op) => {
            let parent = &op.reference().parent;
            let mode = if matches!(op, ReferenceOp::Validate { .. }) { LockMode::RowShare } else { mode };
            wanted.push((parent, mode));
            wanted.extend(parts(plan, parent).map(|part| (part, mode)));
        }
        _ => {}
    }
    // An operation on a root goes through its tree, but for those that are about the root alone.
    let is_alone = matches!(op, Op::CreateParentIndex { .. } | Op::AnalyzeTree(_) | Op::Key(KeyOp::BuildParent { .. }));
    if !is_alone {
        wanted.extend(op.table().into_iter().flat_map(|table| parts(plan, table)).map(|part| (part, mode)));
    }
    wanted
}

/// What a table is made of; nothing for one that is not partitioned.
fn parts<'a>(plan: &'a Plan, table: &QualifiedName) -> impl Iterator<Item = &'a QualifiedName> {
    let partitions = plan.tables.get(table).and_then(|table| table.partitions.as_ref());
    partitions.into_iter().flat_map(|partitions| partitions.all()).map(|part| &part.name)
}

fn mode(lock: LockLevel) -> Option<LockMode> {
    match lock {
        LockLevel::None => None,
        LockLevel::RowExclusive => Some(LockMode::RowExclusive),
        LockLevel::ShareUpdateExclusive => Some(LockMode::ShareUpdateExclusive),
        LockLevel::Share => Some(LockMode::Share),
        LockLevel::ShareRowExclusive => Some(LockMode::ShareRowExclusive),
        LockLevel::AccessExclusive => Some(LockMode::AccessExclusive),
    }
}
