//! What a migration relies on, asked again right before it runs: the team's own deploys go on meanwhile.

use super::Query;
use super::quote::{literal, qualified};
use crate::catalog::{Ident, QualifiedName};
use crate::plan::{Owner, Phase, Plan, TablePlan};

/// A query that gives one row of words for every difference, and none where all is as planned.
pub(super) fn guard(plan: &Plan, phase: Phase, name: &QualifiedName) -> Option<Query> {
    let table = plan.tables.get(name)?;
    let mut parts = vec![same_table(table), owner_type(plan, name)];
    // Expand makes the column; whatever comes later relies on it.
    if phase > Phase::Expand {
        parts.push(has_column(name, &plan.owner_column));
    }
    if let Owner::Parent(link) = &table.owned.owner {
        parts.extend(link.columns.iter().map(|column| has_column(name, column)));
        parts.extend(link.parent_columns.iter().map(|column| has_column(&link.parent, column)));
    }
    Some(Query::new(parts.join("\nUNION ALL\n")))
}

fn same_table(table: &TablePlan) -> String {
    let name = literal(&qualified(&table.owned.name));
    format!(
        "SELECT {} WHERE to_regclass({name}) IS DISTINCT FROM {}::oid",
        literal(&format!(
            "{} is not the table that was planned: it was dropped, renamed or made again",
            table.owned.name
        )),
        table.oid
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
