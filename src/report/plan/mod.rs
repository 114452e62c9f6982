//! A rendered plan in its formats, one file each.

mod sql;
mod text;

use std::io::{self, Write};

use super::Format;
use crate::sql::Script;

pub use text::{overview, summary};

/// How much of a plan the text shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Every step with its SQL.
    Full,
    /// Every step, no SQL.
    Brief,
}

/// Writes a script; `detail` matters for the text only.
///
/// # Errors
/// Those of the writer.
pub fn write(script: &Script, format: Format, detail: Detail, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Text => text::write(script, detail, out),
        Format::Json => json(script, out),
        Format::Sql => sql::write(script, out),
    }
}

fn json(script: &Script, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, script)?;
    writeln!(out)
}
