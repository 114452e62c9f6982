//! Code that a new column disturbs: functions in the database, and the statements that clients were seen to send.
//!
//! All of it is read from words alone, so it is said as a guess.

use std::collections::BTreeMap;

use super::{Found, Kind, Preflight};
use crate::catalog::code::Star;
use crate::catalog::{Firing, QualifiedName, Routine, Table};

pub(super) fn examine(preflight: &Preflight<'_>, found: &mut Found) {
    let routines = &preflight.around.catalog.objects.routines;
    for (name, table, now) in preflight.tables() {
        if table.owned.column.is_none() {
            functions(routines, name, found);
            variables(preflight, routines, name, found);
            statements(preflight, name, found);
        }
        triggers(preflight, routines, name, &now, found);
    }
}

fn functions(routines: &[Routine], name: &QualifiedName, found: &mut Found) {
    let said: Vec<String> = routines
        .iter()
        .filter_map(|routine| {
            let forms = forms(&routine.code.stars, name);
            (!forms.is_empty()).then(|| format!("{} ({forms})", routine.name))
        })
        .collect();
    if !said.is_empty() {
        let text = format!("functions seem to mean all of its columns and get one more: {}", said.join(", "));
        found.tell(Kind::FunctionStar, Some(name), text);
    }
}

fn forms(stars: &[Star], table: &QualifiedName) -> String {
    let forms = stars.iter().filter(|star| star.table.may_be(table)).map(|star| star.form.as_str());
    forms.collect::<Vec<_>>().join(", ")
}

/// In PL/pgSQL the name becomes ambiguous and the function fails; in SQL the column silently wins over the argument.
fn variables(preflight: &Preflight<'_>, routines: &[Routine], name: &QualifiedName, found: &mut Found) {
    let column = preflight.plan.owner_column.as_str();
    let mentions = |routine: &Routine| routine.code.mentions.iter().any(|mention| mention.may_be(name));
    for routine in routines {
        let declares = routine.variables.iter().any(|variable| variable == column);
        let what = match routine.language.as_str() {
            "plpgsql" => "a statement that uses both will fail as ambiguous",
            "sql" => "where both are meant the column will win from then on",
            _ => continue,
        };
        if declares && mentions(routine) {
            let text =
                format!("the function {} has a variable {column} and seems to use the table: {what}", routine.name);
            found.tell(Kind::VariableNamedAsOwner, Some(name), text);
        }
    }
}

fn statements(preflight: &Preflight<'_>, name: &QualifiedName, found: &mut Found) {
    let mut calls: BTreeMap<&str, i64> = BTreeMap::new();
    for (star, times) in &preflight.facts.statements {
        if star.table.may_be(name) {
            *calls.entry(star.form.as_str()).or_default() += times;
        }
    }
    if !calls.is_empty() {
        let said: Vec<String> = calls.iter().map(|(form, times)| format!("{form} ({times} times)")).collect();
        let text = format!("clients seem to mean all of its columns, by pg_stat_statements: {}", said.join(", "));
        found.tell(Kind::StatementStar, Some(name), text);
    }
}

/// Triggers on changed rows whose function leaves the database: the backfill would send one message a row.
fn triggers(preflight: &Preflight<'_>, routines: &[Routine], name: &QualifiedName, now: &Table, found: &mut Found) {
    if !preflight.writes(name) {
        return;
    }
    for trigger in now.triggers.iter().filter(|trigger| trigger.on_update && trigger.firing != Firing::Disabled) {
        let mut functions = routines.iter().filter(|routine| routine.name == trigger.function);
        if let Some(routine) = functions.find(|routine| !routine.code.reaches_out.is_empty()) {
            let text = format!(
                "the trigger {} seems to send something out of the database ({} in {})",
                trigger.name,
                routine.code.reaches_out.join(", "),
                routine.name
            );
            found.tell(Kind::TriggerReachesOut, Some(name), text);
        }
    }
}
