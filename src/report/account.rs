//! What a run was expected to cost, beside what it cost.

use std::io::{self, Write};

use super::human;
use super::layout::{columns, hang};
use crate::execute::account::{Account, Comparison};
use crate::plan::Cost;

/// Writes what a run was expected to cost beside what it cost.
///
/// # Errors
/// Those of the writer.
pub fn write(account: &Account, out: &mut impl Write) -> io::Result<()> {
    let state = if account.finished { "finished" } else { "not finished" };
    let steps = human::counted(account.steps.len(), "step", "steps");
    let measured = account.steps.iter().filter(|step| step.actual.is_some()).count();
    writeln!(out, "bill:    run {}, {state}, {measured} of {steps} measured", account.run)?;
    let mut rows = vec![["", "rows", "WAL", "disk", "time"].map(str::to_owned), compared("in all", &account.total)];
    for table in &account.tables {
        rows.push(compared(&table.table.to_string(), &table.costs));
        let steps = account.steps.iter().filter(|step| step.table.as_ref() == Some(&table.table));
        rows.extend(
            steps.filter_map(|step| Some((step, step.compare()?))).filter(|(_, costs)| is_noteworthy(costs)).map(
                |(step, costs)| compared(&format!("  {}", step.id.rsplit('/').next().unwrap_or_default()), &costs),
            ),
        );
    }
    columns(&rows, 2).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    let how = "expected > actual (expected / actual). WAL is the server's: what other sessions wrote while a step, or a \
               batch of a backfill, was at work is in it. Steps under 1 MiB and 1 s are left out; --format json has them.";
    write!(out, "{}", hang("", how, 2))
}

fn is_noteworthy(costs: &Comparison) -> bool {
    let large = |cost: &Cost| cost.wal_bytes.max(cost.disk_bytes()) >= 1 << 20 || cost.duration.as_secs() >= 1;
    large(&costs.estimate) || large(&costs.actual)
}

fn compared(name: &str, costs: &Comparison) -> [String; 5] {
    let (estimate, actual, ratios) = (&costs.estimate, &costs.actual, &costs.ratios);
    let cell = |ratio: Option<f64>, estimate: String, actual: String| match ratio {
        Some(ratio) => format!("{estimate} > {actual} ({ratio:.2})"),
        None if estimate == actual => "-".to_owned(),
        None => format!("{estimate} > {actual}"),
    };
    let bytes = |ratio, estimate, actual| cell(ratio, human::bytes(estimate), human::bytes(actual));
    [
        name.to_owned(),
        cell(ratios.rows, human::count(estimate.rows), human::count(actual.rows)),
        bytes(ratios.wal, estimate.wal_bytes, actual.wal_bytes),
        bytes(ratios.disk, estimate.disk_bytes(), actual.disk_bytes()),
        cell(ratios.duration, human::duration(estimate.duration), human::duration(actual.duration)),
    ]
}
