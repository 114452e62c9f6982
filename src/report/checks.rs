//! The checks of `verify` themselves, for `verify --list` and `verify --explain ID`.

use std::io::{self, Write};

use crate::verify::{self, Check};

/// Writes one line a check.
///
/// # Errors
/// The writer's.
pub fn list(out: &mut impl Write) -> io::Result<()> {
    let width = verify::all().map(|check| check.id.len()).max().unwrap_or(0);
    for check in verify::all() {
        writeln!(out, "{:7}  {:7}  {:width$}  {}", check.severity, check.cost.as_str(), check.id, check.promise)?;
    }
    Ok(())
}

/// Writes everything about one check: what it promises, why that matters, what to do, and what breaks it.
///
/// # Errors
/// The writer's.
pub fn explain(check: &Check, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} ({}, {})", check.id, check.severity, check.cost.as_str())?;
    writeln!(out, "promise: {}", check.promise)?;
    writeln!(out, "harm:    {}", check.harm)?;
    writeln!(out, "fix:     {}", check.remedy)?;
    writeln!(out, "This breaks it, for example:")?;
    check.violation.lines().try_for_each(|line| writeln!(out, "  {line}"))
}
