//! A calibration: the real batches, measured on copies of some pages of the biggest tables.

use std::time::Instant;

use serde::Deserialize;

use crate::catalog::{Catalog, Ident, QualifiedName, Table};
use crate::error::{Code, Failure};
use crate::pg::{Fault, Limits, Parameter, Refusal, Session, Transaction, Type, get};
use crate::plan::{Cascade, Cost, Kind, Notice, Op, Plan, Sample, Samples, Strategy, TablePlan};
use crate::sql::Scan;
use crate::sql::calibration::{self, Copy};

/// How many tables are measured at most, those with the most log first.
const TABLES: usize = 8;
/// A table of fewer pages is not worth a copy.
const FEWEST_PAGES: u64 = 16;
/// How many pages are copied.
const PAGES: u64 = 2_000;
/// How many bytes are copied, with what the rows keep in TOAST.
const BYTES: u64 = 256 << 20;
/// How many batches a copy is written in at most.
const BATCHES: u64 = 32;
/// A copy's indexes that take so much more than the table's are packed.
const LOOSE: f64 = 1.08;
/// Bytes of a page.
const PAGE: u64 = 8_192;

/// What was measured, and what could not be.
#[derive(Debug, Default)]
pub struct Calibration {
    /// The samples by table.
    pub samples: Samples,
    /// Why tables were left out.
    pub notices: Vec<Notice>,
}

/// Measures the tables whose backfill writes the most log. The copies are left to [`clear`].
///
/// # Errors
/// The schema of the copies could not be made, or the connection broke; a table that cannot be copied is only noted.
pub async fn calibrate(session: &mut Session, catalog: &Catalog, plan: &Plan) -> Result<Calibration, Failure> {
    let mut calibration = Calibration::default();
    let mut published = Vec::new();
    for row in session.rows(&calibration::publications_of_everything()).await? {
        published.push(get::<String>(&row, 0)?);
    }
    if !published.is_empty() {
        let text = format!(
            "nothing was calibrated: publication {} is FOR ALL TABLES and would send the copies to its subscribers",
            published.join(", ")
        );
        calibration.notices.push(Notice { kind: Kind::NotCalibrated, table: None, text });
        return Ok(calibration);
    }
    let limits = Limits::strong(&plan.locks);
    make_schema(session, &limits).await?;
    for (name, cost) in dearest(plan) {
        let (Some(planned), Some(table)) = (plan.table(name), catalog.tables.get(name)) else { continue };
        // Neighbouring pages are what a copy is made of.
        if table.heap_bytes / PAGE < FEWEST_PAGES || planned.strategy == Strategy::Keyset {
            continue;
        }
        match measure(session, plan, planned, table, cost, &limits).await {
            Ok(sample) => {
                calibration.samples.insert(name.clone(), sample);
            }
            Err(refusal) if refusal.fault == Fault::Lost => {
                return Err(refusal.failure(&format!("measuring a copy of {name}")));
            }
            // The server's words may quote a value; its code does not.
            Err(refusal) => {
                let code = refusal.sqlstate.unwrap_or_else(|| "unknown".to_owned());
                let text = format!("not calibrated: its copy was refused (SQLSTATE {code})");
                calibration.notices.push(Notice { kind: Kind::NotCalibrated, table: Some(name.clone()), text });
            }
        }
    }
    Ok(calibration)
}

/// The tables to be filled in batches, those with the most log first.
fn dearest(plan: &Plan) -> Vec<(&QualifiedName, &Cost)> {
    let filled = plan.steps().filter_map(|step| match &step.op {
        Op::Backfill(table) => Some((table, &step.cost)),
        _ => None,
    });
    let mut tables: Vec<_> = filled.collect();
    tables.sort_by_key(|(_, cost)| std::cmp::Reverse(cost.wal_bytes));
    tables.truncate(TABLES);
    tables
}

async fn make_schema(session: &Session, limits: &Limits) -> Result<(), Failure> {
    if get::<bool>(&session.one(&calibration::has_schema(), &[]).await?, 0)? {
        return Ok(());
    }
    let made = session.transaction(limits, &calibration::create_schema()).await;
    made.map_err(|refusal| refusal.failure("creating the schema tenantctl for a calibration"))
}

async fn measure(
    session: &mut Session,
    plan: &Plan,
    planned: &TablePlan,
    table: &Table,
    cost: &Cost,
    limits: &Limits,
) -> Result<Sample, Refusal> {
    let copy = calibration::copy(plan, planned, table, pages(table));
    session.transaction(limits, &copy.make).await?;
    let (heap, mut indexes) = sizes(session, &copy).await?;
    // Entries that come in the rows' order leave other room than a build; the table's own indexes tell which it was.
    let own: u64 = table.storage.indexes.values().map(|index| index.bytes).sum();
    let part = heap as f64 / table.heap_bytes.max(1) as f64;
    if indexes as f64 > own as f64 * part * LOOSE {
        session.transaction(limits, [&copy.pack]).await?;
        indexes = sizes(session, &copy).await?.1;
    }
    let mut sample = Sample::default();
    let blocks = heap / PAGE;
    let cascade = match copy.scan {
        Scan::Ranges { .. } | Scan::Keyset => Cascade::single(),
        Scan::Cascade { growth } => {
            let rows = table.rows.unwrap_or(0) as f64 / (table.heap_bytes / PAGE).max(1) as f64;
            Cascade::new(rows, f64::from(growth), 0.0)
        }
    };
    // As many batches as the table will have: entries that are scattered over an index find more room between batches.
    let ranges = match cascade.passes() {
        1 => cost.batches.clamp(1, BATCHES).min(blocks.max(1)),
        _ => blocks.div_ceil(u64::from(Cascade::BLOCKS)).max(1),
    };
    for range in 0..ranges {
        let range = (blocks * range / ranges, blocks * (range + 1) / ranges);
        for pass in 0..cascade.passes() {
            add(&mut sample, session, &copy, range, (&cascade, pass), limits).await?;
        }
    }
    let (heap_after, indexes_after) = sizes(session, &copy).await?;
    sample.heap_bytes = heap_after.saturating_sub(heap);
    sample.index_bytes = indexes_after.saturating_sub(indexes);
    let began = Instant::now();
    session.transaction(limits, [&copy.index]).await?;
    sample.owner_index_seconds = began.elapsed().as_secs_f64();
    sample.owner_index_bytes = sizes(session, &copy).await?.1.saturating_sub(indexes_after);
    Ok(sample)
}

/// Which pages are copied: neighbours, from anywhere in the table.
fn pages(table: &Table) -> (u64, u64) {
    let all = table.heap_bytes / PAGE;
    let page = PAGE + table.storage.toast_bytes / all.max(1);
    let wanted = PAGES.min(BYTES / page).clamp(1, all.max(1));
    let from = fastrand::u64(0..=all - wanted);
    (from, from + wanted)
}

async fn sizes(session: &Session, copy: &Copy) -> Result<(u64, u64), Refusal> {
    let rows = session.ask(&copy.sizes, &[]).await?;
    let number = |column| rows.first().and_then(|row| get::<i64>(row, column).ok()).map(i64::unsigned_abs);
    match (number(0), number(1)) {
        (Some(heap), Some(indexes)) => Ok((heap, indexes)),
        _ => Err(Refusal::unexpected("the sizes of a copy")),
    }
}

/// Runs one batch and adds what it cost.
async fn add(
    sample: &mut Sample,
    session: &mut Session,
    copy: &Copy,
    (from, until): (u64, u64),
    (cascade, pass): (&Cascade, usize),
    limits: &Limits,
) -> Result<(), Refusal> {
    let (first, past) = (format!("({from},0)"), format!("({until},0)"));
    let (number, lines) = (i32::try_from(pass).unwrap_or(i32::MAX), cascade.lines(pass));
    let mut range: Vec<Parameter<'_>> = vec![(&first, Type::TEXT), (&past, Type::TEXT)];
    if let Scan::Cascade { .. } = copy.scan {
        range.extend::<[Parameter<'_>; 2]>([(&number, Type::INT4), (&lines, Type::BYTEA)]);
    }
    let transaction = session.begin(limits, &copy.settings).await?;
    // The server hands its counts on once a second: until then those of earlier transactions are among them.
    let before = hot_rows(&transaction, copy).await?;
    let explained = transaction.send(&copy.batch, &range).await?;
    let hot = hot_rows(&transaction, copy).await?.saturating_sub(before);
    transaction.commit().await?;
    let unexpected = || Refusal::unexpected("the measurement of a batch");
    let text: serde_json::Value = explained.first().and_then(|row| row.try_get(0).ok()).ok_or_else(unexpected)?;
    let [explained] = <[Explained; 1]>::deserialize(text).map_err(|_| unexpected())?;
    let written = explained.plan.written();
    let images = written.images * PAGE;
    sample.rows += written.rows;
    sample.record_bytes += written.bytes.saturating_sub(images);
    sample.seconds += explained.milliseconds / 1e3;
    sample.hot_rows += hot;
    Ok(())
}

async fn hot_rows(transaction: &Transaction<'_>, copy: &Copy) -> Result<u64, Refusal> {
    let rows = transaction.ask(&copy.hot_rows, &[]).await?;
    let count: Option<i64> = rows.first().and_then(|row| get(row, 0).ok());
    count.map(i64::unsigned_abs).ok_or_else(|| Refusal::unexpected("the HOT updates of a batch"))
}

/// What `EXPLAIN (ANALYZE, WAL, FORMAT JSON)` answers.
#[derive(Debug, Deserialize)]
struct Explained {
    #[serde(rename = "Plan")]
    plan: Node,
    #[serde(rename = "Execution Time")]
    milliseconds: f64,
}

/// A node of it; the others' numbers are in their parents'.
#[derive(Debug, Deserialize)]
struct Node {
    #[serde(rename = "Node Type")]
    kind: String,
    #[serde(rename = "Actual Rows", default)]
    rows: f64,
    #[serde(rename = "WAL Bytes", default)]
    wal_bytes: u64,
    #[serde(rename = "WAL FPI", default)]
    wal_images: u64,
    #[serde(rename = "Plans", default)]
    plans: Vec<Node>,
}

/// What a batch wrote.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    rows: u64,
    bytes: u64,
    images: u64,
}

impl Node {
    /// The rows of the node that writes, and the log of the whole.
    fn written(&self) -> Written {
        let below = self.plans.iter().map(Node::written);
        let own = Written {
            rows: if self.kind == "ModifyTable" { rows(self.rows) } else { 0 },
            bytes: self.wal_bytes,
            images: self.wal_images,
        };
        below.fold(own, |all, below| Written {
            rows: all.rows.max(below.rows),
            bytes: all.bytes.max(below.bytes),
            images: all.images.max(below.images),
        })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; 18 writes it with decimals")]
fn rows(count: f64) -> u64 {
    count.round() as u64
}

/// Drops every copy, those that a broken calibration left too, and the schema where it was made for them.
///
/// # Errors
/// A statement failed.
pub async fn clear(session: &Session) -> Result<(), Failure> {
    let failed = |refusal: Refusal| refusal.failure("dropping what a calibration left in the schema tenantctl");
    for row in session.rows(&calibration::copies()).await? {
        let name: String = get(&row, 0)?;
        let name = Ident::new(name).map_err(|error| Failure::new(Code::StatementFailed, error.to_string()))?;
        session.send(&calibration::drop_copy(&name), &[]).await.map_err(failed)?;
    }
    if get::<bool>(&session.one(&calibration::is_left_over(), &[]).await?, 0)? {
        session.send(&calibration::drop_schema(), &[]).await.map_err(failed)?;
    }
    Ok(())
}
