//! One table of a plan: its way to the owner, how its rows are filled, what it is made of.

use super::partitions::Partitions;
use super::strategy::{self, Filling, Strategy};
use super::{OwnedTable, Plan};
use crate::catalog::{Catalog, Column, Ident, QualifiedName, Table};
use crate::config::Config;

/// One tenant-scoped table as the later floors need it.
#[derive(Debug, Clone)]
pub struct TablePlan {
    /// The way to the owner.
    pub owned: OwnedTable,
    /// How existing rows are filled.
    pub strategy: Strategy,
    /// Why so, for people.
    pub reason: String,
    /// After how many blocks VACUUM comes while they are filled.
    pub vacuum_every: Option<u32>,
    /// The columns in whose order `keyset` goes; empty where no key would do.
    pub key: Vec<Column>,
    /// The key is one column, and rows of neighbouring pages are neighbours in its index, too.
    pub key_follows_rows: bool,
    /// Estimated rows, where there are statistics.
    pub rows: Option<u64>,
    /// The table's oid when it was planned.
    pub oid: u32,
    /// The columns that its rows' owner depends on, with their types.
    pub source_columns: Vec<(Ident, String)>,
    /// The backfill skips user triggers (`session_replication_role`).
    pub skip_triggers: bool,
    /// What it is made of, if it is partitioned.
    pub partitions: Option<Partitions>,
    /// The root that it is a leaf of.
    pub root: Option<QualifiedName>,
}

impl TablePlan {
    /// One table as the later floors need it, but for the way it is filled.
    pub(super) fn draft(config: &Config, catalog: &Catalog, owned: &OwnedTable, table: &Table) -> TablePlan {
        // In replica mode a foreign key over the owner column would not be checked: its triggers are skipped with the others.
        let covered = table.foreign_keys.iter().any(|key| key.columns.contains(&config.tenant_column));
        let key = strategy::key(table);
        TablePlan {
            owned: owned.clone(),
            strategy: Strategy::Ranges,
            reason: String::new(),
            vacuum_every: None,
            key_follows_rows: strategy::follows_rows(table, &key),
            key,
            rows: table.rows,
            oid: table.oid,
            source_columns: table
                .columns
                .iter()
                .filter(|column| owned.owner.columns().contains(&column.name))
                .map(|column| (column.name.clone(), column.data_type.clone()))
                .collect(),
            skip_triggers: catalog.server.may_skip_triggers && !covered,
            partitions: Partitions::of(catalog, &owned.name, table),
            root: None,
        }
    }

    /// The tables that hold its rows: itself, or its leaves.
    pub fn heaps(&self) -> Vec<&QualifiedName> {
        match &self.partitions {
            None => vec![&self.owned.name],
            Some(partitions) => partitions.leaves.iter().map(|leaf| &leaf.name).collect(),
        }
    }

    /// Whether rows of it are written: then the filler looks at changed rows only after that.
    pub fn is_written(&self, plan: &Plan) -> bool {
        self.heaps().into_iter().filter_map(|heap| plan.table(heap)).any(|heap| heap.strategy.writes())
    }

    /// The same with the way it is filled.
    pub(super) fn filled(self, filling: Filling) -> TablePlan {
        let Filling { strategy, reason, vacuum_every } = filling;
        TablePlan { strategy, reason, vacuum_every, ..self }
    }
}
