//! Rows that cannot be filled: a batch that is refused for a row's sake is halved until the row stands alone.
//!
//! First by blocks, then by the rows of a page, each half in a transaction of its own and with the record of its range. What
//! is beside the row is written. A page with such a row is recorded as begun, so that the next run tries it again.

use std::time::{Duration, Instant};

use super::batch::{Listing, Part};
use super::job::Job;
use super::queue::Range;
use super::sweep::Left;
use super::turn::Pass;
use crate::catalog::{Ident, QualifiedName};
use crate::config::FailingRow;
use crate::error::{Code, Failure};
use crate::event::Event;
use crate::execute::run::Driver;
use crate::pg::{Fault, Parameter, Refusal, Session, Type, get};
use crate::sql::{ScriptStep, failing};

/// So many rows of a table that are refused have the same cause; it is not looked for more of them.
const MOST: usize = 100;
/// More rows than these are only counted.
const NAMED: usize = 20;

/// A row that cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailedRow {
    pub(super) block: i64,
    pub(super) line: i32,
    /// A condition that finds it, by its primary key if it has one.
    pub(super) name: String,
    /// What refused it.
    pub(super) reason: String,
}

/// A range whose rows are looked through by a worker.
struct Search<'s> {
    job: &'s Job<'s>,
    session: &'s Session,
    worker: u32,
    /// The pass that failed, from 0; whatever is left is taken with it.
    pass: usize,
    passes: usize,
    /// How long the last transaction took.
    busy: Duration,
}

/// A row on a page.
struct Spot {
    line: i32,
    name: String,
}

impl Search<'_> {
    /// All rows in a range of blocks.
    fn blocks(&self, first: i64, end: i64) -> Part {
        Part { failed: Some(Vec::new()), ..self.rows((first, 0), (end, 0), (first, end), self.passes) }
    }

    /// Rows between two positions, with a record of these blocks.
    fn rows(&self, first: (i64, i32), past: (i64, i32), blocks: (i64, i64), passes_done: usize) -> Part {
        let number = if self.pass == 0 { 0 } else { self.passes.saturating_sub(1) };
        let lines = vec![u8::try_from(number).unwrap_or(u8::MAX); 256];
        Part {
            rows: (format!("({},{})", first.0, first.1), format!("({},{})", past.0, past.1)),
            pass: (number, lines),
            listing: Listing::None,
            range: Range { passes_done, ..Range::new(blocks.0, blocks.1) },
            passes: self.passes,
            begins: false,
            failed: None,
        }
    }

    /// How much of the table is done with so many blocks; passes before this one were counted.
    fn share(&self, blocks: i64) -> f64 {
        blocks as f64 * self.passes.saturating_sub(self.pass) as f64 / self.passes.max(1) as f64
    }
}

impl Driver<'_> {
    /// Fills what can be filled of a range whose batch was refused, and names the rows that cannot.
    pub(super) async fn single_out(
        &self,
        job: &Job<'_>,
        session: &Session,
        worker: u32,
        (range, pass, passes): (Range, Pass, usize),
        refusal: Refusal,
    ) -> Result<(), Failure> {
        let mut search = Search { job, session, worker, pass: pass.number, passes, busy: Duration::ZERO };
        // What refuses even an update of no row, such as a trigger for the statement, lies in no row.
        let none = search.rows((range.first, 0), (range.first, 1), (range.first, range.end), pass.number);
        let none = Part { begins: pass.number == 0, ..none };
        self.attempt(&mut search, none, 0).await?.map_err(|refusal| self.stopped(job.step, &refusal))?;
        let mut waiting: Vec<(i64, i64)> = Vec::new();
        let mut refused = Some(((range.first, range.end), refusal));
        loop {
            if let Some(((first, end), refusal)) = refused.take() {
                if end - first <= 1 {
                    self.page(&mut search, first, refusal).await?;
                } else {
                    let middle = first + (end - first) / 2;
                    waiting.extend([(middle, end), (first, middle)]);
                }
            }
            let Some((first, end)) = waiting.pop() else { return Ok(()) };
            let part = search.blocks(first, end);
            refused = self.attempt(&mut search, part, end - first).await?.err().map(|refusal| ((first, end), refusal));
        }
    }

    /// The same for the rows of a page.
    async fn page(&self, search: &mut Search<'_>, block: i64, refusal: Refusal) -> Result<(), Failure> {
        let job = search.job;
        let spots = self.spots(search, block).await?;
        if spots.is_empty() {
            return Err(self.stopped(job.step, &refusal));
        }
        let known = job.failing().iter().filter(|row| row.block != block).count();
        let mut failed: Vec<FailedRow> = Vec::new();
        let mut waiting = Vec::new();
        let mut refused = Some((0..spots.len(), refusal));
        let is_whole = loop {
            if let Some((range, refusal)) = refused.take() {
                if range.len() > 1 {
                    let middle = range.start + range.len() / 2;
                    waiting.extend([middle..range.end, range.start..middle]);
                } else {
                    let spot = &spots[range.start];
                    let row = FailedRow { block, line: spot.line, name: spot.name.clone(), reason: refusal.reason() };
                    self.observer.observe(&Event::RowFailed {
                        id: job.step.id.clone(),
                        row: row.name.clone(),
                        reason: row.reason.clone(),
                        rows_failed: (known + failed.len() + 1) as u64,
                    });
                    failed.push(row);
                }
            }
            let Some(range) = waiting.pop() else { break true };
            if known + failed.len() >= MOST {
                break false;
            }
            let past = spots[range.end - 1].line.saturating_add(1);
            let part = search.rows((block, spots[range.start].line), (block, past), (block, block + 1), search.pass);
            refused = self.attempt(search, part, 0).await?.err().map(|refusal| (range, refusal));
        };
        let (many, is_done) = (known + failed.len() >= MOST, is_whole && failed.is_empty());
        // The page is done, or begun still; with it is noted what stays.
        let passes_done = if is_done { search.passes } else { search.pass };
        let rest = search.rows((block, 0), (block, 1), (block, block + 1), passes_done);
        let rest = Part { failed: Some(failed), ..rest };
        self.attempt(search, rest, 1).await?.map_err(|refusal| self.stopped(job.step, &refusal))?;
        match self.failing_row {
            _ if is_done => Ok(()),
            _ if many => Err(general(job.step, &job.failing())),
            FailingRow::Skip => Ok(()),
            FailingRow::Stop => Err(stop(job.step, &job.failing())),
        }
    }

    /// Sends a part until nobody holds its rows any more; refused where that is for a row's sake. So many blocks are done
    /// with it.
    async fn attempt(&self, search: &mut Search<'_>, part: Part, blocks: i64) -> Result<Result<(), Refusal>, Failure> {
        let (job, session) = (search.job, search.session);
        let mut attempt = 0;
        loop {
            self.admit(search.busy).await?;
            let started = Instant::now();
            let (outcome, holders) = self.wait(job.step, session).on(self.part(job, session, &part)).await;
            search.busy = started.elapsed();
            match outcome {
                Ok(done) => {
                    let reached = job.note(done, search.share(blocks));
                    self.tell(job, search.worker, done, reached, search.busy);
                    return Ok(Ok(()));
                }
                Err(refusal) if refusal.fault == Fault::Contended => {
                    attempt += 1;
                    self.rest(job.step, attempt, holders).await?;
                }
                Err(refusal) if refusal.is_about_a_row() => return Ok(Err(refusal)),
                Err(refusal) => return Err(self.stopped(job.step, &refusal)),
            }
        }
    }

    /// The rows of a page, with their names.
    async fn spots(&self, search: &Search<'_>, block: i64) -> Result<Vec<Spot>, Failure> {
        let (job, session) = (search.job, search.session);
        let oid: [Parameter<'_>; 1] = [(&job.place.table_oid, Type::INT8)];
        let table = session.one(&failing::key(), &oid).await?;
        let unnamed = |_| self.stopped(job.step, &Refusal::unexpected("the table's key"));
        let name = |text: String| Ident::new(text).map_err(unnamed);
        let columns: Vec<String> = get(&table, 2)?;
        let key = columns.into_iter().map(name).collect::<Result<Vec<_>, _>>()?;
        let table = QualifiedName { schema: name(get(&table, 0)?)?, name: name(get(&table, 1)?)? };
        let (first, past) = (format!("({block},0)"), format!("({},0)", block + 1));
        let range: [Parameter<'_>; 2] = [(&first, Type::TEXT), (&past, Type::TEXT)];
        let query = failing::rows(&table, &key);
        let (rows, _) = self.wait(job.step, session).on(session.ask(&query, &range)).await;
        let rows = rows.map_err(|refusal| self.stopped(job.step, &refusal))?;
        let spot = |row: &_| {
            let (position, values): (String, Vec<String>) = (get(row, 0)?, get(row, 1)?);
            let line = position.trim_matches(['(', ')']).rsplit(',').next().and_then(|line| line.parse().ok());
            let line = line.ok_or_else(|| self.stopped(job.step, &Refusal::unexpected("a row's position")))?;
            Ok(Spot { line, name: failing::row_name(&key, &values, &position) })
        };
        rows.iter().map(spot).collect()
    }

    /// What earlier processes could not fill.
    pub(super) async fn noted_failing(&self, step: &ScriptStep) -> Result<Vec<FailedRow>, Failure> {
        let key: [Parameter<'_>; 2] = [(&self.run, Type::INT8), (&step.id, Type::TEXT)];
        let rows = self.worker.ask(&failing::noted(), &key).await;
        let rows = rows.map_err(|refusal| refusal.failure("reading the rows that could not be filled"))?;
        rows.iter()
            .map(|row| {
                Ok(FailedRow { block: get(row, 0)?, line: get(row, 1)?, name: get(row, 2)?, reason: get(row, 3)? })
            })
            .collect()
    }

    /// Nothing of a backfill is known to fail any more.
    pub(super) async fn forget_failing(&self, step: &ScriptStep) -> Result<(), Failure> {
        let all: [Parameter<'_>; 4] =
            [(&self.run, Type::INT8), (&step.id, Type::TEXT), (&0_i64, Type::INT8), (&i64::MAX, Type::INT8)];
        self.noted(step, &failing::forget(), &all).await.map(|_| ())
    }
}

impl Job<'_> {
    /// The finding with which a backfill ends, where all is filled but rows that cannot be; nothing while others are to be
    /// gone over again, and where those that are left have an owner by now.
    pub(super) fn refused(&self, left: &Left, is_stuck: bool) -> Option<Failure> {
        let rows = self.failing();
        let by_count = match &self.work.left {
            Some(_) => left.rows > 0 && (is_stuck || left.rows <= rows.len() as u64),
            None => true,
        };
        (by_count && !rows.is_empty()).then(|| skipped(self.step, &rows))
    }
}

fn stop(step: &ScriptStep, rows: &[FailedRow]) -> Failure {
    finding(step, rows, "").hint(
        "mend what is named and run `tenantctl migrate` again, or set backfill.failing_row = \"skip\" to fill the other rows of the table first",
    )
}

fn skipped(step: &ScriptStep, rows: &[FailedRow]) -> Failure {
    finding(step, rows, ", and all others are filled")
        .hint("mend what is named (`tenantctl status` lists it too), then run `tenantctl migrate` again")
}

fn general(step: &ScriptStep, rows: &[FailedRow]) -> Failure {
    finding(step, rows, ", so many that the cause lies in no single row").hint(
        "mend the cause, such as a constraint that old rows do not meet or a trigger; then run `tenantctl migrate` again",
    )
}

/// The rows, and why they cannot be filled.
fn finding(step: &ScriptStep, rows: &[FailedRow], and: &str) -> Failure {
    let count = if rows.len() == 1 { "1 row cannot".to_owned() } else { format!("{} rows cannot", rows.len()) };
    let mut named: Vec<String> =
        rows.iter().take(NAMED).map(|row| format!("{} ({})", printable(&row.name), row.reason)).collect();
    if rows.len() > NAMED {
        named.push(format!("and {} more", rows.len() - NAMED));
    }
    Failure::new(Code::RowsRefused, format!("{}: {count} be filled{and}: {}", step.id, named.join("; ")))
}

/// A key may hold anything.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
