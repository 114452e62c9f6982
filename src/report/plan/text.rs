//! The plan as text for the one who signs: what it will do, what it will lock and what it will send.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::super::human;
use super::super::layout::{columns, hang, indented, wrap};
use super::Detail;
use crate::catalog::QualifiedName;
use crate::plan::{LockLevel, Phase, Strategy, TxnMode};
use crate::sql::{MigrationScript, Script, ScriptStep, TableOverview, TableOwner, TableScope, Work};

pub(super) fn write(script: &Script, detail: Detail, out: &mut impl Write) -> io::Result<()> {
    if script.migrations.is_empty() {
        writeln!(out, "Nothing to do: the database is as the configuration wants it.")?;
    } else {
        overview(script, out)?;
    }
    blockers(script, out)?;
    notices(script, out)?;
    for phase in Phase::ALL {
        let migrations: Vec<_> = script.migrations.iter().filter(|migration| migration.phase == phase).collect();
        if !migrations.is_empty() {
            steps(phase, &migrations, detail, out)?;
        }
    }
    Ok(())
}

/// Writes what a plan will do in short: its size, its locks, its tables.
///
/// # Errors
/// Those of the writer.
pub fn overview(script: &Script, out: &mut impl Write) -> io::Result<()> {
    summary(script, out)?;
    tables(script, out)
}

/// Writes a plan's size and its locks.
///
/// # Errors
/// Those of the writer.
pub fn summary(script: &Script, out: &mut impl Write) -> io::Result<()> {
    let migrations = human::counted(script.migrations.len(), "migration", "migrations");
    let steps = human::counted(script.steps().count(), "step", "steps");
    writeln!(out, "Plan for PostgreSQL {}: {migrations} with {steps}\n", script.major)?;
    writeln!(out, "  Fingerprint     {}", script.fingerprint)?;
    write!(out, "{}", hang("Rows            ", &rows(script), 2))?;
    write!(out, "{}", hang("Strongest lock  ", &strongest_lock(script), 2))?;
    let locks = &script.locks;
    let limits = format!(
        "one that blocks writes is waited for {} and held {} at most; after {} the run stops, resumable",
        human::duration(locks.timeout),
        human::duration(locks.statement_timeout),
        human::counted(locks.attempts as usize, "attempt", "attempts"),
    );
    write!(out, "{}", hang("Lock limits     ", &limits, 2))
}

/// How many rows are written, and how many get their owner without it.
fn rows(script: &Script) -> String {
    let of = |wanted: Strategy| {
        let rows = script.tables.iter().filter_map(|table| match &table.scope {
            TableScope::Tenant { strategy, rows, .. } if *strategy == Some(wanted) => Some(*rows),
            TableScope::Tenant { .. } | TableScope::Shared | TableScope::Ignored => None,
        });
        rows.collect::<Vec<Option<u64>>>()
    };
    let say = |rows: &[Option<u64>], how: &str| {
        let unknown = rows.iter().filter(|rows| rows.is_none()).count();
        let known = human::count(rows.iter().flatten().sum());
        let tables = human::counted(rows.len(), "table", "tables");
        let unsure = match unknown {
            0 => String::new(),
            _ => format!(", {unknown} without statistics"),
        };
        (!rows.is_empty()).then(|| format!("~{known} {how} ({tables}{unsure})"))
    };
    let written = say(&of(Strategy::Ranges), "at most to fill in batches");
    let vouched = say(&of(Strategy::Instant), "owned by a default, not written");
    let parts: Vec<String> = written.into_iter().chain(vouched).collect();
    if parts.is_empty() { "none to fill".to_owned() } else { parts.join("; ") }
}

fn strongest_lock(script: &Script) -> String {
    let Some(lock) = script.steps().map(|step| step.lock).max().filter(|lock| *lock != LockLevel::None) else {
        return "none on the application's tables".to_owned();
    };
    let mut held: Vec<String> = Vec::new();
    let times = script.steps().filter(|step| step.lock == lock).inspect(|step| {
        let word = step.held.to_string();
        if !held.contains(&word) {
            held.push(word);
        }
    });
    let times = human::counted(times.count(), "time", "times");
    format!("{lock}, {times}, for {}; blocks {}", held.join(" or "), lock.blocks())
}

fn tables(script: &Script, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nTables")?;
    let rows: Vec<[String; 5]> = script.tables.iter().map(table_row).collect();
    columns(&rows, 2).iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn table_row(table: &TableOverview) -> [String; 5] {
    let name = table.name.to_string();
    match &table.scope {
        TableScope::Tenant { source, strategy, rows } => {
            let owner = match source {
                TableOwner::System => "the System Tenant".to_owned(),
                TableOwner::Parent { table, .. } => format!("owner of its {table}"),
            };
            let strategy = match strategy {
                Some(Strategy::Instant) => "instant",
                Some(Strategy::Ranges) => "ranges",
                None => "complete",
            };
            [name, "tenant".to_owned(), owner, strategy.to_owned(), human::estimate(*rows)]
        }
        TableScope::Shared => [name, "shared".to_owned(), String::new(), String::new(), String::new()],
        TableScope::Ignored => [name, "ignored".to_owned(), String::new(), String::new(), String::new()],
    }
}

fn blockers(script: &Script, out: &mut impl Write) -> io::Result<()> {
    if script.blockers.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nBlocked: nothing runs before this is mended")?;
    let mut groups: BTreeMap<Option<&QualifiedName>, String> = BTreeMap::new();
    for blocker in &script.blockers {
        let group = groups.entry(blocker.table.as_ref()).or_default();
        *group += &hang("- ", &blocker.text, 4);
        *group += &hang("fix: ", &blocker.remedy, 6);
    }
    groups.iter().try_for_each(|(table, lines)| write!(out, "  {}\n{lines}", about(*table)))
}

fn notices(script: &Script, out: &mut impl Write) -> io::Result<()> {
    if script.notices.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nTo know")?;
    let mut groups: BTreeMap<Option<&QualifiedName>, String> = BTreeMap::new();
    for notice in &script.notices {
        *groups.entry(notice.table.as_ref()).or_default() += &hang("- ", &notice.text, 4);
    }
    groups.iter().try_for_each(|(table, lines)| write!(out, "  {}\n{lines}", about(*table)))
}

fn about(table: Option<&QualifiedName>) -> String {
    table.map_or_else(|| "the database".to_owned(), ToString::to_string)
}

/// The steps of a phase: two lines each, since a title and its four attributes do not fit on one of 100 columns.
fn steps(phase: Phase, migrations: &[&MigrationScript], detail: Detail, out: &mut impl Write) -> io::Result<()> {
    let steps = migrations.iter().flat_map(|migration| &migration.steps);
    let heading = ["lock", "held for", "blocks", "sent"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(heading).chain(steps.map(attributes)).collect();
    let mut lines = columns(&rows, 5).into_iter();
    writeln!(out, "\nPhase {phase}\n{}", lines.next().unwrap_or_default())?;
    for migration in migrations {
        let strategy = match migration.strategy {
            Some(Strategy::Instant) => " (instant)",
            Some(Strategy::Ranges) => " (ranges)",
            None => "",
        };
        writeln!(out, "\n{}{strategy}", migration.file_name())?;
        for (number, (step, line)) in migration.steps.iter().zip(lines.by_ref()).enumerate() {
            if detail == Detail::Full && number > 0 {
                writeln!(out)?;
            }
            write!(out, "{}\n{line}\n", hang(&format!("{:>3}  ", number + 1), &step.title, 0).trim_end())?;
            if detail == Detail::Full {
                write!(out, "{}", statements(step))?;
            }
        }
    }
    Ok(())
}

fn attributes(step: &ScriptStep) -> [String; 4] {
    let sent = match step.mode {
        TxnMode::Transaction => "in one transaction",
        TxnMode::Autocommit => "outside a transaction",
        TxnMode::Batches => "in batches",
    };
    let held = match step.lock {
        LockLevel::None => String::new(),
        _ => step.held.to_string(),
    };
    [step.lock.to_string(), held, step.lock.blocks().to_owned(), sent.to_owned()]
}

fn statements(step: &ScriptStep) -> String {
    let mut text = String::new();
    if let Work::Backfill(backfill) = &step.work {
        let pace = &backfill.pace;
        let pause = if pace.pause.is_zero() { "no pause".to_owned() } else { human::duration(pace.pause) + " pause" };
        let note = format!(
            "a transaction for every range of blocks from $1 to $2, {} at a time, {pause} between",
            human::duration(pace.batch)
        );
        text += &wrap(&note, 5);
    }
    if let Some(repair) = &step.repair {
        text += &wrap(&format!("after a broken attempt, first: {repair};"), 5);
    }
    text += "\n";
    text += &step.texts().map(|statement| indented(&format!("{statement};"), 7)).collect::<String>();
    text
}
