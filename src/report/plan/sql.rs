//! The plan as SQL: the script's own text with a few comments above it, so that what is read is what is sent.

use std::io::{self, Write};

use crate::sql::{BOOKKEEPING_SCHEMA, Script, quote};

pub(super) fn write(script: &Script, out: &mut impl Write) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    writeln!(out, "-- tenantctl {version}, for PostgreSQL {}", script.major)?;
    writeln!(out, "-- fingerprint {}", script.fingerprint)?;
    writeln!(out, "-- schema {BOOKKEEPING_SCHEMA} is there before the first statement: `tenantctl migrate` makes it")?;
    for blocker in &script.blockers {
        let text = format!("blocked: {}; {}", blocker.describe(), blocker.remedy);
        writeln!(out, "{}", quote::comment(&text))?;
    }
    if script.migrations.is_empty() {
        writeln!(out, "-- nothing to do")?;
    }
    for migration in &script.migrations {
        write!(out, "\n{}", migration.text())?;
    }
    Ok(())
}
