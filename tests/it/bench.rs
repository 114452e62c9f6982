//! The arithmetic of the benchmark, whose program has no tests of its own.
#![allow(dead_code, reason = "only the pure half of the program is here, and only a part of that is tested")]

#[path = "../../benches/backfill/markdown.rs"]
mod markdown;
#[path = "../../benches/backfill/meter.rs"]
mod meter;
#[path = "../../benches/backfill/plot.rs"]
mod plot;
#[path = "../../benches/backfill/results.rs"]
mod results;
#[path = "../../benches/backfill/scenario.rs"]
mod scenario;
#[path = "../../benches/backfill/statistics.rs"]
mod statistics;
#[path = "../../benches/backfill/summary.rs"]
mod summary;

use results::{Conditions, Latency, Outcome, Run};
use scenario::Scenario;
use statistics::{median, paired_ratio, percentile};
use summary::{Line, tables};

fn run(rival: Option<&'static str>, round: u32, outcome: Outcome) -> Run {
    let scenario = Scenario::parse("wide", 1000).unwrap();
    Run { scenario, rival, title: rival.unwrap_or("alone"), round, outcome }
}

fn idle(seconds: f64, wal_bytes: f64) -> Outcome {
    let cost = meter::Cost { wal_bytes, heap_bytes: [100, 112], index_bytes: [100, 100], updated: 1000, hot: 900 };
    Outcome::Idle { seconds, cost }
}

fn writer(p95: f64) -> Outcome {
    let latency = Latency { transactions: 10, failed: 1, p50: 1.0, p95, p99: 9.0, worst: 20.0 };
    Outcome::Writer { seconds: 1.0, latency }
}

fn failed() -> Outcome {
    Outcome::Failed { why: "3 of 1000 rows have the wrong owner or none".to_owned() }
}

/// Two rounds, of which the second found a machine that was half as fast.
fn two_rounds() -> Vec<Run> {
    vec![
        run(Some("one-update"), 1, idle(10.0, 800_000.0)),
        run(Some("keyset"), 1, idle(20.0, 800_000.0)),
        run(Some("tenantctl"), 1, idle(4.0, 400_000.0)),
        run(Some("tenantctl"), 2, idle(8.0, 400_000.0)),
        run(Some("one-update"), 2, idle(20.0, 800_000.0)),
        run(Some("keyset"), 2, failed()),
        run(None, 1, writer(4.0)),
        run(Some("tenantctl"), 1, writer(5.0)),
        run(Some("tenantctl"), 1, Outcome::Memory { bytes: 20_000_000 }),
    ]
}

fn line<'t>(tables: &'t [summary::Table], name: &str) -> &'t Line {
    tables[0].lines.iter().find(|line| line.name == name).unwrap()
}

#[test]
fn the_median_is_the_middle_or_the_mean_of_the_two_in_the_middle() {
    assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
    assert_eq!(median(&[4.0, 1.0, 9.0, 2.0]), Some(3.0));
    assert_eq!(median(&[]), None);
}

#[test]
fn a_percentile_is_the_value_of_the_nearest_rank() {
    let values: Vec<f64> = (1..=20).rev().map(f64::from).collect();
    let of_twenty = [(0.0, 1.0), (50.0, 10.0), (95.0, 19.0), (96.0, 20.0), (100.0, 20.0)];
    for (percent, expected) in of_twenty {
        assert_eq!(percentile(&values, percent), Some(expected), "{percent}");
    }
    assert_eq!(percentile(&[7.0], 95.0), Some(7.0));
    assert_eq!(percentile(&[], 95.0), None);
}

#[test]
fn a_paired_ratio_is_the_median_of_the_ratios_and_not_the_ratio_of_the_medians() {
    assert_eq!(paired_ratio(&[(1.0, 2.0), (10.0, 10.0), (30.0, 10.0)]), Some(1.0));
    assert_eq!(paired_ratio(&[(1.0, 0.0)]), None, "nothing can be told about a ratio to nothing");
}

#[test]
fn ways_are_compared_only_with_what_ran_in_the_same_round() {
    let tables = tables(&two_rounds());
    let own = line(&tables, "tenantctl");
    assert_eq!((own.rounds, own.seconds), (2, Some(6.0)));
    assert_eq!((own.to_one_update, own.wal_to_one_update), (Some(0.4), Some(0.5)));
    assert_eq!(own.to_keyset, Some(0.2), "its second round failed, so only the first one counts");
    assert_eq!(own.p95_to_alone, Some(1.25));
    assert_eq!((own.wal_per_row, own.memory), (Some(400.0), Some(20e6)));
    assert_eq!((own.heap_growth, own.index_growth, own.hot_share), (Some(1.12), Some(1.0), Some(0.9)));
}

#[test]
fn the_page_tells_of_a_failure_and_every_line_has_as_many_cells_as_its_head() {
    let conditions = Conditions {
        date: "2026-01-01 00:00".to_owned(),
        command: "cargo bench".to_owned(),
        versions: Vec::new(),
        machine: "2 processors".to_owned(),
        load: Some(0.0),
        settings: vec![("shared_buffers".to_owned(), "2GB".to_owned())],
        remarks: Vec::new(),
    };
    let page = markdown::write(&conditions, &tables(&two_rounds()));
    assert!(page.contains("## 1,000 rows: wide rows"), "{page}");
    assert!(page.contains("A run of *keyset* failed: 3 of 1000 rows"), "{page}");
    let cells: Vec<usize> =
        page.lines().filter(|line| line.starts_with('|')).map(|line| line.matches('|').count()).collect();
    assert!(cells.len() > 4 && cells.iter().all(|count| *count == cells[0]), "{cells:?}\n{page}");
}

#[test]
fn a_plot_has_a_bar_for_every_number_and_none_for_what_was_not_measured() {
    let plot = plot::draw(&tables(&two_rounds()));
    // Three ways with four panels each, and one of them beside an application.
    assert_eq!(plot.matches("<rect").count(), 3 * 4 + 1);
    assert_eq!(plot.matches("class=\"own\"").count(), 5);
}

#[test]
fn a_scenario_is_made_of_words_and_an_unknown_one_is_named() {
    let words = Scenario::parse("narrow+uuid+together+6-indexes+lz4", 1000).unwrap().to_string();
    let expected =
        "narrow rows (40 bytes), uuid keys, 6 secondary indexes, a parent's rows together, wal_compression = lz4";
    assert_eq!(words, expected);
    for wrong in ["wide+huge", "7-indexes", ""] {
        let error = format!("{:#}", Scenario::parse(wrong, 1000).unwrap_err());
        assert!(error.contains("a scenario is made of wide, narrow"), "{error}");
    }
}

#[test]
fn numbers_are_grouped_by_thousands() {
    for (number, text) in [(7, "7"), (123, "123"), (1000, "1,000"), (12_345, "12,345"), (10_000_000, "10,000,000")] {
        assert_eq!(markdown::grouped(number), text);
    }
}
