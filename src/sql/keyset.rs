//! The batches of a backfill in the order of a key: `$1` is the last key that was passed, as texts (NULL in the beginning),
//! `$2` how many rows come next. The key is a value of the user's: it goes nowhere but into the next batch and the
//! checkpoint.

use super::batch::{Wanted, answer};
use super::bookkeeping::{SEEN, WRITTEN};
use super::correction::{Correction, correction};
use super::filler::{Climb, owner_of};
use super::quote::{ident, qualified};
use super::{Query, Statement};
use crate::plan::{Plan, TablePlan};

/// Where a batch leaves the last key that it passed, for [`record_key`].
pub(super) const KEY: &str = "tenantctl.batch_key";

/// Keys are written and read in one style, whatever the role's own is.
pub(super) fn settings() -> [Statement; 2] {
    ["SET LOCAL datestyle = 'ISO'", "SET LOCAL extra_float_digits = 1"].map(Statement::new)
}

/// A batch: the next rows by the key, and among them those that want an owner.
pub(super) fn batch_text(plan: &Plan, table: &TablePlan, wanted: Wanted) -> String {
    let name = qualified(&table.owned.name);
    let column = ident(&plan.owner_column);
    let key = Key(table);
    let (own, passed) = (key.columns(), key.passed());
    let next = format!(
        "FROM {name} AS r\n  WHERE $1::text[] IS NULL\n    OR ({own}) > ({passed})\n  ORDER BY {own}\n  LIMIT $2"
    );
    let named = key.named();
    let (seen, done, counts) = match wanted {
        Wanted::Unfilled => (
            format!("SELECT {named}, r.{column} IS NULL AS wanted\n  {next}"),
            format!(
                "done AS (\n  UPDATE {name} AS r SET {column} = {}\n  FROM seen\n  WHERE {}\n    AND seen.wanted AND r.{column} IS \
                 NULL\n  RETURNING r.{column} IS NULL AS unowned\n)",
                owner_of(plan, &table.owned, "r", Climb::OneStep),
                key.same("r")
            ),
            [
                "(SELECT count(*) FROM seen WHERE wanted)",
                "(SELECT count(*) FROM done WHERE NOT unowned)",
                "(SELECT count(*) FROM done WHERE unowned)",
            ],
        ),
        Wanted::Stale => {
            let Correction { seen, done, .. } = correction(plan, table, &key.same("t"));
            (
                format!("SELECT {named}, {seen}\n  {next}"),
                done,
                [
                    "(SELECT count(*) FROM seen WHERE was IS DISTINCT FROM owner)",
                    "(SELECT count(*) FROM done)",
                    "(SELECT count(*) FROM seen WHERE owner IS NULL)",
                ],
            )
        }
    };
    let [wants, written, unowned] = counts;
    let last = format!("(SELECT ARRAY[{}] FROM seen ORDER BY {} LIMIT 1)", key.texts(), key.backwards());
    format!(
        "WITH seen AS MATERIALIZED (\n  {seen}\n), {done}, marked AS MATERIALIZED (\n  SELECT \
         set_config('{KEY}', coalesce({last}::text, ''), true)\n)\n{}, marked",
        answer(wants, written, unowned)
    )
}

/// Counts the rows without an owner.
pub(super) fn left(plan: &Plan, table: &TablePlan) -> Query {
    let (name, column) = (qualified(&table.owned.name), ident(&plan.owner_column));
    Query::new(format!("SELECT count(*) FROM {name} AS r WHERE r.{column} IS NULL"))
}

/// Records a batch in its own transaction: `$1` run, `$2` step, `$3` the table's oid, `$4` blocks that it would have come
/// through, for people. Answers its bytes of log, its HOT updates, the heap's blocks, and the last key that it passed:
/// nothing where there were no rows left.
pub fn record_key() -> Statement {
    Statement::new(format!(
        "WITH batch AS (SELECT current_setting('{SEEN}')::bigint AS seen, current_setting('{WRITTEN}')::bigint AS written, \
         pg_wal_lsn_diff(pg_current_wal_insert_lsn(), current_setting('tenantctl.batch_wal')::pg_lsn)::bigint AS wal, \
         pg_stat_get_xact_tuples_hot_updated($3::bigint::oid) - current_setting('tenantctl.batch_hot')::bigint AS hot, \
         nullif(current_setting('{KEY}'), '')::text[] AS key) UPDATE tenantctl.checkpoint AS c SET rows_expected = \
         c.rows_expected + b.seen, rows_written = c.rows_written + b.written, batches = c.batches + 1, wal_bytes = c.wal_bytes \
         + b.wal, hot_rows = c.hot_rows + b.hot, last_key = coalesce(b.key, c.last_key), next_block = least(greatest(c.end_block \
         - 1, 0), $4), updated_at = now() FROM batch AS b WHERE c.run_id = $1 AND c.step_id = $2 RETURNING b.wal, b.hot, \
         pg_relation_size($3::bigint::oid) / current_setting('block_size')::bigint, b.key"
    ))
}

/// The last key that a backfill passed: `$1` run, `$2` step; answers oid, timeline, rows written, key.
pub fn last_key() -> Query {
    Query::new(
        "SELECT table_oid, timeline, rows_written, last_key FROM tenantctl.checkpoint WHERE run_id = $1 AND step_id = $2",
    )
}

/// Forgets the last key, when nobody needs it any more or before everything is gone over once more: `$1` run, `$2` step.
pub fn forget_key() -> Statement {
    Statement::new("UPDATE tenantctl.checkpoint SET last_key = NULL WHERE run_id = $1 AND step_id = $2")
}

/// The columns of a table's key, and what stands for them in a batch.
struct Key<'a>(&'a TablePlan);

impl Key<'_> {
    fn each(&self, say: impl Fn(usize, &str, &str) -> String, between: &str) -> String {
        let columns = self.0.key.iter().enumerate();
        columns
            .map(|(at, column)| say(at + 1, &ident(&column.name), &column.data_type))
            .collect::<Vec<_>>()
            .join(between)
    }

    /// The columns themselves.
    fn columns(&self) -> String {
        self.each(|_, name, _| format!("r.{name}"), ", ")
    }

    /// The columns under names that nobody else has.
    fn named(&self) -> String {
        self.each(|at, name, _| format!("r.{name} AS key{at}"), ", ")
    }

    /// The last key that was passed.
    fn passed(&self) -> String {
        self.each(|at, _, data_type| format!("CAST(($1::text[])[{at}] AS {data_type})"), ", ")
    }

    /// The row is the one that was seen.
    fn same(&self, of: &str) -> String {
        self.each(|at, name, _| format!("{of}.{name} = seen.key{at}"), " AND ")
    }

    fn texts(&self) -> String {
        self.each(|at, _, _| format!("key{at}::text"), ", ")
    }

    fn backwards(&self) -> String {
        self.each(|at, _, _| format!("key{at} DESC"), ", ")
    }
}
