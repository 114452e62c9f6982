//! Phase `enforce`: the index that leads with the owner, NOT NULL and the foreign key to the tenants, each without a
//! scan under a lock that blocks anyone.

use std::collections::BTreeSet;

use super::tree_index::{Piece, TreeIndex};
use super::{Op, Plan, TablePlan, partitions::Partitions, reference, unique};
use crate::catalog::{Catalog, ForeignKey, Ident, Index, QualifiedName, Table, TableKind};

/// The first major version whose NOT NULL can be added NOT VALID (PostgreSQL 18 release notes, E.1.3.3).
pub const NOT_NULL_NOT_VALID: u32 = 18;
/// The first major version that takes a NOT VALID foreign key on a partitioned table (the same notes, E.1.3.3).
pub(super) const KEY_NOT_VALID_ON_ROOT: u32 = 18;

/// The steps of the phase for one table: only what the catalog does not show as done.
pub(super) fn ops(
    plan: &Plan,
    table: &TablePlan,
    now: &Table,
    catalog: &Catalog,
    relations: &RelationNames,
) -> Vec<Op> {
    if let Some(partitions) = &table.partitions {
        return Tree { plan, table, now, catalog, relations, partitions }.ops();
    }
    let mut ops = reference::keys(plan, table, now, catalog, relations);
    let is_served = !ops.is_empty() || unique::leads_with_owner(plan, table, now);
    let keys = unique::ops(plan, table, now, catalog, relations, &ops);
    ops.extend(keys);
    if !is_served {
        ops.extend(index(plan, table, now, relations));
    }
    ops.extend(not_null(plan, table, now));
    ops.extend(foreign_key(plan, table, now));
    if !ops.is_empty() && !table.strategy.writes() {
        ops.push(Op::Analyze(table.owned.name.clone()));
    }
    ops
}

/// Whether the index can find a tenant's rows: complete, valid, and the owner comes first.
pub fn serves_tenant(index: &Index, owner_column: &Ident) -> bool {
    let leads = index.columns.first().is_some_and(|first| first.as_ref() == Some(owner_column));
    index.valid && !index.partial && index.method == "btree" && leads
}

/// The foreign key from the owner column to the tenants table.
pub fn tenant_key<'a>(plan: &Plan, table: &'a Table) -> Option<&'a ForeignKey> {
    table.foreign_keys.iter().find(|key| leads_to_tenants(plan, key))
}

fn leads_to_tenants(plan: &Plan, key: &ForeignKey) -> bool {
    key.parent == plan.tenants.table
        && key.columns == [plan.owner_column.clone()]
        && key.parent_columns == [plan.tenants.columns.id.clone()]
}

fn index(plan: &Plan, table: &TablePlan, now: &Table, relations: &RelationNames) -> Option<Op> {
    let name = &table.owned.name;
    if now.indexes.iter().any(|index| serves_tenant(index, &plan.owner_column)) {
        return None;
    }
    // An INVALID one of that name is what a broken build left: the step drops it and builds again.
    let ours = |index: &Ident| now.indexes.iter().any(|there| there.name == *index && !there.valid);
    let taken = |index: &Ident| !ours(index) && relations.contain(&name.schema, index);
    let index = free_name(&[name.name.as_str(), plan.owner_column.as_str(), "idx"], taken);
    Some(Op::BuildIndex { table: name.clone(), index })
}

/// The names of all relations: tables, views, indexes and sequences of a schema share theirs (docs, CREATE INDEX), so
/// `orders_tenant (id)` may hold the name that the index of `orders (tenant_id)` would get.
pub(super) struct RelationNames<'a>(BTreeSet<(&'a Ident, &'a Ident)>);

impl<'a> RelationNames<'a> {
    pub(super) fn of(catalog: &'a Catalog) -> Self {
        let inside = |(name, table): (&'a QualifiedName, &'a Table)| {
            let indexes = table.indexes.iter().map(|index| (&name.schema, &index.name));
            let sequences = table.columns.iter().filter_map(|column| column.sequence.as_ref());
            indexes.chain(sequences.map(|sequence| (&sequence.schema, &sequence.name)))
        };
        let whole = catalog.tables.keys().chain(catalog.views.iter().map(|view| &view.name));
        let whole = whole.map(|name| (&name.schema, &name.name));
        RelationNames(whole.chain(catalog.tables.iter().flat_map(inside)).collect())
    }

    pub(super) fn contain(&self, schema: &Ident, name: &Ident) -> bool {
        self.0.contains(&(schema, name))
    }
}

fn not_null(plan: &Plan, table: &TablePlan, now: &Table) -> Vec<Op> {
    let name = &table.owned.name;
    let constraint = not_null_name(plan, name);
    if is_not_null(plan, now, &constraint) {
        return Vec::new();
    }
    let ours = now.checks.iter().find(|check| check.name == constraint);
    let table = || name.clone();
    let mut ops = Vec::new();
    if ours.is_none() {
        ops.push(Op::AddNotNull { table: table(), constraint: constraint.clone() });
    }
    ops.push(Op::ValidateNotNull { table: table(), constraint: constraint.clone() });
    if plan.major < NOT_NULL_NOT_VALID {
        ops.push(Op::SetNotNull { table: table(), constraint });
    }
    ops
}

fn not_null_name(plan: &Plan, table: &QualifiedName) -> Ident {
    Ident::derived(&[table.name.as_str(), plan.owner_column.as_str(), "not_null"])
}

/// Whether NOT NULL is set and nothing is left to prove or to drop.
fn is_not_null(plan: &Plan, now: &Table, constraint: &Ident) -> bool {
    let ours = now.checks.iter().find(|check| check.name == *constraint);
    now.column(&plan.owner_column).is_some_and(|column| column.not_null) && ours.is_none_or(|check| check.validated)
}

fn foreign_key(plan: &Plan, table: &TablePlan, now: &Table) -> Vec<Op> {
    let name = &table.owned.name;
    match tenant_key(plan, now) {
        Some(key) if key.validated => Vec::new(),
        Some(key) => vec![Op::ValidateForeignKey { table: name.clone(), constraint: key.name.clone() }],
        None => {
            let taken = |name: &Ident| now.foreign_keys.iter().any(|key| key.name == *name);
            let constraint = free_name(&[name.name.as_str(), plan.owner_column.as_str(), "fkey"], taken);
            vec![
                Op::AddForeignKey { table: name.clone(), constraint: constraint.clone() },
                Op::ValidateForeignKey { table: name.clone(), constraint },
            ]
        }
    }
}

/// The usual name, or with a number where that one is taken.
pub(super) fn free_name(parts: &[&str], taken: impl Fn(&Ident) -> bool) -> Ident {
    let usual = Ident::derived(parts);
    if !taken(&usual) {
        return usual;
    }
    let numbered = (2..).map(|number: u32| Ident::derived(&[parts, &[&number.to_string()]].concat()));
    numbered.into_iter().find(|name| !taken(name)).unwrap_or(usual)
}

/// The same for a partitioned table. What the root has, each part has; so a proof is made leaf by leaf and the root takes
/// it over, and no lock that anybody minds lasts longer than a change of the catalog.
struct Tree<'a> {
    plan: &'a Plan,
    table: &'a TablePlan,
    now: &'a Table,
    catalog: &'a Catalog,
    relations: &'a RelationNames<'a>,
    partitions: &'a Partitions,
}

impl Tree<'_> {
    fn ops(&self) -> Vec<Op> {
        let mut ops = reference::keys(self.plan, self.table, self.now, self.catalog, self.relations);
        let is_served = !ops.is_empty() || unique::leads_with_owner(self.plan, self.table, self.now);
        let keys = unique::ops(self.plan, self.table, self.now, self.catalog, self.relations, &ops);
        ops.extend(keys);
        if !is_served {
            ops.extend(self.index());
        }
        ops.extend(self.not_null());
        ops.extend(self.foreign_key());
        if !ops.is_empty() && !self.table.strategy.writes() {
            ops.push(Op::AnalyzeTree(self.root().clone()));
        }
        ops
    }

    fn root(&self) -> &QualifiedName {
        &self.table.owned.name
    }

    fn leaves(&self) -> impl Iterator<Item = (&QualifiedName, &Table)> {
        let leaves = self.partitions.leaves.iter();
        leaves.filter_map(|leaf| Some((&leaf.name, self.catalog.tables.get(&leaf.name)?)))
    }

    fn index(&self) -> Vec<Op> {
        if self.now.indexes.iter().any(|index| serves_tenant(index, &self.plan.owner_column)) {
            return Vec::new();
        }
        let tree = TreeIndex { root: (self.root(), self.now), partitions: self.partitions, catalog: self.catalog };
        let op = |piece| match piece {
            Piece::Above { table, index, parent } => Op::CreateParentIndex { table, index, parent },
            Piece::Leaf { table, index } => Op::BuildIndex { table, index },
            Piece::Attach { table, index, parent } => Op::AttachIndex { table, index, parent },
        };
        tree.pieces(|table, now| self.index_of(table, now)).into_iter().map(op).collect()
    }

    /// The index that a table of the tree has or will have: one like it that is there is taken as it is.
    fn index_of(&self, table: &QualifiedName, now: &Table) -> Ident {
        let owner = &self.plan.owner_column;
        let usual = [table.name.as_str(), owner.as_str(), "idx"];
        let like = |index: &&Index| {
            index.columns == [Some(owner.clone())] && !index.partial && !index.unique && index.method == "btree"
        };
        let is_parted = now.kind == TableKind::Partitioned;
        let there = now.indexes.iter().filter(like).find(|index| {
            // The index of a partitioned table is invalid until it is complete; a leaf's is what a broken build left.
            index.valid || is_parted || index.name == Ident::derived(&usual)
        });
        there
            .map(|index| index.name.clone())
            .unwrap_or_else(|| free_name(&usual, |name| self.relations.contain(&table.schema, name)))
    }

    fn not_null(&self) -> Vec<Op> {
        let (root, constraint) = (self.root(), not_null_name(self.plan, self.root()));
        if is_not_null(self.plan, self.now, &constraint) {
            return Vec::new();
        }
        let step = |table: &QualifiedName| Op::ValidateNotNull { table: table.clone(), constraint: constraint.clone() };
        let mut ops = Vec::new();
        if !self.now.checks.iter().any(|check| check.name == constraint) {
            ops.push(Op::AddNotNull { table: root.clone(), constraint: constraint.clone() });
        }
        let proven = |now: &Table| now.checks.iter().any(|check| check.name == constraint && check.validated);
        ops.extend(self.leaves().filter(|(_, now)| !proven(now)).map(|(leaf, _)| step(leaf)));
        ops.push(step(root));
        if self.plan.major < NOT_NULL_NOT_VALID {
            ops.push(Op::SetNotNull { table: root.clone(), constraint: constraint.clone() });
        }
        ops
    }

    /// Since 18 the root takes a key that is not proven yet; before, each leaf gets one of its own, and the root's makes
    /// them its parts.
    fn foreign_key(&self) -> Vec<Op> {
        let root = self.root();
        let there = tenant_key(self.plan, self.now);
        if there.is_some_and(|key| key.validated) {
            return Vec::new();
        }
        let validate = |table: &QualifiedName, constraint: &Ident| Op::ValidateForeignKey {
            table: table.clone(),
            constraint: constraint.clone(),
        };
        let add = |table: &QualifiedName, constraint: &Ident| Op::AddForeignKey {
            table: table.clone(),
            constraint: constraint.clone(),
        };
        let constraint = there.map_or_else(|| self.key_name(), |key| key.name.clone());
        let mut ops = Vec::new();
        if self.plan.major >= KEY_NOT_VALID_ON_ROOT {
            ops.extend(there.is_none().then(|| add(root, &constraint)));
            ops.extend(self.leaves().filter_map(|(leaf, now)| match tenant_key(self.plan, now) {
                Some(key) if key.validated => None,
                Some(key) => Some(validate(leaf, &key.name)),
                None => Some(validate(leaf, &constraint)),
            }));
            ops.push(validate(root, &constraint));
            return ops;
        }
        for (leaf, now) in self.leaves() {
            let ours = now.foreign_keys.iter().find(|key| key.name == constraint);
            ops.extend(ours.is_none().then(|| add(leaf, &constraint)));
            ops.extend(ours.is_none_or(|key| !key.validated).then(|| validate(leaf, &constraint)));
        }
        ops.push(Op::AdoptForeignKey { table: root.clone(), constraint });
        ops
    }

    /// One name for the whole tree. A key of that name in a leaf is ours where it leads from the owner to the tenants.
    fn key_name(&self) -> Ident {
        let parts = self.partitions.all().filter_map(|part| self.catalog.tables.get(&part.name));
        let tables: Vec<&Table> = std::iter::once(self.now).chain(parts).collect();
        let taken = |name: &Ident| {
            let other = |key: &ForeignKey| key.name == *name && !leads_to_tenants(self.plan, key);
            tables.iter().any(|table| {
                table.foreign_keys.iter().any(other)
                    || table.checks.iter().any(|check| check.name == *name)
                    || table.keys.iter().any(|key| key.name == *name)
            })
        };
        free_name(&[self.root().name.as_str(), self.plan.owner_column.as_str(), "fkey"], taken)
    }
}
