//! Reference data: small lists that other tables refer to and that are the same for everybody.

use std::collections::BTreeMap;

use super::graph::Graph;
use super::{Decision, Verdict, names};
use crate::catalog::{Ident, QualifiedName, Table};

/// A list of more rows than these is hardly reference data, unless its name says so.
const FEW_ROWS: u64 = 1_000;
/// Not even then.
const MANY_ROWS: u64 = 100_000;
/// How many rows refer to one row of a list at the least: an empty table tells nothing, and to a customer lead some.
const REFERRING_ROWS: u64 = 100;

/// Why a table probably holds reference data.
pub(super) fn recognise(
    graph: &Graph,
    name: &QualifiedName,
    verdicts: &BTreeMap<QualifiedName, Verdict>,
) -> Option<String> {
    let node = graph.nodes.get(name)?;
    let shared = |parent| verdicts.get(parent).is_some_and(|verdict: &Verdict| verdict.decision == Decision::Shared);
    if names::is_people(name) || names::concept(name).is_some() || !node.up.iter().all(|edge| shared(&edge.key.parent))
    {
        return None;
    }
    let (referrers, rows) = (node.down.len(), node.table.rows);
    let referring: u64 = node.down.iter().filter_map(|child| graph.nodes.get(*child)?.table.rows).sum();
    let few = rows.is_some_and(|rows| (1..=FEW_ROWS).contains(&rows) && referring >= rows * REFERRING_ROWS);
    let called = names::is_reference(name) && rows.is_none_or(|rows| rows <= MANY_ROWS);
    if few && referrers >= 2 && has_natural_key(node.table) {
        return Some(format!("{} rows that {referrers} tables refer to", rows.unwrap_or_default()));
    }
    if called && referrers >= 1 {
        let tables = if referrers == 1 { "another table refers" } else { "other tables refer" };
        return Some(format!("its name is that of a list, and {tables} to it"));
    }
    (called && has_natural_key(node.table))
        .then(|| "its name is that of a list, and its entries are unique by name".to_owned())
}

fn has_natural_key(table: &Table) -> bool {
    let natural = |column: &Ident| ["name", "code", "key", "slug", "label"].contains(&column.as_str());
    table.keys.iter().any(|key| matches!(key.columns.as_slice(), [one] if natural(one)))
}
