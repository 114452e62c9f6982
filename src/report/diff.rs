//! What changed since the last run, as text or JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::Shape;
use super::human::counted;
use super::layout::hang;
use crate::verify::Drift;

/// The version of the JSON; fields are added under the same number, but not renamed or removed.
const FORMAT: u32 = 1;

/// Writes the changes since a baseline.
///
/// # Errors
/// Those of the writer.
pub fn write(baseline: &str, found: &[Drift], shape: Shape, out: &mut impl Write) -> io::Result<()> {
    match shape {
        Shape::Text => text(baseline, found, out),
        Shape::Json => json(baseline, found, out),
    }
}

fn text(baseline: &str, found: &[Drift], out: &mut impl Write) -> io::Result<()> {
    let (concerns, others): (Vec<&Drift>, Vec<&Drift>) = found.iter().partition(|drift| drift.concern.is_some());
    if found.is_empty() {
        return writeln!(out, "Nothing changed in the schema since {baseline}.");
    }
    let count = [
        counted(concerns.len(), "change that concerns the conversion", "changes that concern the conversion"),
        counted(others.len(), "other", "others"),
    ];
    writeln!(out, "Since {baseline}: {}", count.join(", "))?;
    if !concerns.is_empty() {
        writeln!(out, "\nTo look at")?;
    }
    for drift in &concerns {
        write!(out, "{}", hang("- ", &drift.difference.text, 2))?;
        write!(out, "{}", hang("fix: ", drift.concern.map_or("", |concern| concern.advice()), 4))?;
    }
    if !others.is_empty() {
        writeln!(out, "\nOther changes")?;
    }
    others.iter().try_for_each(|drift| write!(out, "{}", hang("- ", &drift.difference.text, 2)))
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    since: &'a str,
    concerns: usize,
    changes: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    drift: &'a Drift,
    advice: Option<&'static str>,
}

fn json(baseline: &str, found: &[Drift], out: &mut impl Write) -> io::Result<()> {
    let row = |drift: &'_ Drift| drift.concern.map(|concern| concern.advice());
    let document = Document {
        format: FORMAT,
        since: baseline,
        concerns: found.iter().filter(|drift| drift.concern.is_some()).count(),
        changes: found.iter().map(|drift| Row { drift, advice: row(drift) }).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
