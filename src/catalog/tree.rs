//! Trees of partitions: the root that the application names, branches that are parted further, and leaves with the rows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Catalog, Ident, QualifiedName, TableKind};

/// A table's place in a tree of partitions; empty for a table on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Partitioning {
    /// The table that it is a direct part of.
    pub of: Option<QualifiedName>,
    /// Its direct parts, those in schemas that nobody asked for too.
    #[serde(default)]
    pub parts: Vec<QualifiedName>,
    /// The columns that decide to which part a row goes, those within expressions too.
    #[serde(default)]
    pub key: Vec<Ident>,
}

/// Everything below a root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree<'a> {
    /// What is parted further, from the top down.
    pub branches: Vec<&'a QualifiedName>,
    /// What holds rows, foreign tables too.
    pub leaves: Vec<&'a QualifiedName>,
    /// Parts that the catalog does not show: they are in schemas that were not asked for.
    pub unread: Vec<&'a QualifiedName>,
}

impl Catalog {
    /// What is below a table; nothing for one that is not partitioned.
    pub fn tree<'a>(&'a self, root: &QualifiedName) -> Tree<'a> {
        let mut tree = Tree::default();
        let parts = |name: &QualifiedName| self.tables.get(name).map(|table| &table.partitioning.parts);
        let mut waiting: Vec<&QualifiedName> = parts(root).into_iter().flatten().rev().collect();
        while let Some(name) = waiting.pop() {
            match self.tables.get(name) {
                None => tree.unread.push(name),
                Some(table) if table.kind == TableKind::Partitioned => {
                    tree.branches.push(name);
                    waiting.extend(table.partitioning.parts.iter().rev());
                }
                Some(_) => tree.leaves.push(name),
            }
        }
        tree
    }

    /// The root of the tree that a part is in; nothing for a table on its own.
    pub fn root_of(&self, part: &QualifiedName) -> Option<&QualifiedName> {
        let above = |name: &QualifiedName| self.tables.get(name).and_then(|table| table.partitioning.of.as_ref());
        std::iter::successors(above(part), |name| above(name)).last()
    }
}
