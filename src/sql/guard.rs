//! What a migration relies on, asked again right before it runs: the team's own deploys go on meanwhile.

use super::Query;
use super::quote::{literal, qualified};
use super::tree;
use crate::catalog::{Ident, QualifiedName};
use crate::plan::{Link, Owner, Phase, Plan};

/// A query that gives one row of words for every difference, and none where all is as planned.
pub(super) fn guard(plan: &Plan, phase: Phase, name: &QualifiedName) -> Option<Query> {
    let table = plan.tables.get(name)?;
    let mut parts = vec![same_table(name, table.oid), has_type(name, &plan.owner_column, &plan.tenants.id_type)];
    // Expand makes the column; whatever comes later relies on it.
    if phase > Phase::Expand {
        parts.push(has_column(name, &plan.owner_column));
    }
    for (column, data_type) in &table.source_columns {
        parts.extend([has_column(name, column), has_type(name, column, data_type)]);
    }
    if let Owner::Parent(link) = &table.owned.owner {
        parts.push(has_foreign_key(name, link, &plan.owner_column));
        parts.extend(link.parent_columns.iter().map(|column| has_column(&link.parent, column)));
    }
    if let Owner::Lookup(lookup) = &table.owned.owner {
        parts.push(has_column(&lookup.table, &lookup.column));
    }
    parts.extend(table.partitions.iter().flat_map(|partitions| tree::differences(name, partitions)));
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

fn has_type(table: &QualifiedName, column: &Ident, data_type: &str) -> String {
    format!(
        "SELECT {} || format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a WHERE a.attrelid = to_regclass({}) AND \
         a.attname = {} AND NOT a.attisdropped AND format_type(a.atttypid, a.atttypmod) <> {}",
        literal(&format!("{table}.{column} has another type than planned: ")),
        literal(&qualified(table)),
        literal(column.as_str()),
        literal(data_type)
    )
}

/// The key may have another name by now, may compare owners as well, and a new one may not be validated yet: what counts is
/// that it is there.
fn has_foreign_key(table: &QualifiedName, link: &Link, owner: &Ident) -> String {
    let besides = match link.columns.contains(owner) {
        true => String::new(),
        false => format!(" WHERE a.attname <> {}", literal(owner.as_str())),
    };
    let columns: Vec<String> = link.columns.iter().map(|column| literal(column.as_str())).collect();
    let names: Vec<&str> = link.columns.iter().map(Ident::as_str).collect();
    format!(
        "SELECT {} WHERE NOT EXISTS (SELECT 1 FROM pg_constraint AS k WHERE k.contype = 'f' AND k.conrelid = \
         to_regclass({}) AND k.confrelid = to_regclass({}) AND (SELECT array_agg(a.attname::text ORDER BY c.place) FROM \
         unnest(k.conkey) WITH ORDINALITY AS c (number, place) JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND \
         a.attnum = c.number{besides}) = ARRAY[{}]::text[])",
        literal(&format!("{table} has no foreign key ({}) to {} any more", names.join(", "), link.parent)),
        literal(&qualified(table)),
        literal(&qualified(&link.parent)),
        columns.join(", ")
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
