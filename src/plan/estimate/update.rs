//! What it costs to give rows an owner by `UPDATE`: pages, log, index entries.
//!
//! A new version that does not fit into its row's page goes into another one, and every index gets an entry for it. The
//! sizes of the log's records are those of `heapam_xlog.h`, `nbtxlog.h` and `xlogrecord.h`.

use super::shape::{IndexKind, IndexShape, PAGE, POINTER, Shape};
use crate::catalog::WalSettings;
use crate::plan::{Cascade, RANGES_PER_VACUUM, Sample, Strategy, TablePlan};

/// An update's record besides the row: the record's header (24), two pages (28), lengths (2), `xl_heap_update` (14) and
/// `xl_heap_header` (5); of the row its header (23) is left out.
const UPDATE_RECORD: f64 = 24.0 + 28.0 + 2.0 + 14.0 + 5.0 - 23.0;
/// The record that locks the old version while its page is left for another one, aligned.
const LOCK_RECORD: f64 = 56.0;
/// The record that locks a row before a trigger may look at it.
const TRIGGER_RECORD: f64 = 56.0;
/// An update within a page logs only what differs between the versions.
const HOT_RECORD: f64 = 88.0;
/// The record of a page's old versions that make room on the way of the next pass, besides four bytes for each of them.
const PRUNE_RECORD: f64 = 76.0;
const PRUNED_ROW: f64 = 4.0;
/// The share of the rows that find no room in their page because another worker can still see what is to be cleared, for
/// each worker but the first. It is larger where the turns are short, as they are towards the end of a table. (Measured
/// with two workers: 7 % on 10,000 pages, 14 % on 2,500.)
const HELD_BACK: f64 = 0.01;
const HELD_BACK_IN_SHORT_TURNS: f64 = 0.13;
/// The most rows that are held back so.
const MOST_HELD_BACK: f64 = 0.3;
/// The blocks of a whole turn, and the most free room of a page that the passes count on, in rows (see
/// `execute::backfill`).
const TURN_BLOCKS: f64 = 2_048.0;
const MOST_SPARE: f64 = 4.0;
/// Blocks of the batches that each worker does before and while VACUUM goes over the table: one and a half of the largest.
const BATCHES: f64 = 1.5;
const MOST_BATCH_BLOCKS: f64 = 4_096.0;
/// What VACUUM in between leaves unused, as a share of the heap.
const UNUSED: f64 = 0.02;
/// An index entry's record besides the entry.
const INSERT_RECORD: f64 = 50.0;
/// A page that is split logs the half that moves, and its parent's new entry.
const SPLIT_SHARE: f64 = 0.55;
/// The share of a page that entries may fill.
const LEAF: f64 = 8152.0;
/// A build, or entries in order, fill an index page so far.
const BUILT: f64 = 0.9;
/// Below this, entries came in any order, and pages are half full to full.
const BUILT_AT_LEAST: f64 = 0.82;
/// Pages of an index that hold no entries of rows, at least: the first one and the root.
const ABOVE_LEAVES: f64 = 2.0;
/// How unevenly new entries come to pages that are alike: with so much more than room for them all pages are split.
const UNEVEN: f64 = 0.4;
/// Full pages of such an index drop what earlier batches left dead, so that not all of them are split (measured: with a
/// second entry for every row it grows by 0.1 to 0.9 of its size).
const SPLIT_SCATTERED: f64 = 0.5;
/// How much a list of entries grows when every row gets a second one.
const GATHERED_GROWTH: f64 = 0.35;
/// A compressed page image in the log, as a share of the page (measured with pglz and lz4 on rows of text and numbers).
const COMPRESSED: f64 = 0.35;
/// The share of `max_wal_size` after which a checkpoint comes: 1 / (1 + `checkpoint_completion_target`).
const CHECKPOINT_SHARE: f64 = 1.0 / 1.9;

/// The outcome of an update, in rows and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Update {
    /// Rows written.
    pub rows: f64,
    /// Rows among them that stay in their page.
    pub hot_rows: f64,
    /// Bytes that the heap grows by.
    pub heap: f64,
    /// Bytes that the indexes grow by.
    pub indexes: f64,
    /// Bytes of log for rows and entries.
    pub records: f64,
    /// Bytes of log among them for locks on rows.
    pub locks: f64,
    /// Bytes of log for pages as a whole.
    pub images: f64,
    /// How often each page is gone over.
    pub passes: f64,
    /// How often VACUUM comes in between.
    pub vacuums: f64,
}

impl Update {
    /// Every row without an owner gets one of so many bytes.
    pub fn new(shape: &Shape, table: &TablePlan, owner: f64, workers: u32, wal: &WalSettings) -> Update {
        let (rows, row) = (shape.unfilled, shape.filled_row(owner));
        let (hot_rows, passes) = match table.strategy {
            Strategy::Instant => return Update::default(),
            Strategy::Cascade => hot_in_cascade(shape, owner, workers),
            Strategy::Ranges | Strategy::Keyset => (hot_in_ranges(shape, row), 1.0),
        };
        let cold = rows - hot_rows;
        // The share of the new versions that come before VACUUM makes room, and what all of them are larger by.
        let (at_once, vacuums) = match table.vacuum_every {
            Some(every) if shape.pages > f64::from(every) => {
                let batch = MOST_BATCH_BLOCKS.min(f64::from(every / RANGES_PER_VACUUM));
                let under_way = f64::from(workers) * BATCHES * batch;
                let at_once = ((f64::from(every) + under_way) / shape.pages).min(1.0);
                (at_once, (shape.pages / f64::from(every)).ceil() - 1.0)
            }
            _ => (1.0, 0.0),
        };
        let later = cold * (1.0 - at_once) * (row - shape.row) + shape.pages * PAGE * UNUSED * f64::from(vacuums > 0.0);
        let moved = cold * at_once * (row + POINTER) + later;
        let heap = (shape.pages_of((moved - shape.free).max(0.0)).ceil()) * PAGE;
        let share = if shape.rows > 0.0 { cold / shape.rows } else { 0.0 };
        let entries: f64 = shape.indexes.iter().map(|index| entry_records(index, cold)).sum();
        let growth: f64 = shape.indexes.iter().map(|index| growth(index, shape.rows, share)).sum();
        let records =
            cold * (UPDATE_RECORD + row + LOCK_RECORD) + hot_rows * HOT_RECORD + entries + growth * SPLIT_SHARE;
        let locks = if shape.locks_rows { rows * TRIGGER_RECORD } else { 0.0 };
        let records = records + locks + pruning(shape, hot_rows, passes);
        let touched = if shape.rows > 0.0 { rows / shape.rows } else { 0.0 };
        // The free middle of a page is left out.
        let heap_images = image(shape.pages * PAGE * touched * shape.occupied(), wal);
        let index_images = |times: f64| -> f64 {
            let bytes =
                |index: &IndexShape| index.bytes * index.touched(cold) * (index.order + (1.0 - index.order) * times);
            image(shape.indexes.iter().map(bytes).sum(), wal)
        };
        // Entries that are scattered over an index touch its pages again after every checkpoint.
        let checkpoints = (records + heap_images + index_images(1.0)) / checkpoint_distance(wal);
        let images = heap_images + index_images(1.0 + checkpoints.floor());
        Update { rows, locks, hot_rows, heap, indexes: growth, records, images, passes, vacuums }
    }

    /// The same with what was measured in place of what was reckoned. Pages as a whole stay reckoned: a new copy has none.
    pub fn calibrated(self, sample: &Sample) -> Update {
        let all = |of_sample: u64| sample.per_row(of_sample as f64) * self.rows;
        Update {
            hot_rows: all(sample.hot_rows),
            heap: all(sample.heap_bytes),
            indexes: all(sample.index_bytes),
            // The copy has no triggers.
            records: all(sample.record_bytes) + self.locks,
            ..self
        }
    }

    /// Bytes of log.
    pub fn wal(&self) -> f64 {
        self.records + self.images
    }
}

/// Ranges of blocks are written once: only the room that a page keeps free takes new versions.
fn hot_in_ranges(shape: &Shape, row: f64) -> f64 {
    if shape.indexes.iter().any(|index| index.prevents_hot) {
        return 0.0;
    }
    (shape.pages * (shape.room / (row + POINTER)).floor()).min(shape.unfilled)
}

/// Each pass takes the room that the one before it left: rows leave their page only to make the first room, and where the
/// page has no pointers left. Answers the rows that stay, and the passes.
fn hot_in_cascade(shape: &Shape, owner: f64, workers: u32) -> (f64, f64) {
    let spare = (shape.page_room() / (shape.filled_row(owner) + POINTER)).floor();
    let cascade = Cascade::new(shape.page_rows(), owner, spare.min(MOST_SPARE));
    let passes = cascade.passes() as f64;
    if shape.indexes.iter().any(|index| index.prevents_hot) {
        return (0.0, passes);
    }
    let moved = moved(shape, &cascade, owner);
    let (workers, others) = (f64::from(workers), f64::from(workers.saturating_sub(1)));
    let short = (workers * TURN_BLOCKS / shape.pages.max(1.0)).min(1.0);
    let held_back = (others * (HELD_BACK + HELD_BACK_IN_SHORT_TURNS * short)).min(MOST_HELD_BACK);
    // What is held back finds room where the page has enough of it anyway.
    let held_back = if moved > 0.0 { held_back } else { 0.0 };
    let share = (1.0 - moved - held_back).min(shape.share_with_pointers());
    (shape.unfilled * share.max(0.0), passes)
}

/// The share of a page's rows that leave it: pass by pass, what finds no room. Each pass leaves its old versions' room to
/// the next one.
fn moved(shape: &Shape, cascade: &Cascade, owner: f64) -> f64 {
    let lines = cascade.lines(0);
    let rows = lines.iter().skip(1).take(usize::try_from(super::whole(shape.page_rows())).unwrap_or(0).max(1));
    let mut shares = vec![0.0; cascade.passes()];
    rows.clone().for_each(|pass| shares[usize::from(*pass)] += 1.0);
    let (mut room, mut moved) = (shape.page_room(), 0.0);
    let taken = shape.filled_row(owner) + POINTER;
    for share in shares {
        let stays = f64::min(share, (room / taken).floor());
        moved += share - stays;
        room += share * shape.row - stays * taken;
    }
    moved / rows.len() as f64
}

/// Bytes of log for pages that are cleared between two passes.
fn pruning(shape: &Shape, hot_rows: f64, passes: f64) -> f64 {
    hot_rows * PRUNED_ROW + shape.pages * (passes - 1.0).max(0.0) * PRUNE_RECORD
}

fn entry_records(index: &IndexShape, cold: f64) -> f64 {
    match index.kind {
        IndexKind::Entries | IndexKind::Gathered => cold * index.share * (INSERT_RECORD + index.entry),
        IndexKind::Summary => 0.0,
    }
}

/// The bytes that an index grows by when such a share of so many rows gets another entry: a page is split when they find no
/// room in it. Pages are all alike after a build; else they are anything between half full and full.
fn growth(index: &IndexShape, rows: f64, share: f64) -> f64 {
    let entries = rows * index.share / (index.bytes / PAGE - ABOVE_LEAVES).max(1.0);
    let (entry, new) = (index.entry + POINTER, entries * share * (index.entry + POINTER));
    let filled = (entries * entry / LEAF).min(BUILT);
    let room = LEAF * (1.0 - filled);
    let split = match index.kind {
        IndexKind::Entries if filled > BUILT_AT_LEAST => ((new / room - 1.0) / UNEVEN).clamp(0.0, 1.0),
        IndexKind::Entries => (new / (2.0 * room)).min(1.0) * SPLIT_SCATTERED,
        IndexKind::Gathered => share * GATHERED_GROWTH,
        IndexKind::Summary => 0.0,
    };
    index.bytes * split
}

/// Bytes of log for whole pages.
pub(super) fn image(bytes: f64, wal: &WalSettings) -> f64 {
    match (wal.full_page_writes, wal.compressed) {
        (false, _) => 0.0,
        (true, true) => bytes * COMPRESSED,
        (true, false) => bytes,
    }
}

/// Pages that are logged as a whole for their own sake, as a new index is.
pub(super) fn new_pages(bytes: f64, wal: &WalSettings) -> f64 {
    if wal.compressed { bytes * COMPRESSED } else { bytes }
}

/// The bytes of log between two checkpoints.
pub(super) fn checkpoint_distance(wal: &WalSettings) -> f64 {
    (wal.max_bytes as f64 * CHECKPOINT_SHARE).max(PAGE)
}
