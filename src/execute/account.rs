//! What the newest run was expected to cost, and what it cost so far.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use crate::catalog::QualifiedName;
use crate::error::Failure;
use crate::pg::{Row, Session, get};
use crate::plan::{Cost, Phase};
use crate::sql::{self, Script};

/// A run's estimate beside its actual cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Account {
    /// The run's number.
    pub run: i64,
    /// Whether nothing is left to do.
    pub finished: bool,
    /// All steps that were measured.
    pub total: Comparison,
    /// The same by table, those with the most log first.
    pub tables: Vec<TableAccount>,
    /// Its steps, in order.
    pub steps: Vec<StepAccount>,
}

/// Estimate beside actual cost of a table's steps that were measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableAccount {
    /// The table.
    pub table: QualifiedName,
    /// Its costs.
    #[serde(flatten)]
    pub costs: Comparison,
}

/// An estimate beside an actual cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What was expected.
    pub estimate: Cost,
    /// What was measured.
    pub actual: Cost,
    /// The one by the other.
    pub ratios: Ratios,
}

/// Estimates divided by actual costs; nothing where the actual one is nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ratios {
    /// Of rows written.
    pub rows: Option<f64>,
    /// Of bytes of log.
    pub wal: Option<f64>,
    /// Of growth of heap and indexes.
    pub disk: Option<f64>,
    /// Of time.
    pub duration: Option<f64>,
}

impl Comparison {
    fn of<'a>(steps: impl Iterator<Item = &'a StepAccount> + Clone) -> Comparison {
        let measured = steps.filter_map(|step| Some((&step.estimate, step.actual.as_ref()?)));
        let estimate: Cost = measured.clone().map(|(estimate, _)| estimate).sum();
        let actual: Cost = measured.map(|(_, actual)| actual).sum();
        let ratio = |estimate: f64, actual: f64| (actual > 0.0).then(|| estimate / actual);
        let ratios = Ratios {
            rows: ratio(estimate.rows as f64, actual.rows as f64),
            wal: ratio(estimate.wal_bytes as f64, actual.wal_bytes as f64),
            disk: ratio(estimate.disk_bytes() as f64, actual.disk_bytes() as f64),
            duration: ratio(estimate.duration.as_secs_f64(), actual.duration.as_secs_f64()),
        };
        Comparison { estimate, actual, ratios }
    }
}

/// One step's estimate beside its actual cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepAccount {
    /// The step.
    pub id: String,
    /// Its phase.
    pub phase: Phase,
    /// The table that its migration is about.
    pub table: Option<QualifiedName>,
    /// What was expected.
    pub estimate: Cost,
    /// What was measured; nothing while it is not done, and where it was found done.
    pub actual: Option<Cost>,
}

impl StepAccount {
    /// The two side by side, where it was measured.
    pub fn compare(&self) -> Option<Comparison> {
        self.actual.as_ref().map(|_| Comparison::of(std::iter::once(self)))
    }
}

/// Reads it; nothing where there is no run, or only one of a tenantctl that recorded no costs.
///
/// # Errors
/// A question failed.
pub async fn read(session: &Session) -> Result<Option<Account>, Failure> {
    if !get::<bool>(&session.one(&sql::bookkeeping::has_costs(), &[]).await?, 0)? {
        return Ok(None);
    }
    let rows = session.rows(&sql::bookkeeping::newest_run()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (run, finished_at): (i64, Option<String>) = (get(row, 0)?, get(row, 3)?);
    let script = Script::from_json(&get::<String>(row, 7)?)?;
    let mut actual = BTreeMap::new();
    for row in session.rows(&sql::bookkeeping::costs(run)).await? {
        actual.insert(get::<String>(&row, 0)?, cost(&row)?);
    }
    let mut steps = Vec::new();
    for migration in script.migrations {
        for step in migration.steps {
            let actual = actual.remove(&step.id);
            let (phase, table) = (migration.phase, migration.table.clone());
            steps.push(StepAccount { id: step.id, phase, table, estimate: step.cost, actual });
        }
    }
    Ok(Some(Account {
        run,
        finished: finished_at.is_some(),
        total: Comparison::of(steps.iter()),
        tables: by_table(&steps),
        steps,
    }))
}

fn by_table(steps: &[StepAccount]) -> Vec<TableAccount> {
    let measured = || steps.iter().filter(|step| step.actual.is_some());
    let names: BTreeSet<&QualifiedName> = measured().filter_map(|step| step.table.as_ref()).collect();
    let of = |name: &QualifiedName| TableAccount {
        table: name.clone(),
        costs: Comparison::of(measured().filter(|step| step.table.as_ref() == Some(name))),
    };
    let mut tables: Vec<TableAccount> = names.into_iter().map(of).collect();
    tables.sort_by_key(|table| Reverse(table.costs.actual.wal_bytes));
    tables
}

/// A table that shrank, as after VACUUM, grew by nothing.
fn cost(row: &Row) -> Result<Cost, Failure> {
    let number = |column| -> Result<u64, Failure> {
        let value: Option<i64> = get(row, column)?;
        Ok(value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0))
    };
    Ok(Cost {
        duration: Duration::from_millis(number(1)?),
        rows: number(2)?,
        batches: number(3)?,
        hot_rows: number(4)?,
        wal_bytes: number(5)?,
        heap_bytes: number(6)?,
        index_bytes: number(7)?,
        unknown: 0,
    })
}
