//! The file of a plan: written by `plan --out`, read by `migrate --plan` and `diff --plan`.

use std::fs;
use std::path::Path;

use crate::error::{Code, Failure};
use crate::report::plan as report;
use crate::sql::Document;

/// Reads the plan in a file, as it was reviewed.
pub(super) fn read(path: &Path) -> Result<Document, Failure> {
    let unreadable = |why: String| {
        Failure::new(Code::FileFailed, format!("reading the plan {}: {why}", path.display()))
            .hint("write one with `tenantctl plan --out plan.json`")
    };
    let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    Document::from_json(&text).map_err(|failure| match failure.code {
        Code::PlanChanged => Failure { message: format!("{}: {}", path.display(), failure.message), ..failure },
        _ => unreadable(failure.message),
    })
}

/// Writes a plan into a file, whole or not at all: a review must not meet half a plan.
pub(super) fn write(plan: &Document, path: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Code::FileFailed, format!("writing the plan {}: {error}", path.display()))
            .hint("name a file in a directory that you may write to")
    };
    let mut text = Vec::new();
    report::json(plan, &mut text).map_err(failed)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).map_err(failed)
}
