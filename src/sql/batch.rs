//! The statements of a backfill: one text for every batch of a table, with the block range as its parameters.
//!
//! A batch is one `UPDATE`. A row that a writer changes meanwhile is looked at again in its new version (docs, 13.2.1): the
//! batch gives that one its owner, by the parent that it has now, or passes it over where it lies elsewhere or has one. The
//! difference of the counts tells.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bookkeeping::{SEEN, WRITTEN};
use super::correction::{Correction, correction};
use super::filler::{Climb, owner_of};
use super::keyset;
use super::lists::{self, Lists};
use super::quote::{ident, literal, qualified};
use super::{Query, Statement};
use crate::catalog::QualifiedName;
use crate::config::BackfillLimits;
use crate::plan::{Plan, Strategy, TablePlan};

/// A backfill: one text for every batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Backfill {
    /// Sent at the beginning of each batch's transaction.
    pub settings: Vec<Statement>,
    /// The batch; `$1` and `$2` are the first row position and the one past the last, such as `(0,0)` and `(64,0)`; how
    /// it goes over them may add more. Answers rows seen (nothing after the first pass), rows written, rows without an
    /// owner by their source.
    pub batch: Statement,
    /// The passes that come before it in a cascade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<Lists>,
    /// How it goes over the table.
    pub scan: Scan,
    /// The table whose rows need their owner first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<QualifiedName>,
    /// Answers the table's oid, its file and its length in blocks.
    pub extent: Query,
    /// Counts the rows that are left in a range, which is given as to the batch, or in the table where a key gives the
    /// order; nothing where a pass over the table is the proof itself.
    pub left: Option<Query>,
    /// What makes room for later batches while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vacuum: Option<Vacuum>,
    /// Estimated rows.
    pub rows: Option<u64>,
    /// How batches are paced.
    pub pace: BackfillLimits,
}

/// A VACUUM that comes again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vacuum {
    /// After how many blocks.
    pub every: u32,
    /// What is sent, outside a transaction.
    pub statement: Statement,
}

/// How a backfill goes over a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scan {
    /// Each range of blocks once.
    Ranges {
        /// Several ranges may be worked on at once.
        at_once: bool,
    },
    /// Each range in several passes: `$3` is the pass, `$4` the pass that each line of a page belongs to, by the low byte of
    /// its number.
    Cascade {
        /// Bytes that a row grows by.
        growth: u32,
    },
    /// The next rows in the order of a key: `$1` is the last key that was passed, as texts, `$2` how many rows come next.
    Keyset,
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
    let mut settings = durability(plan);
    // The trigger that passes owners down leaves the backfill's own updates alone.
    settings.push(Statement::new("SET LOCAL tenantctl.backfill = 'on'"));
    settings.push(Statement::new(match table.skip_triggers {
        true => "SET LOCAL session_replication_role = replica",
        // The application's triggers will fire, and may rely on the role's own path.
        false => "SET LOCAL search_path TO DEFAULT",
    }));
    let scan = scan(plan, table, wanted);
    match scan {
        Scan::Keyset => settings.extend(keyset::settings()),
        Scan::Cascade { .. } => settings.extend(lists::settings()),
        Scan::Ranges { .. } => {}
    }
    Backfill {
        settings,
        batch: Statement::new(match (scan, wanted) {
            (Scan::Keyset, _) => keyset::batch_text(plan, table, wanted),
            (Scan::Ranges { .. } | Scan::Cascade { .. }, Wanted::Unfilled) => fill_text(plan, table, scan),
            (Scan::Ranges { .. } | Scan::Cascade { .. }, Wanted::Stale) => correct_text(plan, table),
        }),
        lists: matches!(scan, Scan::Cascade { .. }).then(|| lists::lists(plan, table)),
        scan,
        after: table.owned.owner.parent_with_owner().map(|link| link.parent.clone()),
        extent: extent(&table.owned.name),
        left: match wanted {
            Wanted::Unfilled if scan == Scan::Keyset => Some(keyset::left(plan, table)),
            Wanted::Unfilled => Some(Query::new(format!(
                "SELECT count(*) FROM {name} AS r WHERE {} AND r.{column} IS NULL",
                range("r")
            ))),
            Wanted::Stale => None,
        },
        vacuum: table.vacuum_every.filter(|_| wanted == Wanted::Unfilled).map(|every| Vacuum {
            every,
            // The end of the table is where the next rows go; and somebody else's VACUUM does as well as ours.
            statement: Statement::new(format!("VACUUM (TRUNCATE false, SKIP_LOCKED) {name}")),
        }),
        rows: table.rows,
        pace: plan.backfill.clone(),
    }
}

/// How a batch is logged, and whether it waits for that.
pub(super) fn durability(plan: &Plan) -> Vec<Statement> {
    // A lost batch loses its checkpoint too, since both are one transaction.
    let lazily = (!plan.backfill.synchronous_commit).then(|| Statement::new("SET LOCAL synchronous_commit = off"));
    let compressed = plan.wal_compression.map(|method| Statement::new(format!("SET LOCAL wal_compression = {method}")));
    lazily.into_iter().chain(compressed).collect()
}

fn scan(plan: &Plan, table: &TablePlan, wanted: Wanted) -> Scan {
    match (wanted, table.strategy) {
        (Wanted::Unfilled, Strategy::Cascade) => Scan::Cascade { growth: plan.owner_bytes() },
        (_, Strategy::Keyset) => Scan::Keyset,
        _ => Scan::Ranges { at_once: true },
    }
}

/// The range of row positions that a batch works on.
pub(super) fn range(alias: &str) -> String {
    format!("{alias}.ctid >= $1::text::tid AND {alias}.ctid < $2::text::tid")
}

/// The pass that a row's line belongs to. `tidsend` gives block and line; the line's low byte comes last.
pub(super) const PASS: &str = "get_byte($4, get_byte(tidsend(r.ctid), 5))";

/// Where a table is and how long.
pub(super) fn extent(table: &QualifiedName) -> Query {
    Query::new(format!(
        "SELECT c.oid::bigint, coalesce(pg_relation_filenode(c.oid), 0)::bigint, \
         pg_relation_size(c.oid) / current_setting('block_size')::bigint \
         FROM pg_class AS c WHERE c.oid = {}::regclass",
        literal(&qualified(table))
    ))
}

/// Gives rows without an owner theirs. The line comes first: it is cheaper to look at than the column.
fn fill_text(plan: &Plan, table: &TablePlan, scan: Scan) -> String {
    let name = qualified(&table.owned.name);
    let column = ident(&plan.owner_column);
    let owner = owner_of(plan, &table.owned, "r", Climb::OneStep);
    let unfilled = format!("r.{column} IS NULL");
    let range = range("r");
    let count = format!("(SELECT count(*) FROM {name} AS r WHERE {range} AND {unfilled})");
    let (wanted, seen) = match scan {
        Scan::Ranges { .. } | Scan::Keyset => (unfilled, count),
        Scan::Cascade { .. } => (
            format!("CASE WHEN {PASS} = $3 THEN {unfilled} ELSE false END"),
            format!("CASE WHEN $3 = 0 THEN {count} END"),
        ),
    };
    format!(
        "WITH done AS (\n  UPDATE {name} AS r SET {column} = {owner}\n  WHERE {range}\n    AND {wanted}\n  RETURNING \
         r.{column} IS NULL AS unowned\n)\n{}",
        answer(&seen, "(SELECT count(*) FROM done WHERE NOT unowned)", "(SELECT count(*) FROM done WHERE unowned)")
    )
}

/// Gives rows whose owner is not what their source says that owner. `seen` is what the batch's own snapshot shows; the
/// rest leaves a row alone that is another one by now.
fn correct_text(plan: &Plan, table: &TablePlan) -> String {
    let name = qualified(&table.owned.name);
    let Correction { seen, differs, done } = correction(plan, table, &format!("t.ctid = seen.at AND {}", range("t")));
    format!(
        "WITH seen AS MATERIALIZED (\n  SELECT r.ctid AS at, {seen}\n  FROM {name} AS r\n  WHERE {}\n    AND \
         {differs}\n), {done}\n{}",
        range("r"),
        answer(
            "(SELECT count(*) FROM seen)",
            "(SELECT count(*) FROM done)",
            "(SELECT count(*) FROM seen WHERE owner IS NULL)"
        )
    )
}

/// A batch's answer. Rows seen and written also go where the checkpoint of the same transaction finds them. `OFFSET 0`
/// keeps PostgreSQL from counting twice.
pub(super) fn answer(seen: &str, written: &str, unowned: &str) -> String {
    format!(
        "SELECT a.seen, a.written, a.unowned,\n  set_config('{SEEN}', coalesce(a.seen, 0)::text, true), \
         set_config('{WRITTEN}', a.written::text, true)\nFROM (SELECT {seen} AS seen,\n  {written} AS \
         written,\n  {unowned} AS unowned OFFSET 0) AS a"
    )
}
