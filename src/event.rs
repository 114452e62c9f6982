//! What happens while a run goes on. Events are the only way out of the core: it prints nothing.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::catalog::{LockHolder, seconds, seconds_if_any};
use crate::plan::{LockLevel, Phase};

/// Listens to a run.
pub trait Observer: Send + Sync {
    /// Called for every event, in order, on the run's own task: it must not block.
    fn observe(&self, event: &Event);
}

/// Whether a run is a new one or goes on with a stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// The first time.
    Fresh,
    /// An interrupted run goes on.
    Resumed,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Event {
    /// The run holds the lock and begins.
    RunStarted {
        /// The run's number in the bookkeeping.
        run: i64,
        /// New, or resumed.
        start: Start,
        /// The script's fingerprint.
        fingerprint: String,
        /// How many migrations are left.
        migrations: usize,
        /// Rows that the backfills among them are expected to write, where there are statistics.
        rows_expected: Option<u64>,
        /// How long they are expected to take by the plan's costs.
        #[schemars(with = "Option<f64>")]
        #[serde(rename = "expected_seconds", serialize_with = "seconds_if_any")]
        expected: Option<Duration>,
    },
    /// A migration begins.
    MigrationStarted {
        /// Its version.
        version: i32,
        /// Its name.
        name: String,
        /// Its phase.
        phase: Phase,
        /// How many steps it has.
        steps: usize,
    },
    /// A step begins.
    StepStarted {
        /// Its id.
        id: String,
        /// What it does, for people.
        title: String,
        /// Its lock.
        lock: LockLevel,
        /// How long it is expected to take by the plan's costs.
        #[schemars(with = "f64")]
        #[serde(rename = "expected_seconds", serialize_with = "seconds")]
        expected: Duration,
    },
    /// The catalog shows that a step is done already.
    StepSkipped {
        /// Its id.
        id: String,
        /// How long it was expected to take by the plan's costs.
        #[schemars(with = "f64")]
        #[serde(rename = "expected_seconds", serialize_with = "seconds")]
        expected: Duration,
    },
    /// A lock was not to be had; the step rests and tries again.
    LockWaited {
        /// The step's id.
        id: String,
        /// Which attempt failed.
        attempt: u32,
        /// Of how many.
        attempts: u32,
        /// Who held the lock.
        holders: Vec<LockHolder>,
        /// The rest before the next attempt.
        #[schemars(with = "f64")]
        #[serde(rename = "rest_seconds", serialize_with = "seconds")]
        rest: Duration,
    },
    /// A statement without a time limit waits for older transactions.
    StatementWaits {
        /// The step's id.
        id: String,
        /// For how long.
        #[schemars(with = "f64")]
        #[serde(rename = "elapsed_seconds", serialize_with = "seconds")]
        elapsed: Duration,
        /// Whom it waits for.
        holders: Vec<LockHolder>,
    },
    /// A batch and its checkpoint are committed.
    BatchDone {
        /// The step's id.
        id: String,
        /// Rows that got their owner in this batch.
        rows: u64,
        /// Rows that it found in need of one; a writer may have changed some meanwhile.
        rows_seen: u64,
        /// Rows so far.
        rows_total: u64,
        /// Rows expected, where there are statistics.
        rows_expected: Option<u64>,
        /// Rows of this batch whose new version stayed on its page, without a change to any index (HOT).
        hot_rows: u64,
        /// Bytes of WAL that the batch wrote.
        wal_bytes: u64,
        /// The worker that did it, from 0.
        worker: u32,
        /// Heap blocks that are done.
        block: u64,
        /// The heap's end where the backfill began.
        blocks: u64,
        /// The blocks that the heap has by now, where that was looked up with this batch.
        heap_blocks: Option<u64>,
        /// How long the batch took.
        #[schemars(with = "f64")]
        #[serde(rename = "elapsed_seconds", serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// A further worker of a backfill got no session; the others do its part.
    WorkerMissing {
        /// The worker, from 1.
        worker: u32,
        /// Why.
        reason: String,
    },
    /// A row cannot be filled; what is beside it can.
    RowFailed {
        /// The step's id.
        id: String,
        /// The row, by its primary key, or by its position where there is none, as a condition.
        row: String,
        /// What refuses it: the constraint or the function of a trigger, and the SQLSTATE.
        reason: String,
        /// How many rows of the table are known that cannot be filled.
        rows_failed: u64,
    },
    /// A backfill is done. What was expected and not written was taken over by a writer or deleted meanwhile.
    Reconciled {
        /// The step's id.
        id: String,
        /// Rows without an owner when its batches first saw them.
        expected: u64,
        /// Rows that its batches wrote.
        written: u64,
    },
    /// What holds the backfills back, whenever that changes.
    Pressure {
        /// From 0, nothing any more, to 1, nothing goes on.
        level: f64,
        /// What it is, in words: the signal, its value and its limit.
        reason: Option<String>,
        /// How long a worker rests before its next batch.
        #[schemars(with = "f64")]
        #[serde(rename = "resting_seconds", serialize_with = "seconds")]
        resting: Duration,
    },
    /// An operator changed how the backfills run, from here or from another machine; it holds from now on.
    Controlled {
        /// Who paused it, where no batch and no step begins until somebody says so.
        paused_by: Option<String>,
        /// How many batches run at once, where that was changed.
        workers: Option<u32>,
        /// How long a batch is to take, where that was changed.
        #[schemars(with = "Option<f64>")]
        #[serde(rename = "batch_seconds", serialize_with = "seconds_if_any")]
        batch: Option<Duration>,
        /// How far a replica may be behind, where that was changed.
        #[serde(rename = "max_lag_seconds", serialize_with = "seconds_if_any")]
        #[schemars(with = "Option<f64>")]
        max_lag: Option<Duration>,
        /// Who changed something last.
        by: String,
    },
    /// A step is done.
    StepDone {
        /// Its id.
        id: String,
        /// How long it took.
        #[schemars(with = "f64")]
        #[serde(rename = "elapsed_seconds", serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// A migration is done and in the history.
    MigrationDone {
        /// Its version.
        version: i32,
    },
    /// An interrupt was noticed; the batch in flight is finished first.
    Stopping,
    /// The run is over, with nothing left to do.
    RunFinished {
        /// The run's number.
        run: i64,
        /// Migrations applied by this process.
        migrations: usize,
    },
}
