//! The statements of a calibration: a copy of some pages of a table, in a table of its own, on which the real batches run.
//!
//! Of the user's table they only read. The copy has its indexes, its storage and its generated columns, but no foreign
//! key, no check, no trigger and no default, so nothing of the application is called or moved.

use super::batch::{Scan, Wanted, backfill, durability};
use super::quote::{ident, idents, literal, qualified};
use super::{BOOKKEEPING_SCHEMA, Query, Statement};
use crate::catalog::{Ident, QualifiedName, Table};
use crate::plan::{OwnedTable, Owner, Plan, TablePlan};

/// How the names of copies begin: whatever is called so in the schema tenantctl may be dropped.
const PREFIX: &str = "calibration_";
/// What marks a schema that was made for copies only.
const MARK: &str = "made by tenantctl plan --calibrate";

/// A copy of some of a table's pages.
#[derive(Debug, Clone)]
pub struct Copy {
    /// Makes it and fills it.
    pub make: Vec<Statement>,
    /// Sent at the beginning of each batch's transaction.
    pub settings: Vec<Statement>,
    /// A batch, with what it logs, and with the parameters that a backfill's batch has. Answers JSON.
    pub batch: Statement,
    /// How the batches go over the copy.
    pub scan: Scan,
    /// Answers the bytes of its heap and of its indexes.
    pub sizes: Query,
    /// Answers the HOT updates of this transaction, and of earlier ones that the server has not added up yet.
    pub hot_rows: Query,
    /// Packs its indexes as a build does.
    pub pack: Statement,
    /// Builds the index on the owner column.
    pub index: Statement,
}

/// The copy of the pages `from..until`. Every row gets the System Tenant: what the parent says is not there yet.
pub fn copy(plan: &Plan, planned: &TablePlan, table: &Table, (from, until): (u64, u64)) -> Copy {
    let name = QualifiedName { schema: schema(), name: Ident::derived(&[PREFIX, &table.oid.to_string()]) };
    let (source, target) = (qualified(&planned.owned.name), qualified(&name));
    let column = &plan.owner_column;
    let copied = table.columns.iter().filter(|it| !it.generated && it.name != *column).map(|it| it.name.clone());
    let columns = idents(&copied.collect::<Vec<Ident>>());
    let fillfactor = if table.storage.fillfactor == 0 { 100 } else { table.storage.fillfactor };
    let mut make = vec![
        Statement::new(format!(
            "CREATE TABLE {target} (LIKE {source} INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING GENERATED INCLUDING \
             INDEXES) WITH (fillfactor = {fillfactor}, autovacuum_enabled = off)"
        )),
        Statement::new(format!(
            "INSERT INTO {target} ({columns}) SELECT {columns} FROM ONLY {source} WHERE ctid >= '({from},0)'::tid AND ctid < \
             '({until},0)'::tid"
        )),
    ];
    if table.column(column).is_none() {
        let add = format!("ALTER TABLE {target} ADD COLUMN {} {}", ident(column), plan.tenants.id_type);
        make.push(Statement::new(add));
    }
    let owned = OwnedTable { name, owner: Owner::System, ..planned.owned.clone() };
    let batches = backfill(plan, &TablePlan { owned, ..planned.clone() }, Wanted::Unfilled);
    Copy {
        make,
        settings: durability(plan),
        batch: Statement::new(format!("EXPLAIN (ANALYZE, WAL, TIMING OFF, FORMAT JSON) {}", batches.batch.text())),
        scan: batches.scan,
        sizes: Query::new(format!("SELECT pg_relation_size({0}), pg_indexes_size({0})", literal(&target))),
        hot_rows: Query::new(format!("SELECT pg_stat_get_xact_tuples_hot_updated({}::regclass)", literal(&target))),
        pack: Statement::new(format!("REINDEX TABLE {target}")),
        index: Statement::new(format!("CREATE INDEX ON {target} ({})", ident(column))),
    }
}

fn schema() -> Ident {
    Ident::derived(&[BOOKKEEPING_SCHEMA])
}

/// Whether the schema of the copies is there.
pub fn has_schema() -> Query {
    Query::new(format!("SELECT to_regnamespace({}) IS NOT NULL", literal(BOOKKEEPING_SCHEMA)))
}

/// Makes the schema, marked as made for copies only.
pub fn create_schema() -> [Statement; 2] {
    let schema = ident(&schema());
    [format!("CREATE SCHEMA {schema}"), format!("COMMENT ON SCHEMA {schema} IS {}", literal(MARK))].map(Statement::new)
}

/// The names of copies, those that a broken calibration left too.
pub fn copies() -> Query {
    Query::new(format!(
        "SELECT c.relname::text FROM pg_class AS c WHERE c.relnamespace = to_regnamespace({}) AND c.relkind = 'r' AND \
         starts_with(c.relname, {})",
        literal(BOOKKEEPING_SCHEMA),
        literal(PREFIX)
    ))
}

/// Drops a copy.
pub fn drop_copy(name: &Ident) -> Statement {
    let copy = QualifiedName { schema: schema(), name: name.clone() };
    Statement::new(format!("DROP TABLE IF EXISTS {}", qualified(&copy)))
}

/// Whether the schema was made for copies and holds nothing.
pub fn is_left_over() -> Query {
    Query::new(format!(
        "SELECT EXISTS (SELECT FROM pg_namespace AS n WHERE n.nspname = {} AND obj_description(n.oid, 'pg_namespace') = {} \
         AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.relnamespace = n.oid) AND NOT EXISTS (SELECT FROM pg_proc AS p \
         WHERE p.pronamespace = n.oid))",
        literal(BOOKKEEPING_SCHEMA),
        literal(MARK)
    ))
}

/// Drops the schema; refused where something is in it.
pub fn drop_schema() -> Statement {
    Statement::new(format!("DROP SCHEMA {}", ident(&schema())))
}

/// The publications that would send a copy to their subscribers, who do not have it.
pub fn publications_of_everything() -> Query {
    Query::new("SELECT pubname::text FROM pg_publication WHERE puballtables ORDER BY pubname")
}
