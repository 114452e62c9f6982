//! What the catalog shows when nothing is left of something: conditions for a probe. Where the table itself is gone, nothing is.

use super::super::quote::{literal, qualified};
use super::super::tree::beside;
use crate::catalog::{Ident, QualifiedName};

fn regclass(name: &QualifiedName) -> String {
    format!("to_regclass({})", literal(&qualified(name)))
}

fn literals<'a>(names: impl IntoIterator<Item = &'a Ident>) -> String {
    names.into_iter().map(|name| literal(name.as_str())).collect::<Vec<_>>().join(", ")
}

/// The table.
pub(super) fn table(name: &QualifiedName) -> String {
    format!("{} IS NULL", regclass(name))
}

/// Its triggers of these names.
pub(super) fn triggers(table: &QualifiedName, names: &[Ident]) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM pg_trigger AS t WHERE t.tgrelid = {} AND t.tgname IN ({}))",
        regclass(table),
        literals(names)
    )
}

/// Its constraints of these names.
pub(super) fn constraints(table: &QualifiedName, names: &[&Ident]) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM pg_constraint AS k WHERE k.conrelid = {} AND k.conname IN ({}))",
        regclass(table),
        literals(names.iter().copied())
    )
}

/// Its index of that name, as one of its own: neither a part of another one nor a constraint's.
pub(super) fn index(table: &QualifiedName, index: &Ident) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM pg_index AS i WHERE i.indexrelid = {} AND i.indrelid = {} AND NOT EXISTS (SELECT 1 FROM \
         pg_inherits AS h WHERE h.inhrelid = i.indexrelid) AND NOT EXISTS (SELECT 1 FROM pg_constraint AS k WHERE k.conindid \
         = i.indexrelid AND k.contype <> 'f'))",
        regclass(&beside(table, index)),
        regclass(table)
    )
}

/// Its column.
pub(super) fn column(table: &QualifiedName, column: &Ident) -> String {
    format!("NOT EXISTS ({})", attribute(table, column, "true"))
}

/// The column's NOT NULL.
pub(super) fn not_null(table: &QualifiedName, column: &Ident) -> String {
    format!("NOT EXISTS ({})", attribute(table, column, "a.attnotnull"))
}

/// The column's default, but for the one that it had.
pub(super) fn default(table: &QualifiedName, column: &Ident, before: Option<&str>) -> String {
    let now =
        "(SELECT pg_get_expr(d.adbin, 0) FROM pg_attrdef AS d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum)";
    let before = before.map_or_else(|| "NULL".to_owned(), literal);
    format!("NOT EXISTS ({})", attribute(table, column, &format!("{now} IS DISTINCT FROM {before}")))
}

fn attribute(table: &QualifiedName, column: &Ident, and: &str) -> String {
    format!(
        "SELECT 1 FROM pg_attribute AS a WHERE a.attrelid = {} AND a.attname = {} AND NOT a.attisdropped AND {and}",
        regclass(table),
        literal(column.as_str())
    )
}
