//! A rendered plan in its formats, one file each.

mod bill;
mod html;
mod leaves;
mod markdown;
mod orm;
mod sql;
mod text;
mod waiting;
mod words;

use std::io::{self, Write};

use super::Format;
use super::layout::WIDTH;
use crate::sql::Document;

pub use text::{overview, summary};

/// How much of a plan the text shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Every step, no SQL.
    Brief,
    /// Every step with its SQL.
    Full,
}

/// How a plan's text is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// How much it shows.
    pub detail: Detail,
    /// The longest line, in characters; statements and names may be longer.
    pub width: usize,
}

impl Page {
    /// A page for a terminal of that many columns, or for a file.
    pub fn new(detail: Detail, terminal: Option<usize>) -> Self {
        Page { detail, width: terminal.unwrap_or(WIDTH).clamp(NARROWEST, WIDTH) }
    }
}

/// Narrower than this, text is no longer broken.
const NARROWEST: usize = 40;

/// Writes a plan; `page` matters for the text only.
///
/// # Errors
/// Those of the writer.
pub fn write(plan: &Document, format: Format, page: Page, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Text => text::write(&plan.script, page, out),
        Format::Json => json(plan, out),
        Format::Sql => sql::write(&plan.script, out),
        Format::Markdown => markdown::write(&plan.script, out),
        Format::Html => html::write(&plan.script, out),
        Format::OrmNotes => orm::write(plan, out),
    }
}

/// Writes it for machines, and for `migrate --plan`.
///
/// # Errors
/// Those of the writer.
pub fn json(plan: &Document, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, plan)?;
    writeln!(out)
}
