//! The sentences that bars and lines share.

use std::time::Duration;

use super::fill::Fill;
use super::progress::{Hold, Progress, Wait};
use crate::catalog::LockHolder;
use crate::event::{Event, Start};
use crate::report::human::{bytes, count, counted, duration, printable, rate};

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

/// What a step waits for.
pub(super) fn wait(wait: &Wait) -> String {
    match wait {
        Wait::Lock { holders, attempt, attempts, rest } => {
            let who = who(holders).unwrap_or_else(|| "its holder has just gone".to_owned());
            format!("waiting for a lock: {who}, attempt {attempt} of {attempts}, again in {}", duration(*rest))
        }
        Wait::Transactions { holders, elapsed } => {
            let who = who(holders).unwrap_or_else(|| "they have just gone".to_owned());
            format!("waiting for older transactions for {}: {who}", duration(*elapsed))
        }
    }
}

/// Nothing slows the backfills any more.
pub(super) const RELEASED: &str = "nothing holds the backfills back any more";

/// What holds the backfills back now, and for how long; nothing where nothing does.
pub(super) fn hold(hold: &Hold, now: Duration) -> Option<String> {
    let why =
        |reason: &Option<String>| reason.as_ref().map(|reason| format!(": {}", printable(reason))).unwrap_or_default();
    let lasted = |since: &Duration| match now.saturating_sub(*since) {
        short if short < Duration::from_secs(1) => String::new(),
        time => format!(" for {}", duration(time)),
    };
    match hold {
        Hold::Free => None,
        Hold::Slowed { level, reason } => Some(format!("slowed by {:.0} %{}", level * 100.0, why(reason))),
        Hold::Stopped { since, reason } => Some(format!("held{}{}", lasted(since), why(reason))),
        Hold::Paused { since, by } => {
            Some(format!("paused by {}{}; `tenantctl resume` goes on", printable(by), lasted(since)))
        }
    }
}

/// What an operator changed.
pub(super) fn controlled(event: &Event) -> Option<String> {
    let Event::Controlled { paused_by, workers, batch, max_lag, by } = event else { return None };
    let mut what = vec![match paused_by {
        None => "running".to_owned(),
        Some(paused_by) if paused_by == by => "paused".to_owned(),
        Some(paused_by) => format!("paused by {}", printable(paused_by)),
    }];
    what.extend(workers.map(|workers| counted(workers as usize, "worker", "workers")));
    what.extend(batch.map(|batch| format!("batches of {}", duration(batch))));
    what.extend(max_lag.map(|lag| format!("replicas at most {} behind", duration(lag))));
    Some(format!("set by {}: {}", printable(by), what.join(", ")))
}

/// How far a backfill is: rows and, where it goes on, the rate and what is left.
pub(super) fn how_far(fill: &Fill, hold: &Hold, now: Duration) -> Vec<String> {
    let rows = format!("{} rows", of_about(fill.rows_total, fill.rows_expected));
    let speed = if hold.is_still() { None } else { fill.speed(now) };
    let rate = speed.map(|speed| rate(speed.rows_per_second));
    let left = speed.and_then(|speed| speed.left).map(|left| format!("{} left", duration(left)));
    [Some(rows), rate, left].into_iter().flatten().collect()
}

/// What a backfill costs so far, and how many work at it.
pub(super) fn what_it_costs(fill: &Fill, now: Duration) -> Vec<String> {
    let workers = counted(fill.workers(now), "worker", "workers");
    measured(fill).into_iter().chain([workers]).collect()
}

/// What a backfill cost, as far as that is measured.
pub(super) fn measured(fill: &Fill) -> Vec<String> {
    let hot = fill.hot_share().map(|share| format!("HOT {}", percent(share)));
    let wal = fill.wal().map(|wal| format!("{} of WAL", bytes(wal)));
    let heap = fill.heap_growth().map(|growth| format!("heap {growth:.2}x"));
    [hot, wal, heap].into_iter().flatten().collect()
}

/// How far the whole run is: rows of all rows, and what is left of its time.
pub(super) fn whole(progress: &Progress, now: Duration) -> Vec<String> {
    let expected = progress.rows_expected().filter(|rows| *rows > 0);
    let rows = expected.map(|expected| format!("{} rows", of_about(progress.rows(), Some(expected))));
    let left = progress.left(now).map(|left| format!("about {} left", duration(left)));
    [rows, left].into_iter().flatten().collect()
}

/// The heap blocks of a backfill.
pub(super) fn blocks(fill: &Fill) -> String {
    format!("block {} of {}", count(fill.block), count(fill.blocks))
}

/// A share in whole percents; never all of it before that is so.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", (share * 100.0).floor())
}

/// So many, of about so many; where there are more than were expected nobody knows of how many.
fn of_about(number: u64, expected: Option<u64>) -> String {
    match expected {
        Some(expected) if number <= expected => format!("{} of ~{}", count(number), count(expected)),
        _ => count(number),
    }
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

/// A row that cannot be filled.
pub(super) fn row_failed(row: &str, reason: &str) -> String {
    format!("the row {} is refused ({})", printable(row), printable(reason))
}

/// What writers took over meanwhile; nothing where that is no row.
pub(super) fn reconciled(expected: u64, written: u64) -> Option<String> {
    let meanwhile = expected.saturating_sub(written);
    (meanwhile > 0).then(|| {
        let rows = counted(usize::try_from(meanwhile).unwrap_or(usize::MAX), "row", "rows");
        format!("{rows} filled by writers or deleted meanwhile")
    })
}
