//! Rows that a backfill cannot fill: how they are named, and where they are noted.

use super::batch::range;
use super::quote::{ident, literal, qualified};
use super::{Query, Statement};
use crate::catalog::{Ident, QualifiedName};

/// A table and its primary key: `$1` the table's oid; answers schema, name and the key's columns, none where it has no key.
pub fn key() -> Query {
    Query::new(
        "SELECT n.nspname::text, c.relname::text, coalesce((SELECT array_agg(a.attname::text ORDER BY k.place) FROM pg_index \
         AS i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place) JOIN pg_attribute AS a ON a.attrelid = \
         i.indrelid AND a.attnum = k.attnum WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts), '{}') \
         FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::bigint::oid",
    )
}

/// The rows in a range, which is given as to a batch: position and the key's values, as text.
pub fn rows(table: &QualifiedName, key: &[Ident]) -> Query {
    let values: Vec<String> = key.iter().map(|column| format!("r.{}::text", ident(column))).collect();
    Query::new(format!(
        "SELECT r.ctid::text, ARRAY[{}]::text[] FROM {} AS r WHERE {} ORDER BY r.ctid",
        values.join(", "),
        qualified(table),
        range("r")
    ))
}

/// A row as a condition that finds it: by its key, or by its position where there is none.
pub fn row_name(key: &[Ident], values: &[String], position: &str) -> String {
    if key.is_empty() {
        return format!("ctid = {}", literal(position));
    }
    let equal = |(column, value): (&Ident, &String)| format!("{} = {}", ident(column), literal(value));
    key.iter().zip(values).map(equal).collect::<Vec<_>>().join(" AND ")
}

/// Forgets the rows of a range of blocks: `$1` run, `$2` step, `$3` first block, `$4` end block.
pub fn forget() -> Statement {
    Statement::new(
        "DELETE FROM tenantctl.backfill_failure WHERE run_id = $1 AND step_id = $2 AND block >= $3 AND block < $4",
    )
}

/// Notes rows of a block: `$1` run, `$2` step, `$3` block, `$4` lines, `$5` names, `$6` reasons.
pub fn note() -> Statement {
    Statement::new(
        "INSERT INTO tenantctl.backfill_failure (run_id, step_id, block, line, row_name, reason) SELECT $1, $2, $3, f.line, \
         f.row_name, f.reason FROM unnest($4::integer[], $5::text[], $6::text[]) AS f (line, row_name, reason)",
    )
}

/// What is noted of a backfill: `$1` run, `$2` step; answers block, line, name, reason.
pub fn noted() -> Query {
    Query::new(
        "SELECT block, line, row_name, reason FROM tenantctl.backfill_failure WHERE run_id = $1 AND step_id = $2 ORDER BY \
         block, line",
    )
}

/// Whether such rows are noted here.
pub fn is_noted() -> Query {
    Query::new("SELECT to_regclass('tenantctl.backfill_failure') IS NOT NULL")
}

/// What is noted of a run, for `status`: step, name, reason, when (as text).
pub fn of_run(run: i64) -> Query {
    Query::new(format!(
        "SELECT step_id, row_name, reason, to_char(failed_at, 'YYYY-MM-DD HH24:MI:SS TZ') FROM tenantctl.backfill_failure \
         WHERE run_id = {run} ORDER BY step_id, block, line"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_named_by_a_condition_that_finds_it() {
        let key = ["Region", "id"].map(|name| Ident::derived(&[name]));
        let values = ["it's".to_owned(), "7".to_owned()];
        assert_eq!(row_name(&key, &values, "(1,2)"), r#""Region" = 'it''s' AND id = '7'"#);
        assert_eq!(row_name(&[], &[], "(1,2)"), "ctid = '(1,2)'");
    }
}
