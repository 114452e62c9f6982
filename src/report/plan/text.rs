//! The plan as text for the one who signs: what it will do, what it will lock and, where it is asked for, what it sends.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::super::human;
use super::super::layout::{WIDTH, columns, hang_within, indented};
use super::bill::{self, Line};
use super::{Detail, Page, leaves, waiting, words};
use crate::catalog::QualifiedName;
use crate::plan::{LockLevel, Phase};
use crate::sql::{MigrationScript, Script, ScriptStep, TableOverview, TableScope, Work};

/// How many reasons are told.
const REASONS: usize = 8;
/// How many steps are named for what they cost.
const DEAREST: usize = 5;
/// Narrower than this, a step's lock stands under its title and not before it.
const ROOM_FOR_LOCKS: usize = 80;

pub(super) fn write(script: &Script, page: Page, out: &mut impl Write) -> io::Result<()> {
    if script.migrations.is_empty() {
        writeln!(out, "Nothing to do: the database is as the configuration wants it.")?;
    } else {
        head(script, page.width, out)?;
    }
    if !script.migrations.is_empty() && !script.is_rollback() {
        tables(script, out)?;
        filled(script, page.width, out)?;
    }
    locks(script, out)?;
    costs(script, page.width, out)?;
    blockers(script, page.width, out)?;
    notices(script, page.width, out)?;
    waiting::write(script, page.width, out)?;
    for phase in in_order(script) {
        let migrations: Vec<_> = script.migrations.iter().filter(|migration| migration.phase == phase).collect();
        match page.detail {
            _ if migrations.is_empty() => {}
            Detail::Brief => brief_steps(phase, &migrations, page.width, out)?,
            Detail::Full => full_steps(phase, &migrations, page.width, out)?,
        }
    }
    Ok(())
}

/// The phases as they will be gone through.
fn in_order(script: &Script) -> Vec<Phase> {
    let mut phases = Phase::ALL.to_vec();
    if script.is_rollback() {
        phases.reverse();
    }
    phases
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
    head(script, WIDTH, out)
}

fn head(script: &Script, width: usize, out: &mut impl Write) -> io::Result<()> {
    let title = format!("for PostgreSQL {}: {}", script.major, words::size(script));
    let what = if script.is_rollback() { "Way back " } else { "Plan " };
    writeln!(out, "{}", hang_within(width, what, &title, 0))?;
    writeln!(out, "  Fingerprint     {}", script.fingerprint)?;
    if !script.is_rollback() {
        write!(out, "{}", hang_within(width, "Rows            ", &words::rows(script), 2))?;
    }
    for (label, text) in
        [("Strongest lock  ", words::strongest_lock(script)), ("Lock limits     ", words::lock_limits(&script.locks))]
    {
        write!(out, "{}", hang_within(width, label, &text, 2))?;
    }
    Ok(())
}

fn tables(script: &Script, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nTables")?;
    let rows: Vec<[String; 5]> = script.tables.iter().map(table_row).collect();
    columns(&rows, 2).iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn table_row(table: &TableOverview) -> [String; 5] {
    let name = table.name.to_string();
    match &table.scope {
        TableScope::Tenant { source, strategy, rows, partitions, .. } => {
            let filled = words::filled(*strategy).to_owned();
            [name, "tenant".to_owned(), words::owner(source), filled, words::table_rows(*rows, *partitions)]
        }
        TableScope::Shared => [name, "shared".to_owned(), String::new(), String::new(), String::new()],
        TableScope::Ignored => [name, "ignored".to_owned(), String::new(), String::new(), String::new()],
    }
}

/// Why tables are filled as they are, a line for each reason.
fn filled(script: &Script, width: usize, out: &mut impl Write) -> io::Result<()> {
    let reasons = words::reasons(script);
    if reasons.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nWays to fill")?;
    let widest = reasons.iter().map(|reason| reason.filled.len()).max().unwrap_or(0);
    reasons.iter().take(REASONS).try_for_each(|reason| {
        let label = format!("{:widest$}  ", reason.filled);
        write!(out, "{}", hang_within(width, &label, &format!("{}: {}", reason.of(), reason.text), 2))
    })?;
    match reasons.iter().skip(REASONS).map(|reason| reason.tables.len()).sum() {
        0 => Ok(()),
        more => writeln!(out, "  and {} for other reasons (--format json)", human::counted(more, "table", "tables")),
    }
}

fn locks(script: &Script, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<[String; 4]> = words::locks(script)
        .iter()
        .map(|lock| {
            let blocks = format!("blocks {}", lock.level.blocks());
            [lock.level.to_string(), lock.times(), format!("for {}", lock.held()), blocks]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nLocks")?;
    columns(&rows, 2).iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// The bill: in all, by phase, and the dearest steps by their number.
fn costs(script: &Script, width: usize, out: &mut impl Write) -> io::Result<()> {
    let Some(bill) = bill::bill(script) else { return Ok(()) };
    let row = |what: String, line: &Line| {
        let amounts = [&line.rows, &line.hot, &line.batches, &line.wal, &line.heap, &line.index, &line.time];
        let [rows, hot, batches, wal, heap, index, time] = amounts.map(|amount| amount.text.clone());
        [what, rows, hot, batches, wal, heap, index, time]
    };
    let heading = ["", "rows", "HOT", "batches", "WAL", "heap", "indexes", "time"].map(str::to_owned);
    let rows: Vec<[String; 8]> = [heading, row("in all".to_owned(), &bill.total)]
        .into_iter()
        .chain(bill.phases.iter().map(|phase| row(format!("  {}", phase.what), phase)))
        .collect();
    writeln!(out, "\nThe bill")?;
    columns(&rows, 2).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    let dearest = bill.steps.iter().take(DEAREST).filter(|step| step.share > 0);
    let dearest = dearest.map(|step| {
        let amounts = [&step.rows, &step.wal, &step.time].map(|amount| amount.text.clone());
        let [rows, wal, time] = amounts;
        [format!("{} %", step.share), step.what.clone(), rows, wal, time]
    });
    let heading = ["share", "of the time in the dearest steps", "rows", "WAL", "time"].map(str::to_owned);
    let dearest: Vec<[String; 5]> = std::iter::once(heading).chain(dearest).collect();
    if dearest.len() > 1 {
        columns(&dearest, 4).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    write!(out, "{}", hang_within(width, "", &bill::basis(script), 2))
}

fn blockers(script: &Script, width: usize, out: &mut impl Write) -> io::Result<()> {
    if script.blockers.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nBlocked: nothing runs before this is mended")?;
    let mut groups: BTreeMap<Option<&QualifiedName>, String> = BTreeMap::new();
    for blocker in &script.blockers {
        let group = groups.entry(blocker.table.as_ref()).or_default();
        *group += &hang_within(width, "- ", &blocker.text, 4);
        *group += &hang_within(width, "fix: ", &blocker.remedy, 6);
    }
    groups.iter().try_for_each(|(table, lines)| write!(out, "  {}\n{lines}", words::about(*table)))
}

fn notices(script: &Script, width: usize, out: &mut impl Write) -> io::Result<()> {
    if script.notices.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nTo know")?;
    let mut groups: BTreeMap<Option<&QualifiedName>, String> = BTreeMap::new();
    for notice in &script.notices {
        *groups.entry(notice.table.as_ref()).or_default() += &hang_within(width, "- ", &notice.text, 4);
    }
    groups.iter().try_for_each(|(table, lines)| write!(out, "  {}\n{lines}", words::about(*table)))
}

/// The steps of a phase in a line or two each: the lock and what is done.
fn brief_steps(phase: Phase, migrations: &[&MigrationScript], width: usize, out: &mut impl Write) -> io::Result<()> {
    let steps: usize = migrations.iter().map(|migration| migration.steps.len()).sum();
    let lines: Vec<_> = migrations.iter().map(|migration| leaves::lines(&migration.steps)).collect();
    let rows: Vec<[String; 2]> =
        lines.iter().flatten().map(|line| [line.step.lock.to_string(), held(line.step)]).collect();
    let locks = columns(&rows, 0);
    let wide = locks.iter().map(String::len).max().unwrap_or(0);
    let mut locks = locks.into_iter();
    writeln!(out, "\nPhase {phase}: {}", human::counted(steps, "step", "steps"))?;
    for (migration, lines) in migrations.iter().zip(lines) {
        writeln!(out, "{}", words::migration(migration))?;
        for (line, lock) in lines.iter().zip(locks.by_ref()) {
            let number = format!("{:>3}  ", line.number);
            let text = match width {
                ..ROOM_FOR_LOCKS => {
                    let title = hang_within(width, &number, &line.title, 0);
                    title + &hang_within(width, "", &lock, number.len())
                }
                _ => hang_within(width, &format!("{number}{lock:wide$}  "), &line.title, 0),
            };
            write!(out, "{text}")?;
        }
    }
    Ok(())
}

/// The steps of a phase with everything that they send. A title and four attributes do not fit on one line.
fn full_steps(phase: Phase, migrations: &[&MigrationScript], width: usize, out: &mut impl Write) -> io::Result<()> {
    let steps = migrations.iter().flat_map(|migration| &migration.steps);
    let heading = ["lock", "held for", "blocks", "sent"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(heading).chain(steps.map(attributes)).collect();
    let mut lines = columns(&rows, 5).into_iter();
    writeln!(out, "\nPhase {phase}\n{}", lines.next().unwrap_or_default())?;
    for migration in migrations {
        writeln!(out, "\n{}", words::migration(migration))?;
        for (number, (step, line)) in migration.steps.iter().zip(lines.by_ref()).enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            writeln!(out, "{}{line}", hang_within(width, &format!("{:>3}  ", number + 1), &step.title, 0))?;
            write!(out, "{}", statements(step, width))?;
        }
    }
    Ok(())
}

fn attributes(step: &ScriptStep) -> [String; 4] {
    let sent = words::sent(step.mode).to_owned();
    [step.lock.to_string(), held(step), step.lock.blocks().to_owned(), sent]
}

fn held(step: &ScriptStep) -> String {
    if step.lock == LockLevel::None { String::new() } else { step.held.to_string() }
}

fn statements(step: &ScriptStep, width: usize) -> String {
    let mut text = String::new();
    if let Work::Backfill(backfill) = &step.work {
        text += &hang_within(width, "", &words::batches(backfill), 5);
    }
    if let Some(repair) = &step.repair {
        text += &hang_within(width, "", &format!("after a broken attempt, first: {repair};"), 5);
    }
    text += "\n";
    text += &step.texts().map(|statement| indented(&format!("{statement};"), 7)).collect::<String>();
    text
}
