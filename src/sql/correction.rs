//! The part of a batch that gives rows the owner that their source says, however the batch finds its rows.
//!
//! What a batch sees of a parent may be old when it writes: the parent may have gone to just the owner that the row has
//! already, and then the row looks as if nobody had touched it. So the batch locks the parents of the rows that disagree
//! and takes the owner from the locked version. `FOR SHARE` conflicts with every change of a parent: one that came before
//! is waited for and seen (docs, 13.2.1), one that comes later waits for the batch and passes its owner down afterwards.
//! Parents are locked before children, as those do who pass an owner down. Where no row disagrees, no parent is read for
//! it: the locks are taken one by one, for the rows that were seen.
//!
//! Nobody else needs a lock. A key that is the owner, or a tenant that the row names, can change only with the row, and
//! a row that changed is left alone. That a tenant itself gets another id or name is passed down by nobody, before a batch
//! as little as after it.

use super::filler::{Climb, found_or_kept, owner_or_kept};
use super::lookup;
use super::quote::{ident, qualified};
use crate::catalog::Ident;
use crate::plan::{Link, Owner, Plan, TablePlan};

/// The parts of such a batch.
pub(super) struct Correction {
    /// What is seen of a row `r`: the owner that it has as `was`, the columns that decide, the owner that it should have as
    /// `owner`.
    pub seen: String,
    /// That it has another owner than it should.
    pub differs: String,
    /// What follows `seen`, up to and with `done`, which has a row for each row that was written.
    pub done: String,
}

/// The parts for a table. `same` says that the row `t` is the one that was `seen`.
pub(super) fn correction(plan: &Plan, table: &TablePlan, same: &str) -> Correction {
    let (name, column) = (qualified(&table.owned.name), ident(&plan.owner_column));
    let owner = owner_or_kept(plan, &table.owned, "r", Climb::OneStep);
    let columns = table.owned.owner.columns().iter().enumerate();
    let sources: String = columns.map(|(i, source)| format!(", r.{} AS source{i}", ident(source))).collect();
    let right = table.owned.owner.parent_with_owner().map_or_else(Right::seen, |link| Right::held(plan, table, link));
    let Right { before, from, owner: right, differs } = right;
    Correction {
        seen: format!("r.{column} AS was{sources},\n    {owner} AS owner"),
        differs: format!("r.{column} IS DISTINCT FROM {owner}"),
        done: format!(
            "{before}done AS (\n  UPDATE {name} AS t SET {column} = {right}\n  FROM {from}\n  WHERE {same}\n    AND seen.was IS \
             DISTINCT FROM seen.owner{differs}\n    AND t.{column} IS NOT DISTINCT FROM seen.was{}\n  RETURNING 1\n)",
            unchanged(&table.owned.owner)
        ),
    }
}

/// Where the right owner is taken from.
struct Right {
    /// What comes between `seen` and `done`.
    before: String,
    from: String,
    owner: String,
    /// That the row does not have it already.
    differs: String,
}

impl Right {
    /// From what was seen.
    fn seen() -> Right {
        Right { before: String::new(), from: "seen".to_owned(), owner: "seen.owner".to_owned(), differs: String::new() }
    }

    /// From the parent that is held.
    fn held(plan: &Plan, table: &TablePlan, link: &Link) -> Right {
        let same_parent = sources_of(link, |source| format!("held.{source} = seen.{source}"), " AND ");
        let owner = found_or_kept(plan, &table.owned, "held.owner", "seen.was");
        Right {
            before: format!("{}, ", held(plan, link)),
            from: format!("seen LEFT JOIN held ON {same_parent}"),
            differs: format!("\n    AND seen.was IS DISTINCT FROM {owner}"),
            owner,
        }
    }
}

/// The parents of rows that disagree, locked. A subquery that locks is never merged with what is around it, so it asks for
/// one parent at a time by its key.
fn held(plan: &Plan, link: &Link) -> String {
    let sources = sources_of(link, str::to_owned, ", ");
    let keys = link.parent_columns.iter().enumerate();
    let by_key: Vec<String> = keys.map(|(i, key)| format!("p1.{} = f.source{i}", ident(key))).collect();
    format!(
        "held AS MATERIALIZED (\n  SELECT f.*, p1.owner\n  FROM (SELECT DISTINCT {sources} FROM seen WHERE was IS DISTINCT \
         FROM owner ORDER BY {sources}) AS f\n  CROSS JOIN LATERAL (\n    SELECT p1.{} AS owner FROM {} AS p1 WHERE {} FOR \
         SHARE\n  ) AS p1\n)",
        ident(&plan.owner_column),
        qualified(&link.parent),
        by_key.join(" AND ")
    )
}

fn sources_of(link: &Link, say: impl Fn(&str) -> String, between: &str) -> String {
    (0..link.columns.len()).map(|i| say(&format!("source{i}"))).collect::<Vec<_>>().join(between)
}

/// That the columns still are as they were seen.
fn unchanged(owner: &Owner) -> String {
    let (now, then) = (|_, column: &Ident| format!("t.{}", ident(column)), |i, _: &Ident| format!("seen.source{i}"));
    match owner {
        Owner::Lookup(lookup) => {
            lookup::changed(lookup, now, then).map_or_else(String::new, |changed| format!(" AND NOT ({changed})"))
        }
        Owner::System | Owner::Parent(_) => {
            let same = |(i, column)| format!(" AND {} IS NOT DISTINCT FROM {}", now(i, column), then(i, column));
            owner.columns().iter().enumerate().map(same).collect()
        }
    }
}
