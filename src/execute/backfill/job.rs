//! One table's backfill, as its workers share it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::batch::Done;
use super::failing::FailedRow;
use super::pace::{FIRST, Pace};
use super::passes::Passes;
use super::place::Place;
use super::queue::{Queue, Range};
use super::turn::{Pass, RANGES, Turn};
use crate::plan::{Cascade, RANGES_PER_VACUUM};
use crate::sql::{Backfill, Scan, ScriptStep, Statement};

/// Where listing begins.
const FIRST_PART: u32 = 1024;
/// A range is not made smaller than so many blocks for the sake of an even end.
const SMALLEST: i64 = 256;

/// What is to be done, and how far it is.
pub(super) struct Job<'a> {
    pub(super) step: &'a ScriptStep,
    pub(super) work: &'a Backfill,
    pub(super) place: Place,
    /// Sent first in each batch's transaction.
    pub(super) opening: Vec<Statement>,
    /// The heap's end when it began.
    pub(super) blocks: i64,
    state: Mutex<State>,
}

struct State {
    queue: Queue,
    pace: Pace,
    /// How much of a range is listed at once: that takes longer than to take rows from the lists.
    listing: Pace,
    passes: Passes,
    workers: i32,
    /// Rows written so far, by earlier processes too.
    rows: u64,
    /// Rows written here.
    written: u64,
    /// Rows whose source named no owner.
    unowned: u64,
    /// Blocks that are done; a pass of several is a part of them.
    blocks_done: f64,
    /// Blocks that were done at the last VACUUM.
    vacuumed: f64,
    /// Rows that cannot be filled, by block and line.
    failing: BTreeMap<(i64, i32), FailedRow>,
}

/// How far a backfill is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached {
    pub(super) rows: u64,
    pub(super) blocks: u64,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        step: &'a ScriptStep,
        work: &'a Backfill,
        place: Place,
        opening: Vec<Statement>,
        blocks: i64,
        queue: Queue,
        rows: u64,
    ) -> Job<'a> {
        let mut limits = work.pace.clone();
        if let Scan::Cascade { .. } = work.scan {
            limits.max_blocks = limits.max_blocks.min(Cascade::BLOCKS).max(limits.min_blocks);
        }
        // What is under way while VACUUM goes over the table finds no room yet, and its old versions stay.
        if let Some(vacuum) = &work.vacuum {
            limits.max_blocks = limits.max_blocks.min(vacuum.every / RANGES_PER_VACUUM).max(limits.min_blocks);
        }
        let blocks_done = (blocks - queue.blocks()).max(0) as f64;
        let passes = Passes::new(work.scan, work.rows, blocks);
        let (pace, listing) = (Pace::new(&limits, FIRST), Pace::new(&limits, FIRST_PART));
        let failing = BTreeMap::new();
        let vacuumed = blocks_done;
        let state = State {
            queue,
            pace,
            listing,
            passes,
            workers: 0,
            rows,
            written: 0,
            unowned: 0,
            blocks_done,
            vacuumed,
            failing,
        };
        Job { step, work, place, opening, blocks, state: Mutex::new(state) }
    }

    /// A worker that panicked left nothing half done: the state is counts and ranges.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many workers find something to do.
    pub(super) fn room(&self) -> u32 {
        let state = self.state();
        let ranges = state.queue.blocks().unsigned_abs().div_ceil(u64::from(state.pace.blocks()).max(1));
        match self.work.scan {
            Scan::Ranges { at_once: false } | Scan::Keyset => 1,
            Scan::Ranges { at_once: true } | Scan::Cascade { .. } => u32::try_from(ranges).unwrap_or(u32::MAX),
        }
    }

    /// The table.
    pub(super) fn table_oid(&self) -> u32 {
        u32::try_from(self.place.table_oid).unwrap_or(0)
    }

    /// A worker begins, or ends.
    pub(super) fn count_worker(&self, change: i32) {
        self.state().workers += change;
    }

    /// The next turn; nothing where nothing is left. Towards the end ranges are smaller, so that all workers end together and
    /// turns go on to have several.
    pub(super) fn turn(&self) -> Option<Turn> {
        let mut state = self.state();
        if self.work.scan == (Scan::Ranges { at_once: false }) && state.workers > 0 {
            return None;
        }
        let cascade = state.passes.current();
        let most = if cascade.passes() > 1 { RANGES } else { 1 };
        // Those at work will come back for theirs.
        let share = state.queue.blocks() / (most as i64 * i64::from(state.workers + 1));
        let blocks = i64::from(state.pace.blocks()).min(state.passes.most_blocks(most)).min(share.max(SMALLEST));
        let ranges = state.queue.take(most, blocks);
        (!ranges.is_empty()).then(|| Turn::new(ranges, cascade))
    }

    /// A range whose rows somebody holds: for when all others are done.
    pub(super) fn put_off(&self, range: Range) {
        self.state().queue.put_off(range);
    }

    /// What a worker leaves of its turn, for others.
    pub(super) fn give_back(&self, turn: Turn) {
        self.state().queue.give_back(turn.left());
    }

    /// Whether other ranges wait.
    pub(super) fn has_more(&self) -> bool {
        self.state().queue.blocks() > 0
    }

    /// How many blocks are listed at once.
    pub(super) fn part(&self) -> i64 {
        i64::from(self.state().listing.blocks())
    }

    /// Learns from a pass over a range, or a part of it.
    pub(super) fn learn(&self, pass: Pass, cascade: &Arc<Cascade>, done: Done, took: Duration) {
        let mut state = self.state();
        match pass.makes_list() {
            // A smaller part, at the end of a range, says little: it reads the parents as a larger one does.
            true if pass.size() < i64::from(state.listing.blocks()) => {}
            true => state.listing.learn(took),
            false => state.pace.learn(took),
        }
        match (pass.number, done.seen) {
            (0, Some(seen)) => state.passes.saw(seen, pass.size()),
            _ => state.passes.learn(cascade, (done.written, done.hot), pass.last),
        }
    }

    /// Takes in a batch; so many blocks are done with it.
    pub(super) fn note(&self, done: Done, blocks: f64) -> Reached {
        let mut state = self.state();
        state.rows += done.written;
        state.written += done.written;
        state.unowned += done.unowned;
        state.blocks_done += blocks;
        Reached { rows: state.rows, blocks: reached(state.blocks_done, self.blocks) }
    }

    /// Whether rows of a range are known that cannot be filled.
    pub(super) fn is_failing(&self, range: Range) -> bool {
        self.state().failing.range((range.first, 0)..(range.end, 0)).next().is_some()
    }

    /// These and no other rows of a range cannot be filled.
    pub(super) fn set_failing(&self, range: Range, rows: &[FailedRow]) {
        let mut state = self.state();
        state.failing.retain(|(block, _), _| !(range.first..range.end).contains(block));
        state.failing.extend(rows.iter().map(|row| ((row.block, row.line), row.clone())));
    }

    /// Another row cannot be filled.
    pub(super) fn add_failing(&self, row: FailedRow) {
        self.state().failing.insert((row.block, row.line), row);
    }

    /// All rows that are known not to be fillable.
    pub(super) fn failing(&self) -> Vec<FailedRow> {
        self.state().failing.values().cloned().collect()
    }

    /// What one worker sends now, so that later batches find room; the end of the table is left to the next step.
    pub(super) fn vacuum(&self) -> Option<&Statement> {
        let vacuum = self.work.vacuum.as_ref()?;
        let mut state = self.state();
        let every = f64::from(vacuum.every);
        let due = state.blocks_done - state.vacuumed >= every && state.queue.blocks() as f64 > every / 4.0;
        due.then(|| {
            state.vacuumed = state.blocks_done;
            &vacuum.statement
        })
    }

    /// Batches of this length are wanted from now on.
    pub(super) fn aim(&self, batch: Duration) {
        let mut state = self.state();
        state.pace.aim(batch);
        state.listing.aim(batch);
    }

    /// Takes in that somebody held rows of a batch.
    pub(super) fn contended(&self) {
        self.state().pace.contended();
    }

    /// Nothing is handed out any more.
    pub(super) fn close(&self) {
        self.state().queue.close();
    }

    /// These blocks are to be gone over once more.
    pub(super) fn again(&self, gaps: Vec<(i64, i64)>) {
        let mut state = self.state();
        state.queue = Queue::again(gaps);
        state.unowned = 0;
    }

    /// Rows written by this process.
    pub(super) fn written(&self) -> u64 {
        self.state().written
    }

    /// Rows of the last pass over the table whose source named no owner.
    pub(super) fn unowned(&self) -> u64 {
        self.state().unowned
    }

    /// Whether a turn of it is not at its end.
    pub(super) fn is_under_way(&self) -> bool {
        self.state().workers > 0
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of blocks, not below nothing")]
fn reached(done: f64, blocks: i64) -> u64 {
    (done.round().max(0.0) as u64).min(blocks.unsigned_abs())
}
