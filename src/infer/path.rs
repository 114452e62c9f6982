//! The way from a row to its owner: over which foreign keys, or from which column.
//!
//! A key or a column that leads straight to the tenants decides. Elsewhere the shortest way counts whose keys are never
//! NULL and say whose a row is rather than who made it. The ways form a tree below the tenants, so circles of keys break
//! by themselves, at the keys that cost most: those that may be NULL.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::graph::{Edge, Graph};
use super::root::{Root, family};
use super::{Decision, names};
use crate::catalog::{Ident, QualifiedName, Table};
use crate::plan::Link;

/// How a row gets from one table to the tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The keys, from the row upwards.
    pub links: Vec<Link>,
    /// The column that names the tenant, in the table where the keys end; nothing where they end at the tenants table.
    pub column: Option<Ident>,
}

/// The first step of a way.
#[derive(Clone)]
pub(super) enum First<'a> {
    /// Over a key.
    Key(Edge<'a>),
    /// A column without a key, called and typed like one.
    Column(&'a Ident),
    /// The owner column itself is there.
    OwnerColumn(&'a Ident),
    /// An expression of the operator's.
    Expression,
}

impl First<'_> {
    /// The decision that says so.
    pub fn decision(&self) -> Decision {
        match self {
            First::Key(edge) => Decision::Parent { parent: edge.key.parent.clone(), via: edge.via() },
            First::Column(column) => Decision::Column((*column).clone()),
            First::OwnerColumn(_) => Decision::OwnerColumn,
            First::Expression => Decision::Expression,
        }
    }
}

/// What a way costs: keys that only say who did something, keys that may be NULL, keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost {
    pub weak: u32,
    pub nullable: u32,
    pub keys: u32,
}

impl Cost {
    fn over(self, edge: &Edge) -> Cost {
        Cost {
            weak: self.weak + u32::from(edge.weak),
            nullable: self.nullable + u32::from(edge.nullable),
            keys: self.keys + 1,
        }
    }
}

/// A table's way to its owner.
pub(super) struct Found<'a> {
    pub first: First<'a>,
    pub cost: Cost,
}

/// The chosen way of every table that has one.
pub(super) struct Paths<'a> {
    root: &'a Root,
    pub found: BTreeMap<&'a QualifiedName, Found<'a>>,
    /// The steps that each table might take, whether it leads anywhere or not.
    steps: BTreeMap<&'a QualifiedName, Vec<First<'a>>>,
}

impl<'a> Paths<'a> {
    /// Finds the ways of the tables in `steps` to the root.
    pub fn find(graph: &Graph<'a>, root: &'a Root, steps: BTreeMap<&'a QualifiedName, Vec<First<'a>>>) -> Self {
        let mut paths = Paths { root, found: BTreeMap::new(), steps };
        let mut waiting = BinaryHeap::new();
        let straight: Vec<(&QualifiedName, usize)> =
            paths.steps.iter().filter_map(|(name, steps)| Some((*name, paths.straight(name, steps)?))).collect();
        for (name, at) in straight {
            let cost = match paths.steps.get(name).and_then(|steps| steps.get(at)) {
                Some(First::Key(edge)) => Cost::default().over(edge),
                _ => Cost::default(),
            };
            paths.settle(name, at, cost);
            paths.announce(graph, name, &mut waiting);
        }
        paths.announce(graph, &root.table, &mut waiting);
        while let Some(Reverse((cost, _, name, at))) = waiting.pop() {
            if !paths.found.contains_key(name) {
                paths.settle(name, at, cost);
                paths.announce(graph, name, &mut waiting);
            }
        }
        paths
    }

    /// The step that leads straight to the tenants, where it is not a weak one: a key, the owner column, a column.
    fn straight(&self, name: &QualifiedName, steps: &[First<'a>]) -> Option<usize> {
        let rank = |step: &First| match step {
            First::OwnerColumn(_) | First::Expression => Some((0, false, 0)),
            First::Key(edge) if edge.key.parent == self.root.table && !edge.weak => {
                let named = edge.key.columns.iter().any(|column| names::names_tenant(column, &self.root.table));
                Some((1, !named, u32::from(edge.nullable) * 2 + u32::from(!edge.identifying)))
            }
            First::Column(_) if !self.has_firm_parent(name) => Some((2, false, 0)),
            First::Key(_) | First::Column(_) => None,
        };
        let ranked = steps.iter().enumerate().filter_map(|(at, step)| Some((rank(step)?, at)));
        ranked.min().map(|(_, at)| at)
    }

    /// A key to a parent that every row has, and that leads to the tenants by keys, says more than a column's name.
    fn has_firm_parent(&self, name: &QualifiedName) -> bool {
        let mut seen = BTreeSet::from([name]);
        let mut waiting = vec![name];
        while let Some(at) = waiting.pop() {
            for step in self.steps.get(at).into_iter().flatten() {
                if let First::Key(edge) = step
                    && !edge.nullable
                    && !edge.weak
                {
                    if edge.key.parent == self.root.table {
                        return true;
                    }
                    if seen.insert(&edge.key.parent) {
                        waiting.push(&edge.key.parent);
                    }
                }
            }
        }
        false
    }

    fn settle(&mut self, name: &'a QualifiedName, at: usize, cost: Cost) {
        if let Some(first) = self.steps.get(name).and_then(|steps| steps.get(at)) {
            self.found.insert(name, Found { first: first.clone(), cost });
        }
    }

    /// Tells the tables below that there is a way over this one.
    fn announce(
        &self,
        graph: &Graph<'a>,
        parent: &QualifiedName,
        waiting: &mut BinaryHeap<Reverse<(Cost, bool, &'a QualifiedName, usize)>>,
    ) {
        let so_far = self.found.get(parent).map(|found| found.cost).unwrap_or_default();
        for child in graph.nodes.get(parent).into_iter().flat_map(|node| &node.down) {
            for (at, step) in self.steps.get(child).into_iter().flatten().enumerate() {
                if let First::Key(edge) = step
                    && edge.key.parent == *parent
                {
                    waiting.push(Reverse((so_far.over(edge), !edge.identifying, child, at)));
                }
            }
        }
    }

    /// The steps of a table that lead to the tenants without coming back to it, with what each costs; the chosen first.
    pub fn ways(&self, name: &'a QualifiedName) -> Vec<(First<'a>, Cost)> {
        let Some(chosen) = self.found.get(name) else { return Vec::new() };
        let mut ways = vec![(chosen.first.clone(), chosen.cost)];
        for step in self.steps.get(name).into_iter().flatten().filter(|step| !same(step, &chosen.first)) {
            let cost = match step {
                First::Key(edge) if edge.key.parent == self.root.table => Cost::default().over(edge),
                First::Key(edge) => match self.found.get(&edge.key.parent) {
                    Some(above) if !self.passes(&edge.key.parent, name) => above.cost.over(edge),
                    _ => continue,
                },
                First::Column(_) | First::OwnerColumn(_) | First::Expression => Cost::default(),
            };
            ways.push((step.clone(), cost));
        }
        ways
    }

    /// Whether the way of a table goes over another one.
    fn passes(&self, from: &'a QualifiedName, over: &QualifiedName) -> bool {
        let mut at = from;
        loop {
            if at == over {
                return true;
            }
            match self.found.get(at).map(|found| &found.first) {
                Some(First::Key(edge)) => at = &edge.key.parent,
                _ => return false,
            }
        }
    }

    /// The whole way that begins with a step; nothing where SQL cannot climb it.
    pub fn way(&self, first: &First<'a>) -> Option<Way> {
        let mut links = Vec::new();
        let mut step = first.clone();
        loop {
            let edge = match step {
                First::Key(edge) => edge,
                First::Column(column) | First::OwnerColumn(column) => {
                    return Some(Way { links, column: Some(column.clone()) });
                }
                First::Expression => return None,
            };
            links.push(edge.link(Some(&self.root.table)));
            if edge.key.parent == self.root.table {
                return Some(Way { links, column: None });
            }
            step = self.found.get(&edge.key.parent)?.first.clone();
        }
    }
}

/// The columns that are called and typed like ones that name a tenant, and have no key that says otherwise.
pub(super) fn naming_columns<'a>(
    table: &'a Table,
    tenants: &'a QualifiedName,
    id_type: &'a str,
) -> impl Iterator<Item = &'a Ident> {
    let has_key = move |name: &Ident| table.foreign_keys.iter().any(|key| key.columns.contains(name));
    let columns = table.columns.iter().filter(move |column| family(&column.data_type) == family(id_type));
    let columns = columns.filter(move |column| names::names_tenant(&column.name, tenants) && !has_key(&column.name));
    columns.map(|column| &column.name)
}

fn same(one: &First, other: &First) -> bool {
    match (one, other) {
        (First::Key(one), First::Key(other)) => std::ptr::eq(one.key, other.key),
        (First::Column(one), First::Column(other)) => one == other,
        (First::OwnerColumn(_), First::OwnerColumn(_)) | (First::Expression, First::Expression) => true,
        _ => false,
    }
}
