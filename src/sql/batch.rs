//! The statements of a backfill: one text for every batch of a table, with the block range as its parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filler::{Climb, owner_of, owner_or_kept};
use super::lookup;
use super::quote::{ident, literal, qualified};
use super::{Query, Statement};
use crate::catalog::{Ident, QualifiedName};
use crate::config::BackfillLimits;
use crate::plan::{Owner, Plan, TablePlan};

/// A backfill: one text for every batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Backfill {
    /// Sent at the beginning of each batch's transaction.
    pub settings: Vec<Statement>,
    /// The batch; `$1` and `$2` are the first row position and the one past the last, such as `(0,0)` and `(64,0)`.
    /// Answers rows seen, rows written, rows seen without an owner.
    pub batch: Statement,
    /// Answers the table's oid, its file and its length in blocks.
    pub extent: Query,
    /// Counts the rows that are left; nothing where a pass over the table is the proof itself.
    pub left: Option<Query>,
    /// Estimated rows.
    pub rows: Option<u64>,
    /// How batches are paced.
    pub pace: BackfillLimits,
}

/// Which rows a batch looks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Those without an owner.
    Unfilled,
    /// Those whose owner is not what their source says.
    Stale,
}

/// The backfill of a table.
pub(super) fn backfill(plan: &Plan, table: &TablePlan, wanted: Wanted) -> Backfill {
    let name = qualified(&table.owned.name);
    let column = ident(&plan.owner_column);
    let mut settings = vec![
        // A lost batch loses its checkpoint too, since both are one transaction.
        Statement::new("SET LOCAL synchronous_commit = off"),
        // The trigger that passes owners down leaves the backfill's own updates alone.
        Statement::new("SET LOCAL tenantctl.backfill = 'on'"),
    ];
    settings.push(Statement::new(match table.skip_triggers {
        true => "SET LOCAL session_replication_role = replica",
        // The application's triggers will fire, and may rely on the role's own path.
        false => "SET LOCAL search_path TO DEFAULT",
    }));
    let left = match wanted {
        Wanted::Unfilled => Some(Query::new(format!("SELECT count(*) FROM {name} WHERE {column} IS NULL"))),
        Wanted::Stale => None,
    };
    Backfill {
        settings,
        batch: Statement::new(batch_text(plan, table, wanted)),
        extent: extent(&table.owned.name),
        left,
        rows: table.rows,
        pace: plan.backfill.clone(),
    }
}

/// Where a table is and how long.
pub(super) fn extent(table: &QualifiedName) -> Query {
    Query::new(format!(
        "SELECT c.oid::bigint, coalesce(pg_relation_filenode(c.oid), 0)::bigint, \
         pg_relation_size(c.oid) / current_setting('block_size')::bigint \
         FROM pg_class AS c WHERE c.oid = {}::regclass",
        literal(&qualified(table))
    ))
}

/// `seen` is what the batch's own snapshot shows. A row that a writer changes meanwhile has a new version elsewhere (or
/// an owner already, from the filler), so the second half leaves it alone; the count of both says so.
fn batch_text(plan: &Plan, table: &TablePlan, wanted: Wanted) -> String {
    let name = qualified(&table.owned.name);
    let column = ident(&plan.owner_column);
    let owner = match wanted {
        Wanted::Unfilled => owner_of(plan, &table.owned, "r", Climb::OneStep),
        Wanted::Stale => owner_or_kept(plan, &table.owned, "r", Climb::OneStep),
    };
    let (source, unchanged) = sources(&table.owned.owner);
    let looked_at = match wanted {
        Wanted::Unfilled => format!(" AND r.{column} IS NULL"),
        Wanted::Stale => format!(" AND r.{column} IS DISTINCT FROM {owner}"),
    };
    format!(
        "WITH seen AS MATERIALIZED (\n  SELECT r.ctid AS at, r.{column} AS was{source},\n    {owner} AS owner\n  FROM {name} \
         AS r\n  WHERE r.ctid >= $1::text::tid AND r.ctid < $2::text::tid\n   {looked_at}\n), done AS (\n  UPDATE {name} AS t \
         SET {column} = seen.owner\n  FROM seen\n  WHERE t.ctid = seen.at AND t.ctid >= $1::text::tid AND t.ctid < \
         $2::text::tid\n    AND t.{column} IS NOT DISTINCT FROM seen.was{unchanged}\n    AND seen.owner IS NOT NULL\n  \
         RETURNING 1\n)\nSELECT (SELECT count(*) FROM seen), (SELECT count(*) FROM done),\n  (SELECT count(*) FROM seen \
         WHERE owner IS NULL)"
    )
}

/// The columns that decide about the owner: as the batch saw them, and the condition that they still are so.
fn sources(owner: &Owner) -> (String, String) {
    let columns: &[Ident] = match owner {
        Owner::System => &[],
        Owner::Parent(link) => &link.columns,
        Owner::Lookup(lookup) => &lookup.columns,
    };
    let (now, then) = (|_, column: &Ident| format!("t.{}", ident(column)), |i, _: &Ident| format!("seen.source{i}"));
    let seen = columns.iter().enumerate().map(|(i, column)| format!(", r.{} AS source{i}", ident(column))).collect();
    let unchanged = match owner {
        Owner::Lookup(lookup) => {
            lookup::changed(lookup, now, then).map_or_else(String::new, |changed| format!(" AND NOT ({changed})"))
        }
        Owner::System | Owner::Parent(_) => {
            let same = |(i, column)| format!(" AND {} IS NOT DISTINCT FROM {}", now(i, column), then(i, column));
            columns.iter().enumerate().map(same).collect()
        }
    };
    (seen, unchanged)
}
