//! What the plan is expected to cost, step by step, the dearest first.

use std::cmp::Reverse;

use super::super::human;
use crate::plan::{Cost, Phase};
use crate::sql::Script;

/// More steps than this stand behind a click.
const DEAREST: usize = 12;

/// The estimates that are not zero.
pub(super) struct Bill {
    pub total: Line,
    /// One line a phase, in their order.
    pub phases: Vec<Line>,
    /// The dearest steps.
    pub steps: Vec<Line>,
    /// The steps after those.
    pub more: Vec<Line>,
    /// Tables whose share is not in it.
    pub unknown: u64,
}

/// What one thing costs.
pub(super) struct Line {
    pub what: String,
    /// The number of the step that it is.
    pub step: usize,
    /// Its part of the time, or of the log where no time is known, in per cent of the total.
    pub share: u64,
    pub time: Amount,
    pub rows: Amount,
    pub batches: Amount,
    pub wal: Amount,
    pub heap: Amount,
    pub index: Amount,
    /// The rows whose new version stays in its page, in per cent.
    pub hot: Amount,
}

/// A number as people read it, and as it is sorted.
pub(super) struct Amount {
    pub text: String,
    pub value: u128,
}

/// The bill of a script; nothing where nobody estimated.
pub(super) fn bill(script: &Script) -> Option<Bill> {
    let total: Cost = script.steps().map(|step| &step.cost).sum();
    if total == Cost::default() {
        return None;
    }
    let free = Cost::default();
    let mut steps: Vec<(usize, &str, &Cost)> = script
        .steps()
        .enumerate()
        .map(|(number, step)| (number + 1, step.title.as_str(), &step.cost))
        .filter(|(_, _, cost)| **cost != free)
        .collect();
    steps.sort_by_key(|(number, _, cost)| (Reverse((cost.duration, cost.wal_bytes, cost.disk_bytes())), *number));
    let mut steps: Vec<Line> = steps.into_iter().map(|(number, what, cost)| line(what, number, cost, &total)).collect();
    let more = steps.split_off(steps.len().min(DEAREST));
    let phases = Phase::ALL.into_iter().map(|phase| {
        let migrations = script.migrations.iter().filter(|migration| migration.phase == phase);
        (phase, migrations.flat_map(|migration| &migration.steps).map(|step| &step.cost).sum::<Cost>())
    });
    let phases = phases.filter(|(_, cost)| *cost != free);
    let phases = phases.map(|(phase, cost)| line(phase.as_str(), 0, &cost, &total)).collect();
    Some(Bill { total: line("in all", 0, &total, &total), phases, steps, more, unknown: total.unknown })
}

/// What the numbers rest on, and how far they can be trusted.
pub(super) fn basis(script: &Script) -> String {
    let basis = match script.calibrated.len() {
        0 => "estimated from the catalog's statistics (--calibrate measures)".to_owned(),
        tables => {
            let tables = human::counted(tables, "table", "tables");
            format!("measured on copies of some pages of {tables}, else estimated from the catalog's statistics")
        }
    };
    let missing = match script.steps().map(|step| step.cost.unknown).sum::<u64>() {
        0 => String::new(),
        steps => format!(
            "; {} of tables without a known size count as nothing",
            human::counted(steps as usize, "step", "steps")
        ),
    };
    format!("{basis}; disk is growth before VACUUM gives room back, time a rough guess{missing}")
}

fn line(what: &str, step: usize, cost: &Cost, total: &Cost) -> Line {
    let (part, whole) = match total.duration.as_millis() {
        0 => (u128::from(cost.wal_bytes), u128::from(total.wal_bytes)),
        whole => (cost.duration.as_millis(), whole),
    };
    let hot = cost.hot_share().map(|share| (share * 100.0).round() as u64);
    Line {
        what: what.to_owned(),
        step,
        share: (part * 100).checked_div(whole).unwrap_or(0) as u64,
        time: amount(cost.duration.as_millis(), || human::duration(cost.duration)),
        rows: amount(cost.rows.into(), || human::count(cost.rows)),
        batches: amount(cost.batches.into(), || human::count(cost.batches)),
        wal: amount(cost.wal_bytes.into(), || human::bytes(cost.wal_bytes)),
        heap: amount(cost.heap_bytes.into(), || human::bytes(cost.heap_bytes)),
        index: amount(cost.index_bytes.into(), || human::bytes(cost.index_bytes)),
        hot: Amount { text: hot.map_or_else(String::new, |hot| format!("{hot} %")), value: hot.unwrap_or(0).into() },
    }
}

/// Nothing is written for zero.
fn amount(value: u128, text: impl Fn() -> String) -> Amount {
    Amount { text: if value == 0 { String::new() } else { text() }, value }
}
