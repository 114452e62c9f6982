//! The status of a database as text or JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::human::{self, printable};
use super::{Shape, account};
use crate::execute::account::Account;
use crate::execute::bookkeeping::RunKind;
use crate::execute::control::Control;
use crate::execute::filled::Filled;
use crate::execute::pulse::{Sign, State};
use crate::execute::status::{BackfillStatus, Life, MigrationStatus, RefusedRow, RunStatus, Status};

/// As many applications of a table are named.
const APPLICATIONS: usize = 3;

/// The status, and the bill where it was asked for.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    status: &'a Status,
    life: Option<Life>,
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
            serde_json::to_writer_pretty(&mut *out, &Report { status, life: status.life(), account })?;
            writeln!(out)
        }
    }
}

fn text(status: &Status, out: &mut impl Write) -> io::Result<()> {
    match &status.active {
        Some(active) => writeln!(out, "running: {}, since {}", printable(&active.describe()), active.since)?,
        None if status.standby => {
            writeln!(out, "running: unknown; this is a standby, which sees no session of its primary")?
        }
        None => writeln!(out, "running: nothing")?,
    }
    let Some(run) = &status.run else {
        writeln!(out, "runs:    none; this database was never converted")?;
        return writeln!(out, "next:    tenantctl plan --dry-run");
    };
    writeln!(
        out,
        "run:     {}{}, started {} by {} (tenantctl {})",
        run.id,
        if run.kind == RunKind::Rollback { ", a way back" } else { "" },
        run.started_at,
        run.started_by,
        run.tool_version
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
    live(status, run).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    for migration in &run.migrations {
        writeln!(out, "  {}", line(migration))?;
    }
    if !run.backfills.is_empty() {
        writeln!(out, "backfills:")?;
    }
    for backfill in &run.backfills {
        writeln!(out, "  {}", progress(backfill))?;
    }
    refused(&run.refused_rows, out)?;
    old_writers(&run.filled).iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// What fillers filled, tables with such rows first; the others only counted.
fn old_writers(filled: &[Filled]) -> Vec<String> {
    if filled.is_empty() {
        return Vec::new();
    }
    let (some, others): (Vec<_>, Vec<_>) = filled.iter().partition(|table| table.rows.is_some_and(|rows| rows > 0));
    let (hidden, none): (Vec<_>, Vec<_>) = others.into_iter().partition(|table| table.rows.is_none());
    let tables = |tables: &[&Filled]| human::counted(tables.len(), "table", "tables");
    let defaults = filled.iter().filter(|table| table.default).collect::<Vec<_>>();
    let mut lines = vec!["old writers:".to_owned()];
    lines.extend(some.iter().map(|table| format!("  {}", filled_line(table))));
    if !none.is_empty() {
        lines.push(format!("  no row filled in {}", tables(&none)));
    }
    if !hidden.is_empty() {
        lines.push(format!("  {} not to be seen: GRANT SELECT ON ALL SEQUENCES IN SCHEMA tenantctl", tables(&hidden)));
    }
    if !defaults.is_empty() {
        lines.push(format!(
            "  new rows of {} get their owner from the column's default: not counted",
            tables(&defaults)
        ));
    }
    lines
}

/// As `public.orders: 1,234 rows filled, last for app1 (14:05), app2 (13:50) and 3 others`.
fn filled_line(table: &Filled) -> String {
    let rows = table.rows.unwrap_or_default();
    let names: Vec<String> = table
        .applications
        .iter()
        .take(APPLICATIONS)
        .map(|application| format!("{} ({})", called(&application.name), application.noted_at))
        .collect();
    let others = match table.applications_total.saturating_sub(names.len() as u64) {
        0 => String::new(),
        1 => " and 1 other".to_owned(),
        others => format!(" and {} others", human::count(others)),
    };
    let last = if names.is_empty() { String::new() } else { format!(", last for {}{others}", names.join(", ")) };
    let full = if table.list_full { "; too many names, no further one is noted" } else { "" };
    format!("{}: {} {} filled{last}{full}", table.table, human::count(rows), if rows == 1 { "row" } else { "rows" })
}

fn called(application: &str) -> String {
    if application.is_empty() { "an application without a name".to_owned() } else { printable(application) }
}

/// More rows than these are only counted.
const NAMED_ROWS: usize = 20;

/// Rows that cannot be filled.
fn refused(rows: &[RefusedRow], out: &mut impl Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "refused: {} to mend before the next run", human::counted(rows.len(), "row", "rows"))?;
    for row in rows.iter().take(NAMED_ROWS) {
        writeln!(out, "  {}: {} ({}), {}", row.step, printable(&row.row), printable(&row.reason), row.at)?;
    }
    match rows.len().saturating_sub(NAMED_ROWS) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more"),
    }
}

fn next(status: &Status, run: &RunStatus) -> String {
    let paused = run.control.as_ref().is_some_and(|control| control.paused.is_some());
    if run.kind == RunKind::Rollback {
        return next_back(run);
    }
    match (&run.finished_at, &run.abandoned_at, run.phase(), &status.active) {
        (Some(at), ..) => format!("nothing; finished {at}"),
        (None, Some(at), ..) => format!("given up {at}; `tenantctl migrate` plans the rest"),
        (None, None, Some(phase), None) if paused && !status.standby => {
            format!("stopped in phase {phase}; `tenantctl migrate` goes on, paused until `tenantctl resume`")
        }
        (None, None, Some(phase), None) if status.standby => format!("in phase {phase}"),
        (None, None, Some(phase), Some(_)) if paused => format!("`tenantctl resume` lets it go on in phase {phase}"),
        (None, None, Some(phase), Some(_)) => format!("in phase {phase}, which the running session works on"),
        (None, None, Some(phase), None) => format!("stopped in phase {phase}; `tenantctl migrate` goes on"),
        (None, None, None, _) => "all migrations are applied; `tenantctl migrate` closes the run".to_owned(),
    }
}

/// The same for a run that goes back.
fn next_back(run: &RunStatus) -> String {
    match (&run.finished_at, &run.abandoned_at) {
        (Some(at), _) => format!("nothing; taken back {at}. `tenantctl migrate` would convert anew"),
        (None, Some(at)) => format!("given up {at}; `tenantctl rollback` goes back, `tenantctl migrate` converts anew"),
        (None, None) => "on the way back; `tenantctl rollback` goes on".to_owned(),
    }
}

/// What an unfinished run is at, as its last sign tells, and what operators want of it.
fn live(status: &Status, run: &RunStatus) -> Vec<String> {
    let mut lines = Vec::new();
    if let (Some(sign), Some(life)) = (&run.sign, status.life()) {
        lines.push(format!("now:     {}", now(sign, life)));
        if life == Life::Lives {
            lines.push(format!("pace:    {}", pace(sign)));
            lines.push(format!("load:    {}", load(sign)));
        }
    }
    let Some(control) = &run.control else { return lines };
    if let Some(mark) = &control.paused {
        lines.push(format!("paused:  by {} since {}", printable(&mark.by), mark.at));
    }
    let tuned = tuned(control);
    if !tuned.is_empty() {
        let by =
            control.changed.as_ref().map(|mark| format!("; last change by {} at {}", printable(&mark.by), mark.at));
        lines.push(format!("tuned:   {}{}", tuned.join(", "), by.unwrap_or_default()));
    }
    lines
}

fn now(sign: &Sign, life: Life) -> String {
    let age = human::duration(sign.age);
    let step = sign.step.as_ref().map(|step| format!(" {step}")).unwrap_or_default();
    match (life, sign.state) {
        (Life::Lives, State::Paused) => format!("paused{}; last sign {age} ago", before(&step)),
        (Life::Lives, State::Pausing) => {
            format!("pausing: what is in flight is finished first:{step}; last sign {age} ago")
        }
        (Life::Lives, _) => format!("at{}{}; last sign {age} ago", or(&step, " nothing yet"), rows(sign)),
        (Life::Silent, _) => format!(
            "no sign for {age}, since it was at{}: its process is suspended, or cut off from the server",
            or(&step, " nothing")
        ),
        (Life::Gone, _) => format!(
            "the run is dead: its session is gone without a word, and the last sign was {age} ago at{}",
            or(&step, " nothing")
        ),
        (Life::Begins, _) => format!("not begun by this process; the last sign of the one before it was {age} ago"),
        (Life::Ended, _) => {
            let how = sign.ended.as_deref().unwrap_or("done");
            format!("ended {age} ago: {how}")
        }
    }
}

fn before(step: &str) -> String {
    if step.is_empty() { String::new() } else { format!(" in{step}") }
}

fn or<'a>(step: &'a str, otherwise: &'a str) -> &'a str {
    if step.is_empty() { otherwise } else { step }
}

fn rows(sign: &Sign) -> String {
    let Some(rows) = sign.rows else { return String::new() };
    let of = sign.rows_expected.map(|rows| format!(" of ~{}", human::count(rows))).unwrap_or_default();
    let rate = sign.rows_per_second.map(|rate| format!(", {}", human::rate(rate))).unwrap_or_default();
    let left = sign.left().map(|left| format!(", {} left", human::duration(left))).unwrap_or_default();
    format!(": {}{of} rows{rate}{left}", human::count(rows))
}

fn pace(sign: &Sign) -> String {
    let mut words = vec![human::counted(sign.workers as usize, "worker", "workers")];
    words.extend(sign.batch.map(|batch| format!("batches of {}", human::duration(batch))));
    if let (Some(rows), Some(took)) = (sign.last_batch_rows, sign.last_batch) {
        words.push(format!("the last one {} rows in {}", human::count(rows), human::duration(took)));
    }
    words.join(", ")
}

fn load(sign: &Sign) -> String {
    let why = sign.reason.as_ref().map(|reason| format!(": {}", printable(reason))).unwrap_or_default();
    match sign.pressure {
        level if level >= 1.0 => format!("held{why}"),
        level if level > 0.0 => format!("slowed by {:.0} %{why}", level * 100.0),
        _ => "nothing holds it back".to_owned(),
    }
}

/// What is wanted otherwise than configured.
pub(super) fn tuned(control: &Control) -> Vec<String> {
    let mut words = Vec::new();
    words.extend(control.workers.map(|workers| human::counted(workers as usize, "worker", "workers")));
    words.extend(control.batch.map(|batch| format!("batches of {}", human::duration(batch))));
    words.extend(control.max_lag.map(|lag| format!("replicas at most {} behind", human::duration(lag))));
    words
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
