//! The sentences that bars and lines share.

use std::time::Duration;

use super::progress::Speed;
use crate::catalog::LockHolder;
use crate::event::Start;
use crate::report::human::{count, counted, duration, printable, rate};

/// More sessions than these are only counted.
const NAMED_HOLDERS: usize = 3;

/// The beginning of a run.
pub(super) fn run_started(run: i64, start: Start, migrations: usize) -> String {
    let verb = match start {
        Start::Fresh => "starts",
        Start::Resumed => "goes on",
    };
    format!("run {run} {verb}: {}", counted(migrations, "migration", "migrations"))
}

/// The run stops where it was asked to.
pub(super) const STOPPING: &str = "stopping: what was in flight is finished";

/// A lock that was not to be had.
pub(super) fn lock_waited(holders: &[LockHolder], attempt: u32, attempts: u32, rest: Duration) -> String {
    let who = who(holders).unwrap_or_else(|| "its holder has just gone".to_owned());
    format!("waiting for a lock: {who}, attempt {attempt} of {attempts}, again in {}", duration(rest))
}

/// A statement that waits for older transactions.
pub(super) fn statement_waits(holders: &[LockHolder], elapsed: Duration) -> String {
    let who = who(holders).unwrap_or_else(|| "they have just gone".to_owned());
    format!("waiting for older transactions for {}: {who}", duration(elapsed))
}

/// What holds the backfills back.
pub(super) fn pressure(level: f64, reason: Option<&str>) -> String {
    let why = reason.map(|reason| format!(": {}", printable(reason))).unwrap_or_default();
    match level {
        level if level >= 1.0 => format!("held{why}"),
        level if level > 0.0 => format!("slowed by {:.0} %{why}", level * 100.0),
        _ => "nothing holds the backfill back any more".to_owned(),
    }
}

/// What an operator changed.
pub(super) fn controlled(paused: bool, workers: Option<u32>, batch: Option<Duration>, by: &str) -> String {
    let mut what = vec![if paused { "paused".to_owned() } else { "running".to_owned() }];
    what.extend(workers.map(|workers| counted(workers as usize, "worker", "workers")));
    what.extend(batch.map(|batch| format!("batches of {}", duration(batch))));
    format!("{} by {}", what.join(", "), printable(by))
}

/// How far a backfill is.
pub(super) fn backfill(rows: u64, expected: Option<u64>, speed: Speed) -> String {
    let of = expected.map(|rows| format!(" of ~{}", count(rows))).unwrap_or_default();
    let left = speed.left.map(|left| format!(", {} left", duration(left))).unwrap_or_default();
    let pace = rate(speed.rows_per_second);
    format!("{}{of} rows, {pace}{left}", count(rows))
}

fn who(holders: &[LockHolder]) -> Option<String> {
    let mut named: Vec<String> = holders.iter().take(NAMED_HOLDERS).map(holder).collect();
    if holders.len() > NAMED_HOLDERS {
        named.push(format!("{} more", holders.len() - NAMED_HOLDERS));
    }
    (!named.is_empty()).then(|| named.join(", "))
}

fn holder(holder: &LockHolder) -> String {
    let application = match holder.application.as_str() {
        "" => String::new(),
        name => printable(name) + ", ",
    };
    format!("pid {} ({application}{} for {})", holder.pid, printable(&holder.state), duration(holder.open_for))
}

/// What a worker without a session means.
pub(super) fn worker_missing(worker: u32, reason: &str) -> String {
    format!("worker {worker} got no connection, the others do its part: {}", printable(reason))
}

/// What writers took over meanwhile; nothing where that is no row.
pub(super) fn reconciled(expected: u64, written: u64) -> Option<String> {
    let meanwhile = expected.saturating_sub(written);
    (meanwhile > 0).then(|| {
        let rows = counted(usize::try_from(meanwhile).unwrap_or(usize::MAX), "row", "rows");
        format!("{rows} filled by writers or deleted meanwhile")
    })
}
