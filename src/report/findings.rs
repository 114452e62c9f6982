//! What `verify` found out, as text or JSON.

use std::io::{self, Write};

use serde::Serialize;

use crate::verify::{Finding, Outcome, Report, Severity, Verdict, counted};

/// The version of the JSON; fields are added under the same number, but not renamed or removed.
const FORMAT: u32 = 1;

/// Whether what holds is told too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Only what does not hold or is not known.
    Findings,
    /// Every check and object, and how it is known.
    Evidence,
}

/// Writes it for people: the findings, the worst first, what nobody knows, and one line in sum.
///
/// # Errors
/// The writer's.
pub fn text(report: &Report, detail: Detail, out: &mut impl Write) -> io::Result<()> {
    if detail == Detail::Evidence {
        evidence(report, out)?;
    }
    let findings = report.findings();
    for group in findings.chunk_by(|one, next| one.check.id == next.check.id) {
        for Finding { check, object, what, .. } in group {
            writeln!(out, "{} {}  {object}: {what}", check.severity, check.id)?;
        }
        if let Some(Finding { check, .. }) = group.first() {
            writeln!(out, "  harm: {}", check.harm)?;
            writeln!(out, "  fix:  {}", check.remedy)?;
        }
    }
    for (verdict, reason) in report.unverified() {
        writeln!(out, "unverified {}  {}: {reason}", verdict.check.id, verdict.object)?;
    }
    writeln!(out, "{}", summary(report))
}

fn evidence(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for Verdict { check, object, outcome } in &report.verdicts {
        match outcome {
            Outcome::Proved { by } => writeln!(out, "proved  {}  {object}: by {by}", check.id)?,
            Outcome::Checked | Outcome::Catalog => writeln!(out, "{:7} {}  {object}", outcome.evidence(), check.id)?,
            Outcome::Broken { .. } | Outcome::Unverified { .. } => {}
        }
    }
    Ok(())
}

/// `14 checks on 17 tables: 2 errors, 1 warning; 30 proved, 12 checked, 5 from the catalog`.
fn summary(report: &Report) -> String {
    let count = |number: usize, one: &str, many: &str| counted(u64::try_from(number).unwrap_or(u64::MAX), one, many);
    let words = [
        (Severity::Error, "error", "errors"),
        (Severity::Warning, "warning", "warnings"),
        (Severity::Info, "remark", "remarks"),
    ];
    let found: Vec<String> = words
        .into_iter()
        .map(|(severity, one, many)| (report.count(severity), one, many))
        .filter(|(number, ..)| *number > 0)
        .map(|(number, one, many)| count(number, one, many))
        .collect();
    let found = if found.is_empty() { "no findings".to_owned() } else { found.join(", ") };
    let held = Held::of(report);
    let unknown = match held.unverified {
        0 => String::new(),
        number => format!(", {number} unverified: could not complete"),
    };
    let (checks, tables) = (count(report.checks, "check", "checks"), count(report.tables, "table", "tables"));
    let Held { proved, checked, catalog, .. } = held;
    format!("{checks} on {tables}: {found}; {proved} proved, {checked} checked, {catalog} from the catalog{unknown}")
}

/// How many verdicts there are of a kind.
#[derive(Debug, Default, Serialize)]
struct Held {
    proved: usize,
    checked: usize,
    catalog: usize,
    unverified: usize,
}

impl Held {
    fn of(report: &Report) -> Self {
        let mut held = Held::default();
        for verdict in &report.verdicts {
            match verdict.outcome {
                Outcome::Proved { .. } => held.proved += 1,
                Outcome::Checked => held.checked += 1,
                Outcome::Catalog => held.catalog += 1,
                Outcome::Unverified { .. } => held.unverified += 1,
                Outcome::Broken { .. } => {}
            }
        }
        held
    }
}

/// Writes it for machines, with the evidence of every check and object.
///
/// # Errors
/// The writer's.
pub fn json(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let document = Document {
        format: FORMAT,
        complete: report.is_complete(),
        checks: report.checks,
        tables: report.tables,
        errors: report.count(Severity::Error),
        warnings: report.count(Severity::Warning),
        remarks: report.count(Severity::Info),
        held: Held::of(report),
        findings: report.findings().into_iter().map(FindingObject::from).collect(),
        evidence: report.verdicts.iter().map(EvidenceObject::from).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    complete: bool,
    checks: usize,
    tables: usize,
    errors: usize,
    warnings: usize,
    remarks: usize,
    held: Held,
    findings: Vec<FindingObject<'a>>,
    evidence: Vec<EvidenceObject<'a>>,
}

#[derive(Serialize)]
struct FindingObject<'a> {
    check: &'static str,
    severity: Severity,
    object: &'a str,
    what: &'a str,
    count: Option<u64>,
    harm: &'static str,
    remedy: &'static str,
}

impl<'a> From<Finding<'a>> for FindingObject<'a> {
    fn from(Finding { check, object, what, count }: Finding<'a>) -> Self {
        FindingObject {
            check: check.id,
            severity: check.severity,
            object,
            what,
            count,
            harm: check.harm,
            remedy: check.remedy,
        }
    }
}

#[derive(Serialize)]
struct EvidenceObject<'a> {
    check: &'static str,
    object: &'a str,
    /// Whether it holds; null where nobody knows.
    holds: Option<bool>,
    evidence: &'static str,
    /// The constraint that proves it, or why nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl<'a> From<&'a Verdict> for EvidenceObject<'a> {
    fn from(Verdict { check, object, outcome }: &'a Verdict) -> Self {
        let (holds, detail) = match outcome {
            Outcome::Proved { by } => (Some(true), Some(by.as_str())),
            Outcome::Checked | Outcome::Catalog => (Some(true), None),
            Outcome::Broken { .. } => (Some(false), None),
            Outcome::Unverified { reason } => (None, Some(reason.as_str())),
        };
        EvidenceObject { check: check.id, object, holds, evidence: outcome.evidence(), detail }
    }
}
