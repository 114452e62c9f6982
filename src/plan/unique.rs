//! Uniqueness within each tenant: the decisions held against the catalog, and the steps that are still missing.

use super::enforce::{RelationNames, free_name};
use super::{KeyColumns, KeyOp, Op, OwnedTable, Plan, SealedKey, TablePlan};
use crate::catalog::{Ident, Index, IndexDefinition, Key, Table};
use crate::config::KeyScope;

/// A unique index of the table, with its constraint where it has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unique<'a> {
    pub(super) index: &'a Index,
    pub(super) key: Option<&'a Key>,
}

impl<'a> Unique<'a> {
    /// All that count for all tenants, the primary key's included, by name.
    pub(super) fn global(table: &'a Table, owner: &Ident) -> Vec<Unique<'a>> {
        let with_key = |index: &'a Index| Unique { index, key: table.keys.iter().find(|key| key.name == index.name) };
        table.indexes.iter().filter(|index| index.unique && index.valid && !index.holds(owner)).map(with_key).collect()
    }

    pub(super) fn is_primary(&self) -> bool {
        self.key.is_some_and(|key| key.primary)
    }

    /// Why it cannot be made to count within each tenant; nothing where it can.
    pub(super) fn obstacle(&self, table: &TablePlan) -> Option<&'static str> {
        if table.partitions.is_some() {
            Some("belongs to a partitioned table, which this version leaves as it is")
        } else if self.key.is_some_and(|key| key.period) {
            Some("has a period (WITHOUT OVERLAPS), which is not a unique index")
        } else if self.index.definition.is_none() {
            Some("cannot be read while another session holds the table exclusively")
        } else {
            None
        }
    }
}

/// The steps that make the table's scoped keys count within each tenant.
pub(super) fn ops(plan: &Plan, table: &TablePlan, now: &Table, relations: &RelationNames) -> Vec<Op> {
    let owner = &plan.owner_column;
    let (mut ops, mut sealed) = (Vec::new(), Vec::new());
    for unique in scoped(plan, table, now) {
        let Some(definition) = &unique.index.definition else { continue };
        let there = now.indexes.iter().find(|index| is_scoped_twin(index, definition, owner));
        let index = match there {
            Some(index) => index.name.clone(),
            None => name(table, &unique.index.name, owner, relations),
        };
        if there.is_none_or(|index| !index.valid) {
            let over = KeyColumns::As(definition.tail.clone());
            ops.push(Op::Key(KeyOp::Build { table: table.owned.name.clone(), index: index.clone(), over }));
        }
        // A primary key gives way to another one only when nobody relies on it any more.
        if let Some(key) = unique.key.filter(|key| !key.primary)
            && !now.keys.iter().any(|key| key.name == index)
        {
            sealed.push(SealedKey { name: index, deferrable: deferrable(key) });
        }
    }
    if !sealed.is_empty() {
        ops.push(Op::Key(KeyOp::Seal { table: table.owned.name.clone(), keys: sealed }));
    }
    ops
}

/// Whether one of them will find a tenant's rows: complete, and led by the owner.
pub(super) fn leads_with_owner(plan: &Plan, table: &TablePlan, now: &Table) -> bool {
    scoped(plan, table, now).any(|unique| !unique.index.partial)
}

/// Those that count for all tenants now, and within each in the end.
pub(super) fn scoped<'a>(plan: &Plan, table: &'a TablePlan, now: &'a Table) -> impl Iterator<Item = Unique<'a>> {
    let wanted =
        move |unique: &Unique<'a>| is_scoped(&table.owned, &unique.index.name) && unique.obstacle(table).is_none();
    Unique::global(now, &plan.owner_column).into_iter().filter(wanted)
}

fn is_scoped(table: &OwnedTable, name: &Ident) -> bool {
    table.unique.iter().any(|decision| decision.name == *name && decision.scope == KeyScope::Scoped)
}

/// Whether an index, valid or not, is what the definition becomes with the owner in front.
fn is_scoped_twin(index: &Index, definition: &IndexDefinition, owner: &Ident) -> bool {
    let leads = index.columns.first().is_some_and(|first| first.as_ref() == Some(owner));
    let same = |twin: &IndexDefinition| twin.tail.ends_with(&format!(", {}", definition.tail));
    leads && index.definition.as_ref().is_some_and(same)
}

fn deferrable(key: &Key) -> Option<bool> {
    key.deferrable.then(|| key.details.as_ref().is_some_and(|details| details.initially_deferred))
}

/// `users_email_key` becomes `users_tenant_id_email_key`.
fn name(table: &TablePlan, old: &Ident, owner: &Ident, relations: &RelationNames) -> Ident {
    let of = &table.owned.name;
    let parts = match old.as_str().strip_prefix(&format!("{}_", of.name.as_str())) {
        Some(rest) => vec![of.name.as_str(), owner.as_str(), rest],
        None => vec![old.as_str(), owner.as_str()],
    };
    free_name(&parts, |name| relations.contain(&of.schema, name))
}
