//! tenantctl makes a live, single-customer PostgreSQL database serve many customers, without downtime.
//!
//! # Bird's eye
//!
//! ```text
//! config + catalog -> plan -> script -> execute -> checks -> report
//!   toml    pg reads   pure    pure      pg writes   pg reads   text|json|sql|markdown|html
//! ```
//!
//! One direction, no circles. The plan decides *what* is done and holds no SQL; `sql` alone says *how*; `execute` sends
//! nothing that `sql` did not write. So what `tenantctl plan` shows and what `tenantctl migrate` sends is one value, the
//! [`sql::Script`], and its fingerprint says whether it is still the one that was reviewed.
//!
//! # Map, from the bottom up
//!
//! | module | what it is |
//! | --- | --- |
//! | [`error`] | failures with a stable code, and the exit statuses |
//! | [`catalog`] | what the database *is*: plain values |
//! | [`config`] | what the operator decided: `tenantctl.toml` |
//! | [`infer`] | what a database *suggests*: a decision for every table, with the reason |
//! | [`pressure`] | what holds the backfills back: readings and limits in, a level and its reason out |
//! | [`plan`] | what we *will* do: phases, migrations, steps, locks; one file a phase |
//! | [`event`] | what happens during a run; the core's only way to speak |
//! | [`sql`] | how it is *said*: quoting, DDL, filler triggers, batches, probes; the only home of conversion SQL |
//! | [`verify`] | what to ask a converted database, and how to judge the answers |
//! | [`pg`] | the door to the server; the only folder that names `tokio_postgres` |
//! | [`execute`] | every loop that talks to the server: run, step, backfill, control, checks |
//! | [`report`] | plans, findings, outcomes, each in its formats |
//! | [`ui`] | the terminal: progress, questions, failures |
//! | [`embedded`] | a throw-away PostgreSQL for the demo, for planning offline and for tests |
//! | [`commands`] | one file a subcommand |
//!
//! # Invariants
//!
//! - Catalog, plan, pressure, sql and verify do no I/O: equal inputs give equal plans, texts and findings.
//! - A [`sql::Statement`] can be made only in `sql`. What is not one is not sent (session settings aside).
//! - Truth comes from the server: every step has a probe, asked before it runs and when a run is resumed.
//! - A batch and its checkpoint are one transaction; a lost batch loses its checkpoint too.
//! - No password and no value of a row is in any message.

pub mod catalog;
pub mod commands;
pub mod config;
pub mod embedded;
pub mod error;
pub mod event;
pub mod execute;
pub mod infer;
pub mod pg;
pub mod plan;
pub mod pressure;
pub mod report;
pub mod sql;
pub mod ui;
pub mod verify;

use std::process::ExitCode;

use clap::Parser;

use commands::Cli;

/// The program: reads the arguments, runs the command, tells how it went.
///
/// # Errors
/// The asynchronous runtime could not be started.
pub fn run() -> std::io::Result<ExitCode> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return Ok(ExitCode::from(commands::usage(&error) as u8)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    Ok(ExitCode::from(runtime.block_on(cli.run()) as u8))
}
