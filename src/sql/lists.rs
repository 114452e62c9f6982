//! A cascade's lists: the first pass over a range looks every owner up, writes its own share of the rows, and leaves what
//! finds the others, and their owners, with the session. Each later pass takes its list from there.
//!
//! So a parent is read by a join that the planner chooses, and a later pass looks at no row but its own. It finds them
//! through the index of a key that follows the order of the rows, which prunes their pages on the way (PostgreSQL source,
//! `access/heap/README.HOT`, "Pruning"). Without such a key it finds them by their positions, which prunes nothing: a scan
//! beside it does. A listed row counts in the version that was seen; any other one has another `xmin`, since it was written
//! later. What the lists miss is left to the last pass.
//!
//! The lists never leave the server, so no log shows them as parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Statement;
use super::batch::{PASS, answer, range};
use super::filler::owner_by_join;
use super::quote::{ident, qualified};
use crate::catalog::Column;
use crate::plan::{Plan, TablePlan};

/// The passes of a cascade that come before the last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lists {
    /// The first pass: `$1` and `$2` as in the batch; `$3` the name of the lists; `$4` the pass of each line as in the
    /// batch; `$5` the last pass that has a list; `$6` whether the lists begin with this part of the range. Answers as the
    /// batch does.
    pub first: Statement,
    /// A later one: `$1` and `$2` as in the batch; `$3` the name of the lists; `$4` the pass. Answers as the batch does.
    pub later: Statement,
}

/// A list's columns: what finds a row, its version, its owner.
const COLUMNS: [&str; 3] = ["at", "version", "owner"];

/// The passes of a table.
pub(super) fn lists(plan: &Plan, table: &TablePlan) -> Lists {
    Lists { first: Statement::new(first(plan, table)), later: Statement::new(later(plan, table)) }
}

/// The key through whose index later passes find their rows.
fn key(table: &TablePlan) -> Option<&Column> {
    table.key.first().filter(|_| table.key_follows_rows)
}

/// The setting that has a column of a pass's list.
fn setting(column: &str, pass: &str) -> String {
    format!("'tenantctl.{column}_' || $3::text || '_' || {pass}")
}

/// What a first pass needs to read its parents once, by a hash join: room for the hash of some hundred thousand, and no time
/// lost on compiling a statement for some ten thousand rows.
pub(super) fn settings() -> [Statement; 2] {
    ["SET LOCAL work_mem = '32MB'", "SET LOCAL jit = off"].map(Statement::new)
}

/// Lists follow each other without their braces, so that the parts of a range make one. `CASE` hides the column from the
/// planner, whose statistics may say that hardly any row is without an owner: it would look every parent up singly.
fn first(plan: &Plan, table: &TablePlan) -> String {
    let name = qualified(&table.owned.name);
    let column = ident(&plan.owner_column);
    let (owner, join) = owner_by_join(plan, &table.owned, "r");
    let at = key(table).map_or_else(|| "r.ctid".to_owned(), |key| format!("r.{}", ident(&key.name)));
    let each = |text: &dyn Fn(&str) -> String| COLUMNS.map(text).join(",\n    ");
    let kept = each(&|column| {
        let name = setting(column, "n.pass");
        let before = format!("CASE WHEN NOT $6::boolean THEN nullif(current_setting({name}, true), '') END");
        format!("set_config({name}, concat_ws(',', {before}, substr(l.{column}, 2, length(l.{column}) - 2)), false)")
    });
    let gathered = each(&|column| format!("array_agg(o.{column})::text AS {column}"));
    format!(
        "WITH seen AS MATERIALIZED (\n  SELECT r.ctid AS place, {at} AS at, r.xmin AS version, {PASS} AS pass,\n    {owner} AS owner\n  \
         FROM {name} AS r{join}\n  WHERE {}\n    AND CASE WHEN r.{column} IS NULL THEN true ELSE false END\n), listed AS MATERIALIZED (\n  SELECT {kept}\n  \
         FROM generate_series(1, $5::integer) AS n (pass)\n  LEFT JOIN (\n    SELECT o.pass, {gathered}\n    FROM (SELECT \
         s.* FROM seen AS s WHERE s.pass > 0 AND s.owner IS NOT NULL ORDER BY s.place) AS o\n    GROUP BY o.pass\n  ) AS l \
         USING (pass)\n), done AS (\n  UPDATE {name} AS r SET {column} = s.owner\n  FROM seen AS s\n  WHERE r.ctid = s.place \
         AND r.xmin = s.version AND r.{column} IS NULL\n    AND s.pass = 0 AND s.owner IS NOT NULL\n  RETURNING \
         1\n)\n{}",
        range("r"),
        answer(
            "(SELECT count(*) FROM seen WHERE (SELECT count(*) FROM listed) >= 0)",
            "(SELECT count(*) FROM done)",
            "0::bigint"
        )
    )
}

/// A sub-select keeps its list's length from the planner, which would rather hash the whole table for thousands of rows than
/// look each of them up.
fn later(plan: &Plan, table: &TablePlan) -> String {
    let name = qualified(&table.owned.name);
    let column = ident(&plan.owner_column);
    let (at_type, found) = match key(table) {
        Some(key) => (key.data_type.as_str(), format!("r.{} = l.at", ident(&key.name))),
        // No row is in the table with the oid 0: that scan is for its pages.
        None => (
            "tid",
            format!(
                "r.ctid = l.at\n    AND (SELECT count(*) FROM {name} AS p WHERE {} AND p.tableoid = 0) = 0",
                range("p")
            ),
        ),
    };
    let list = |(column, data_type)| {
        format!("(SELECT ('{{' || current_setting({}, true) || '}}')::{data_type}[])", setting(column, "$4::integer"))
    };
    let types = [at_type, "xid", &plan.tenants.id_type];
    let unnested = COLUMNS.into_iter().zip(types).map(list).collect::<Vec<_>>().join(",\n    ");
    format!(
        "WITH done AS (\n  UPDATE {name} AS r SET {column} = l.owner\n  FROM unnest(\n    {unnested}\n  ) AS l (at, version, \
         owner)\n  WHERE r.xmin = l.version AND r.{column} IS NULL AND {found}\n  RETURNING 1\n)\n{}",
        answer("NULL::bigint", "(SELECT count(*) FROM done)", "0::bigint")
    )
}
