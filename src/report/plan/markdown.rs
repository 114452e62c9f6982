//! The plan for a pull request: GitHub's Markdown, with the SQL folded away, and never longer than a comment may be.

use std::io::{self, Write};

use super::super::human;
use super::bill::{self, Line};
use super::{leaves, words};
use crate::catalog::QualifiedName;
use crate::plan::{LockLevel, Phase};
use crate::sql::{MigrationScript, Script, TableScope};

/// What GitHub takes as one comment. It counts characters; bytes are never fewer.
const LONGEST: usize = 65_536;
/// Kept free for the words about what was left out.
const FAREWELL: usize = 512;
/// What stands around the steps of a phase, at most.
const FRAME: usize = 256;
/// The longest list: of tables, of blockers, of notices.
const LIST: usize = 10_000;

pub(super) fn write(script: &Script, out: &mut impl Write) -> io::Result<()> {
    out.write_all(page(script).as_bytes())
}

fn page(script: &Script) -> String {
    let mut page = head(script);
    page += &blockers(script);
    page += &costs(script);
    page += &locks(script);
    page += &tables(script);
    page += &notices(script);
    let room = LONGEST.saturating_sub(FAREWELL + page.len());
    page + &steps(script, room)
}

fn head(script: &Script) -> String {
    let verdict = match (script.blockers.len(), script.migrations.is_empty()) {
        (0, true) => "✅ Nothing to do: the database is as the configuration wants it.".to_owned(),
        (0, false) => "✅ Nothing blocks it.".to_owned(),
        (blockers, _) => format!("⛔ Blocked by {}.", human::counted(blockers, "problem", "problems")),
    };
    let mut head = format!("## Plan for PostgreSQL {}: {}\n\n{verdict}\n\n", script.major, words::size(script));
    head += "| | |\n| --- | --- |\n";
    for (label, value) in [
        ("Fingerprint", code(&script.fingerprint)),
        ("Rows", escaped(&words::rows(script))),
        ("Strongest lock", escaped(&words::strongest_lock(script))),
        ("Lock limits", escaped(&words::lock_limits(&script.locks))),
    ] {
        head += &format!("| {label} | {value} |\n");
    }
    head
}

fn blockers(script: &Script) -> String {
    if script.blockers.is_empty() {
        return String::new();
    }
    let rows = script.blockers.iter().map(|blocker| {
        let about = about(blocker.table.as_ref());
        format!("| {about} | {} | {} |\n", escaped(&blocker.text), escaped(&blocker.remedy))
    });
    format!("\n### Blocked: nothing runs before this is mended\n\n{}", table(&["Table", "What is wrong", "Fix"], rows))
}

fn costs(script: &Script) -> String {
    let Some(bill) = bill::bill(script) else { return String::new() };
    let line = |name: String, line: &Line| {
        let cells = [&line.time, &line.wal, &line.heap, &line.index, &line.rows, &line.batches, &line.hot];
        let cells: Vec<&str> = cells.iter().map(|amount| amount.text.as_str()).collect();
        format!("| {name} | {} |\n", cells.join(" | "))
    };
    let phases = bill.phases.iter().map(|phase| line(escaped(&phase.what), phase));
    let dearest = bill.steps.iter().map(|step| line(escaped(&format!("{}. {}", step.step, step.what)), step));
    let total = std::iter::once(line("**in all**".to_owned(), &bill.total));
    let head = ["Estimated", "Time", "WAL", "Heap", "Indexes", "Rows", "Batches", "HOT"];
    let by_phase = table(&head, phases.chain(total));
    let by_step = folded("The dearest steps", &table(&head, dearest));
    format!("\n### The bill\n\n{by_phase}\n{by_step}")
}

fn locks(script: &Script) -> String {
    let rows = words::locks(script)
        .into_iter()
        .map(|lock| format!("| {} | {} | {} | {} |\n", lock.level, lock.times(), lock.held(), lock.level.blocks()));
    let rows: Vec<String> = rows.collect();
    match rows.is_empty() {
        true => String::new(),
        false => {
            format!("\n### Locks\n\n{}", table(&["Lock", "Taken", "Held for", "Blocks"], rows.into_iter()))
        }
    }
}

fn tables(script: &Script) -> String {
    let rows = script.tables.iter().map(|overview| {
        let name = code(&overview.name.to_string());
        match &overview.scope {
            TableScope::Tenant { source, strategy, rows, partitions, .. } => format!(
                "| {name} | tenant | {} | {} | {} | {} |\n",
                escaped(&words::owner(source)),
                words::filled(*strategy),
                escaped(&words::table_rows(*rows, *partitions)),
                escaped(words::reason(&overview.scope))
            ),
            TableScope::Shared => format!("| {name} | shared | | | | |\n"),
            TableScope::Ignored => format!("| {name} | ignored | | | | |\n"),
        }
    });
    let summary = human::counted(script.tables.len(), "table", "tables");
    let table = table(&["Table", "Scope", "Owner", "Filled", "Rows", "Why so"], rows);
    format!("\n### Tables\n\n{}", folded(&summary, &table))
}

fn notices(script: &Script) -> String {
    if script.notices.is_empty() {
        return String::new();
    }
    let rows = script.notices.iter().map(|notice| {
        let about = about(notice.table.as_ref());
        format!("| {about} | {} |\n", escaped(&notice.text))
    });
    let summary = human::counted(script.notices.len(), "notice", "notices");
    format!("\n### To know\n\n{}", folded(&summary, &table(&["Table", "What to know"], rows)))
}

/// The steps of every phase, then as much of the SQL as there is room for.
fn steps(script: &Script, room: usize) -> String {
    let phases: Vec<Phase> = Phase::ALL
        .into_iter()
        .filter(|phase| script.migrations.iter().any(|migration| migration.phase == *phase))
        .collect();
    let share = room / phases.len().max(1);
    let lists: Vec<(Phase, String)> = phases.into_iter().map(|phase| (phase, list(script, phase, share))).collect();
    let mut left = room.saturating_sub(lists.iter().map(|(_, list)| list.len()).sum());
    let blocks: Vec<(&MigrationScript, String)> = script
        .migrations
        .iter()
        .map(|migration| (migration, block(migration)))
        .take_while(|(_, block)| {
            let fits = block.len() <= left;
            left = left.saturating_sub(block.len());
            fits
        })
        .collect();
    let mut text = String::new();
    for (phase, list) in &lists {
        text += list;
        let own = blocks.iter().filter(|(migration, _)| migration.phase == *phase);
        text += &own.map(|(_, block)| block.as_str()).collect::<String>();
    }
    text + &farewell(script.migrations.len() - blocks.len())
}

fn about(table: Option<&QualifiedName>) -> String {
    table.map_or_else(|| words::about(None), |table| code(&table.to_string()))
}

/// What did not fit.
fn farewell(migrations: usize) -> String {
    if migrations == 0 {
        return String::new();
    }
    format!(
        "\n> [!NOTE]\n> Left out for want of room: the SQL of {}. `tenantctl plan --format sql` and `--format html` show \
         everything.\n",
        human::counted(migrations, "migration", "migrations")
    )
}

/// The steps of a phase without their SQL.
fn list(script: &Script, phase: Phase, room: usize) -> String {
    let migrations = script.migrations.iter().filter(|migration| migration.phase == phase);
    let rows = migrations
        .flat_map(|migration| leaves::lines(&migration.steps).into_iter().map(|line| step_row(migration, &line)));
    let rows: Vec<String> = rows.collect();
    let own = script.migrations.iter().filter(|migration| migration.phase == phase);
    let summary = human::counted(own.map(|migration| migration.steps.len()).sum(), "step", "steps");
    let table = table_within(room.saturating_sub(FRAME), &["Step", "", "Lock", "Held for", "Sent"], rows.into_iter());
    format!("\n### Phase {phase}\n\n{}", folded(&summary, &table))
}

fn step_row(migration: &MigrationScript, line: &leaves::Line<'_>) -> String {
    let (number, step) = (line.number, line.step);
    let held = if step.lock == LockLevel::None { String::new() } else { step.held.to_string() };
    let mut title = escaped(&line.title);
    for session in &step.blocked_by {
        title += &format!("<br>⏳ in its way now: {}", escaped(&session.describe()));
    }
    format!("| V{}.{number} | {title} | {} | {held} | {} |\n", migration.version, step.lock, words::sent(step.mode))
}

/// A migration's SQL.
fn block(migration: &MigrationScript) -> String {
    let steps = migration.steps.iter().map(|step| {
        let sql: String = step.texts().map(|text| format!("{text};\n")).collect();
        let fence = "`".repeat(longest_run(&sql).max(2) + 1);
        format!("{}\n\n{fence}sql\n{sql}{fence}\n", escaped(&step.title))
    });
    let steps: Vec<String> = steps.collect();
    format!("\n{}", folded(&format!("SQL of {}", words::migration(migration)), &steps.join("\n")))
}

/// A table of as many rows as a list may have.
fn table(head: &[&str], rows: impl Iterator<Item = String>) -> String {
    table_within(LIST, head, rows)
}

/// A table of as many rows as there is room for; the others are counted.
fn table_within(room: usize, head: &[&str], rows: impl Iterator<Item = String>) -> String {
    let rule = vec!["---"; head.len()].join(" | ");
    let mut text = format!("| {} |\n| {rule} |\n", head.join(" | "));
    let mut more = 0;
    for row in rows {
        if more > 0 || text.len() + row.len() > room {
            more += 1;
        } else {
            text += &row;
        }
    }
    if more > 0 {
        text += &format!("| … and {} more |{}\n", human::count(more), " |".repeat(head.len() - 1));
    }
    text
}

fn folded(summary: &str, inside: &str) -> String {
    format!("<details><summary>{summary}</summary>\n\n{inside}\n</details>\n")
}

/// Text that means nothing in Markdown or HTML, notifies nobody, and stays in its cell.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '@' | '#' => safe.extend([character, '\u{200b}']),
            '\n' | '\r' => safe.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => safe.extend(['\\', character]),
            other => safe.push(other),
        }
    }
    safe
}

/// A name as code, whatever is in it.
fn code(text: &str) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    let text = text.replace(['\n', '\r'], " ").replace('|', "\\|");
    let air = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{air}{text}{air}{fence}")
}

/// The longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}
