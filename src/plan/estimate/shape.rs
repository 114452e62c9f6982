//! A table as the estimates see it: rows, pages, what a row takes, and how its indexes lie.

use crate::catalog::{Ident, Index, IndexStorage, Table};
use crate::plan::strategy::prevents_hot;

/// Bytes of a page.
pub(super) const PAGE: f64 = 8192.0;
/// Bytes of a page without its header.
const USABLE: f64 = 8168.0;
/// Bytes of the pointer that a row has at the beginning of its page.
pub(super) const POINTER: f64 = 4.0;
/// The most pointers that a page has (`MaxHeapTuplesPerPage`).
const LINES: f64 = 291.0;
/// Bytes of a row's header, aligned.
const HEADER: f64 = 24.0;
/// The longest value whose header is one byte.
const SHORT: f64 = 127.0;
/// What alignment between the columns adds to the width that the statistics tell.
const ALIGNMENT: f64 = 1.1;
/// Bytes of the smallest index entry, its pointer left out: header and one aligned key.
const ENTRY: f64 = 16.0;
/// An owner column that nobody looked into is taken for empty.
const ALL: f64 = 1.0;

/// A table whose size is known.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// Rows in all.
    pub rows: f64,
    /// Rows without an owner.
    pub unfilled: f64,
    /// Pages of the heap.
    pub pages: f64,
    /// Bytes of a row now, with its header.
    pub row: f64,
    /// Bytes that a page keeps free for new versions of its rows.
    pub room: f64,
    /// The share of a page that new rows may fill.
    pub fill: f64,
    /// Bytes at the end of a page that are too few for another row.
    pub slack: f64,
    /// Bytes that deleted rows left free.
    pub free: f64,
    /// A trigger before its updates makes PostgreSQL lock each row first, whether it fires or not.
    pub locks_rows: bool,
    /// The indexes, invalid ones included: they are written too.
    pub indexes: Vec<IndexShape>,
}

/// An index of it.
#[derive(Debug, Clone)]
pub(super) struct IndexShape {
    /// Its bytes.
    pub bytes: f64,
    /// The share of the rows that it covers.
    pub share: f64,
    /// Bytes of a new entry in the log.
    pub entry: f64,
    /// How far neighbours in the table are neighbours in the index, 0 to 1.
    pub order: f64,
    /// How it stores what it is given.
    pub kind: IndexKind,
    /// It gets an entry for every row that gets an owner.
    pub prevents_hot: bool,
}

/// How an index stores what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IndexKind {
    /// An entry for each row.
    Entries,
    /// Several entries for each row, gathered in a list first (GIN).
    Gathered,
    /// A summary for each range of pages (BRIN).
    Summary,
}

impl Shape {
    /// Nothing where the table's size is not known.
    pub fn new(table: &Table, owner_column: &Ident, major: u32) -> Option<Shape> {
        let rows = table.rows? as f64;
        if rows > 0.0 && table.heap_bytes == 0 {
            return None;
        }
        let pages = table.heap_bytes as f64 / PAGE;
        let storage = &table.storage;
        let fill = f64::from(if storage.fillfactor == 0 { 100 } else { storage.fillfactor }) / 100.0;
        // What the pages hold for each row. Where deleted rows left room, the statistics know less of a row than that.
        let dense = if rows > 0.0 { pages * USABLE * fill / rows - POINTER } else { HEADER };
        let known: Vec<f64> =
            storage.statistics.values().map(|column| f64::from(column.width) * (1.0 - column.null_share)).collect();
        let counted = HEADER + known.iter().sum::<f64>() * ALIGNMENT;
        let all_known = known.len() == table.columns.len();
        let row = if all_known && counted < dense * 0.75 { counted } else { dense.max(HEADER) };
        // Where the columns' types and widths explain how many rows a page has, they tell the rest of it, too.
        let fitting = |row: f64| (USABLE * fill / (row + POINTER)).floor();
        let page_rows = rows / pages.max(1.0);
        let exact = row_bytes(table).filter(|row| (fitting(*row) - page_rows).abs() < page_rows * 0.03 + 0.1);
        let (row, slack) = match exact {
            Some(row) => (row, USABLE * fill - fitting(row) * (row + POINTER)),
            None => (row, row * 0.5),
        };
        let unfilled = match table.column(owner_column) {
            None => ALL,
            Some(_) => storage.statistics.get(owner_column).map_or(ALL, |column| column.null_share),
        };
        let index = |index: &Index| {
            storage
                .indexes
                .get(&index.name)
                .map(|stored| IndexShape::new(table, index, stored, rows, prevents_hot(index, owner_column, major)))
        };
        Some(Shape {
            rows,
            unfilled: rows * unfilled,
            pages,
            row,
            room: USABLE * (1.0 - fill),
            slack,
            fill,
            free: (pages * (USABLE * fill - exact.map_or(0.0, |_| slack)) - rows * (row + POINTER)).max(0.0),
            locks_rows: table.triggers.iter().any(|trigger| trigger.before_row && trigger.on_update),
            indexes: table.indexes.iter().filter_map(index).collect(),
        })
    }

    /// Bytes of a row once it has an owner of so many bytes; rows are aligned to eight.
    pub fn filled_row(&self, owner: f64) -> f64 {
        self.row + (owner / 8.0).ceil() * 8.0
    }

    /// The pages that so many bytes of rows fill.
    pub fn pages_of(&self, bytes: f64) -> f64 {
        bytes / (USABLE * self.fill)
    }

    /// Bytes of a page that no row takes.
    pub fn page_room(&self) -> f64 {
        self.room + self.slack + self.free / self.pages.max(1.0)
    }

    /// The share of its pages that rows take.
    pub fn occupied(&self) -> f64 {
        (self.rows * (self.row + POINTER) / (self.pages.max(1.0) * USABLE)).min(1.0)
    }

    /// Rows in a page.
    pub fn page_rows(&self) -> f64 {
        self.rows / self.pages.max(1.0)
    }

    /// The share of a page's rows whose new version finds a pointer in it: the old one's leads to the new one's.
    pub fn share_with_pointers(&self) -> f64 {
        ((LINES - self.page_rows()) / self.page_rows().max(1.0)).clamp(0.0, 1.0)
    }

    /// Bytes of the indexes.
    pub fn index_bytes(&self) -> f64 {
        self.indexes.iter().map(|index| index.bytes).sum()
    }
}

impl IndexShape {
    /// The share of its pages that so many new entries come to.
    pub fn touched(&self, rows: f64) -> f64 {
        (rows * self.share / (self.bytes / PAGE).max(1.0)).min(1.0)
    }

    fn new(table: &Table, index: &Index, stored: &IndexStorage, rows: f64, prevents_hot: bool) -> IndexShape {
        let entries = stored.entries.filter(|_| index.partial).map_or(rows, |entries| (entries as f64).min(rows));
        let first = index.columns.first().and_then(Option::as_ref);
        let correlation = first.and_then(|column| table.storage.statistics.get(column)).and_then(|it| it.correlation);
        let key: f64 = index.columns.iter().map(|column| key_bytes(table, column.as_ref())).sum();
        IndexShape {
            bytes: stored.bytes as f64,
            share: if rows > 0.0 { entries / rows } else { 0.0 },
            entry: (8.0 + key).max(ENTRY),
            order: correlation.map_or(1.0, f64::abs),
            kind: match index.method.as_str() {
                "gin" => IndexKind::Gathered,
                "brin" => IndexKind::Summary,
                _ => IndexKind::Entries,
            },
            prevents_hot,
        }
    }
}

/// Bytes of a row by the types and average widths of its columns, aligned as PostgreSQL does; nothing where a column has
/// no statistics.
fn row_bytes(table: &Table) -> Option<f64> {
    let aligned = |bytes: f64, to: f64| (bytes / to).ceil() * to;
    let (mut bytes, mut nulls) = (0.0, false);
    for column in &table.columns {
        let found = table.storage.statistics.get(&column.name)?;
        let width = f64::from(found.width);
        let alignment = match column.data_type.as_str() {
            "boolean" | "uuid" | "\"char\"" => 1.0,
            "smallint" => 2.0,
            "integer" | "real" | "date" | "oid" => 4.0,
            "bigint" | "double precision" | "money" | "interval" => 8.0,
            time if time.starts_with("time") => 8.0,
            // A short text has a header of one byte and stands anywhere.
            _ if width <= SHORT => 1.0,
            _ => 4.0,
        };
        nulls |= found.null_share > 0.0;
        bytes =
            if found.null_share < 1.0 { aligned(bytes, alignment) } else { bytes } + width * (1.0 - found.null_share);
    }
    let header = 23.0 + if nulls { (table.columns.len() as f64 / 8.0).ceil() } else { 0.0 };
    Some(aligned(aligned(header, 8.0) + bytes, 8.0))
}

/// Bytes of one key column, aligned to eight; an expression is taken for a short one.
fn key_bytes(table: &Table, column: Option<&Ident>) -> f64 {
    let width = column.and_then(|column| table.storage.statistics.get(column)).map_or(8, |found| found.width);
    (f64::from(width) / 8.0).ceil() * 8.0
}
