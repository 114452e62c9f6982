//! What the demo shows at its end: the tables, one table before and after, and what the application met.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use crate::catalog::{QualifiedName, Table};
use crate::plan::Strategy;

/// The outcome of a demo.
#[derive(Debug)]
pub struct Demo {
    /// Every converted table.
    pub tables: Vec<TableChange>,
    /// One of them in detail.
    pub change: Change,
    /// Rows that the backfills wrote.
    pub rows_written: u64,
    /// Migrations that were applied.
    pub migrations: usize,
    /// How long the conversion took.
    pub elapsed: Duration,
    /// What the application met.
    pub patience: Patience,
}

/// One table's rows before and after.
#[derive(Debug)]
pub struct TableChange {
    /// Its name.
    pub name: String,
    /// How its rows were filled.
    pub strategy: Strategy,
    /// Rows before the conversion.
    pub rows_before: i64,
    /// Rows after it; the application wrote meanwhile.
    pub rows_after: i64,
    /// Different owners after it.
    pub owners: i64,
}

/// What the application met while the conversion ran.
#[derive(Debug)]
pub struct Patience {
    /// Statements that succeeded.
    pub statements: u64,
    /// The longest that one took.
    pub longest: Duration,
    /// Errors by message.
    pub errors: BTreeMap<String, u64>,
}

/// What was added to a table, in words.
#[derive(Debug)]
pub struct Change {
    /// The table.
    pub name: String,
    /// The columns before.
    pub before: Vec<String>,
    /// What is there now and was not, or was different.
    pub added: Vec<String>,
}

impl Change {
    /// Compares a table with itself.
    pub fn between(name: &QualifiedName, before: Option<&Table>, after: Option<&Table>) -> Change {
        let lines = |table: Option<&Table>| table.map(describe).unwrap_or_default();
        let (was, is) = (lines(before), lines(after));
        Change {
            name: name.name.to_string(),
            before: before.map(columns).unwrap_or_default(),
            added: is.into_iter().filter(|line| !was.contains(line)).collect(),
        }
    }
}

fn columns(table: &Table) -> Vec<String> {
    table.columns.iter().map(|column| column.name.to_string()).collect()
}

fn describe(table: &Table) -> Vec<String> {
    let columns = table.columns.iter().map(|column| {
        let default = column.default.as_ref().map_or_else(String::new, |default| format!(" DEFAULT {default}"));
        let not_null = if column.not_null { " NOT NULL" } else { "" };
        format!("column      {} {}{not_null}{default}", column.name, column.data_type)
    });
    let keys = table.foreign_keys.iter().map(|key| {
        let proven = if key.validated { "proven for every row" } else { "not proven" };
        format!("foreign key {} to {}, {proven}", key.name, key.parent)
    });
    let indexes = table.indexes.iter().map(|index| format!("index       {}", index.name));
    let triggers = table.triggers.iter().map(|trigger| format!("trigger     {}", trigger.name));
    columns.chain(keys).chain(indexes).chain(triggers).collect()
}

/// Writes it.
///
/// # Errors
/// The writer's.
pub fn write(demo: &Demo, out: &mut impl Write) -> io::Result<()> {
    let width = demo.tables.iter().map(|table| table.name.len()).max().unwrap_or(0).max(5);
    writeln!(out, "\n{:<width$}  {:>9}  {:>9}  {:>7}  filled", "table", "before", "after", "owners")?;
    for table in &demo.tables {
        let filled = match table.strategy {
            Strategy::Instant => "instantly, by the column's default",
            Strategy::Ranges => "in batches",
        };
        writeln!(
            out,
            "{:<width$}  {:>9}  {:>9}  {:>7}  {filled}",
            table.name, table.rows_before, table.rows_after, table.owners
        )?;
    }
    writeln!(out, "\n{} had ({}) and got:", demo.change.name, demo.change.before.join(", "))?;
    for line in &demo.change.added {
        writeln!(out, "  {line}")?;
    }
    writeln!(
        out,
        "\n{} migrations in {:.1} s, {} rows written in batches",
        demo.migrations,
        demo.elapsed.as_secs_f64(),
        demo.rows_written
    )?;
    patience(&demo.patience, out)
}

fn patience(patience: &Patience, out: &mut impl Write) -> io::Result<()> {
    let errors: u64 = patience.errors.values().sum();
    writeln!(
        out,
        "meanwhile the old application sent {} statements, met {errors} errors, and waited {} ms at most",
        patience.statements,
        patience.longest.as_millis()
    )?;
    for (message, count) in &patience.errors {
        writeln!(out, "  {count} x {message}")?;
    }
    Ok(())
}

/// Says how to look around in a server that was kept.
///
/// # Errors
/// The writer's.
pub fn keep(url: &str, stop: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nlook around:  psql '{url}'\nwhen done:    {stop}")
}
