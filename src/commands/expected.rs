//! The plan that was reviewed: nothing else is run, and what changed since is said.

use crate::catalog::diff::differences;
use crate::catalog::{Catalog, Difference, Object, QualifiedName};
use crate::error::{Code, Failure};
use crate::event::Start;
use crate::sql::{Document, Script, TableScope};

/// What the operator reviewed.
#[derive(Debug, Clone)]
pub enum Expected {
    /// The plan with this fingerprint.
    Fingerprint(String),
    /// The plan in a file.
    Document(Box<Document>),
}

impl Expected {
    /// Refuses a script that is not the one that was reviewed; the drift says why it is another one.
    pub(super) fn refuse_other(&self, script: &Script, start: Start, drift: &Drift) -> Result<(), Failure> {
        // Where nothing is left to do, nothing runs that nobody reviewed.
        if script.migrations.is_empty() {
            return Ok(());
        }
        drift.refuse()?;
        let (found, expected) = (&script.fingerprint, self.fingerprint());
        if found == expected {
            return Ok(());
        }
        let which = match start {
            Start::Fresh => "the plan",
            Start::Resumed => "the unfinished run's plan",
        };
        let message = format!("{which} has the fingerprint {found}, not {expected}{}", drift.role());
        let changed = match self {
            Expected::Document(_) if start == Start::Fresh => {
                "the schema is as it was, so the configuration, the role, the rows or tenantctl itself changed"
            }
            Expected::Document(_) | Expected::Fingerprint(_) => "the database or the configuration changed",
        };
        Err(Failure::new(Code::PlanChanged, message)
            .hint(format!("review the plan again with `tenantctl plan`; {changed}")))
    }

    fn fingerprint(&self) -> &str {
        match self {
            Expected::Fingerprint(fingerprint) => fingerprint,
            Expected::Document(document) => &document.script.fingerprint,
        }
    }
}

/// What changed between the reviewed plan and now.
#[derive(Debug, Default)]
pub(super) struct Drift(Vec<Difference>);

impl Drift {
    /// Nothing where only a fingerprint is known; tables that the plan ignores may change.
    pub(super) fn of(expected: Option<&Expected>, now: &Catalog) -> Drift {
        let Some(Expected::Document(document)) = expected else { return Drift::default() };
        let ignored: Vec<&QualifiedName> =
            document.script.tables.iter().filter(|table| table.scope == TableScope::Ignored).map(|t| &t.name).collect();
        let mut found = differences(&document.catalog, now);
        found.retain(|difference| difference.table.as_ref().is_none_or(|table| !ignored.contains(&table)));
        Drift(found)
    }

    /// Refuses where the schema or the place is another one.
    pub(super) fn refuse(&self) -> Result<(), Failure> {
        let words: Vec<String> = self.schema().map(|difference| format!("- {}", difference.text)).collect();
        if words.is_empty() {
            return Ok(());
        }
        let message = format!("the database is not the one of the plan any more:\n{}", words.join("\n"));
        Err(Failure::new(Code::PlanChanged, message)
            .hint("review a new plan: `tenantctl plan --out FILE`, then `tenantctl migrate --plan FILE`"))
    }

    fn schema(&self) -> impl Iterator<Item = &Difference> {
        self.0.iter().filter(|difference| difference.object != Object::Role)
    }

    /// What another role may do is no change of the schema, but it may change the statements.
    fn role(&self) -> String {
        let role = self.0.iter().filter(|difference| difference.object == Object::Role);
        role.map(|difference| format!("\n- {}", difference.text)).collect()
    }
}
