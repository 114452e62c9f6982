//! The plan as a script that `psql` runs: what is sent is the plan's own text; the headings are ours.

use std::io::{self, Write};

use super::super::human;
use super::words;
use crate::plan::Phase;
use crate::sql::quote::comment;
use crate::sql::{Script, psql};

pub(super) fn write(script: &Script, out: &mut impl Write) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    writeln!(out, "-- tenantctl {version}, for PostgreSQL {}", script.major)?;
    writeln!(out, "-- fingerprint {}", script.fingerprint)?;
    writeln!(
        out,
        "-- For psql -X -f: it stops at the first error and keeps no record. `tenantctl migrate` sends the same"
    )?;
    writeln!(
        out,
        "-- statements, asks again for a lock that it did not get, paces the batches, and goes on after a stop."
    )?;
    for blocker in &script.blockers {
        let text = format!("blocked: {}; {}", blocker.describe(), blocker.remedy);
        writeln!(out, "{}", comment(&text))?;
    }
    if script.migrations.is_empty() {
        return writeln!(out, "-- nothing to do");
    }
    write!(out, "\n{}", psql::head())?;
    if !script.blockers.is_empty() {
        write!(out, "{}", psql::refuse())?;
    }
    Phase::ALL.into_iter().try_for_each(|phase| write_phase(script, phase, out))
}

fn write_phase(script: &Script, phase: Phase, out: &mut impl Write) -> io::Result<()> {
    let migrations: Vec<_> = script.migrations.iter().filter(|migration| migration.phase == phase).collect();
    if migrations.is_empty() {
        return Ok(());
    }
    let steps = migrations.iter().map(|migration| migration.steps.len()).sum();
    writeln!(out, "\n--\n-- Phase {phase}: {}\n--", human::counted(steps, "step", "steps"))?;
    for migration in migrations {
        writeln!(out, "\n{}\n\\echo {}", comment(&words::migration(migration)), migration.file_name())?;
        for step in &migration.steps {
            write!(out, "\n{}", psql::step(step, &script.locks))?;
        }
    }
    Ok(())
}
