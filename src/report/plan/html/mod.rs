//! The plan as one page that needs nothing else: tables, locks, costs and every statement, for whoever signs.
//!
//! The template escapes what it is given; style and script are the only texts that go in as they are.

mod graph;
mod highlight;
mod timeline;

use std::collections::BTreeMap;
use std::io::{self, Write};

use askama::Template;

use super::super::human;
use super::bill::{self, Bill};
use super::words::{self, LockUse};
use crate::catalog::{LockHolder, QualifiedName};
use crate::plan::{Held, LockLevel, Phase};
use crate::sql::{MigrationScript, Script, ScriptStep, TableOverview, TableScope, Work};
use graph::Graph;
use highlight::{Kind, Piece};
use timeline::Timeline;

pub(super) fn write(script: &Script, out: &mut impl Write) -> io::Result<()> {
    View::of(script).write_into(out).map_err(io::Error::other)
}

#[derive(Template)]
#[template(path = "page.html")]
struct View<'a> {
    script: &'a Script,
    version: &'static str,
    style: &'static str,
    code: &'static str,
    facts: Vec<Fact>,
    blockers: Vec<Group<Problem<'a>>>,
    notices: Vec<Group<&'a str>>,
    graph: Option<Graph>,
    legend: Vec<Legend>,
    timeline: Option<Timeline>,
    locks: Vec<LockUse>,
    limits: String,
    bill: Option<Bill>,
    tables: Vec<Row>,
    phases: Vec<PhaseView>,
}

/// One number of the head.
struct Fact {
    label: &'static str,
    value: String,
    note: String,
}

/// What is said about one table.
struct Group<T> {
    about: String,
    items: Vec<T>,
}

struct Problem<'a> {
    text: &'a str,
    remedy: &'a str,
}

/// A colour of the graph, in words.
struct Legend {
    source: &'static str,
    text: &'static str,
    tables: usize,
}

/// A table in the list of all.
struct Row {
    name: String,
    scope: &'static str,
    source: &'static str,
    owner: String,
    filled: &'static str,
    /// Why so.
    reason: String,
    rows: String,
    /// Its migrations.
    versions: Vec<i32>,
}

struct PhaseView {
    name: &'static str,
    size: String,
    migrations: Vec<MigrationView>,
}

struct MigrationView {
    version: i32,
    name: String,
    steps: Vec<StepView>,
}

struct StepView {
    /// Its number in the whole plan.
    number: usize,
    id: String,
    title: String,
    lock: String,
    lock_class: String,
    blocks: &'static str,
    held: String,
    sent: &'static str,
    /// How its batches are made.
    batches: Option<String>,
    /// What comes first after a broken attempt.
    repair: Option<String>,
    blocked_by: Vec<String>,
    sql: String,
}

impl StepView {
    fn pieces(&self) -> Vec<Piece<'_>> {
        highlight::pieces(&self.sql)
    }
}

impl<'a> View<'a> {
    fn of(script: &'a Script) -> Self {
        let bill = bill::bill(script);
        View {
            script,
            version: env!("CARGO_PKG_VERSION"),
            style: include_str!("style.css"),
            code: include_str!("script.js"),
            facts: facts(script, bill.as_ref()),
            blockers: grouped(
                script
                    .blockers
                    .iter()
                    .map(|blocker| (blocker.table.as_ref(), Problem { text: &blocker.text, remedy: &blocker.remedy })),
            ),
            notices: grouped(script.notices.iter().map(|notice| (notice.table.as_ref(), notice.text.as_str()))),
            graph: graph::graph(script),
            legend: legend(script),
            timeline: timeline::timeline(script),
            locks: words::locks(script),
            limits: words::lock_limits(&script.locks),
            bill,
            tables: script.tables.iter().map(|table| row(script, table)).collect(),
            phases: phases(script),
        }
    }
}

fn facts(script: &Script, bill: Option<&Bill>) -> Vec<Fact> {
    let tenant = script.tables.iter().filter(|table| matches!(table.scope, TableScope::Tenant { .. })).count();
    let others = script.tables.len() - tenant;
    let strongest = words::locks(script).into_iter().next();
    let rows = |written| words::known_rows(script, written).map_or_else(|| "unknown".to_owned(), about);
    let mut facts = vec![
        Fact {
            label: "tenant tables",
            value: human::count(tenant as u64),
            note: format!("{others} more, not changed"),
        },
        Fact {
            label: "steps",
            value: human::count(script.steps().count() as u64),
            note: format!("in {}", human::counted(script.migrations.len(), "migration", "migrations")),
        },
        Fact { label: "rows to fill", value: rows(true), note: format!("owned by a default: {}", rows(false)) },
        Fact {
            label: "strongest lock",
            value: strongest.as_ref().map_or_else(|| "none".to_owned(), |lock| lock.level.to_string()),
            note: strongest.map_or_else(String::new, |lock| format!("{}, for {}", lock.times(), lock.held())),
        },
    ];
    if let Some(bill) = bill {
        let shown = |text: &str| if text.is_empty() { "0".to_owned() } else { format!("~{text}") };
        facts.push(Fact {
            label: "time",
            value: shown(&bill.total.time.text),
            note: "of the run, if nothing waits".to_owned(),
        });
        facts.push(Fact {
            label: "write-ahead log",
            value: shown(&bill.total.wal.text),
            note: "to replicas and archive".to_owned(),
        });
        let disk = script.steps().map(|step| step.cost.disk_bytes()).sum();
        facts.push(Fact {
            label: "disk",
            value: format!("~{}", human::bytes(disk)),
            note: "heap and indexes grow".to_owned(),
        });
    }
    facts
}

fn about(rows: u64) -> String {
    if rows == 0 { "0".to_owned() } else { format!("~{}", human::count(rows)) }
}

/// By table, in the order of their names.
fn grouped<'a, T>(items: impl Iterator<Item = (Option<&'a QualifiedName>, T)>) -> Vec<Group<T>> {
    let mut groups: BTreeMap<Option<&QualifiedName>, Vec<T>> = BTreeMap::new();
    items.for_each(|(table, item)| groups.entry(table).or_default().push(item));
    groups.into_iter().map(|(table, items)| Group { about: words::about(table), items }).collect()
}

fn legend(script: &Script) -> Vec<Legend> {
    let mut sources: Vec<Legend> = Vec::new();
    for table in &script.tables {
        if let TableScope::Tenant { source, .. } = &table.scope {
            let source = words::source(source);
            match sources.iter_mut().find(|legend| legend.source == source) {
                Some(legend) => legend.tables += 1,
                None => sources.push(Legend { source, text: words::way(source), tables: 1 }),
            }
        }
    }
    sources
}

fn row(script: &Script, table: &TableOverview) -> Row {
    let (scope, source, owner, filled, rows) = match &table.scope {
        TableScope::Tenant { source, strategy, rows, partitions, .. } => {
            let rows = words::table_rows(*rows, *partitions);
            ("tenant", words::source(source), words::owner(source), words::filled(*strategy), rows)
        }
        TableScope::Shared => ("shared", "", "all tenants read it".to_owned(), "", String::new()),
        TableScope::Ignored => ("ignored", "", "not looked at".to_owned(), "", String::new()),
    };
    let own = script.migrations.iter().filter(|migration| migration.table.as_ref() == Some(&table.name));
    let versions = own.map(|migration| migration.version).collect();
    let reason = words::reason(&table.scope).to_owned();
    Row { name: table.name.to_string(), scope, source, owner, filled, reason, rows, versions }
}

fn phases(script: &Script) -> Vec<PhaseView> {
    let mut number = 0;
    let mut phases = Vec::new();
    for phase in Phase::ALL {
        let migrations: Vec<&MigrationScript> =
            script.migrations.iter().filter(|migration| migration.phase == phase).collect();
        if migrations.is_empty() {
            continue;
        }
        let steps = migrations.iter().map(|migration| migration.steps.len()).sum();
        let size = human::counted(steps, "step", "steps");
        let mut view = |migration: &&MigrationScript| MigrationView {
            version: migration.version,
            name: words::migration(migration),
            steps: migration.steps.iter().map(|own| step(own, &mut number)).collect(),
        };
        phases.push(PhaseView { name: phase.as_str(), size, migrations: migrations.iter().map(&mut view).collect() });
    }
    phases
}

fn step(step: &ScriptStep, number: &mut usize) -> StepView {
    *number += 1;
    let lock = match step.lock {
        LockLevel::None => "no lock".to_owned(),
        lock => lock.to_string(),
    };
    StepView {
        number: *number,
        id: step.id.clone(),
        title: step.title.clone(),
        lock,
        lock_class: lock_class(step.lock),
        blocks: step.lock.blocks(),
        held: step.held.to_string(),
        sent: words::sent(step.mode),
        batches: match &step.work {
            Work::Backfill(backfill) => Some(words::batches(backfill)),
            Work::Statements(_) | Work::Condition(_) => None,
        },
        repair: step.repair.as_ref().map(ToString::to_string),
        blocked_by: step.blocked_by.iter().map(LockHolder::describe).collect(),
        sql: step.texts().map(|text| format!("{text};\n")).collect(),
    }
}

fn lock_class(lock: LockLevel) -> String {
    format!("lock-{}", lock.to_string().to_lowercase().replace(' ', "-"))
}

fn held_class(held: Held) -> &'static str {
    match held {
        Held::CatalogOnly => "held-catalog",
        Held::Batch => "held-batch",
        Held::Scan => "held-scan",
    }
}
