//! Foreign keys between tenant-scoped tables: the ones that compare owners, too, and the unique keys that they lead to.

mod tree;

use super::enforce::{RelationNames, free_name};
use super::{KeyColumns, KeyOp, Op, OwnedTable, Plan, Reference, ReferenceOp, TablePlan, unique};
use crate::catalog::{Action, Catalog, ForeignKey, Ident, Index, QualifiedName, ReferenceDetails, Table};
use crate::config::KeyScope;

/// The first major version that sets only some columns of a foreign key to NULL (PostgreSQL 15 release notes, E.1.3.5).
pub(super) const SET_SOME_COLUMNS: u32 = 15;

/// The most columns that a key can have (docs, Appendix K, "index keys").
const MOST_COLUMNS: usize = 32;

/// The foreign keys of a table that lead to rows that have owners, and do not compare them.
pub(super) fn uncompared<'a>(
    plan: &'a Plan,
    table: &'a TablePlan,
    now: &'a Table,
) -> impl Iterator<Item = &'a ForeignKey> {
    between_tenants(plan, table, now).filter(|key| obstacle(key, &plan.owner_column).is_none())
}

/// The foreign keys that are to compare owners and cannot, each with the reason.
pub(super) fn incomparable<'a>(
    plan: &'a Plan,
    table: &'a TablePlan,
    now: &'a Table,
) -> impl Iterator<Item = (&'a ForeignKey, &'static str)> {
    between_tenants(plan, table, now).filter_map(|key| Some((key, obstacle(key, &plan.owner_column)?)))
}

/// Those between tenant-scoped tables that nobody wants to lead to other tenants' rows, and that do not compare owners.
fn between_tenants<'a>(plan: &'a Plan, table: &'a TablePlan, now: &'a Table) -> impl Iterator<Item = &'a ForeignKey> {
    now.foreign_keys.iter().filter(move |key| {
        plan.tables.contains_key(&key.parent)
            && !key.pairs().any(|(column, parent)| *column == plan.owner_column && *parent == plan.owner_column)
            && !is_global(&table.owned, &key.name)
    })
}

/// Why a key cannot have one beside it that compares owners; nothing where it can.
fn obstacle(key: &ForeignKey, owner: &Ident) -> Option<&'static str> {
    if key.period {
        Some("it compares periods (PERIOD)")
    } else if !key.enforced {
        Some("it is NOT ENFORCED")
    } else if !key.triggers_enabled {
        Some("its triggers are disabled")
    } else if key.columns.contains(owner) {
        Some("it compares the owner with another column")
    } else if key.columns.len() >= MOST_COLUMNS {
        Some("it has as many columns as a key can have")
    } else {
        None
    }
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
    let wanted = wanted(plan, table, now, catalog);
    if let Some(partitions) = &table.partitions {
        let key = |columns: Vec<Ident>| tree::key(plan, (table, partitions), now, catalog, relations, &columns);
        return wanted.into_iter().flat_map(key).collect();
    }
    let name = &table.owned.name;
    let build = |columns: Vec<Ident>| {
        // An INVALID one is what a broken build left: the step drops it and builds again.
        let broken =
            |index: &Ident| now.indexes.iter().any(|there| there.name == *index && !there.valid && there.unique);
        let taken = |index: &Ident| !broken(index) && relations.contain(&name.schema, index);
        let index = free_name(&key_name(plan, name, &columns), taken);
        Op::Key(KeyOp::Build { table: name.clone(), index, over: KeyColumns::Of(columns) })
    };
    wanted.into_iter().map(build).collect()
}

/// The columns that foreign keys lead to together with the owner, each set once and only where no index is over them.
fn wanted(plan: &Plan, table: &TablePlan, now: &Table, catalog: &Catalog) -> Vec<Vec<Ident>> {
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
    wanted
}

/// `tasks_tenant_id_id_key`, in its parts.
fn key_name<'a>(plan: &'a Plan, table: &'a QualifiedName, columns: &'a [Ident]) -> Vec<&'a str> {
    let words = columns.iter().map(Ident::as_str);
    [table.name.as_str(), plan.owner_column.as_str()].into_iter().chain(words).chain(["key"]).collect()
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
pub(super) fn ops(plan: &Plan, table: &TablePlan, now: &Table, catalog: &Catalog) -> Vec<Op> {
    let mut ops = Vec::new();
    let mut added: Vec<Reference> = Vec::new();
    for key in uncompared(plan, table, now) {
        let Some(details) = &key.details else { continue };
        let there = now.foreign_keys.iter().find(|other| compares_owners(other, key, &plan.owner_column));
        let mut reference = reference(plan, table, now, key, details, there);
        let is_twin = |other: &Reference| {
            let same = |one: &Reference| (one.parent.clone(), one.columns.clone(), one.parent_columns.clone());
            same(other) == same(&reference)
        };
        // A key that was never proven for all rows says no more with the owner in it.
        let is_done = there.is_some_and(|there| there.validated || !key.validated);
        if is_done || added.iter().any(is_twin) {
            continue;
        }
        match &table.partitions {
            Some(partitions) => {
                ops.extend(tree::references(plan, (table, partitions), catalog, key, there, &mut reference));
            }
            None => ops.extend(of_one(table, key, there, &reference)),
        }
        added.push(reference);
    }
    ops
}

/// The steps for one key of a table that is not partitioned.
fn of_one(table: &TablePlan, key: &ForeignKey, there: Option<&ForeignKey>, reference: &Reference) -> Vec<Op> {
    let child = || table.owned.name.clone();
    let reference = || Box::new(reference.clone());
    let mut ops = vec![ReferenceOp::Check { child: child(), reference: reference() }];
    ops.extend(there.is_none().then(|| ReferenceOp::Add { child: child(), reference: reference() }));
    ops.extend(key.validated.then(|| ReferenceOp::Validate { child: child(), reference: reference() }));
    ops.into_iter().map(Op::Reference).collect()
}

/// Whether a key leads where the other one does, and compares owners besides.
fn compares_owners(key: &ForeignKey, other: &ForeignKey, owner: &Ident) -> bool {
    let mut wanted: Vec<(&Ident, &Ident)> = other.pairs().chain([(owner, owner)]).collect();
    wanted.sort();
    let mut pairs: Vec<(&Ident, &Ident)> = key.pairs().collect();
    pairs.sort();
    key.parent == other.parent && pairs == wanted
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
    free_name(&name_parts(table, key, owner), |name| is_taken(table, now, name, owner))
}

fn name_parts<'a>(table: &'a TablePlan, key: &'a ForeignKey, owner: &'a Ident) -> Vec<&'a str> {
    let of = table.owned.name.name.as_str();
    match key.name.as_str().strip_prefix(of).and_then(|rest| rest.strip_prefix('_')) {
        Some(rest) => vec![of, owner.as_str(), rest],
        None => vec![key.name.as_str(), owner.as_str()],
    }
}

/// Whether a constraint of the table has the name, or the key to the tenants will.
fn is_taken(table: &TablePlan, now: &Table, name: &Ident, owner: &Ident) -> bool {
    *name == Ident::derived(&[table.owned.name.name.as_str(), owner.as_str(), "fkey"])
        || now.foreign_keys.iter().any(|key| key.name == *name)
        || now.checks.iter().any(|check| check.name == *name)
        || now.keys.iter().any(|key| key.name == *name)
}
