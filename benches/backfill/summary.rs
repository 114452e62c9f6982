//! Medians and paired ratios of all rounds, for each scenario and way. Pure.

use super::meter::Cost;
use super::results::{Latency, Outcome, Run};
use super::scenario::Scenario;
use super::statistics::{median, paired_ratio};

/// What one would try first.
const ONE_UPDATE: &str = "one-update";
/// What most tools do.
const KEYSET: &str = "keyset";

/// One scenario with so many rows.
#[derive(Debug)]
pub struct Table {
    /// The tables.
    pub scenario: Scenario,
    /// The ways, in the order in which they were listed.
    pub lines: Vec<Line>,
    /// The application alone.
    pub baseline: Option<Latency>,
}

/// One way.
#[derive(Debug, PartialEq)]
pub struct Line {
    /// Its name.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Rounds that count.
    pub rounds: usize,
    /// How long it took.
    pub seconds: Option<f64>,
    /// Its time to that of one UPDATE in the same round.
    pub to_one_update: Option<f64>,
    /// Its time to that of batches by the primary key in the same round.
    pub to_keyset: Option<f64>,
    /// Bytes of write-ahead log for each row of the table.
    pub wal_per_row: Option<f64>,
    /// Its write-ahead log to that of one UPDATE in the same round.
    pub wal_to_one_update: Option<f64>,
    /// The heap, after / before.
    pub heap_growth: Option<f64>,
    /// All indexes, after / before.
    pub index_growth: Option<f64>,
    /// Updates without a new index entry, from 0 to 1.
    pub hot_share: Option<f64>,
    /// What an application saw beside it.
    pub latency: Option<Latency>,
    /// The 95th percentile of that, to that of the application alone in the same round.
    pub p95_to_alone: Option<f64>,
    /// The most memory that the program held, in bytes.
    pub memory: Option<f64>,
    /// Why it failed, where it did.
    pub failures: Vec<String>,
}

/// Sums up all runs.
pub fn tables(runs: &[Run]) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for run in runs {
        if tables.iter().all(|table| table.scenario != run.scenario) {
            tables.push(table(&run.scenario, runs));
        }
    }
    tables
}

fn table(scenario: &Scenario, runs: &[Run]) -> Table {
    let runs: Vec<&Run> = runs.iter().filter(|run| run.scenario == *scenario).collect();
    let mut names: Vec<(&'static str, &'static str)> =
        runs.iter().filter_map(|run| run.rival.map(|name| (name, run.title))).collect();
    names.sort_unstable();
    names.dedup();
    let mut lines: Vec<Line> = names.into_iter().map(|(name, title)| line(name, title, &runs)).collect();
    // The fastest first; what failed last.
    lines.sort_by(|a, b| order(a).total_cmp(&order(b)));
    Table { scenario: scenario.clone(), lines, baseline: latency(&of(&runs, None)) }
}

fn order(line: &Line) -> f64 {
    line.seconds.unwrap_or(f64::INFINITY)
}

fn line(name: &'static str, title: &'static str, runs: &[&Run]) -> Line {
    let mine = of(runs, Some(name));
    let middle =
        |value: &dyn Fn(&Run) -> Option<f64>| median(&mine.iter().filter_map(|run| value(run)).collect::<Vec<f64>>());
    let rows = mine.first().map_or(1, |run| run.scenario.rows);
    Line {
        name,
        title,
        rounds: mine.iter().filter(|run| idle_seconds(run).is_some()).count(),
        seconds: middle(&idle_seconds),
        to_one_update: ratio(runs, name, Some(ONE_UPDATE), idle_seconds),
        to_keyset: ratio(runs, name, Some(KEYSET), idle_seconds),
        wal_per_row: middle(&|run| wal_bytes(run).map(|bytes| bytes / as_float(rows))),
        wal_to_one_update: ratio(runs, name, Some(ONE_UPDATE), wal_bytes),
        heap_growth: middle(&|run| cost(run).map(Cost::heap_growth)),
        index_growth: middle(&|run| cost(run).map(Cost::index_growth)),
        hot_share: middle(&|run| cost(run)?.hot_share()),
        latency: latency(&mine),
        p95_to_alone: ratio(runs, name, None, p95),
        memory: middle(&memory),
        failures: mine.iter().filter_map(|run| failure(run)).collect(),
    }
}

fn of<'r>(runs: &[&'r Run], name: Option<&str>) -> Vec<&'r Run> {
    runs.iter().filter(|run| run.rival == name).copied().collect()
}

/// The median ratio of one way to another, or to the application alone, over the rounds in which both were measured.
fn ratio(runs: &[&Run], name: &str, to: Option<&str>, value: fn(&Run) -> Option<f64>) -> Option<f64> {
    let others = of(runs, to);
    let pair = |run: &Run| {
        let other = others.iter().filter(|other| other.round == run.round).find_map(|other| value(other))?;
        Some((value(run)?, other))
    };
    let pairs: Vec<(f64, f64)> = of(runs, Some(name)).into_iter().filter_map(pair).collect();
    paired_ratio(&pairs)
}

fn idle_seconds(run: &Run) -> Option<f64> {
    match run.outcome {
        Outcome::Idle { seconds, .. } => Some(seconds),
        _ => None,
    }
}

fn cost(run: &Run) -> Option<&Cost> {
    match &run.outcome {
        Outcome::Idle { cost, .. } => Some(cost),
        _ => None,
    }
}

fn wal_bytes(run: &Run) -> Option<f64> {
    cost(run).map(|cost| cost.wal_bytes)
}

fn p95(run: &Run) -> Option<f64> {
    match &run.outcome {
        Outcome::Writer { latency, .. } => Some(latency.p95),
        _ => None,
    }
}

fn memory(run: &Run) -> Option<f64> {
    match run.outcome {
        Outcome::Memory { bytes } => Some(as_float(bytes)),
        _ => None,
    }
}

fn failure(run: &Run) -> Option<String> {
    match &run.outcome {
        Outcome::Failed { why } => Some(why.clone()),
        _ => None,
    }
}

/// The medians of all rounds; transactions and failures are added up.
fn latency(runs: &[&Run]) -> Option<Latency> {
    let all: Vec<Latency> = runs
        .iter()
        .filter_map(|run| match run.outcome {
            Outcome::Writer { latency, .. } => Some(latency),
            _ => None,
        })
        .collect();
    let middle = |pick: fn(&Latency) -> f64| median(&all.iter().map(pick).collect::<Vec<f64>>());
    Some(Latency {
        transactions: all.iter().map(|latency| latency.transactions).sum(),
        failed: all.iter().map(|latency| latency.failed).sum(),
        p50: middle(|latency| latency.p50)?,
        p95: middle(|latency| latency.p95)?,
        p99: middle(|latency| latency.p99)?,
        worst: middle(|latency| latency.worst)?,
    })
}

#[expect(clippy::cast_precision_loss, reason = "rows and bytes")]
fn as_float(number: u64) -> f64 {
    number as f64
}
