//! What a constraint proves, so that no row has to be read; and what is missing where it proves nothing.
//!
//! A constraint is a proof only if it was checked for every row and cannot be bypassed: validated, enforced, its triggers
//! enabled, and no logical subscription writing behind its back. `attnotnull` alone is none on 18, which knows a NOT NULL
//! that is NOT VALID.

use std::collections::BTreeSet;

use super::Contract;
use crate::catalog::{Catalog, Check, ForeignKey, Ident, QualifiedName, Table, TableKind};

/// What is known about NOT NULL of the owner column.
pub(super) enum NotNull {
    /// The constraint of that name, or the column's own NOT NULL, holds for every row.
    Proven(String),
    /// It does not, and why.
    Open(String),
    /// It cannot be known now, and why.
    Unknown(String),
}

/// Whether NOT NULL of the owner column is proven.
pub(super) fn not_null(contract: &Contract, table: &Table) -> NotNull {
    let owner = &contract.owner;
    if table.kind == TableKind::Foreign {
        return NotNull::Unknown("it is a foreign table, whose constraints are not enforced here".to_owned());
    }
    let set = table.column(owner).is_some_and(|column| column.not_null);
    let open =
        |kind: fn(&Check, &Ident) -> bool| table.checks.iter().find(|check| !check.validated && kind(check, owner));
    if set && open(is_named_not_null).is_none() {
        return NotNull::Proven("NOT NULL".to_owned());
    }
    if let Some(check) = table.checks.iter().find(|check| check.validated && is_check(check, owner)) {
        return NotNull::Proven(check.name.to_string());
    }
    if table.checks.iter().any(|check| check.validated && check.definition.is_none()) {
        return NotNull::Unknown(
            "another session holds the table exclusively, so its checks cannot be read".to_owned(),
        );
    }
    NotNull::Open(match open(is_not_null) {
        Some(check) => format!("the constraint {} is NOT VALID", check.name),
        None => format!("{owner} may be NULL"),
    })
}

/// Whether the constraint says, valid or not, that the column is not NULL.
pub(super) fn is_not_null(check: &Check, column: &Ident) -> bool {
    is_check(check, column) || is_named_not_null(check, column)
}

fn is_check(check: &Check, column: &Ident) -> bool {
    says(check, "CHECK ((", column, " IS NOT NULL))")
}

/// The NOT NULL constraint of 18, without which the column's own flag is a proof.
fn is_named_not_null(check: &Check, column: &Ident) -> bool {
    says(check, "NOT NULL ", column, "")
}

/// Whether the definition is exactly that, with the name in quotes or without: which names need them differs between
/// versions. NO INHERIT makes no difference, because only the table's own rows are looked at.
fn says(check: &Check, before: &str, column: &Ident, after: &str) -> bool {
    let name = check
        .definition
        .as_deref()
        .and_then(|text| text.strip_suffix(" NO INHERIT").unwrap_or(text).strip_prefix(before)?.strip_suffix(after));
    let quoted = || format!("\"{}\"", column.as_str().replace('"', "\"\""));
    name.is_some_and(|name| name == column.as_str() || name == quoted())
}

/// Whether the key leads from the owner column to the tenants' id.
pub(super) fn is_tenant_key(contract: &Contract, key: &ForeignKey) -> bool {
    key.parent == contract.tenants.table
        && key.columns == [contract.owner.clone()]
        && key.parent_columns == [contract.tenants.columns.id.clone()]
}

/// The foreign key that proves that every owner is a tenant.
pub(super) fn tenant_key<'a>(contract: &Contract, catalog: &Catalog, table: &'a Table) -> Option<&'a ForeignKey> {
    table.foreign_keys.iter().find(|key| is_tenant_key(contract, key) && flaw(catalog, table, key).is_none())
}

/// Why the foreign key proves nothing.
pub(super) fn flaw(catalog: &Catalog, table: &Table, key: &ForeignKey) -> Option<&'static str> {
    let parent = catalog.tables.get(&key.parent);
    if !key.enforced {
        Some("is NOT ENFORCED")
    } else if !key.validated {
        Some("is NOT VALID")
    } else if !key.triggers_enabled {
        Some("is switched off: its triggers are disabled")
    } else if table.subscribed || parent.is_some_and(|parent| parent.subscribed) {
        Some("is not checked for rows that a logical subscription writes")
    } else {
        None
    }
}

/// The foreign key that proves that child and parent have one owner: over the same columns as `key` and the owner.
pub(super) fn owner_key<'a>(
    contract: &Contract,
    catalog: &Catalog,
    table: &'a Table,
    key: &ForeignKey,
) -> Option<&'a ForeignKey> {
    compares_owners(contract, table, key).find(|other| flaw(catalog, table, other).is_none())
}

/// The foreign keys over the same columns as `key` and the owner, whatever they prove; itself, if it compares owners.
pub(super) fn compares_owners<'a>(
    contract: &Contract,
    table: &'a Table,
    key: &ForeignKey,
) -> impl Iterator<Item = &'a ForeignKey> {
    let cloned = |(column, parent): (&Ident, &Ident)| (column.clone(), parent.clone());
    let owners = (&contract.owner, &contract.owner);
    let wanted: BTreeSet<(Ident, Ident)> = key.pairs().chain([owners]).map(cloned).collect();
    let parent = key.parent.clone();
    let is_wanted = move |other: &&ForeignKey| {
        other.parent == parent && !other.period && other.pairs().map(cloned).collect::<BTreeSet<_>>() == wanted
    };
    table.foreign_keys.iter().filter(is_wanted)
}

/// A part of a table, for people.
pub(super) fn part(table: &QualifiedName, name: &Ident) -> String {
    format!("{table}.{name}")
}
