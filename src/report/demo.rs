//! What the demo shows, for somebody who sees the tool for the first time: each stage as it begins, then the tables, one
//! of them before and after, and what the application met.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use super::human::{count, counted, duration};
use super::layout::{columns, hang};
use crate::catalog::{QualifiedName, Table};
use crate::plan::{Phase, Strategy};

/// The outcome of a demo.
#[derive(Debug)]
pub struct Demo {
    /// The phases of the conversion.
    pub phases: Vec<PhaseDone>,
    /// Every converted table.
    pub tables: Vec<TableChange>,
    /// One of them in detail.
    pub change: Change,
    /// How long the conversion took.
    pub elapsed: Duration,
    /// What the application met.
    pub patience: Patience,
}

/// What was done in a phase.
#[derive(Debug, Clone)]
pub struct PhaseDone {
    /// Which.
    pub phase: Phase,
    /// Its migrations.
    pub migrations: usize,
    /// Their steps.
    pub steps: usize,
    /// Rows that were written in batches.
    pub rows: u64,
    /// How long it took.
    pub elapsed: Duration,
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
            before: before.map(column_names).unwrap_or_default(),
            added: is.into_iter().filter(|line| !was.contains(line)).collect(),
        }
    }
}

fn column_names(table: &Table) -> Vec<String> {
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

/// Says what the demo is.
///
/// # Errors
/// The writer's.
pub fn title(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "A live database of one customer becomes one of many, while its application keeps writing.")
}

/// Says what begins.
///
/// # Errors
/// The writer's.
pub fn stage(number: u32, what: &str, out: &mut impl Write) -> io::Result<()> {
    write!(out, "\n{}", hang(&format!("{number}. "), what, 0))
}

/// Writes what happened.
///
/// # Errors
/// The writer's.
pub fn write(demo: &Demo, out: &mut impl Write) -> io::Result<()> {
    phases(demo, out)?;
    tables(&demo.tables, out)?;
    writeln!(out, "\nWhat {} got\n", demo.change.name)?;
    write!(out, "{}", hang("before      ", &demo.change.before.join(", "), 3))?;
    demo.change.added.iter().try_for_each(|line| writeln!(out, "   {line}"))?;
    patience(&demo.patience, out)
}

fn phases(demo: &Demo, out: &mut impl Write) -> io::Result<()> {
    let row = |done: &PhaseDone| {
        let written = if done.rows > 0 { format!("{} rows", count(done.rows)) } else { String::new() };
        [
            done.phase.to_string(),
            purpose(done.phase).to_owned(),
            counted(done.steps, "step", "steps"),
            duration(done.elapsed),
            written,
        ]
    };
    let rows: Vec<[String; 5]> = demo.phases.iter().map(row).collect();
    columns(&rows, 3).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    let migrations = demo.phases.iter().map(|done| done.migrations).sum();
    writeln!(out, "   {} in {}", counted(migrations, "migration", "migrations"), duration(demo.elapsed))
}

fn purpose(phase: Phase) -> &'static str {
    match phase {
        Phase::Prepare => "the table of tenants, and the System Tenant in it",
        Phase::Expand => "an owner column for every table, filled for old writers",
        Phase::Backfill => "an owner for every row that was there",
        Phase::Enforce => "indexes, NOT NULL and foreign keys, without a long lock",
    }
}

fn tables(tables: &[TableChange], out: &mut impl Write) -> io::Result<()> {
    let heading = ["table", "rows before", "    after", "owners", "how they got them"].map(str::to_owned);
    let row = |table: &TableChange| {
        let filled = match table.strategy {
            Strategy::Instant => "at once, vouched for by a default",
            Strategy::Cascade | Strategy::Ranges | Strategy::Keyset => "in batches",
        };
        let number = |number: i64| count(number.unsigned_abs());
        let [before, after, owners] = [table.rows_before, table.rows_after, table.owners].map(number);
        [table.name.clone(), format!("{before:>11}"), format!("{after:>9}"), format!("{owners:>6}"), filled.to_owned()]
    };
    let rows: Vec<[String; 5]> = std::iter::once(heading).chain(tables.iter().map(row)).collect();
    writeln!(out, "\nEvery row has its owner, those included that were written meanwhile\n")?;
    columns(&rows, 3).iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn patience(patience: &Patience, out: &mut impl Write) -> io::Result<()> {
    let statements = counted(usize::try_from(patience.statements).unwrap_or(usize::MAX), "statement", "statements");
    let errors: u64 = patience.errors.values().sum();
    let failed = if errors == 0 { "none failed".to_owned() } else { format!("{} failed", count(errors)) };
    writeln!(out, "\nWhat the application noticed\n")?;
    writeln!(out, "   {statements} went through, {failed}; the longest took {}", duration(patience.longest))?;
    patience.errors.iter().try_for_each(|(message, times)| writeln!(out, "   {} x {message}", count(*times)))
}

/// Says how to go on, where everything was removed again.
///
/// # Errors
/// The writer's.
pub fn next(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nThe server is gone again. To go on:\n")?;
    let ways = [
        ["tenantctl demo --keep", "leaves the server running, to look around"],
        ["tenantctl demo --fixture saas25-org", "makes each organization a tenant, and derives most owners"],
        ["tenantctl plan --dry-run", "shows what would be done to your own database"],
    ];
    columns(&ways.map(|way| way.map(str::to_owned)), 3).iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// Says how to look around in a server that was kept.
///
/// # Errors
/// The writer's.
pub fn keep(url: &str, stop: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nThe server is still there.\n")?;
    writeln!(out, "   look around  psql '{url}'\n   when done    {stop}")
}
