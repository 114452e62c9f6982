//! What relies on a key that counts for all tenants, so that the key has to stay.

use super::owners::Resolver;
use super::reference::SET_SOME_COLUMNS;
use super::{OwnedTable, Owner};
use crate::catalog::{Action, Catalog, ForeignKey, Ident, Index, QualifiedName};
use crate::config::KeyScope;

/// What becomes of a foreign key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// It stays as it is: its table's rows have no owner.
    Apart,
    /// The rows of its table find their owner by it.
    Owner,
    /// It was decided to stay as it is.
    Kept,
    /// Another one that compares owners takes its place.
    Compared,
}

/// Why a unique index of `parent` must go on to count for all tenants: a foreign key that stays leads to it.
pub fn relied_on(
    catalog: &Catalog,
    parent: &QualifiedName,
    index: &Index,
    tie: impl Fn(&QualifiedName, &ForeignKey) -> Tie,
) -> Option<String> {
    let why = |child: &QualifiedName, key: &ForeignKey| {
        let name = &key.name;
        match tie(child, key) {
            Tie::Apart => Some(format!("{name} of {child} leads to it, and rows there have no owner")),
            Tie::Owner => Some(format!("rows of {child} find their owner by it")),
            Tie::Kept => Some(format!("{name} of {child} leads to it and stays as it is")),
            Tie::Compared if !is_comparable(key) => Some(format!("{name} of {child} leads to it and stays as it is")),
            Tie::Compared => action(catalog.server.major(), key)
                .map(|action| format!("{name} of {child} leads to it and stays, for {action}")),
        }
    };
    let keys = catalog.tables.iter().flat_map(|(child, table)| table.foreign_keys.iter().map(move |key| (child, key)));
    let mut leading = keys.filter(|(_, key)| key.parent == *parent && leads_to(key, index));
    leading.find_map(|(child, key)| why(child, key))
}

/// A partition's copy of its root's key says nothing new.
fn leads_to(key: &ForeignKey, index: &Index) -> bool {
    let sorted = |columns: &mut Vec<Ident>| columns.sort();
    let mut over: Vec<Ident> = index.columns.iter().flatten().cloned().collect();
    let mut wanted = key.parent_columns.clone();
    sorted(&mut over);
    sorted(&mut wanted);
    let details = key.details.as_ref();
    let is_copy = details.is_some_and(|details| details.inherited);
    !is_copy && over == wanted && index.columns.iter().all(Option::is_some)
}

fn is_comparable(key: &ForeignKey) -> bool {
    key.enforced && key.triggers_enabled && !key.period
}

/// What only the old key can do, since the new one would touch the owner.
fn action(major: u32, key: &ForeignKey) -> Option<String> {
    let details = key.details.as_ref()?;
    let sets = |action: Action| matches!(action, Action::SetNull | Action::SetDefault);
    if sets(details.on_update) {
        return Some(format!("ON UPDATE {}", details.on_update.as_sql()));
    }
    (sets(details.on_delete) && major < SET_SOME_COLUMNS).then(|| format!("ON DELETE {}", details.on_delete.as_sql()))
}

impl Resolver<'_> {
    /// Refuses a key that is to count within each tenant where something finds rows by it alone.
    pub(super) fn check_scoped(&mut self, tables: &[OwnedTable]) {
        for table in tables {
            let scoped = table.unique.iter().filter(|decision| decision.scope == KeyScope::Scoped);
            for decision in scoped {
                let now = self.catalog.tables.get(&table.name);
                let index = now.and_then(|now| now.indexes.iter().find(|index| index.name == decision.name));
                if let Some(why) = index.and_then(|index| self.forced(tables, &table.name, index)) {
                    let what = format!("{}: unique.{} cannot be \"scoped\": {why}; ", table.name, decision.name);
                    self.problem(decision.line, what + "set scope = \"global\" with that as its reason");
                }
            }
        }
    }

    fn forced(&self, tables: &[OwnedTable], name: &QualifiedName, index: &Index) -> Option<String> {
        let is_over = |column: &Ident| index.columns == [Some(column.clone())];
        if self.mapping.as_ref().is_some_and(|mapping| mapping.table == *name && is_over(&mapping.key)) {
            return Some("the tenants are mapped by it".to_owned());
        }
        let names_by_it = |table: &&OwnedTable| matches!(&table.owner, Owner::Lookup(lookup) if lookup.table == *name && is_over(&lookup.column));
        if let Some(table) = tables.iter().find(names_by_it) {
            return Some(format!("rows of {} name their tenant by it", table.name));
        }
        relied_on(self.catalog, name, index, |child, key| {
            let Some(owned) = tables.iter().find(|table| table.name == *child) else { return Tie::Apart };
            let is_link = |owner: &Owner| matches!(owner, Owner::Parent(link) if link.parent == key.parent && link.columns == key.columns);
            let is_kept = |scope: &KeyScope| matches!(scope, KeyScope::Global { .. });
            if is_link(&owned.owner) {
                Tie::Owner
            } else if owned.references.iter().any(|it| it.name == key.name && is_kept(&it.scope)) {
                Tie::Kept
            } else {
                Tie::Compared
            }
        })
    }
}
