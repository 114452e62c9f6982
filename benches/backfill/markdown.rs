//! The results as a page.

use std::fmt::Write;

use super::results::{Conditions, Latency};
use super::summary::{Line, Table};

/// What every number means.
const LEGEND: &str = "\
Time, WAL, growth and HOT are medians of all rounds on a server that has nothing else to do. *of one UPDATE* and \
*of keys* (primary-key batches of 1,000) are medians of the ratios within a round. WAL is in bytes for each row of the table; heap and indexes are their size \
afterwards, to that before. HOT is the share of updates that needed no new index entry. The application beside makes \
its transactions (updates by key and inserts, half and half) when they are due, whether or not the earlier ones are \
done; its latencies are in milliseconds and count from when a transaction was due. Memory is the peak of the \
program's own process. Every row had its right owner afterwards, or the run is not counted.
";

/// Writes the page.
pub fn write(conditions: &Conditions, tables: &[Table]) -> String {
    let mut page = String::from("# What a backfill costs\n\n");
    // Writing to a string cannot fail, here and below.
    let _ = write!(page, "{}\n{LEGEND}\n![The same as a plot](backfill.svg)\n", header(conditions));
    for table in tables {
        let _ = write!(page, "\n## {} rows: {}\n\n{}", grouped(table.scenario.rows), table.scenario, body(table));
    }
    page.push_str(&rates(tables));
    page
}

fn header(conditions: &Conditions) -> String {
    let settings: Vec<String> = conditions.settings.iter().map(|(name, value)| format!("`{name} = {value}`")).collect();
    let mut lines = vec![
        format!("- Measured on {} UTC with `{}`", conditions.date, conditions.command),
        format!("- {}", conditions.versions.join(", ")),
        format!("- {}", conditions.machine),
        format!("- Server: `fsync = on`, {}", settings.join(", ")),
    ];
    if let Some(load) = conditions.load {
        lines.push(format!("- Load of the machine when it began: {load:.2}"));
    }
    lines.extend(conditions.remarks.iter().map(|remark| format!("- {remark}")));
    lines.join("\n") + "\n"
}

fn body(table: &Table) -> String {
    let mut text = String::from(
        "| | rounds | s | of one UPDATE | of keys | WAL/row | of one UPDATE | heap | indexes | HOT \
         | p50 | p95 | p99 | worst | failed | p95 to alone | memory |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: \
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for line in &table.lines {
        text.push_str(&row(line));
    }
    if let Some(latency) = &table.baseline {
        let _ = writeln!(text, "| *the application alone* | | | | | | | | | |{} | |", latencies(Some(latency)));
    }
    for line in &table.lines {
        for why in &line.failures {
            let _ = write!(text, "\nA run of *{}* failed: {why}\n", line.title);
        }
    }
    text
}

fn row(line: &Line) -> String {
    let cell = |value: Option<f64>, format: fn(f64) -> String| value.map(format).unwrap_or_default();
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |{} {} | {} |\n",
        line.title,
        line.rounds,
        cell(line.seconds, seconds),
        cell(line.to_one_update, ratio),
        cell(line.to_keyset, ratio),
        cell(line.wal_per_row, |bytes| format!("{bytes:.0}")),
        cell(line.wal_to_one_update, ratio),
        cell(line.heap_growth, |growth| format!("{growth:.2}x")),
        cell(line.index_growth, |growth| format!("{growth:.2}x")),
        cell(line.hot_share, |share| format!("{:.0} %", share * 100.0)),
        latencies(line.latency.as_ref()),
        cell(line.p95_to_alone, ratio),
        cell(line.memory, |bytes| format!("{:.0} MB", bytes / 1e6)),
    )
}

fn latencies(latency: Option<&Latency>) -> String {
    match latency {
        Some(latency) => {
            let numbers = [latency.p50, latency.p95, latency.p99, latency.worst].map(milliseconds);
            format!(" {} | {} |", numbers.join(" | "), latency.failed)
        }
        None => " | | | | |".to_owned(),
    }
}

/// How the rate holds as the table grows.
fn rates(tables: &[Table]) -> String {
    let mut lines = String::new();
    for smallest in tables {
        let same = |table: &&Table| table.scenario.name == smallest.scenario.name;
        let of_scenario: Vec<&Table> = tables.iter().filter(same).collect();
        let is_smallest = of_scenario.iter().all(|table| table.scenario.rows >= smallest.scenario.rows);
        if of_scenario.len() > 1 && is_smallest {
            for line in &smallest.lines {
                lines.push_str(&rate_rows(line, smallest, &of_scenario));
            }
        }
    }
    if lines.is_empty() {
        return lines;
    }
    format!(
        "\n## The rate as the table grows\n\n| scenario | | rows | rows/s | of the smallest table's |\n\
         | --- | --- | ---: | ---: | ---: |\n{lines}"
    )
}

fn rate_rows(line: &Line, smallest: &Table, tables: &[&Table]) -> String {
    let mut text = String::new();
    let first = rate(line, smallest);
    for table in tables {
        let found = table.lines.iter().find(|other| other.name == line.name).and_then(|line| rate(line, table));
        if let (Some(rate), Some(first)) = (found, first) {
            let (scenario, rows) = (&table.scenario.name, grouped(table.scenario.rows));
            let _ = writeln!(text, "| {scenario} | {} | {rows} | {rate:.0} | {:.2} |", line.title, rate / first);
        }
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "rows")]
fn rate(line: &Line, table: &Table) -> Option<f64> {
    line.seconds.map(|seconds| table.scenario.rows as f64 / seconds)
}

fn ratio(ratio: f64) -> String {
    format!("{ratio:.2}")
}

/// Short times with more digits: an instant one is a few milliseconds.
fn seconds(seconds: f64) -> String {
    if seconds < 0.1 { format!("{seconds:.3}") } else { format!("{seconds:.1}") }
}

fn milliseconds(milliseconds: f64) -> String {
    if milliseconds < 10.0 { format!("{milliseconds:.1}") } else { format!("{milliseconds:.0}") }
}

/// `1,000,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = (0..digits.len())
        .filter(|at| (digits.len() - at).is_multiple_of(3) || *at == 0)
        .map(|at| &digits[at..])
        .collect();
    let lengths = groups.iter().map(|rest| rest.len()).skip(1).chain([0]);
    groups.iter().zip(lengths).map(|(rest, next)| &rest[..rest.len() - next]).collect::<Vec<&str>>().join(",")
}
