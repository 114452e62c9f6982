//! What the fillers filled for writers that do not know the owner column, and who those are.

use serde::Serialize;

use crate::catalog::QualifiedName;
use crate::error::Failure;
use crate::pg::{Session, get};
use crate::sql::filled as ask;
use crate::sql::{Script, TableOwner, TableScope};

/// A table whose filler counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Filled {
    /// The table.
    pub table: QualifiedName,
    /// Rows that got their owner from the filler, those of statements that were rolled back too; nothing where the role may
    /// not see it.
    pub rows: Option<u64>,
    /// New rows get their owner from the column's default, which nobody can count: `rows` are changed rows, and explicit
    /// NULLs.
    pub default: bool,
    /// For whom, those of the last time first; at most twenty.
    pub applications: Vec<Application>,
    /// How many there are in all.
    pub applications_total: u64,
    /// No further application is noted: there were too many.
    pub list_full: bool,
}

/// An application that leaves owners out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Application {
    /// Its `application_name`.
    pub name: String,
    /// When it was last noted; it is noted once in five minutes.
    pub noted_at: String,
}

/// Reads it for every table of a script that has a filler.
///
/// # Errors
/// A question failed.
pub async fn read(session: &Session, script: &Script) -> Result<Vec<Filled>, Failure> {
    let (tables, defaults): (Vec<QualifiedName>, Vec<bool>) = script
        .tables
        .iter()
        .filter_map(|table| match &table.scope {
            TableScope::Tenant { source, .. } => Some((table.name.clone(), *source == TableOwner::System)),
            TableScope::Shared | TableScope::Ignored => None,
        })
        .unzip();
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let mut filled = Vec::new();
    for row in session.rows(&ask::counts(&tables)).await? {
        let place = get::<i32>(&row, 0)? as usize;
        let counted = Filled {
            table: tables[place].clone(),
            rows: get::<Option<i64>>(&row, 1)?.map(i64::unsigned_abs),
            default: defaults[place],
            applications: Vec::new(),
            applications_total: 0,
            list_full: get(&row, 2)?,
        };
        filled.push((place, counted));
    }
    if get(&session.one(&ask::may_see_applications(), &[]).await?, 0)? {
        for row in session.rows(&ask::applications(&tables)).await? {
            let place = get::<i32>(&row, 0)? as usize;
            if let Some((_, table)) = filled.iter_mut().find(|(of, _)| *of == place) {
                table.applications.push(Application { name: get(&row, 1)?, noted_at: get(&row, 2)? });
                table.applications_total = get::<i64>(&row, 3)?.unsigned_abs();
            }
        }
    }
    Ok(filled.into_iter().map(|(_, table)| table).collect())
}
