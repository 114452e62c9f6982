//! How a run of `migrate` or `rollback` ended: what was done, or where and why it stopped and how to go on.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::failure::ErrorObject;
use super::layout::{columns, hang};
use super::{Shape, human};
use crate::catalog::seconds;
use crate::error::{Failure, Resumable};
use crate::execute::bookkeeping::RunKind;

/// The format's number; it changes when a field changes its meaning.
const FORMAT: u32 = 1;

/// What a run did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Where it went.
    pub kind: RunKind,
    /// The run's number in the bookkeeping; nothing where none was begun.
    pub run: Option<i64>,
    /// The script's fingerprint.
    pub fingerprint: String,
    /// What this process applied, in order.
    pub applied: Vec<Applied>,
    /// Rows that got their owner, over all backfills.
    pub rows_written: u64,
    /// What its backfills cost; nothing where there was none.
    pub backfills: Option<Backfills>,
    /// How long it took.
    pub elapsed: Duration,
    /// How it ended.
    pub state: State,
}

/// What backfills cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Backfills {
    /// Rows that they wrote.
    pub rows_written: u64,
    /// Rows that they found without an owner and that writers filled, or deleted, before them.
    pub rows_meanwhile: u64,
    /// Rows that the fillers filled for writers since they are there; nothing where that is not known.
    pub rows_filled: Option<u64>,
    /// The rows among the written ones whose new version stayed on its page.
    pub hot_rows: u64,
    /// Bytes of WAL.
    pub wal_bytes: u64,
    /// How much the heaps and the indexes grew; known only of the whole run.
    pub growth: Option<Growth>,
    /// Their time, one after the other.
    #[serde(rename = "elapsed_seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
}

/// How much tables grew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// Bytes of heaps.
    pub heap_bytes: u64,
    /// Bytes of indexes.
    pub index_bytes: u64,
}

/// One migration that is in the history now.
#[derive(Debug, Clone, Serialize)]
pub struct Applied {
    /// Its name, such as `V7__backfill_orders`.
    pub migration: String,
    /// Its steps that were run.
    pub steps: usize,
    /// Its steps that were found done.
    pub skipped: usize,
    /// Rows that got their owner.
    pub rows_written: u64,
    /// How long it took.
    #[serde(rename = "elapsed_seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub enum State {
    /// Everything asked for is done.
    Finished {
        /// How many migrations are left beyond the target.
        left: usize,
    },
    /// Everything was done before.
    NothingToDo,
    /// Something stopped it; what is done stays done.
    Stopped {
        /// The step that was running; nothing between two.
        at: Option<String>,
        /// How many migrations are left.
        left: usize,
        /// Why.
        failure: Failure,
    },
}

/// Writes the outcome.
///
/// # Errors
/// Those of the writer.
pub fn write(outcome: &Outcome, shape: Shape, out: &mut impl Write) -> io::Result<()> {
    match shape {
        Shape::Text => text(outcome, out),
        Shape::Json => json(outcome, out),
    }
}

fn text(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    match &outcome.state {
        State::NothingToDo if outcome.kind == RunKind::Rollback => {
            return writeln!(out, "Nothing to do: nothing is left to be taken back.");
        }
        State::NothingToDo => return writeln!(out, "Nothing to do: every migration is applied."),
        State::Finished { left: 0 } => writeln!(out, "Done: {}.", sum(outcome))?,
        State::Finished { left } => {
            let left = human::counted(*left, "migration is left", "migrations are left");
            writeln!(out, "Done as far as asked: {}; {left}.", sum(outcome))?;
        }
        State::Stopped { at, left, failure } => {
            let place = at.as_ref().map_or_else(|| "between two steps".to_owned(), |step| format!("at {step}"));
            writeln!(out, "Stopped {place}: {}", failure.code)?;
            failure.message.lines().try_for_each(|line| write!(out, "{}", hang("", line, 2)))?;
            let left = human::counted(*left, "migration is left", "migrations are left");
            let done = format!("{}; {left}. What is done stays done.", sum(outcome));
            write!(out, "\n{}", hang("Applied: ", &done, 0))?;
        }
    }
    applied(outcome, out)?;
    if let Some(backfills) = &outcome.backfills {
        write!(out, "\n{}", hang("Backfills: ", &cost(backfills), 0))?;
    }
    if let Some(run) = outcome.run {
        writeln!(out, "\nRun {run}, {}", outcome.fingerprint)?;
    }
    match &outcome.state {
        State::Stopped { failure, .. } => write!(out, "{}", hang("To go on: ", &way_on(failure), 0)),
        State::Finished { .. } if outcome.kind == RunKind::Rollback => {
            writeln!(out, "Next: `tenantctl plan` shows what `tenantctl migrate` would do anew.")
        }
        State::Finished { left: 0 } | State::NothingToDo => writeln!(out, "Next: `tenantctl verify` proves it."),
        State::Finished { .. } => writeln!(out, "Next: `tenantctl migrate` goes on."),
    }
}

fn json(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    let (state, stopped) = match &outcome.state {
        State::Finished { left: 0 } => ("finished", None),
        State::Finished { .. } => ("target-reached", None),
        State::NothingToDo => ("nothing-to-do", None),
        State::Stopped { at, failure, .. } => {
            ("stopped", Some(StoppedObject { at: at.as_deref(), error: failure.into() }))
        }
    };
    let object = OutcomeObject {
        format: FORMAT,
        state,
        run: outcome.run,
        fingerprint: &outcome.fingerprint,
        applied: &outcome.applied,
        rows_written: outcome.rows_written,
        backfills: outcome.backfills.as_ref(),
        elapsed: outcome.elapsed,
        migrations_left: match outcome.state {
            State::NothingToDo => 0,
            State::Finished { left } | State::Stopped { left, .. } => left,
        },
        stopped,
    };
    serde_json::to_writer_pretty(&mut *out, &object)?;
    writeln!(out)
}

#[derive(Serialize)]
struct OutcomeObject<'a> {
    format: u32,
    state: &'static str,
    run: Option<i64>,
    fingerprint: &'a str,
    applied: &'a [Applied],
    rows_written: u64,
    backfills: Option<&'a Backfills>,
    #[serde(rename = "elapsed_seconds", serialize_with = "seconds")]
    elapsed: Duration,
    migrations_left: usize,
    stopped: Option<StoppedObject<'a>>,
}

#[derive(Serialize)]
struct StoppedObject<'a> {
    at: Option<&'a str>,
    error: ErrorObject,
}

fn sum(outcome: &Outcome) -> String {
    let steps: usize = outcome.applied.iter().map(|applied| applied.steps).sum();
    format!(
        "{} with {}, {} written in {}",
        human::counted(outcome.applied.len(), "migration", "migrations"),
        human::counted(steps, "step", "steps"),
        rows(outcome.rows_written),
        human::duration(outcome.elapsed)
    )
}

fn applied(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    if outcome.applied.is_empty() {
        return Ok(());
    }
    let row = |applied: &Applied| {
        let skipped = match applied.skipped {
            0 => String::new(),
            found => format!(", {found} found done"),
        };
        let written = if applied.rows_written > 0 { rows(applied.rows_written) } else { String::new() };
        [
            applied.migration.clone(),
            human::duration(applied.elapsed),
            human::counted(applied.steps, "step", "steps") + &skipped,
            written,
        ]
    };
    let table: Vec<[String; 4]> = outcome.applied.iter().map(row).collect();
    writeln!(out)?;
    columns(&table, 2).iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn cost(backfills: &Backfills) -> String {
    let Backfills { rows_written, rows_meanwhile, rows_filled, hot_rows, wal_bytes, growth, elapsed } = backfills;
    let mut said = vec![format!("{} in {}", rows(*rows_written), human::duration(*elapsed))];
    if *rows_written > 0 {
        said.push(format!("HOT {:.0} %", (*hot_rows as f64 / *rows_written as f64 * 100.0).floor()));
    }
    said.push(format!("{} of WAL", human::bytes(*wal_bytes)));
    if let Some(Growth { heap_bytes, index_bytes }) = growth {
        said.push(format!("heap +{}", human::bytes(*heap_bytes)));
        said.push(format!("indexes +{}", human::bytes(*index_bytes)));
    }
    if *rows_meanwhile > 0 {
        said.push(format!("{} filled by writers or deleted meanwhile", rows(*rows_meanwhile)));
    }
    if let Some(filled @ 1..) = rows_filled {
        said.push(format!("{} filled by the fillers in all", rows(*filled)));
    }
    said.join(", ")
}

fn way_on(failure: &Failure) -> String {
    let again = match failure.code.resumable() {
        Resumable::Yes => "run the same command again; it goes on where it stopped",
        Resumable::No => "mend the cause, then run the same command again",
    };
    match &failure.hint {
        // It says what to run already.
        Some(hint) if hint.contains("run ") => hint.clone(),
        Some(hint) => format!("{hint}; {again}"),
        None => again.to_owned(),
    }
}

fn rows(number: u64) -> String {
    format!("{} {}", human::count(number), if number == 1 { "row" } else { "rows" })
}
