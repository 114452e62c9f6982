//! An index over a whole tree of partitions: from the root down, each table's own; then each leaf's, which is attached as
//! soon as it is built.

use std::collections::BTreeMap;

use super::partitions::Partitions;
use crate::catalog::{Catalog, Ident, QualifiedName, Table};

/// The tree.
pub(super) struct TreeIndex<'a> {
    pub(super) root: (&'a QualifiedName, &'a Table),
    pub(super) partitions: &'a Partitions,
    pub(super) catalog: &'a Catalog,
}

/// What is done for one table of it.
pub(super) enum Piece {
    /// The index of the root, or of a branch with that of the table above.
    Above { table: QualifiedName, index: Ident, parent: Option<QualifiedName> },
    /// A leaf's is built.
    Leaf { table: QualifiedName, index: Ident },
    /// And becomes part of the one above.
    Attach { table: QualifiedName, index: Ident, parent: QualifiedName },
}

impl TreeIndex<'_> {
    /// Everything in its order; the index that a table has or will have is asked for once.
    pub(super) fn pieces(&self, mut index_of: impl FnMut(&QualifiedName, &Table) -> Ident) -> Vec<Piece> {
        let (root, now) = self.root;
        let beside =
            |table: &QualifiedName, name: &Ident| QualifiedName { schema: table.schema.clone(), name: name.clone() };
        let index = index_of(root, now);
        let mut names = BTreeMap::from([(root, beside(root, &index))]);
        let mut pieces = vec![Piece::Above { table: root.clone(), index, parent: None }];
        for branch in &self.partitions.branches {
            let Some(now) = self.catalog.tables.get(&branch.name) else { continue };
            let (index, parent) = (index_of(&branch.name, now), names.get(&branch.of).cloned());
            names.insert(&branch.name, beside(&branch.name, &index));
            pieces.push(Piece::Above { table: branch.name.clone(), index, parent });
        }
        for leaf in &self.partitions.leaves {
            let (Some(now), Some(parent)) = (self.catalog.tables.get(&leaf.name), names.get(&leaf.of)) else {
                continue;
            };
            let index = index_of(&leaf.name, now);
            let table = || leaf.name.clone();
            pieces.push(Piece::Leaf { table: table(), index: index.clone() });
            pieces.push(Piece::Attach { table: table(), index, parent: parent.clone() });
        }
        pieces
    }
}
