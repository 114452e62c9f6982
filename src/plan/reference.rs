//! Foreign keys between tenant-scoped tables: the ones that compare owners, too, and the unique keys that they lead to.

use super::enforce::{RelationNames, free_name};
use super::{KeyColumns, KeyOp, Op, OwnedTable, Plan, Reference, ReferenceOp, TablePlan, unique};
use crate::catalog::{Action, Catalog, ForeignKey, Ident, Index, ReferenceDetails, Table};
use crate::config::KeyScope;

/// The first major version that sets only some columns of a foreign key to NULL (PostgreSQL 15 release notes, E.1.3.5).
const SET_SOME_COLUMNS: u32 = 15;

/// The foreign keys of a table that lead to rows that have owners, and do not compare them.
pub(super) fn uncompared<'a>(
    plan: &'a Plan,
    table: &'a TablePlan,
    now: &'a Table,
) -> impl Iterator<Item = &'a ForeignKey> {
    let owner = &plan.owner_column;
    let is_whole = |table: &TablePlan| table.partitions.is_none();
    now.foreign_keys.iter().filter(move |key| {
        is_whole(table)
            && plan.tables.get(&key.parent).is_some_and(is_whole)
            && !key.columns.contains(owner)
            && !key.period
            && key.enforced
            && key.triggers_enabled
            && !is_global(&table.owned, &key.name)
    })
}

fn is_global(table: &OwnedTable, name: &Ident) -> bool {
    let is_global = |scope: &KeyScope| matches!(scope, KeyScope::Global { .. });
    table.references.iter().any(|decision| decision.name == *name && is_global(&decision.scope))
}

/// The unique indexes over owner and key that other tables' rows are to refer to, where there is none yet.
pub(super) fn keys(
    plan: &Plan,
    table: &TablePlan,
    now: &Table,
    catalog: &Catalog,
    relations: &RelationNames,
) -> Vec<Op> {
    let name = &table.owned.name;
    let mut wanted: Vec<Vec<Ident>> = Vec::new();
    for (child, child_table) in &plan.tables {
        let Some(child_now) = catalog.tables.get(child) else { continue };
        for key in uncompared(plan, child_table, child_now).filter(|key| key.parent == *name) {
            let mut columns = key.parent_columns.clone();
            columns.sort();
            let has_owner = |index: &Index| index.columns.iter().flatten().any(|column| *column == plan.owner_column);
            let is_target = |index: &Index| is_target(now, index, &columns, &plan.owner_column);
            let is_there = now.indexes.iter().any(|index| has_owner(index) && is_target(index));
            let is_planned = wanted.iter().any(|other| is_over(other.iter(), &columns))
                || unique::scoped(plan, table, now).any(|unique| is_target(unique.index));
            if !is_there && !is_planned {
                wanted.push(key.parent_columns.clone());
            }
        }
    }
    let build = |columns: Vec<Ident>| {
        let words = columns.iter().map(Ident::as_str);
        let parts: Vec<&str> =
            [name.name.as_str(), plan.owner_column.as_str()].into_iter().chain(words).chain(["key"]).collect();
        // An INVALID one is what a broken build left: the step drops it and builds again.
        let broken =
            |index: &Ident| now.indexes.iter().any(|there| there.name == *index && !there.valid && there.unique);
        let index = free_name(&parts, |index| !broken(index) && relations.contain(&name.schema, index));
        Op::Key(KeyOp::Build { table: name.clone(), index, over: KeyColumns::Of(columns) })
    };
    wanted.into_iter().map(build).collect()
}

/// Whether a foreign key over the owner and these columns can lead to the index (docs, CREATE TABLE, REFERENCES); to one
/// without the owner, once it has that.
fn is_target(now: &Table, index: &Index, columns: &[Ident], owner: &Ident) -> bool {
    let plain: Vec<&Ident> = index.columns.iter().flatten().collect();
    let others = plain.iter().copied().filter(|column| *column != owner);
    let is_deferrable = now.keys.iter().any(|key| key.name == index.name && key.deferrable);
    index.unique
        && index.valid
        && !index.partial
        && !is_deferrable
        && plain.len() == index.columns.len()
        && is_over(others, columns)
}

fn is_over<'a>(some: impl Iterator<Item = &'a Ident>, sorted: &[Ident]) -> bool {
    let mut some: Vec<&Ident> = some.collect();
    some.sort();
    some.into_iter().eq(sorted)
}

/// The steps that make the table's references compare owners.
pub(super) fn ops(plan: &Plan, table: &TablePlan, now: &Table) -> Vec<Op> {
    let mut ops = Vec::new();
    for key in uncompared(plan, table, now) {
        let Some(details) = &key.details else { continue };
        let there = now.foreign_keys.iter().find(|other| compares_owners(other, key, &plan.owner_column));
        let child = || table.owned.name.clone();
        let reference = Box::new(reference(plan, table, now, key, details, there));
        match there {
            Some(there) if there.validated => continue,
            Some(_) => {}
            None => {
                ops.push(Op::Reference(ReferenceOp::Check { child: child(), reference: reference.clone() }));
                ops.push(Op::Reference(ReferenceOp::Add { child: child(), reference: reference.clone() }));
            }
        }
        ops.push(Op::Reference(ReferenceOp::Validate { child: child(), reference }));
    }
    ops
}

/// Whether a key leads where the other one does, and compares owners besides.
fn compares_owners(key: &ForeignKey, other: &ForeignKey, owner: &Ident) -> bool {
    let pairs = |key: &ForeignKey| {
        let mut pairs: Vec<(Ident, Ident)> =
            key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect();
        pairs.sort();
        pairs
    };
    let mut wanted = pairs(other);
    wanted.push((owner.clone(), owner.clone()));
    wanted.sort();
    key.parent == other.parent && pairs(key) == wanted
}

/// It does nothing when its parent's columns change. The owner is one of them, and whoever passes a new one down gives way to
/// writers that come up from the children, which no action of a key would. The other key goes on to do what it does.
pub(super) fn reference(
    plan: &Plan,
    table: &TablePlan,
    now: &Table,
    key: &ForeignKey,
    details: &ReferenceDetails,
    there: Option<&ForeignKey>,
) -> Reference {
    let owner = &plan.owner_column;
    let with_owner = |columns: &[Ident]| std::iter::once(owner.clone()).chain(columns.iter().cloned()).collect();
    let (on_delete, set_columns) = on_delete(plan, key, details);
    Reference {
        constraint: there.map_or_else(|| name(table, now, key, owner), |there| there.name.clone()),
        old: key.name.clone(),
        columns: with_owner(&key.columns),
        parent: key.parent.clone(),
        parent_columns: with_owner(&key.parent_columns),
        on_delete,
        set_columns,
    }
}

/// What the key does when a parent goes: never anything with the owner.
fn on_delete(plan: &Plan, key: &ForeignKey, details: &ReferenceDetails) -> (Action, Vec<Ident>) {
    match details.on_delete {
        Action::SetNull | Action::SetDefault if plan.major < SET_SOME_COLUMNS => (Action::NoAction, Vec::new()),
        Action::SetNull | Action::SetDefault if details.set_columns.is_empty() => {
            (details.on_delete, key.columns.clone())
        }
        action => (action, details.set_columns.clone()),
    }
}

/// `tasks_author_id_fkey` becomes `tasks_tenant_id_author_id_fkey`.
fn name(table: &TablePlan, now: &Table, key: &ForeignKey, owner: &Ident) -> Ident {
    let of = table.owned.name.name.as_str();
    let taken = |name: &Ident| {
        now.foreign_keys.iter().any(|key| key.name == *name)
            || now.checks.iter().any(|check| check.name == *name)
            || now.keys.iter().any(|key| key.name == *name)
    };
    match key.name.as_str().strip_prefix(&format!("{of}_")) {
        Some(rest) => free_name(&[of, owner.as_str(), rest], taken),
        None => free_name(&[key.name.as_str(), owner.as_str()], taken),
    }
}
