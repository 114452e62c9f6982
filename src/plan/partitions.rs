//! Partitioned tables: what is done once for the root is done for the whole tree, and the rows are filled leaf by leaf.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::strategy::Filling;
use super::{OwnedTable, Strategy, TablePlan};
use crate::catalog::{Catalog, Ident, Key, QualifiedName, RowSecurity, Table, TableKind};
use crate::config::StrategyChoice;

/// What a partitioned table is made of, as it was planned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partitions {
    /// Tables that are parted further, from the top down; the root is not among them.
    pub branches: Vec<Part>,
    /// The tables with the rows.
    pub leaves: Vec<Part>,
}

/// A table in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: QualifiedName,
    /// Its oid when it was planned.
    pub oid: u32,
    /// The table that it is a direct part of.
    pub of: QualifiedName,
}

impl Partitions {
    /// Nothing for a table that is not partitioned.
    pub(super) fn of(catalog: &Catalog, name: &QualifiedName, table: &Table) -> Option<Self> {
        if table.kind != TableKind::Partitioned {
            return None;
        }
        let tree = catalog.tree(name);
        let part = |part: &&QualifiedName| {
            let table = catalog.tables.get(*part)?;
            Some(Part { name: (*part).clone(), oid: table.oid, of: table.partitioning.of.clone()? })
        };
        Some(Partitions {
            branches: tree.branches.iter().filter_map(part).collect(),
            leaves: tree.leaves.iter().filter_map(part).collect(),
        })
    }

    /// Every table below the root.
    pub fn all(&self) -> impl Iterator<Item = &Part> {
        self.branches.iter().chain(&self.leaves)
    }

    /// The direct parts of a table of the tree.
    pub fn parts_of<'a>(&'a self, table: &'a QualifiedName) -> impl Iterator<Item = &'a Part> {
        self.all().filter(move |part| part.of == *table)
    }
}

/// Why a partitioned table cannot be converted, each reason with its remedy.
pub(super) fn obstacles(catalog: &Catalog, root: &QualifiedName, owner: &Ident) -> Vec<String> {
    let Some(table) = catalog.tables.get(root).filter(|table| table.kind == TableKind::Partitioned) else {
        return Vec::new();
    };
    let tree = catalog.tree(root);
    let of = |name: &QualifiedName| catalog.tables.get(name);
    let unread = tree.unread.iter().map(|part| {
        format!("its partition {part} is in a schema that is not looked at; add {} to schemas", part.schema)
    });
    let foreign = tree.leaves.iter().filter(|leaf| of(leaf).is_some_and(|leaf| leaf.kind == TableKind::Foreign));
    let foreign = foreign.map(|leaf| {
        format!("its partition {leaf} is a foreign table, whose rows live on another server; detach it, or set scope = \"ignored\"")
    });
    // A complete column needs no filler; any other would have to move rows that it fills.
    let open = table.column(owner).is_some_and(|column| !column.not_null);
    let keyed = std::iter::once(&root)
        .chain(&tree.branches)
        .filter(|name| open && of(name).is_some_and(|table| table.partitioning.key.contains(owner)));
    let keyed = keyed.map(|name| {
        format!("{owner} decides to which partition of {name} a row goes, so that no filler may set it; choose another tenant_column.name, or set scope = \"ignored\"")
    });
    unread.chain(foreign).chain(keyed).collect()
}

/// A table as the plan has to take it: what holds for one partition holds for the whole.
pub(super) fn whole<'a>(catalog: &'a Catalog, name: &QualifiedName, table: &'a Table) -> Cow<'a, Table> {
    if table.kind != TableKind::Partitioned {
        return Cow::Borrowed(table);
    }
    let mut whole = table.clone();
    let tree = catalog.tree(name);
    let leaves: Vec<&Table> = tree.leaves.iter().filter_map(|leaf| catalog.tables.get(*leaf)).collect();
    let branches = tree.branches.iter().filter_map(|branch| catalog.tables.get(*branch));
    let parts: Vec<&Table> = leaves.iter().copied().chain(branches).collect();
    whole.rows = leaves.iter().map(|leaf| leaf.rows).sum();
    whole.heap_bytes = leaves.iter().map(|leaf| leaf.heap_bytes).sum();
    whole.total_bytes = leaves.iter().map(|leaf| leaf.total_bytes).sum();
    for part in &parts {
        whole.publications.extend(part.publications.iter().cloned());
        whole.stored_in.extend(part.stored_in.iter().cloned());
        whole.subscribed |= part.subscribed;
        whole.may_alter &= part.may_alter;
        whole.may_create &= part.may_create;
        whole.row_security = stronger(whole.row_security, part.row_security);
        let known: BTreeSet<Ident> = whole.triggers.iter().map(|trigger| trigger.name.clone()).collect();
        whole.triggers.extend(part.triggers.iter().filter(|trigger| !known.contains(&trigger.name)).cloned());
        let known: BTreeSet<Ident> = whole.checks.iter().map(|check| check.name.clone()).collect();
        whole.checks.extend(part.checks.iter().filter(|check| !known.contains(&check.name)).cloned());
        let known: BTreeSet<Ident> = whole.foreign_keys.iter().map(|key| key.name.clone()).collect();
        whole.foreign_keys.extend(part.foreign_keys.iter().filter(|key| !known.contains(&key.name)).cloned());
    }
    whole.publications.sort();
    whole.publications.dedup();
    whole.stored_in.sort();
    whole.stored_in.dedup();
    let nameless =
        |leaf: &&&Table| !leaf.publications.is_empty() && leaf.primary_key().is_none() && !leaf.replica_identity;
    match leaves.iter().find(nameless) {
        None => whole.replica_identity = true,
        Some(_) => {
            whole.replica_identity = false;
            whole.keys.retain(|key: &Key| !key.primary);
        }
    }
    Cow::Owned(whole)
}

fn stronger(one: RowSecurity, other: RowSecurity) -> RowSecurity {
    match (one, other) {
        (RowSecurity::Forced, _) | (_, RowSecurity::Forced) => RowSecurity::Forced,
        (RowSecurity::Enabled, _) | (_, RowSecurity::Enabled) => RowSecurity::Enabled,
        (RowSecurity::Off, RowSecurity::Off) => RowSecurity::Off,
    }
}

/// The way to the owner of a leaf's rows: its root's. One default stands for all rows of the tree, or for none.
pub(super) fn owned_leaf(
    root: &OwnedTable,
    leaf: &QualifiedName,
    table: &Table,
    owner: &Ident,
    by_default: bool,
) -> OwnedTable {
    let choice = match root.choice {
        StrategyChoice::Auto if !by_default => StrategyChoice::Batched,
        choice => choice,
    };
    OwnedTable {
        name: leaf.clone(),
        column: table.column(owner).cloned(),
        choice,
        timestamps: Vec::new(),
        ..root.clone()
    }
}

/// How the leaves are filled, in the words of the largest.
pub(super) fn filling(catalog: &Catalog, leaves: &BTreeMap<QualifiedName, TablePlan>) -> Filling {
    let bytes = |name: &QualifiedName| catalog.tables.get(name).map_or(0, |table| table.heap_bytes);
    match leaves.iter().max_by_key(|(name, _)| (bytes(name), Reverse(*name))) {
        None => Filling::new(Strategy::Ranges, "it has no partitions yet"),
        Some((_, leaf)) if leaves.len() == 1 => Filling::new(leaf.strategy, &leaf.reason),
        Some((name, leaf)) => Filling::new(leaf.strategy, format!("{name}, its largest partition: {}", leaf.reason)),
    }
}
