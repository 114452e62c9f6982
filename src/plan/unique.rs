//! Uniqueness within each tenant: the decisions held against the catalog, and the steps that are still missing.

use std::collections::BTreeSet;

use super::enforce::{RelationNames, free_name};
use super::tree_index::{Piece, TreeIndex};
use super::{KeyColumns, KeyOp, Op, OwnedTable, Plan, SealedKey, TablePlan};
use crate::catalog::{Catalog, Column, Ident, Index, IndexDefinition, Key, QualifiedName, Table, TableKind};
use crate::config::KeyScope;

/// A unique index of a table, with its constraint where it has one.
#[derive(Debug, Clone, Copy)]
pub struct Unique<'a> {
    /// The index.
    pub index: &'a Index,
    /// Its constraint.
    pub key: Option<&'a Key>,
}

impl<'a> Unique<'a> {
    /// All that count for all tenants, the primary key's included, by name. A partition's copy of its root's is none of
    /// its own.
    pub fn global(table: &'a Table, owner: &Ident) -> Vec<Unique<'a>> {
        let with_key = |index: &'a Index| Unique { index, key: table.keys.iter().find(|key| key.name == index.name) };
        let is_own = |index: &&Index| index.unique && index.valid && index.part_of.is_none();
        table.indexes.iter().filter(is_own).filter(|index| !counts_within(index, owner)).map(with_key).collect()
    }

    /// It is the primary key's.
    pub fn is_primary(&self) -> bool {
        self.key.is_some_and(|key| key.primary)
    }

    /// It may be checked at the end of a transaction.
    pub fn is_deferrable(&self) -> bool {
        self.key.is_some_and(|key| key.deferrable)
    }

    /// It covers one column whose values are made so that they never meet.
    pub fn never_meets(&self, now: &Table) -> bool {
        let [Some(column)] = &self.index.columns[..] else { return false };
        now.column(column).is_some_and(Column::never_meets)
    }

    /// Why it cannot be made to count within each tenant; nothing where it can.
    pub fn obstacle(&self, now: &Table) -> Option<&'static str> {
        let is_root = now.kind == TableKind::Partitioned;
        if self.key.is_some_and(|key| key.period) {
            Some("has a period (WITHOUT OVERLAPS), which is not a unique index")
        } else if is_root && self.is_primary() {
            Some("is the primary key of a partitioned table, which cannot be exchanged")
        } else if is_root && self.is_deferrable() {
            Some("is deferrable, which the index of a partitioned table cannot be")
        } else if self.index.definition.is_none() {
            Some("cannot be read while another session holds the table exclusively")
        } else {
            None
        }
    }

    /// The index that is, valid or not, what this one becomes with the owner in front.
    pub fn twin<'t>(&self, now: &'t Table, owner: &Ident) -> Option<&'t Index> {
        let definition = self.index.definition.as_ref()?;
        let of = |index: &Index| now.keys.iter().find(|key| key.name == index.name);
        let wants_key = self.key.is_some_and(|key| !key.primary) && now.kind != TableKind::Partitioned;
        let fits = |index: &&Index| {
            let is_put_off = of(index).is_some_and(|twin| twin.deferrable);
            let as_late = of(index).is_none() && wants_key || is_put_off == self.is_deferrable();
            as_late && is_scoped_twin(index, self.index, definition, owner)
        };
        now.indexes.iter().filter(fits).max_by_key(|index| (of(index).is_some() == wants_key, index.valid))
    }
}

/// Whether the owner is among what the index compares. That it is included, or that a condition names it, is not enough.
fn counts_within(index: &Index, owner: &Ident) -> bool {
    let included = index.definition.as_ref().is_some_and(|definition| definition.included.contains(owner));
    let in_expression = index.columns.contains(&None) && !included && index.other_columns.contains(owner);
    in_expression || index.columns.contains(&Some(owner.clone()))
}

/// The steps that make the table's scoped keys count within each tenant; `before` come first and take their names.
pub(super) fn ops(
    plan: &Plan,
    table: &TablePlan,
    now: &Table,
    catalog: &Catalog,
    relations: &RelationNames,
    before: &[Op],
) -> Vec<Op> {
    let taken = before.iter().filter_map(Op::new_index);
    let taken = taken.map(|(table, index)| (table.schema.clone(), index.clone())).collect();
    let mut keys = Keys { plan, owned: &table.owned, relations, taken };
    let Some(partitions) = &table.partitions else { return keys.of_heap(&table.owned.name, now) };
    let tree = TreeIndex { root: (&table.owned.name, now), partitions, catalog };
    let mut ops = keys.of_tree(&tree);
    for leaf in &partitions.leaves {
        if let Some(now) = catalog.tables.get(&leaf.name) {
            ops.extend(keys.of_heap(&leaf.name, now));
        }
    }
    ops
}

/// Whether one of them will find a tenant's rows: complete, and led by the owner.
pub(super) fn leads_with_owner(plan: &Plan, table: &TablePlan, now: &Table) -> bool {
    scoped(plan, table, now).any(|unique| !unique.index.partial)
}

/// Those that count for all tenants now, and within each in the end.
pub(super) fn scoped<'a>(plan: &Plan, table: &'a TablePlan, now: &'a Table) -> impl Iterator<Item = Unique<'a>> {
    decided(&plan.owner_column, &table.owned, now)
}

fn decided<'a>(owner: &Ident, owned: &'a OwnedTable, now: &'a Table) -> impl Iterator<Item = Unique<'a>> {
    let is_scoped = |name: &Ident| owned.unique.iter().any(|it| it.name == *name && it.scope == KeyScope::Scoped);
    let wanted = move |unique: &Unique<'a>| is_scoped(&unique.index.name) && unique.obstacle(now).is_none();
    Unique::global(now, owner).into_iter().filter(wanted)
}

/// The keys of one table, while their steps are listed.
struct Keys<'a> {
    plan: &'a Plan,
    owned: &'a OwnedTable,
    relations: &'a RelationNames<'a>,
    taken: BTreeSet<(Ident, Ident)>,
}

impl Keys<'_> {
    /// Those of a table with rows, or of a leaf alone.
    fn of_heap(&mut self, table: &QualifiedName, now: &Table) -> Vec<Op> {
        let (mut ops, mut sealed) = (Vec::new(), Vec::new());
        for unique in decided(&self.plan.owner_column, self.owned, now) {
            let Some(definition) = &unique.index.definition else { continue };
            let there = unique.twin(now, &self.plan.owner_column);
            let index = self.index_of(table, there, &unique.index.name);
            if there.is_none_or(|index| !index.valid) {
                let over = KeyColumns::As(definition.tail.clone());
                ops.push(Op::Key(KeyOp::Build { table: table.clone(), index: index.clone(), over }));
            }
            // A primary key gives way to another one only when nobody relies on it any more.
            if let Some(key) = unique.key.filter(|key| !key.primary)
                && !now.keys.iter().any(|key| key.name == index)
            {
                sealed.push(SealedKey { name: index, deferrable: deferrable(key) });
            }
        }
        if !sealed.is_empty() {
            ops.push(Op::Key(KeyOp::Seal { table: table.clone(), keys: sealed }));
        }
        ops
    }

    /// Those of a whole tree: an index of the root, since the root of a tree takes no constraint that is built already.
    fn of_tree(&mut self, tree: &TreeIndex) -> Vec<Op> {
        let (root, now) = tree.root;
        let owner = &self.plan.owner_column;
        let mut ops = Vec::new();
        for unique in decided(owner, self.owned, now) {
            let Some(definition) = &unique.index.definition else { continue };
            if unique.twin(now, owner).is_some_and(|index| index.valid) {
                continue;
            }
            let over = KeyColumns::As(definition.tail.clone());
            let old = unique.index.name.as_str();
            let rest = old.strip_prefix(&format!("{}_", root.name)).unwrap_or(old);
            let pieces = tree.pieces(|part, now| {
                let old = Ident::derived(&[part.name.as_str(), rest]);
                self.index_of(part, unique.twin(now, owner), &old)
            });
            ops.extend(pieces.into_iter().map(|piece| Op::Key(piece_of_key(piece, &over))));
        }
        ops
    }

    /// The index that is there, or the name of a new one: `users_email_key` becomes `users_tenant_id_email_key`.
    fn index_of(&mut self, table: &QualifiedName, there: Option<&Index>, old: &Ident) -> Ident {
        if let Some(index) = there {
            return index.name.clone();
        }
        let owner = self.plan.owner_column.as_str();
        let parts = match old.as_str().strip_prefix(&format!("{}_", table.name)) {
            Some(rest) => vec![table.name.as_str(), owner, rest],
            None => vec![old.as_str(), owner],
        };
        let is_taken = |name: &Ident| {
            self.relations.contain(&table.schema, name) || self.taken.contains(&(table.schema.clone(), name.clone()))
        };
        let name = free_name(&parts, is_taken);
        self.taken.insert((table.schema.clone(), name.clone()));
        name
    }
}

fn piece_of_key(piece: Piece, over: &KeyColumns) -> KeyOp {
    let over = over.clone();
    match piece {
        Piece::Above { table, index, parent } => KeyOp::BuildParent { table, index, over, parent },
        Piece::Leaf { table, index } => KeyOp::Build { table, index, over },
        Piece::Attach { table, index, parent } => KeyOp::Attach { table, index, over, parent },
    }
}

fn is_scoped_twin(index: &Index, of: &Index, definition: &IndexDefinition, owner: &Ident) -> bool {
    let leads = index.columns.first().is_some_and(|first| first.as_ref() == Some(owner));
    let same = |twin: &IndexDefinition| twin.tail.ends_with(&format!(", {}", definition.tail));
    leads && index.columns.len() == of.columns.len() + 1 && index.definition.as_ref().is_some_and(same)
}

fn deferrable(key: &Key) -> Option<bool> {
    key.deferrable.then(|| key.details.as_ref().is_some_and(|details| details.initially_deferred))
}
