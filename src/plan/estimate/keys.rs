//! What uniqueness within each tenant costs, and foreign keys that compare owners.

use super::shape::{PAGE, Shape};
use super::{
    BUILT, CATALOG_SECONDS, CONSTRAINT, Estimator, FLAG, FOREIGN_KEY, JOIN_SECONDS, SCAN, SORT_SECONDS, change,
    new_pages, seconds, whole,
};
use crate::catalog::QualifiedName;
use crate::plan::{Cost, KeyColumns, KeyOp, ReferenceOp, TablePlan};

/// An entry's header and pointer.
const ENTRY: f64 = 12.0;
/// What a column of a key is supposed to take where nothing is known.
const COLUMN: f64 = 16.0;

impl Estimator<'_> {
    pub(super) fn key(&self, op: &KeyOp) -> Cost {
        match op {
            KeyOp::Build { table, over, .. } => self.of(table, &|table, shape| self.unique_index(table, shape, over)),
            KeyOp::BuildParent { .. } => change(CONSTRAINT),
            KeyOp::Attach { .. } => change(FLAG),
            KeyOp::Seal { keys, .. } => change(CONSTRAINT * keys.len() as u64),
        }
    }

    pub(super) fn reference(&self, op: &ReferenceOp) -> Cost {
        let (child, reference) = (op.child(), op.reference());
        match op {
            ReferenceOp::Add { .. } | ReferenceOp::Adopt { .. } => {
                change(FOREIGN_KEY * (self.tables_of(child) + self.tables_of(&reference.parent) - 1))
            }
            ReferenceOp::Validate { .. } if self.is_tree(child) => change(CONSTRAINT),
            ReferenceOp::Validate { .. } => self.of(child, &|table, shape| self.scan(table, shape, JOIN_SECONDS)),
            ReferenceOp::Check { .. } => {
                let read =
                    |table: &TablePlan, shape: &Shape| Cost { wal_bytes: 0, ..self.scan(table, shape, JOIN_SECONDS) };
                let heaps = self.plan.tables.get(child).into_iter().flat_map(TablePlan::heaps);
                heaps.map(|heap| self.of(heap, &read)).collect::<Vec<Cost>>().iter().sum()
            }
        }
    }

    fn is_tree(&self, table: &QualifiedName) -> bool {
        self.plan.tables.get(table).is_some_and(|table| table.partitions.is_some())
    }

    /// An entry for each row: unique ones are never shared.
    fn unique_index(&self, table: &TablePlan, shape: &Shape, over: &KeyColumns) -> Cost {
        let columns = match over {
            KeyColumns::As(_) => 1,
            KeyColumns::Of(columns) => columns.len(),
        };
        let owner = (self.owner_bytes() / 8.0).ceil() * 8.0;
        let entries = shape.rows * (ENTRY + owner + columns as f64 * COLUMN);
        let bytes = (entries / BUILT / PAGE).ceil() * PAGE + PAGE;
        let work = 2.0 * self.read_bytes(table, shape) / SCAN + shape.rows * SORT_SECONDS;
        Cost {
            wal_bytes: whole(new_pages(bytes * BUILT, self.wal())) + CONSTRAINT,
            index_bytes: whole(bytes),
            duration: seconds(work + CATALOG_SECONDS),
            ..Cost::default()
        }
    }
}
