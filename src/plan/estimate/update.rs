//! What it costs to give rows an owner by `UPDATE`: pages, log, index entries.
//!
//! A new version that does not fit into its row's page goes into another one, and every index gets an entry for it. The
//! sizes of the log's records are those of `heapam_xlog.h`, `nbtxlog.h` and `xlogrecord.h`.

use super::shape::{IndexKind, IndexShape, PAGE, POINTER, Shape};
use crate::catalog::WalSettings;
use crate::plan::{Sample, Strategy};

/// An update's record besides the row: the record's header (24), two pages (28), lengths (2), `xl_heap_update` (14) and
/// `xl_heap_header` (5); of the row its header (23) is left out.
const UPDATE_RECORD: f64 = 24.0 + 28.0 + 2.0 + 14.0 + 5.0 - 23.0;
/// The record that locks the old version while its page is left for another one, aligned.
const LOCK_RECORD: f64 = 56.0;
/// An update within a page logs only what differs between the versions.
const HOT_RECORD: f64 = 88.0;
/// An index entry's record besides the entry.
const INSERT_RECORD: f64 = 50.0;
/// A page that is split logs the half that moves, and its parent's new entry.
const SPLIT_SHARE: f64 = 0.55;
/// How much an index grows, as a share of its size, when every row gets a second entry anywhere in it. Such an index is two
/// thirds full, and its full pages drop what earlier batches left dead (measured: 0.1 to 0.9).
const SCATTERED_GROWTH: f64 = 0.35;
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
    /// Bytes of log for pages as a whole.
    pub images: f64,
}

impl Update {
    /// Every row without an owner gets one of so many bytes.
    pub fn new(shape: &Shape, strategy: Strategy, owner: f64, wal: &WalSettings) -> Update {
        let (rows, row) = (shape.unfilled, shape.filled_row(owner));
        let hot_rows = match strategy {
            Strategy::Instant => return Update::default(),
            Strategy::Cascade | Strategy::Ranges | Strategy::Keyset => hot_in_ranges(shape, row),
        };
        let cold = rows - hot_rows;
        let moved = cold * (row + POINTER);
        let heap = (shape.pages_of((moved - shape.free).max(0.0)).ceil()) * PAGE;
        let share = if shape.rows > 0.0 { cold / shape.rows } else { 0.0 };
        let entries: f64 = shape.indexes.iter().map(|index| entry_records(index, cold)).sum();
        let growth: f64 = shape.indexes.iter().map(|index| growth(index, share)).sum();
        let records =
            cold * (UPDATE_RECORD + row + LOCK_RECORD) + hot_rows * HOT_RECORD + entries + growth * SPLIT_SHARE;
        let touched = if shape.rows > 0.0 { rows / shape.rows } else { 0.0 };
        let heap_images = image(shape.pages * PAGE * touched, wal);
        let index_images = |times: f64| -> f64 {
            let bytes = |index: &IndexShape| index.bytes * share.min(1.0) * (index.order + (1.0 - index.order) * times);
            image(shape.indexes.iter().map(bytes).sum(), wal)
        };
        // Entries that are scattered over an index touch its pages again after every checkpoint.
        let checkpoints = (records + heap_images + index_images(1.0)) / checkpoint_distance(wal);
        let images = heap_images + index_images(1.0 + checkpoints.floor());
        Update { rows, hot_rows, heap, indexes: growth, records, images }
    }

    /// The same with what was measured in place of what was reckoned. Pages as a whole stay reckoned: a new copy has none.
    pub fn calibrated(self, sample: &Sample) -> Update {
        let all = |of_sample: u64| sample.per_row(of_sample as f64) * self.rows;
        Update {
            hot_rows: all(sample.hot_rows),
            heap: all(sample.heap_bytes),
            indexes: all(sample.index_bytes),
            records: all(sample.record_bytes),
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
    if shape.indexes.iter().any(|index| index.has_owner) {
        return 0.0;
    }
    (shape.pages * (shape.room / (row + POINTER)).floor()).min(shape.unfilled)
}

fn entry_records(index: &IndexShape, cold: f64) -> f64 {
    match index.kind {
        IndexKind::Entries | IndexKind::Gathered => cold * index.share * (INSERT_RECORD + index.entry),
        IndexKind::Summary => 0.0,
    }
}

/// Entries in the table's order fill new pages, as many as there were. Scattered ones find room in the pages that are there.
fn growth(index: &IndexShape, share: f64) -> f64 {
    match index.kind {
        IndexKind::Entries | IndexKind::Gathered => {
            index.bytes * share * (index.order + (1.0 - index.order) * SCATTERED_GROWTH)
        }
        IndexKind::Summary => 0.0,
    }
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
