//! Compares ways to fill the owner column of a large table: tenantctl's own, and those of others, on one server.
//!
//! ```text
//! cargo bench --bench backfill -- --rows 1M --scenario wide,together
//! ```
//!
//! The server is one of its own, with production's durability. Every run begins with a fresh copy of the same tables;
//! within a round the ways follow each other in random order, and times are compared within a round. A number counts
//! only if every row has its right owner afterwards. The results are `backfill.md`, `backfill.svg` and `backfill.json`.

#![allow(clippy::print_stderr, reason = "a benchmark tells how far it is")]

mod machine;
mod markdown;
mod meter;
mod options;
mod plot;
mod process;
mod proof;
mod results;
mod rivals;
mod scenario;
mod server;
mod session;
mod statistics;
mod summary;
mod writer;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use options::Options;
use results::{Outcome, Results, Run};
use server::Server;
use session::Session;

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if !options.bench {
        // `cargo test --all-targets` runs this program too.
        eprintln!("nothing is measured: run `cargo bench --bench backfill`");
        return Ok(ExitCode::SUCCESS);
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(compare(&options))
}

async fn compare(options: &Options) -> anyhow::Result<ExitCode> {
    let (rivals, remark) = options.rivals()?;
    let scenarios = options.scenarios()?;
    let server = Server::start(&options.set)?;
    let remarks = remark.into_iter().chain(server.remark()).collect();
    let conditions = machine::conditions(&server, remarks).await?;
    conditions.remarks.iter().for_each(|remark| eprintln!("{remark}"));
    let mut results = Results { conditions, runs: Vec::new() };
    let session = Session { options, server: &server, rivals: &rivals };
    for scenario in &scenarios {
        eprintln!("\n{} rows, {scenario}", scenario.rows);
        session
            .measure(scenario, |run| {
                eprintln!("{}", told(&run));
                results.runs.push(run);
            })
            .await?;
        // What is measured is kept, whatever becomes of the next scenario.
        write(&results, &options.out)?;
    }
    let failed = results.runs.iter().any(|run| matches!(run.outcome, Outcome::Failed { .. }));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One line about a run, for whoever waits.
fn told(run: &Run) -> String {
    let outcome = match &run.outcome {
        Outcome::Idle { seconds, cost } => format!("{seconds:.1} s, {:.2}x heap", cost.heap_growth()),
        Outcome::Writer { seconds, latency } => {
            format!("{seconds:.1} s beside an application: p95 {:.1} ms, worst {:.0} ms", latency.p95, latency.worst)
        }
        Outcome::Memory { bytes } => format!("{} MB of memory", bytes / 1_000_000),
        Outcome::Failed { why } => format!("failed: {why}"),
    };
    format!("  {:<45} round {}  {outcome}", run.title, run.round)
}

fn write(results: &Results, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let tables = summary::tables(&results.runs);
    let file = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    };
    file("backfill.json", serde_json::to_string_pretty(results)? + "\n")?;
    file("backfill.md", markdown::write(&results.conditions, &tables))?;
    file("backfill.svg", plot::draw(&tables))
}
