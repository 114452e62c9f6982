//! The bookkeeping schema: made and kept current by refinery, and the run that is stored in it.

use std::collections::BTreeSet;

use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use refinery_core::{Migration, error::Kind};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::catalog::Catalog;
use crate::config::LockLimits;
use crate::error::{Code, Failure};
use crate::pg::{Limits, Parameter, Session, Type, get};
use crate::sql::rollback::Past;
use crate::sql::{Query, Script, Statement, bookkeeping};
use crate::verify::Baseline;

mod embedded {
    #![allow(missing_docs, reason = "made by refinery's macro")]
    refinery::embed_migrations!("migrations");
}

/// Where a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// Forth: it converts.
    Migrate,
    /// Back: it takes earlier versions back.
    Rollback,
}

impl RunKind {
    /// The command that makes such runs, and the word in the bookkeeping.
    pub fn as_str(self) -> &'static str {
        match self {
            RunKind::Migrate => "migrate",
            RunKind::Rollback => "rollback",
        }
    }

    /// Reads the word.
    pub(super) fn from_word(word: &str) -> RunKind {
        if word == RunKind::Rollback.as_str() { RunKind::Rollback } else { RunKind::Migrate }
    }
}

/// A run as it is stored.
#[derive(Debug)]
pub struct StoredRun {
    /// Its number.
    pub id: i64,
    /// Where it goes.
    pub kind: RunKind,
    /// What it executes.
    pub script: Script,
    /// The cluster that it was started on.
    pub system_identifier: String,
    /// The steps that it recorded as done.
    pub done: BTreeSet<String>,
}

/// What is there of the bookkeeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// The tables of runs and checkpoints.
    pub runs: bool,
    /// The history of conversions.
    pub history: bool,
    /// What steers a run.
    pub control: bool,
    /// What fillers fill is counted.
    pub filled: bool,
    /// What was taken back is recorded.
    pub undone: bool,
}

/// Looks what is there.
///
/// # Errors
/// The question failed.
pub async fn presence(session: &Session) -> Result<Presence, Failure> {
    let row = session.one(&bookkeeping::exists(), &[]).await?;
    Ok(Presence {
        runs: get(&row, 0)?,
        history: get(&row, 1)?,
        control: get(&row, 2)?,
        filled: get(&row, 3)?,
        undone: get(&row, 4)?,
    })
}

/// Makes the schema, or brings it up to date.
///
/// # Errors
/// [`Code::RightsMissing`] where the role may not; [`Code::BookkeepingUnreadable`] where a newer tenantctl wrote it.
pub async fn prepare(session: &Session, locks: &LockLimits) -> Result<(), Failure> {
    if !presence(session).await?.runs {
        let made = session.send(&bookkeeping::create_schema(), &[]).await;
        made.map_err(|refusal| refusal.failure("creating the schema tenantctl"))?;
    }
    let mut runner = embedded::migrations::runner().set_abort_missing(true).set_abort_divergent(true);
    runner.set_migration_table_name(bookkeeping::OWN_HISTORY);
    let mut own = OwnMigrations { session, limits: Limits::strong(locks) };
    match runner.run_async(&mut own).await {
        Ok(_) => Ok(()),
        Err(error) => Err(own_failure(&error)),
    }
}

fn own_failure(error: &refinery_core::Error) -> Failure {
    match error.kind() {
        Kind::MissingVersion(_) | Kind::DivergentVersion(..) => Failure::new(
            Code::BookkeepingUnreadable,
            format!("the schema tenantctl is not as this version knows it: {error}"),
        )
        .hint("use the tenantctl that last worked on this database, or a newer one"),
        _ => cause_of(error),
    }
}

/// The failure of ours that refinery carries through.
pub(super) fn cause_of(error: &refinery_core::Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return failure.clone();
        }
        cause = error.source();
    }
    Failure::new(Code::HistoryDivergent, format!("the history of migrations: {error}"))
        .hint("compare tenantctl.schema_history with the runs in tenantctl.run")
}

/// refinery's way to the bookkeeping's own migrations: ordinary ones, each with its history row in one transaction.
struct OwnMigrations<'a> {
    session: &'a Session,
    limits: Limits,
}

impl AsyncTransaction for OwnMigrations<'_> {
    type Error = Failure;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(&'a mut self, queries: T) -> Result<usize, Failure> {
        let statements: Vec<Statement> = queries.map(bookkeeping::from_refinery).collect();
        let sent = self.session.transaction(&self.limits, &statements).await;
        sent.map_err(|refusal| refusal.failure("writing the bookkeeping of schema tenantctl"))?;
        Ok(statements.len())
    }
}

impl AsyncQuery<Vec<Migration>> for OwnMigrations<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, Failure> {
        applied(self.session, &bookkeeping::history_from_refinery(query)).await
    }
}

impl AsyncMigrate for OwnMigrations<'_> {}

/// A history as refinery wants it.
pub(super) async fn applied(session: &Session, query: &Query) -> Result<Vec<Migration>, Failure> {
    let unreadable = |what: &str| {
        Failure::new(Code::BookkeepingUnreadable, format!("reading the history of migrations: {what}"))
            .hint("somebody changed it by hand; restore it from a backup")
    };
    let mut migrations = Vec::new();
    for row in session.rows(query).await? {
        let (version, name): (i32, String) = (get(&row, 0)?, get(&row, 1)?);
        let (applied_on, checksum): (String, String) = (get(&row, 2)?, get(&row, 3)?);
        let applied_on = OffsetDateTime::parse(&applied_on, &Rfc3339).map_err(|_| unreadable("a time is malformed"))?;
        let checksum = checksum.parse().map_err(|_| unreadable("a checksum is malformed"))?;
        migrations.push(Migration::applied(version, name, applied_on, checksum));
    }
    Ok(migrations)
}

/// The unfinished run, if there is one.
///
/// # Errors
/// [`Code::BookkeepingUnreadable`] where its script cannot be read.
pub async fn open_run(session: &Session) -> Result<Option<StoredRun>, Failure> {
    let rows = session.rows(&bookkeeping::open_run()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (id, text): (i64, String) = (get(row, 0)?, get(row, 1)?);
    let script = Script::from_json(&text)?;
    let mut done = BTreeSet::new();
    for row in session.rows(&bookkeeping::done_steps(id)).await? {
        done.insert(get::<String>(&row, 0)?);
    }
    let kind = RunKind::from_word(&get::<String>(row, 4)?);
    Ok(Some(StoredRun { id, kind, script, system_identifier: get(row, 3)?, done }))
}

/// Every step that any run recorded as done, with its migration's version.
///
/// # Errors
/// The question failed.
pub async fn recorded_steps(session: &Session) -> Result<BTreeSet<(i32, String)>, Failure> {
    let rows = session.rows(&bookkeeping::recorded_steps()).await?;
    rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}

/// Stores a new run with the catalog that it was planned from.
///
/// # Errors
/// The statement failed.
pub async fn start_run(
    session: &Session,
    kind: RunKind,
    script: &Script,
    catalog: &Catalog,
) -> Result<StoredRun, Failure> {
    let unwritable = |error: serde_json::Error| {
        Failure::new(Code::BookkeepingUnreadable, format!("writing the script: {error}"))
            .hint("report this as a defect")
    };
    let text = serde_json::to_string(script).map_err(unwritable)?;
    let planned = serde_json::to_string(catalog).map_err(unwritable)?;
    let system_identifier = &catalog.server.system_identifier;
    let tool = env!("CARGO_PKG_VERSION");
    let who = format!("pid {} of {}", std::process::id(), std::env::var("USER").unwrap_or_else(|_| "?".to_owned()));
    let word = kind.as_str();
    let parameters: [Parameter<'_>; 7] = [
        (&tool, Type::TEXT),
        (&script.fingerprint, Type::TEXT),
        (&text, Type::TEXT),
        (system_identifier, Type::TEXT),
        (&who, Type::TEXT),
        (&planned, Type::TEXT),
        (&word, Type::TEXT),
    ];
    let rows = session.send(&bookkeeping::start_run(), &parameters).await;
    let rows = rows.map_err(|refusal| refusal.failure("storing the run"))?;
    let row =
        rows.first().ok_or_else(|| Failure::new(Code::StatementFailed, "storing the run: no number came back"))?;
    Ok(StoredRun {
        id: get(row, 0)?,
        kind,
        script: script.clone(),
        system_identifier: system_identifier.clone(),
        done: BTreeSet::new(),
    })
}

/// Gives the unfinished run up; answers whether there was one.
///
/// # Errors
/// The statement failed.
pub async fn abandon_run(session: &Session) -> Result<bool, Failure> {
    let sent = session.send(&bookkeeping::abandon_run(), &[]).await;
    sent.map(|rows| !rows.is_empty()).map_err(|refusal| refusal.failure("giving up the unfinished run"))
}

/// Takes the pen from any earlier run.
///
/// # Errors
/// The statement failed.
pub async fn take_fence(session: &Session) -> Result<i64, Failure> {
    let rows = session.send(&bookkeeping::take_fence(), &[]).await;
    let rows = rows.map_err(|refusal| refusal.failure("taking over from earlier runs"))?;
    match rows.first() {
        Some(row) => get(row, 0),
        None => Err(Failure::new(Code::BookkeepingUnreadable, "tenantctl.lease has no row")
            .hint("restore it: INSERT INTO tenantctl.lease VALUES (1, 0)")),
    }
}

/// The scripts of all runs: what refinery compares its history with.
///
/// # Errors
/// [`Code::BookkeepingUnreadable`] where one cannot be read.
pub async fn scripts(session: &Session) -> Result<Vec<Script>, Failure> {
    let rows = session.rows(&bookkeeping::scripts()).await?;
    rows.iter().map(|row| Script::from_json(&get::<String>(row, 0)?)).collect()
}

/// What all runs did so far.
///
/// # Errors
/// A question failed, or a stored script cannot be read.
pub async fn past(session: &Session) -> Result<Past, Failure> {
    let there = presence(session).await?;
    let mut past = Past::default();
    if there.runs {
        past.scripts = scripts(session).await?;
        past.recorded = recorded_steps(session).await?;
    }
    if there.history {
        past.applied = versions(session, &bookkeeping::history()).await?;
    }
    if there.undone {
        past.undone = versions(session, &bookkeeping::undone()).await?;
    }
    Ok(past)
}

/// The versions that a query answers in its first column.
pub(super) async fn versions(session: &Session, query: &Query) -> Result<BTreeSet<i32>, Failure> {
    let rows = session.rows(query).await?;
    rows.iter().map(|row| get(row, 0)).collect()
}

/// The catalog that a run was planned from, by the run's place among all; nothing where it kept none that can be read.
///
/// # Errors
/// The question failed.
pub async fn catalog_of_run(session: &Session, place: usize) -> Result<Option<Catalog>, Failure> {
    let place = i64::try_from(place).unwrap_or(i64::MAX);
    let rows = session.ask(&bookkeeping::catalog_of_run(), &[(&place, Type::INT8)]).await;
    let rows = rows.map_err(|refusal| refusal.failure("reading the catalog of a run"))?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(get::<Option<String>>(row, 0)?.and_then(|text| serde_json::from_str(&text).ok()))
}

/// The schema that the newest run was planned from, or goes back to, if it kept it.
///
/// # Errors
/// [`Code::BookkeepingUnreadable`] where it cannot be read.
pub async fn baseline(session: &Session) -> Result<Option<Baseline>, Failure> {
    if !presence(session).await?.runs {
        return Ok(None);
    }
    let rows = session.rows(&bookkeeping::newest_catalog()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (id, started_at): (i64, String) = (get(row, 0)?, get(row, 1)?);
    let Some(text) = get::<Option<String>>(row, 3)? else { return Ok(None) };
    let catalog = serde_json::from_str(&text).map_err(|error| {
        Failure::new(Code::BookkeepingUnreadable, format!("the catalog of run {id} cannot be read: {error}"))
            .hint("it was written by another version of tenantctl; compare with a plan: `tenantctl diff --plan FILE`")
    })?;
    Ok(Some(Baseline { name: format!("run {id}, started {started_at}"), catalog, converted: get(row, 2)? }))
}
