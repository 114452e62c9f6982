//! Phase `enforce`: the index that leads with the owner, NOT NULL and the foreign key to the tenants, each without a
//! scan under a lock that blocks anyone.

use std::collections::BTreeSet;

use super::{Op, Plan, TablePlan};
use crate::catalog::{Catalog, ForeignKey, Ident, Index, QualifiedName, Table};

/// The first major version whose NOT NULL can be added NOT VALID (PostgreSQL 18 release notes, E.1.3.3).
pub const NOT_NULL_NOT_VALID: u32 = 18;

/// The steps of the phase for one table: only what the catalog does not show as done.
pub(super) fn ops(plan: &Plan, table: &TablePlan, now: &Table, relations: &RelationNames) -> Vec<Op> {
    let mut ops = Vec::new();
    ops.extend(index(plan, table, now, relations));
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
    table.foreign_keys.iter().find(|key| {
        key.parent == plan.tenants.table
            && key.columns == [plan.owner_column.clone()]
            && key.parent_columns == [plan.tenants.columns.id.clone()]
    })
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

    fn contain(&self, schema: &Ident, name: &Ident) -> bool {
        self.0.contains(&(schema, name))
    }
}

fn not_null(plan: &Plan, table: &TablePlan, now: &Table) -> Vec<Op> {
    let name = &table.owned.name;
    let column = now.column(&plan.owner_column);
    let constraint = Ident::derived(&[name.name.as_str(), plan.owner_column.as_str(), "not_null"]);
    let ours = now.checks.iter().find(|check| check.name == constraint);
    if column.is_some_and(|column| column.not_null) && ours.is_none_or(|check| check.validated) {
        return Vec::new();
    }
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
fn free_name(parts: &[&str], taken: impl Fn(&Ident) -> bool) -> Ident {
    let usual = Ident::derived(parts);
    if !taken(&usual) {
        return usual;
    }
    let numbered = (2..).map(|number: u32| Ident::derived(&[parts, &[&number.to_string()]].concat()));
    numbered.into_iter().find(|name| !taken(name)).unwrap_or(usual)
}
