//! `ON CONFLICT` that names a key which becomes unique within each tenant: PostgreSQL finds the key by its columns, so the
//! statement has to name the owner as well once the old one goes. Read from words alone, so it is said as a guess.

use super::{Found, Kind, Preflight, list};
use crate::catalog::code::{Conflict, Target};
use crate::catalog::{Ident, QualifiedName};
use crate::plan::unique::{Unique, scoped};

pub(super) fn examine(preflight: &Preflight<'_>, found: &mut Found) {
    for (name, table, now) in preflight.tables() {
        for unique in scoped(preflight.plan, table, &now) {
            let said = [functions(preflight, name, &unique), statements(preflight, name, &unique)];
            let said: Vec<String> = said.into_iter().flatten().collect();
            if said.is_empty() {
                continue;
            }
            let text = format!(
                "{} becomes unique within each tenant: {}; from enforce on that may be ON CONFLICT ({}), and it must be \
                 once the old key is gone",
                unique.index.name,
                said.join("; "),
                target(&preflight.plan.owner_column, &unique)
            );
            found.tell(Kind::ConflictTarget, Some(name), text);
        }
    }
}

/// What the statement has to name.
fn target(owner: &Ident, unique: &Unique) -> String {
    let columns: Vec<&Ident> = unique.index.columns.iter().flatten().collect();
    match columns.len() == unique.index.columns.len() {
        true => list(std::iter::once(owner).chain(columns)),
        false => format!("{owner} and all that {} has", unique.index.name),
    }
}

fn functions(preflight: &Preflight<'_>, name: &QualifiedName, unique: &Unique) -> Option<String> {
    let routines = preflight.around.catalog.objects.routines.iter();
    let named = routines.filter(|routine| routine.code.conflicts.iter().any(|it| means(it, name, unique)));
    let named: Vec<String> = named.map(|routine| routine.name.to_string()).collect();
    (!named.is_empty()).then(|| format!("ON CONFLICT in the functions {} seems to name it", named.join(", ")))
}

fn statements(preflight: &Preflight<'_>, name: &QualifiedName, unique: &Unique) -> Option<String> {
    let sent = preflight.facts.conflicts.iter().filter(|(conflict, _)| means(conflict, name, unique));
    let times: i64 = sent.map(|(_, times)| times).sum();
    (times > 0).then(|| {
        format!("ON CONFLICT in statements of clients seems to name it ({times} times, by pg_stat_statements)")
    })
}

/// Whether the statement finds this key: by the constraint's name, or by the columns in any order. Of an expression, the
/// names that it holds must all be there.
fn means(conflict: &Conflict, table: &QualifiedName, unique: &Unique) -> bool {
    let is_named = match &conflict.target {
        Target::Constraint(name) => unique.key.is_some_and(|key| key.name.as_str() == name),
        Target::Names(names) => {
            let has = |column: &Ident| names.iter().any(|name| name == column.as_str());
            let plain = unique.index.columns.iter().flatten();
            match unique.index.columns.contains(&None) {
                false => plain.clone().all(has) && plain.count() == names.len(),
                // Some of them may be its condition's, which stands behind the parentheses.
                true if unique.index.partial => plain.clone().all(has) && unique.index.other_columns.iter().any(has),
                true => plain.chain(&unique.index.other_columns).all(has),
            }
        }
    };
    is_named && conflict.table.may_be(table)
}
