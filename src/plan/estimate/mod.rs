//! What every step will cost, from the catalog's statistics. Orders of magnitude that a DBA can check, no promise: the
//! log and the disk are counted from PostgreSQL's own formats, the time from rates of a machine of the middle sort.

mod keys;
mod pacing;
mod shape;
mod update;

use std::time::Duration;

use super::{Cascade, Cost, Op, Plan, Sample, Strategy, TablePlan};
use crate::catalog::{Catalog, QualifiedName, WalSettings};
use pacing::batches;
use shape::{PAGE, Shape};
use update::{Update, checkpoint_distance, image, new_pages};

/// Bytes of log of a change of the catalog: a row or two of it. (Measured, as the next ones; the first change of a run pays
/// for whole pages, which its successors share.)
const FLAG: u64 = 1_000;
/// A constraint without triggers.
const CONSTRAINT: u64 = 2_500;
/// A constraint with its four triggers, on two tables.
const FOREIGN_KEY: u64 = 5_000;
/// A trigger and its function.
const TRIGGER: u64 = 7_500;
/// A trigger whose function is there.
const FILLER_TRIGGER: u64 = 2_500;
/// A table with its sequence and its indexes, or a column with both fillers.
const OBJECTS: u64 = 17_500;
/// Bytes of a tenant's row: names, times, ids.
const TENANT_ROW: u64 = 120;
/// How many indexes it is in, and what an entry takes there.
const TENANT_INDEXES: f64 = 3.0;
const TENANT_ENTRY: u64 = 40;
/// Bytes of log of all that.
const TENANT_LOG: u64 = 450;
/// A change of the catalog, with its commit.
const CATALOG_SECONDS: f64 = 0.005;
/// Bytes of a table that are read in a second, from a mixture of disk and cache.
const SCAN: f64 = 400e6;
/// What a row costs that is written (measured: 2 cores, a local disk).
const ROW_SECONDS: f64 = 7e-6;
/// The same where it stays in its page.
const HOT_SECONDS: f64 = 4e-6;
/// What a batch costs besides its rows.
const BATCH_SECONDS: f64 = 1e-3;
/// What it costs to go over a page once more.
const PASS_SECONDS: f64 = 4e-6;
/// What the look-up of its owner costs.
const LOOK_UP_SECONDS: f64 = 2e-6;
/// What an index entry costs.
const ENTRY_SECONDS: f64 = 5e-6;
/// What a row costs that is sorted into a new index.
const SORT_SECONDS: f64 = 0.5e-6;
/// What a row costs whose owner is looked for among the tenants, all at once.
const JOIN_SECONDS: f64 = 0.5e-6;
/// What a row costs that is compared with its parent, one by one.
const COMPARE_SECONDS: f64 = 5e-6;
/// Each worker more is less of a help: two are 1.8 times as fast as one, four 3.2 times.
const WORKERS: f64 = 0.85;
/// A record of VACUUM about a page, besides its row numbers.
const VACUUM_RECORD: f64 = 80.0;
/// Bytes of a row number in such a record.
const ROW_NUMBER: f64 = 2.0;
/// Bytes of a row in an index that holds the same key many times: six for where it is, and the page's unused share.
const REPEATED_ENTRY: f64 = 6.7;
/// How many rows share one copy of their key in such an index.
const KEYS_SHARED: f64 = 450.0;
/// Bytes of log of the statistics of one column.
const STATISTICS: u64 = 2_000;
/// The share of a new index page that its build fills.
const BUILT: f64 = 0.9;

/// Writes into every step what it will cost.
pub(super) fn charge(plan: &mut Plan, catalog: &Catalog) {
    let tenants = catalog.tables.get(&plan.tenants.table).and_then(|table| table.rows).unwrap_or(1).max(1);
    let mut migrations = std::mem::take(&mut plan.migrations);
    let estimator = Estimator { plan, catalog, tenants: tenants as f64 };
    for step in migrations.iter_mut().flat_map(|migration| &mut migration.steps) {
        step.cost = estimator.cost(&step.op);
    }
    plan.migrations = migrations;
}

/// What filling a table would cost; nothing where its size is not known.
pub(super) fn backfill(plan: &Plan, catalog: &Catalog, table: &TablePlan) -> Option<Cost> {
    let estimator = Estimator { plan, catalog, tenants: 1.0 };
    Some(estimator.backfill(table, &estimator.shape(&table.owned.name)?))
}

/// The share of a page's rows whose new version finds a pointer in it; nothing where the table's size is not known.
pub(super) fn share_with_pointers(plan: &Plan, catalog: &Catalog, table: &TablePlan) -> Option<f64> {
    let estimator = Estimator { plan, catalog, tenants: 1.0 };
    Some(estimator.shape(&table.owned.name)?.share_with_pointers())
}

/// A change of the catalog alone.
fn change(wal_bytes: u64) -> Cost {
    Cost { wal_bytes, duration: seconds(CATALOG_SECONDS), ..Cost::default() }
}

struct Estimator<'a> {
    plan: &'a Plan,
    catalog: &'a Catalog,
    /// Tenants that own rows.
    tenants: f64,
}

impl Estimator<'_> {
    fn wal(&self) -> &WalSettings {
        &self.catalog.server.wal
    }

    /// The same for batches, which may compress.
    fn batch_wal(&self) -> WalSettings {
        let wal = self.wal();
        WalSettings { compressed: wal.compressed || self.plan.wal_compression.is_some(), ..wal.clone() }
    }

    fn shape(&self, name: &QualifiedName) -> Option<Shape> {
        Shape::new(self.catalog.tables.get(name)?, &self.plan.owner_column, self.catalog.server.major())
    }

    /// What something costs on a table; unknown where its size is.
    fn of(&self, name: &QualifiedName, cost: &dyn Fn(&TablePlan, &Shape) -> Cost) -> Cost {
        match (self.plan.table(name), self.shape(name)) {
            (Some(table), Some(shape)) => cost(table, &shape),
            _ => Cost { unknown: 1, ..Cost::default() },
        }
    }

    fn cost(&self, op: &Op) -> Cost {
        // A change of the catalog is made for each table of a tree; its root has no rows of its own.
        let whole = |name: &QualifiedName, wal_bytes: u64| change(wal_bytes * self.tables_of(name));
        let is_root = |name: &QualifiedName| self.plan.tables.get(name).is_some_and(|table| table.partitions.is_some());
        match op {
            Op::CreateTenantsTable => change(OBJECTS),
            Op::AddOwnerColumn(name) => whole(name, OBJECTS),
            Op::AddTimestamps { table, columns } => whole(table, FLAG * columns.len() as u64),
            Op::PassOwnerDown { parent, .. } => whole(parent, TRIGGER),
            Op::FollowOwner(name) | Op::SettleFiller(name) => whole(name, FILLER_TRIGGER),
            Op::CreateTenantTrigger(_) => change(TRIGGER),
            Op::CreateTenants(name) => self.tenants(name),
            Op::AddForeignKey { table, .. } | Op::AdoptForeignKey { table, .. } => whole(table, FOREIGN_KEY),
            Op::AddNotNull { table, .. } => whole(table, CONSTRAINT),
            Op::SetNotNull { table, .. } => whole(table, FLAG),
            Op::CreateParentIndex { .. } => change(CONSTRAINT),
            Op::CreateSystemTenant | Op::AttachIndex { .. } => change(FLAG),
            Op::AnalyzeTree(root) => self.analyze_tree(root),
            Op::Backfill(name) => self.of(name, &|table, shape| self.backfill(table, shape)),
            Op::Reconcile(name) => self.of(name, &|table, shape| self.comparison(table, shape)),
            Op::Vacuum(name) => self.of(name, &|table, shape| self.vacuum(table, shape)),
            Op::Analyze(name) => self.of(name, &|table, shape| self.analyze(table, shape)),
            Op::BuildIndex { table, .. } => self.of(table, &|table, shape| self.index(table, shape)),
            Op::ValidateNotNull { table, .. } | Op::ValidateForeignKey { table, .. } if is_root(table) => change(FLAG),
            Op::ValidateNotNull { table, .. } => self.of(table, &|table, shape| self.scan(table, shape, 0.0)),
            Op::ValidateForeignKey { table, .. } => {
                self.of(table, &|table, shape| self.scan(table, shape, JOIN_SECONDS))
            }
            Op::Key(op) => self.key(op),
            Op::Reference(op) => self.reference(op),
        }
    }

    /// A tenant for every row of a table.
    fn tenants(&self, name: &QualifiedName) -> Cost {
        let table = self.catalog.tables.get(name);
        let Some((table, rows)) = table.and_then(|table| Some((table, table.rows?))) else {
            return Cost { unknown: 1, ..Cost::default() };
        };
        let work = rows as f64 * (ROW_SECONDS + TENANT_INDEXES * ENTRY_SECONDS);
        let batches = batches(table.heap_bytes as f64 / PAGE, work, &self.plan.backfill);
        Cost {
            rows,
            batches,
            wal_bytes: rows * TENANT_LOG,
            heap_bytes: rows * TENANT_ROW,
            index_bytes: whole(rows as f64 * TENANT_INDEXES) * TENANT_ENTRY,
            duration: seconds(work + self.plan.backfill.pause.as_secs_f64() * batches as f64),
            ..Cost::default()
        }
    }

    /// Bytes of an owner.
    fn owner_bytes(&self) -> f64 {
        f64::from(self.plan.owner_bytes())
    }

    fn update(&self, table: &TablePlan, shape: &Shape) -> Update {
        let update = Update::new(shape, table, self.owner_bytes(), self.plan.backfill.workers, &self.batch_wal());
        match self.sample(table) {
            Some(sample) => update.calibrated(sample),
            None => update,
        }
    }

    /// What was measured of the table; nothing where that says nothing.
    fn sample(&self, table: &TablePlan) -> Option<&Sample> {
        self.plan.samples.get(&table.owned.name).filter(|sample| sample.rows > 0)
    }

    fn backfill(&self, table: &TablePlan, shape: &Shape) -> Cost {
        let update = self.update(table, shape);
        let cold = update.rows - update.hot_rows;
        let entries: f64 = shape.indexes.iter().map(|index| cold * index.share).sum();
        let writing = match self.sample(table) {
            Some(sample) => update.rows * (sample.per_row(sample.seconds) + LOOK_UP_SECONDS),
            None => {
                update.rows * LOOK_UP_SECONDS
                    + cold * ROW_SECONDS
                    + update.hot_rows * HOT_SECONDS
                    + entries * ENTRY_SECONDS
                    + shape.pages * (update.passes - 1.0).max(0.0) * PASS_SECONDS
            }
        };
        let vacuuming =
            update.vacuums * shape.index_bytes() / SCAN + 2.0 * update.vacuums.min(1.0) * shape.pages * PAGE / SCAN;
        let mut limits = self.plan.backfill.clone();
        if table.strategy == Strategy::Cascade {
            limits.max_blocks = limits.max_blocks.min(Cascade::BLOCKS).max(limits.min_blocks);
        }
        let work = writing + vacuuming + shape.pages * PAGE / SCAN;
        let batches = batches(shape.pages * update.passes, work, &limits);
        let work = work + batches as f64 * BATCH_SECONDS;
        let resting = work * limits.pause.as_secs_f64() / limits.batch.as_secs_f64();
        Cost {
            rows: whole(update.rows),
            batches,
            wal_bytes: whole(update.wal()),
            heap_bytes: whole(update.heap),
            index_bytes: whole(update.indexes),
            // Once more at the end, to count what is left.
            duration: seconds((work + resting) / self.speed(table) + self.read_bytes(table, shape) / SCAN),
            hot_rows: whole(update.hot_rows),
            unknown: 0,
        }
    }

    /// How much faster several workers are than one.
    fn speed(&self, table: &TablePlan) -> f64 {
        match table.strategy {
            Strategy::Keyset => 1.0,
            _ => f64::from(self.plan.backfill.workers).powf(WORKERS),
        }
    }

    /// Bytes of the heap once its rows are filled.
    fn read_bytes(&self, table: &TablePlan, shape: &Shape) -> f64 {
        shape.pages * PAGE + self.update(table, shape).heap
    }

    /// The owners are compared with the parents'; nothing is written where none differs.
    fn comparison(&self, table: &TablePlan, shape: &Shape) -> Cost {
        let scan = self.scan(table, shape, COMPARE_SECONDS);
        let pages = self.read_bytes(table, shape) / PAGE;
        Cost { batches: batches(pages, scan.duration.as_secs_f64(), &self.plan.backfill), ..scan }
    }

    fn scan(&self, table: &TablePlan, shape: &Shape, row: f64) -> Cost {
        let work = self.read_bytes(table, shape) / SCAN + shape.rows * row;
        Cost { duration: seconds(work + CATALOG_SECONDS), ..change(FLAG) }
    }

    /// Frees the old versions in heap and indexes, and notes which pages everybody may see.
    fn vacuum(&self, table: &TablePlan, shape: &Shape) -> Cost {
        let update = self.update(table, shape);
        let dead = update.rows - update.hot_rows;
        let new_heap = shape.pages * PAGE + update.heap;
        let indexes = shape.index_bytes() + update.indexes;
        let rows = dead * ROW_NUMBER * (1.0 + shape.indexes.iter().map(|index| index.share).sum::<f64>());
        let pages = (shape.pages + new_heap / PAGE + indexes / PAGE) * VACUUM_RECORD;
        // What was written before the last checkpoint is logged as a whole again.
        let again = (1.0 - checkpoint_distance(self.wal()) / update.wal().max(1.0)).max(0.0);
        let images = image((new_heap + indexes) * again, self.wal());
        let analyze = self.analyze(table, shape);
        Cost {
            wal_bytes: whole(rows + pages + images) + analyze.wal_bytes,
            duration: seconds((2.0 * new_heap + indexes) / SCAN) + analyze.duration,
            ..Cost::default()
        }
    }

    /// Reads a sample of 30,000 rows, each from another page where there are enough.
    fn analyze(&self, table: &TablePlan, shape: &Shape) -> Cost {
        let read = self.read_bytes(table, shape).min(30_000.0 * PAGE);
        let columns = self.catalog.tables.get(&table.owned.name).map_or(0, |table| table.columns.len());
        Cost {
            wal_bytes: columns as u64 * STATISTICS,
            duration: seconds(read / SCAN + CATALOG_SECONDS),
            ..Cost::default()
        }
    }

    /// A sample of the tree; before 18 of every leaf, too.
    fn analyze_tree(&self, root: &QualifiedName) -> Cost {
        let heaps = self.plan.tables.get(root).into_iter().flat_map(TablePlan::heaps);
        let leaf = |name: &QualifiedName| match (self.plan.table(name), self.shape(name)) {
            (Some(table), Some(shape)) => self.analyze(table, &shape),
            _ => Cost::default(),
        };
        heaps.map(leaf).collect::<Vec<Cost>>().iter().chain([&change(FLAG)]).sum()
    }

    /// How many tables a change of the catalog goes through.
    fn tables_of(&self, name: &QualifiedName) -> u64 {
        let partitions = self.plan.tables.get(name).and_then(|table| table.partitions.as_ref());
        1 + partitions.map_or(0, |partitions| partitions.all().count() as u64)
    }

    /// Every page of a new index is logged as a whole.
    fn index(&self, table: &TablePlan, shape: &Shape) -> Cost {
        let shared = (shape.rows / self.tenants).clamp(1.0, KEYS_SHARED);
        let key = (self.owner_bytes() / 8.0).ceil() * 8.0;
        // The copy's rows all have one owner, which only few tenants with many rows come near to.
        let (entry, sort) = match self.sample(table).filter(|_| shared >= KEYS_SHARED) {
            Some(sample) => {
                (sample.per_row(sample.owner_index_bytes as f64), sample.per_row(sample.owner_index_seconds))
            }
            None => (REPEATED_ENTRY + (key + 12.0) / shared, SORT_SECONDS),
        };
        let bytes = (shape.rows * entry / PAGE).ceil() * PAGE + PAGE;
        let work = 2.0 * self.read_bytes(table, shape) / SCAN + shape.rows * sort;
        Cost {
            wal_bytes: whole(new_pages(bytes * BUILT, self.wal())) + CONSTRAINT,
            index_bytes: whole(bytes),
            duration: seconds(work + CATALOG_SECONDS),
            ..Cost::default()
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX)
}
