//! What a migration relies on, asked again right before it runs: the team's own deploys go on meanwhile.

use super::Query;
use super::quote::{literal, qualified};
use crate::catalog::{Ident, QualifiedName};
use crate::plan::{Owner, Phase, Plan};

/// A query that gives one row of words for every difference, and none where all is as planned.
pub(super) fn guard(plan: &Plan, phase: Phase, name: &QualifiedName) -> Option<Query> {
    let table = plan.tables.get(name)?;
    let mut parts = vec![same_table(name, table.oid), owner_type(plan, name)];
    // Expand makes the column; whatever comes later relies on it.
    if phase > Phase::Expand {
        parts.push(has_column(name, &plan.owner_column));
    }
    if let Owner::Parent(link) = &table.owned.owner {
        parts.extend(link.columns.iter().map(|column| has_column(name, column)));
        parts.extend(link.parent_columns.iter().map(|column| has_column(&link.parent, column)));
    }
    if let Owner::Lookup(lookup) = &table.owned.owner {
        parts.extend(lookup.columns.iter().map(|column| has_column(name, column)));
        parts.push(has_column(&lookup.table, &lookup.column));
    }
    Some(Query::new(parts.join("\nUNION ALL\n")))
}

/// The same for the phase that makes the tenants: nothing is relied on unless a table is mapped.
pub(super) fn mapped(plan: &Plan) -> Option<Query> {
    let mapping = plan.mapping.as_ref()?;
    let columns = [&mapping.key, &mapping.name, &mapping.slug].map(|column| has_column(&mapping.table, column));
    let parts: Vec<String> = std::iter::once(same_table(&mapping.table, mapping.oid)).chain(columns).collect();
    Some(Query::new(parts.join("\nUNION ALL\n")))
}

fn same_table(name: &QualifiedName, oid: u32) -> String {
    format!(
        "SELECT {} WHERE to_regclass({}) IS DISTINCT FROM {oid}::oid",
        literal(&format!("{name} is not the table that was planned: it was dropped, renamed or made again")),
        literal(&qualified(name))
    )
}

fn owner_type(plan: &Plan, name: &QualifiedName) -> String {
    format!(
        "SELECT {} || format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a WHERE a.attrelid = to_regclass({}) AND \
         a.attname = {} AND NOT a.attisdropped AND format_type(a.atttypid, a.atttypmod) <> {}",
        literal(&format!("{name}.{} has another type than planned: ", plan.owner_column)),
        literal(&qualified(name)),
        literal(plan.owner_column.as_str()),
        literal(&plan.tenants.id_type)
    )
}

fn has_column(table: &QualifiedName, column: &Ident) -> String {
    format!(
        "SELECT {} WHERE NOT EXISTS (SELECT 1 FROM pg_attribute AS a WHERE a.attrelid = to_regclass({}) AND a.attname = \
         {} AND NOT a.attisdropped)",
        literal(&format!("{table} has no column {column} any more")),
        literal(&qualified(table)),
        literal(column.as_str())
    )
}
