//! What unique keys and foreign keys mean for the application once there are several tenants.

use super::{Notice, list};
use crate::catalog::{Action, Catalog, ForeignKey, Ident, QualifiedName, Table};
use crate::config::{KeyDecision, KeyScope};
use crate::plan::reference::{incomparable, reference, uncompared};
use crate::plan::unique::Unique;
use crate::plan::{Kind, Owners, Plan, TablePlan};

/// What is said once, about all tables.
pub(super) fn of_all(catalog: &Catalog, owners: &Owners, plan: &Plan) -> Vec<Notice> {
    let mut notices = Vec::new();
    let compared = |(name, table): (&QualifiedName, &TablePlan)| {
        catalog.tables.get(name).is_some_and(|now| uncompared(plan, table, now).next().is_some())
    };
    if plan.tables.iter().any(compared) {
        let text = "from enforce on, a row may refer only to rows of its own tenant; that is checked at the end of a \
                    transaction, so one that writes such rows cannot alter their table as well";
        notices.push(Notice { kind: Kind::ReferenceCompared, table: None, text: text.to_owned() });
    }
    let shared = owners.shared.iter().filter_map(|name| Some((name, catalog.tables.get(name)?)));
    for (name, now) in shared {
        let keys = now.foreign_keys.iter().filter(|key| plan.tables.contains_key(&key.parent));
        let keys: Vec<String> = keys.map(|key| format!("{} to {}", key.name, key.parent)).collect();
        if !keys.is_empty() {
            let text = format!("it is shared and refers to rows of tenants: {}", keys.join(", "));
            notices.push(Notice { kind: Kind::SharedRefers, table: Some(name.clone()), text });
        }
    }
    notices
}

/// What is said about one table.
pub(super) fn of_table(plan: &Plan, table: &TablePlan, now: &Table) -> Vec<(Kind, String)> {
    let mut texts = uniques(plan, table, now);
    texts.extend(references(plan, table, now));
    texts.extend(unmatched(table, now));
    texts
}

fn uniques(plan: &Plan, table: &TablePlan, now: &Table) -> Vec<(Kind, String)> {
    let mut texts = Vec::new();
    let mut undecided: Vec<&Ident> = Vec::new();
    for unique in Unique::global(now, &plan.owner_column) {
        let name = &unique.index.name;
        let decision = decided(&table.owned.unique, name);
        match (decision, unique.obstacle(now)) {
            (None, _) if unique.is_primary() => {}
            (None, _) => undecided.push(name),
            (Some(KeyScope::Global { reason }), _) => {
                texts.push((Kind::UniqueKept, format!("{name} stays unique over all tenants: {reason}")));
            }
            (Some(KeyScope::Scoped), Some(why)) => {
                texts.push((Kind::UniqueGlobal, format!("stays unique over all tenants: {name}, which {why}")));
            }
            (Some(KeyScope::Scoped), None) if unique.is_deferrable() => {
                let text = format!(
                    "{name} can be put off to the end of a transaction; while its successor is built, it cannot: rows that \
                     swap their values are refused for that time"
                );
                texts.push((Kind::UniqueDeferrable, text));
            }
            (Some(KeyScope::Scoped), None) => {}
        }
    }
    if !undecided.is_empty() {
        texts.push((Kind::UniqueGlobal, format!("stays unique over all tenants: {}", list(&undecided))));
    }
    texts
}

fn references(plan: &Plan, table: &TablePlan, now: &Table) -> Vec<(Kind, String)> {
    let reason = |key: &ForeignKey| match decided(&table.owned.references, &key.name) {
        Some(KeyScope::Global { reason }) => {
            Some((Kind::ReferenceKept, format!("{} may lead to another tenant's row: {reason}", key.name)))
        }
        Some(KeyScope::Scoped) | None => None,
    };
    let mut texts: Vec<(Kind, String)> = now.foreign_keys.iter().filter_map(reason).collect();
    for (key, why) in incomparable(plan, table, now) {
        let text = format!("{} may lead to another tenant's row: {why}", key.name);
        texts.push((Kind::ReferenceUncompared, text));
    }
    for key in uncompared(plan, table, now) {
        if !key.validated {
            let text = format!("{} is NOT VALID, and so is the key that compares owners", key.name);
            texts.push((Kind::ReferenceUncompared, text));
        }
        let Some(details) = &key.details else { continue };
        let new = reference(plan, table, now, key, details, None);
        let lost =
            [("ON DELETE", details.on_delete, new.on_delete), ("ON UPDATE", details.on_update, Action::NoAction)];
        let lost: Vec<String> = lost
            .into_iter()
            .filter(|(_, old, new)| old != new && *old != Action::Restrict)
            .map(|(event, old, _)| format!("{event} {}", old.as_sql()))
            .collect();
        if !lost.is_empty() {
            let text = format!(
                "{} goes on to do {}: the key that compares owners cannot, since it would touch the owner",
                key.name,
                lost.join(" and ")
            );
            texts.push((Kind::ReferenceActionKept, text));
        }
    }
    texts
}

/// Decisions about nothing that is there: a name that is misspelt, or gone.
fn unmatched(table: &TablePlan, now: &Table) -> Vec<(Kind, String)> {
    let index = |name: &Ident| now.indexes.iter().any(|index| index.name == *name && index.unique);
    let key = |name: &Ident| now.foreign_keys.iter().any(|key| key.name == *name);
    let unique =
        table.owned.unique.iter().filter(|decision| !index(&decision.name)).map(|decision| ("unique", decision));
    let references =
        table.owned.references.iter().filter(|decision| !key(&decision.name)).map(|decision| ("references", decision));
    let text = |(section, decision): (&str, &KeyDecision)| {
        let what = format!(
            "{section}.{} decides nothing: there is no key of that name (line {})",
            decision.name, decision.line
        );
        (Kind::DecisionUnmatched, what)
    };
    unique.chain(references).map(text).collect()
}

fn decided<'a>(decisions: &'a [KeyDecision], name: &Ident) -> Option<&'a KeyScope> {
    decisions.iter().find(|decision| decision.name == *name).map(|decision| &decision.scope)
}
