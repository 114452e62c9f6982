//! What was there when the plan was made, as far as a way back must leave it alone.

use std::collections::BTreeSet;

use super::Facts;
use crate::catalog::{Catalog, Ident, QualifiedName};

/// Objects that are not the plan's own, though they may be called as its own will be.
#[derive(Debug, Clone, Default)]
pub struct Before {
    triggers: BTreeSet<(QualifiedName, Ident)>,
    indexes: BTreeSet<(QualifiedName, Ident)>,
    empty: BTreeSet<QualifiedName>,
}

impl Before {
    /// An index that is not valid is what a broken build left, and nobody's.
    pub(super) fn of(catalog: &Catalog, facts: &Facts) -> Self {
        let tables = || catalog.tables.iter();
        let triggers = tables()
            .flat_map(|(name, table)| table.triggers.iter().map(move |trigger| (name.clone(), trigger.name.clone())));
        let indexes = tables().flat_map(|(name, table)| {
            table.indexes.iter().filter(|index| index.valid).map(move |index| (name.clone(), index.name.clone()))
        });
        Before {
            triggers: triggers.collect(),
            indexes: indexes.collect(),
            empty: facts.empty.keys().cloned().collect(),
        }
    }

    /// Whether the table had a trigger of that name.
    pub fn has_trigger(&self, table: &QualifiedName, name: &Ident) -> bool {
        self.triggers.contains(&(table.clone(), name.clone()))
    }

    /// Whether the table had a valid index of that name.
    pub fn has_index(&self, table: &QualifiedName, name: &Ident) -> bool {
        self.indexes.contains(&(table.clone(), name.clone()))
    }

    /// Whether the table had an owner column in which no row had an owner.
    pub fn is_empty(&self, table: &QualifiedName) -> bool {
        self.empty.contains(table)
    }
}
