//! The same for partitioned tables: leaf by leaf, so that the root takes over what is proven, and scans nothing.

use super::{RelationNames, compares_owners, free_name, is_taken, key_name, name_parts};
use crate::catalog::{Catalog, ForeignKey, Ident, Index, QualifiedName, Table, TableKind};
use crate::plan::enforce::KEY_NOT_VALID_ON_ROOT;
use crate::plan::tree_index::{Piece, TreeIndex};
use crate::plan::{KeyColumns, KeyOp, Op, Partitions, Plan, Reference, ReferenceOp, TablePlan};

/// A unique index over the owner and these columns, for the whole tree.
pub(super) fn key(
    plan: &Plan,
    (table, partitions): (&TablePlan, &Partitions),
    now: &Table,
    catalog: &Catalog,
    relations: &RelationNames,
    columns: &[Ident],
) -> Vec<Op> {
    let over = || KeyColumns::Of(columns.to_vec());
    let index_of = |table: &QualifiedName, now: &Table| {
        let usual = key_name(plan, table, columns);
        let there = now.indexes.iter().find(|index| is_like(plan, now, index, columns, &usual));
        there
            .map(|index| index.name.clone())
            .unwrap_or_else(|| free_name(&usual, |name| relations.contain(&table.schema, name)))
    };
    let op = |piece| match piece {
        Piece::Above { table, index, parent } => KeyOp::BuildParent { table, index, over: over(), parent },
        Piece::Leaf { table, index } => KeyOp::Build { table, index, over: over() },
        Piece::Attach { table, index, parent } => KeyOp::Attach { table, index, over: over(), parent },
    };
    let tree = TreeIndex { root: (&table.owned.name, now), partitions, catalog };
    tree.pieces(index_of).into_iter().map(op).map(Op::Key).collect()
}

/// Whether an index can be a part of the tree's: one that is there is taken as it is.
fn is_like(plan: &Plan, now: &Table, index: &Index, columns: &[Ident], usual: &[&str]) -> bool {
    let wanted = std::iter::once(&plan.owner_column).chain(columns);
    let is_over = index.columns.iter().map(Option::as_ref).eq(wanted.map(Some));
    let is_deferrable = now.keys.iter().any(|key| key.name == index.name && key.deferrable);
    // The index of a partitioned table is invalid until it is complete; a leaf's is what a broken build left.
    let is_usable = index.valid || now.kind == TableKind::Partitioned || index.name == Ident::derived(usual);
    is_over && index.unique && !index.partial && !is_deferrable && is_usable
}

/// The steps for one key of a partitioned table: since 18 the root takes a key that is not proven yet; before, each leaf
/// gets one of its own, and the root's makes them its parts.
pub(super) fn references(
    plan: &Plan,
    (table, partitions): (&TablePlan, &Partitions),
    catalog: &Catalog,
    key: &ForeignKey,
    there: Option<&ForeignKey>,
    reference: &mut Reference,
) -> Vec<Op> {
    let root = &table.owned.name;
    let owner = &plan.owner_column;
    let ours = |now: &Table| now.foreign_keys.iter().find(|other| compares_owners(other, key, owner)).cloned();
    if there.is_none() {
        let taken = |name: &Ident| {
            let tables = std::iter::once(root).chain(partitions.all().map(|part| &part.name));
            tables
                .filter_map(|name| catalog.tables.get(name))
                .any(|now| is_taken(table, now, name, owner) && ours(now).is_none_or(|other| other.name != *name))
        };
        reference.constraint = free_name(&name_parts(table, key, owner), taken);
    }
    let named = |constraint: Ident| Box::new(Reference { constraint, ..reference.clone() });
    let usual = || named(reference.constraint.clone());
    let leaves = partitions.leaves.iter();
    let leaves = leaves.filter_map(|leaf| Some((&leaf.name, ours(catalog.tables.get(&leaf.name)?))));
    let mut ops = vec![ReferenceOp::Check { child: root.clone(), reference: usual() }];
    if plan.major >= KEY_NOT_VALID_ON_ROOT {
        ops.extend(there.is_none().then(|| ReferenceOp::Add { child: root.clone(), reference: usual() }));
        if key.validated {
            let unproven = leaves.filter(|(_, ours)| ours.as_ref().is_none_or(|ours| !ours.validated));
            ops.extend(unproven.map(|(leaf, ours)| {
                let constraint = ours.map_or_else(|| reference.constraint.clone(), |ours| ours.name);
                ReferenceOp::Validate { child: leaf.clone(), reference: named(constraint) }
            }));
            ops.push(ReferenceOp::Validate { child: root.clone(), reference: usual() });
        }
        return ops.into_iter().map(Op::Reference).collect();
    }
    for (leaf, ours) in leaves {
        let reference = || named(ours.as_ref().map_or_else(|| reference.constraint.clone(), |ours| ours.name.clone()));
        if ours.is_none() {
            ops.push(ReferenceOp::Add { child: leaf.clone(), reference: reference() });
        }
        if ours.as_ref().is_none_or(|ours| !ours.validated) {
            ops.push(ReferenceOp::Validate { child: leaf.clone(), reference: reference() });
        }
    }
    ops.push(ReferenceOp::Adopt { child: root.clone(), reference: usual() });
    ops.into_iter().map(Op::Reference).collect()
}
