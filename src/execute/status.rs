//! What the bookkeeping tells about the database: read-only, and fine where there is none.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bookkeeping::{self, Presence, RunKind};
use super::control::{self, Control};
use super::filled::{self, Filled};
use super::pulse::{Sign, State};
use crate::error::Failure;
use crate::pg::{Row, Session, get};
use crate::plan::Phase;
use crate::sql::{self, Script};

/// The state of a database's conversion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The newest run, if there ever was one.
    pub run: Option<RunStatus>,
    /// Applied versions of all runs, in order.
    pub applied: Vec<AppliedVersion>,
    /// The session that works on it now.
    pub active: Option<ActiveSession>,
    /// The server is a standby, which does not know the sessions of its primary.
    pub standby: bool,
}

impl Status {
    /// What is known of the process that works, or worked last, on an unfinished run.
    pub fn life(&self) -> Option<Life> {
        let sign = self.run.as_ref().filter(|run| run.is_open())?.sign.as_ref()?;
        // Both are times of the server in the same form; without the right to see the session's, nothing is known.
        let is_earlier = |active: &ActiveSession| active.since.starts_with('2') && sign.at < active.since;
        Some(match (sign.state, &self.active) {
            (_, Some(active)) if is_earlier(active) => Life::Begins,
            (State::Ended, _) => Life::Ended,
            _ if !sign.is_overdue() && (self.active.is_some() || self.standby) => Life::Lives,
            (_, Some(_)) => Life::Silent,
            (_, None) if self.standby => Life::Silent,
            (_, None) => Life::Gone,
        })
    }
}

/// Whether a run's process can be believed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// Another process holds the lock by now, and has not begun its work.
    Begins,
    /// It holds the lock and gives signs.
    Lives,
    /// It gives no signs, though its session may be there: suspended, or cut off from the server.
    Silent,
    /// Its session is gone, and it did not say why.
    Gone,
    /// It said how it ended.
    Ended,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunStatus {
    /// Its number.
    pub id: i64,
    /// Where it goes.
    pub kind: RunKind,
    /// Its script's fingerprint.
    pub fingerprint: String,
    /// The version of tenantctl that started it.
    pub tool_version: String,
    /// Who started it.
    pub started_by: String,
    /// When it started.
    pub started_at: String,
    /// When it finished.
    pub finished_at: Option<String>,
    /// When it was given up.
    pub abandoned_at: Option<String>,
    /// Its migrations, in order.
    pub migrations: Vec<MigrationStatus>,
    /// Its backfills, in order.
    pub backfills: Vec<BackfillStatus>,
    /// Rows that they cannot fill.
    pub refused_rows: Vec<RefusedRow>,
    /// What its fillers filled for writers that do not know the owner column, by table.
    pub filled: Vec<Filled>,
    /// What operators want of it, where it can be steered.
    pub control: Option<Control>,
    /// Its last sign.
    pub sign: Option<Sign>,
}

impl ActiveSession {
    /// Who it is and where it comes from.
    pub fn describe(&self) -> String {
        format!("pid {} ({}) from {}", self.pid, self.application, self.address)
    }
}

impl RunStatus {
    /// Whether it waits to be gone on with.
    pub fn is_open(&self) -> bool {
        self.finished_at.is_none() && self.abandoned_at.is_none()
    }

    /// The phase of the first migration that is not applied.
    pub fn phase(&self) -> Option<Phase> {
        self.migrations.iter().find(|migration| !migration.applied).map(|migration| migration.phase)
    }
}

/// One migration of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MigrationStatus {
    /// Its version.
    pub version: i32,
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: Phase,
    /// It is in the history.
    pub applied: bool,
    /// How many steps it has.
    pub steps: usize,
    /// How many of them are recorded as done.
    pub steps_done: usize,
}

/// One backfill of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackfillStatus {
    /// Its step.
    pub step: String,
    /// The next heap block.
    pub next_block: i64,
    /// The end of the heap when it began.
    pub end_block: i64,
    /// Rows written.
    pub rows: i64,
    /// Batches committed.
    pub batches: i64,
    /// When the last batch was committed.
    pub updated_at: String,
}

/// A row whose update a constraint or a trigger refused.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RefusedRow {
    /// The backfill's step.
    pub step: String,
    /// The row, by its primary key, or by its position where there is none, as a condition.
    pub row: String,
    /// What refused it: the constraint or the function of a trigger, and the SQLSTATE.
    pub reason: String,
    /// When that was.
    pub at: String,
}

/// One applied version.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AppliedVersion {
    /// Its version.
    pub version: i32,
    /// Its name.
    pub name: String,
    /// When it was applied.
    pub applied_on: String,
    /// The version that took it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<i32>,
}

/// The session that holds the run's lock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActiveSession {
    /// Its backend.
    pub pid: i32,
    /// Its `application_name`.
    pub application: String,
    /// Where it comes from.
    pub address: String,
    /// Since when it is connected.
    pub since: String,
}

/// Reads the status.
///
/// # Errors
/// A question failed, or a stored script cannot be read.
pub async fn read(session: &Session) -> Result<Status, Failure> {
    let presence = bookkeeping::presence(session).await?;
    let applied = if presence.history { applied(session, presence).await? } else { Vec::new() };
    let run = match presence {
        Presence { runs: true, .. } => newest(session, &applied, presence).await?,
        Presence { runs: false, .. } => None,
    };
    let standby = get(&session.one(&sql::control::is_standby(), &[]).await?, 0)?;
    Ok(Status { run, applied, active: active(session).await?, standby })
}

async fn applied(session: &Session, presence: Presence) -> Result<Vec<AppliedVersion>, Failure> {
    let mut undone: BTreeMap<i32, i32> = BTreeMap::new();
    if presence.undone {
        for row in session.rows(&sql::bookkeeping::undone()).await? {
            undone.insert(get(&row, 0)?, get(&row, 1)?);
        }
    }
    let read = |row: &Row| {
        let version = get(row, 0)?;
        let undone_by = undone.get(&version).copied();
        Ok(AppliedVersion { version, name: get(row, 1)?, applied_on: get(row, 2)?, undone_by })
    };
    session.rows(&sql::bookkeeping::history()).await?.iter().map(read).collect()
}

/// The session that holds the run's lock.
///
/// # Errors
/// The question failed.
pub async fn active(session: &Session) -> Result<Option<ActiveSession>, Failure> {
    let rows = session.rows(&sql::bookkeeping::lock_holder()).await?;
    rows.first()
        .map(|row| {
            Ok(ActiveSession {
                pid: get(row, 0)?,
                application: get(row, 1)?,
                address: get(row, 2)?,
                since: get(row, 3)?,
            })
        })
        .transpose()
}

async fn newest(
    session: &Session,
    applied: &[AppliedVersion],
    presence: Presence,
) -> Result<Option<RunStatus>, Failure> {
    let rows = session.rows(&sql::bookkeeping::newest_run()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let id: i64 = get(row, 0)?;
    let script = Script::from_json(&get::<String>(row, 7)?)?;
    let done: Vec<String> = {
        let rows = session.rows(&sql::bookkeeping::done_steps(id)).await?;
        rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?
    };
    let migrations = script.migrations.iter().map(|migration| MigrationStatus {
        version: migration.version,
        name: migration.name.clone(),
        phase: migration.phase,
        applied: applied.iter().any(|version| version.version == migration.version),
        steps: migration.steps.len(),
        steps_done: migration.steps.iter().filter(|step| done.contains(&step.id)).count(),
    });
    let (finished_at, abandoned_at): (Option<String>, Option<String>) = (get(row, 3)?, get(row, 4)?);
    // What was wanted of a run ends with it.
    let (control, sign) = match presence.control && finished_at.is_none() && abandoned_at.is_none() {
        true => (Some(control::current(session).await?), Sign::read(session, id).await?),
        false => (None, None),
    };
    Ok(Some(RunStatus {
        id,
        kind: RunKind::from_word(&get::<String>(row, 8)?),
        fingerprint: get(row, 1)?,
        started_at: get(row, 2)?,
        finished_at,
        abandoned_at,
        tool_version: get(row, 5)?,
        started_by: get(row, 6)?,
        migrations: migrations.collect(),
        backfills: backfills(session, id).await?,
        refused_rows: refused_rows(session, id).await?,
        filled: if presence.filled { filled::read(session, &script).await? } else { Vec::new() },
        control,
        sign,
    }))
}

async fn backfills(session: &Session, run: i64) -> Result<Vec<BackfillStatus>, Failure> {
    let rows = session.rows(&sql::bookkeeping::checkpoints(run)).await?;
    rows.iter()
        .map(|row| {
            Ok(BackfillStatus {
                step: get(row, 0)?,
                next_block: get(row, 1)?,
                end_block: get(row, 2)?,
                rows: get(row, 3)?,
                batches: get(row, 4)?,
                updated_at: get(row, 5)?,
            })
        })
        .collect()
}

async fn refused_rows(session: &Session, run: i64) -> Result<Vec<RefusedRow>, Failure> {
    if !get::<bool>(&session.one(&sql::failing::is_noted(), &[]).await?, 0)? {
        return Ok(Vec::new());
    }
    let rows = session.rows(&sql::failing::of_run(run)).await?;
    rows.iter()
        .map(|row| Ok(RefusedRow { step: get(row, 0)?, row: get(row, 1)?, reason: get(row, 2)?, at: get(row, 3)? }))
        .collect()
}
