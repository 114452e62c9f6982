//! The foreign keys as a graph: from each row's table to the tables that its keys lead to.

use std::collections::{BTreeMap, BTreeSet};

use super::names;
use crate::catalog::{Catalog, ForeignKey, Ident, QualifiedName, Table};
use crate::plan::{Link, unsupported};

/// The tables that can be converted, and the keys between them.
pub(super) struct Graph<'a> {
    /// By name.
    pub nodes: BTreeMap<&'a QualifiedName, Node<'a>>,
}

/// One table.
pub(super) struct Node<'a> {
    /// The table.
    pub table: &'a Table,
    /// Its keys to other tables, in the catalog's order.
    pub up: Vec<Edge<'a>>,
    /// The tables whose keys lead here.
    pub down: BTreeSet<&'a QualifiedName>,
    /// Its keys to itself.
    pub to_itself: Vec<&'a ForeignKey>,
    /// Tables that reach each other have the same number.
    component: usize,
}

/// A foreign key.
#[derive(Clone)]
pub(super) struct Edge<'a> {
    /// The table that refers.
    pub child: &'a QualifiedName,
    /// The key.
    pub key: &'a ForeignKey,
    /// One of its columns may be NULL.
    pub nullable: bool,
    /// Its name says who did something, not whose the row is.
    pub weak: bool,
    /// Its columns are part of the primary key: the row is a part of its parent.
    pub identifying: bool,
    /// Several keys lead to the same parent, so the rule has to name this one's columns.
    pub needs_via: bool,
}

impl Edge<'_> {
    /// The same as the plan has it.
    pub fn link(&self, tenants: Option<&QualifiedName>) -> Link {
        Link {
            columns: self.key.columns.clone(),
            parent: self.key.parent.clone(),
            parent_columns: self.key.parent_columns.clone(),
            nullable: self.nullable,
            ends_at_tenants: tenants == Some(&self.key.parent),
        }
    }

    /// The columns that the rule has to name.
    pub fn via(&self) -> Vec<Ident> {
        if self.needs_via { self.key.columns.clone() } else { Vec::new() }
    }
}

impl<'a> Graph<'a> {
    /// The graph without partitions and the tables that the plan refuses. A key with a period, or one that is there twice, is left out
    /// too: no rule can name it.
    pub fn new(catalog: &'a Catalog) -> Self {
        let tables = catalog.tables.iter().filter(|(_, table)| unsupported(table.kind).is_none() && !table.is_part());
        let mut nodes: BTreeMap<&QualifiedName, Node> = tables
            .map(|(name, table)| {
                let to_itself = table.foreign_keys_to(name).collect();
                (name, Node { table, up: Vec::new(), down: BTreeSet::new(), to_itself, component: 0 })
            })
            .collect();
        let names: Vec<&QualifiedName> = nodes.keys().copied().collect();
        for child in names {
            let up = nodes.get(child).map(|node| edges(child, node.table, &nodes)).unwrap_or_default();
            for edge in &up {
                if let Some(parent) = nodes.get_mut(&edge.key.parent) {
                    parent.down.insert(child);
                }
            }
            if let Some(node) = nodes.get_mut(child) {
                node.up = up;
            }
        }
        let mut graph = Graph { nodes };
        graph.number_components();
        graph
    }

    /// Whether a key closes a circle.
    pub fn closes_circle(&self, edge: &Edge) -> bool {
        let component = |name| self.nodes.get(name).map(|node| node.component);
        component(edge.child) == component(&edge.key.parent)
    }

    /// The tables from which keys lead here, directly or over others; without the table itself.
    pub fn reached_by(&self, table: &'a QualifiedName) -> BTreeSet<&'a QualifiedName> {
        let mut seen = BTreeSet::from([table]);
        let mut waiting = vec![table];
        while let Some(name) = waiting.pop() {
            let below = self.nodes.get(name).into_iter().flat_map(|node| &node.down);
            waiting.extend(below.copied().filter(|child| seen.insert(child)));
        }
        seen.remove(table);
        seen
    }

    /// Kosaraju's algorithm without recursion: a long chain of keys must not exhaust the stack.
    fn number_components(&mut self) {
        let mut left: Vec<&QualifiedName> = Vec::new();
        let mut seen = BTreeSet::new();
        for start in self.nodes.keys().copied() {
            let mut waiting = vec![(start, false)];
            while let Some((name, is_done)) = waiting.pop() {
                if is_done {
                    left.push(name);
                } else if seen.insert(name) {
                    waiting.push((name, true));
                    let parents = self.nodes.get(name).into_iter().flat_map(|node| &node.up);
                    waiting.extend(parents.map(|edge| (&edge.key.parent, false)));
                }
            }
        }
        let mut numbers: BTreeMap<&QualifiedName, usize> = BTreeMap::new();
        for (number, start) in left.into_iter().rev().enumerate() {
            let mut waiting = vec![start];
            while let Some(name) = waiting.pop() {
                if !numbers.contains_key(name) {
                    numbers.insert(name, number);
                    waiting.extend(self.nodes.get(name).into_iter().flat_map(|node| &node.down).copied());
                }
            }
        }
        for (name, node) in &mut self.nodes {
            node.component = numbers.get(name).copied().unwrap_or_default();
        }
    }
}

fn edges<'a>(child: &'a QualifiedName, table: &'a Table, nodes: &BTreeMap<&QualifiedName, Node>) -> Vec<Edge<'a>> {
    let keys: Vec<&ForeignKey> = table
        .foreign_keys
        .iter()
        .filter(|key| key.parent != *child && !key.period && nodes.contains_key(&key.parent))
        .collect();
    let to = |parent: &QualifiedName| keys.iter().filter(|key| key.parent == *parent).count();
    let like = |key: &ForeignKey| keys.iter().filter(|k| k.parent == key.parent && k.columns == key.columns).count();
    let may_be_null = |name: &Ident| table.column(name).is_none_or(|column| !column.not_null);
    let in_primary_key = |name: &Ident| table.primary_key().is_some_and(|key| key.columns.contains(name));
    let edge = |key: &'a ForeignKey| Edge {
        child,
        key,
        nullable: key.columns.iter().any(may_be_null),
        weak: names::is_weak(&key.columns),
        identifying: key.columns.iter().all(in_primary_key),
        needs_via: to(&key.parent) > 1,
    };
    keys.iter().filter(|key| like(key) == 1).map(|key| edge(key)).collect()
}
