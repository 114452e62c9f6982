//! The status of a database as text or JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::{Shape, account};
use crate::execute::account::Account;
use crate::execute::status::{BackfillStatus, MigrationStatus, RunStatus, Status};

/// The status, and the bill where it was asked for.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    status: &'a Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a Account>,
}

/// Writes it, with the bill where it was asked for.
///
/// # Errors
/// The writer's.
pub fn write(status: &Status, account: Option<&Account>, shape: Shape, out: &mut impl Write) -> io::Result<()> {
    match shape {
        Shape::Text => {
            text(status, out)?;
            account.map_or(Ok(()), |costs| account::write(costs, out))
        }
        Shape::Json => {
            serde_json::to_writer_pretty(&mut *out, &Report { status, account })?;
            writeln!(out)
        }
    }
}

fn text(status: &Status, out: &mut impl Write) -> io::Result<()> {
    match &status.active {
        Some(active) => writeln!(
            out,
            "running: pid {} ({}) from {}, since {}",
            active.pid, active.application, active.address, active.since
        )?,
        None => writeln!(out, "running: nothing")?,
    }
    let Some(run) = &status.run else {
        writeln!(out, "runs:    none; this database was never converted")?;
        return writeln!(out, "next:    tenantctl plan --dry-run");
    };
    writeln!(
        out,
        "run:     {}, started {} by {} (tenantctl {})",
        run.id, run.started_at, run.started_by, run.tool_version
    )?;
    writeln!(out, "plan:    {}", run.fingerprint)?;
    let applied = run.migrations.iter().filter(|migration| migration.applied).count();
    writeln!(
        out,
        "done:    {applied} of {} migrations, {} versions in all",
        run.migrations.len(),
        status.applied.len()
    )?;
    writeln!(out, "next:    {}", next(status, run))?;
    for migration in &run.migrations {
        writeln!(out, "  {}", line(migration))?;
    }
    if !run.backfills.is_empty() {
        writeln!(out, "backfills:")?;
    }
    for backfill in &run.backfills {
        writeln!(out, "  {}", progress(backfill))?;
    }
    Ok(())
}

fn next(status: &Status, run: &RunStatus) -> String {
    match (&run.finished_at, &run.abandoned_at, run.phase(), &status.active) {
        (Some(at), ..) => format!("nothing; finished {at}"),
        (None, Some(at), ..) => format!("given up {at}; `tenantctl migrate` plans the rest"),
        (None, None, Some(phase), Some(_)) => format!("in phase {phase}, which the running session works on"),
        (None, None, Some(phase), None) => format!("stopped in phase {phase}; `tenantctl migrate` goes on"),
        (None, None, None, _) => "all migrations are applied; `tenantctl migrate` closes the run".to_owned(),
    }
}

fn line(migration: &MigrationStatus) -> String {
    let name = format!("V{}__{}", migration.version, migration.name);
    match (migration.applied, migration.steps_done) {
        (true, _) => format!("done     {name}"),
        (false, 0) => format!("waiting  {name}"),
        (false, done) => format!("begun    {name} ({done} of {} steps)", migration.steps),
    }
}

fn progress(backfill: &BackfillStatus) -> String {
    let share = if backfill.end_block > 0 { backfill.next_block * 100 / backfill.end_block } else { 100 };
    format!(
        "{share:>3} %  {}: block {} of {}, {} rows in {} batches, last {}",
        backfill.step, backfill.next_block, backfill.end_block, backfill.rows, backfill.batches, backfill.updated_at
    )
}
