//! What stands around the tables and may hinder, or misunderstand, that they change.

use super::{Found, Kind, Preflight, list};
use crate::catalog::{EventTrigger, Firing, QualifiedName, Table};
use crate::plan::{KeyOp, Op, TablePlan};

/// The commands that the run sends, as event triggers know them.
const SENT: [&str; 9] = [
    "ALTER FUNCTION",
    "ALTER TABLE",
    "CREATE FUNCTION",
    "CREATE INDEX",
    "CREATE SCHEMA",
    "CREATE TABLE",
    "CREATE TRIGGER",
    "DROP INDEX",
    "REVOKE",
];

pub(super) fn examine(preflight: &Preflight<'_>, found: &mut Found) {
    for (name, table, now) in preflight.tables() {
        written_as_star(preflight, name, table, found);
        rules(preflight, name, table, found);
        policies(preflight, name, found);
        let exclusions = &preflight.around.catalog.objects.exclusions;
        let exclusions: Vec<_> =
            exclusions.iter().filter(|part| part.table == *name).map(|part| &part.name.name).collect();
        if !exclusions.is_empty() {
            let text = format!("excludes each other over all tenants: {}", list(exclusions));
            found.tell(Kind::ExclusionGlobal, Some(name), text);
        }
        constraints(preflight, name, &now, found);
        remains(preflight, name, &now, found);
    }
    event_triggers(preflight, found);
}

fn written_as_star(preflight: &Preflight<'_>, name: &QualifiedName, table: &TablePlan, found: &mut Found) {
    let views = preflight.around.catalog.objects.whole_views.iter().filter(|view| view.table == *name);
    let views: Vec<String> = views.map(|view| view.name.to_string()).collect();
    if !views.is_empty() && table.owned.column.is_none() {
        let text = format!("views that show all of its columns will not show the new one: {}", views.join(", "));
        found.tell(Kind::ViewStar, Some(name), text);
    }
}

/// A rule on UPDATE acts on the batches, unless the role may switch it off with the triggers.
fn rules(preflight: &Preflight<'_>, name: &QualifiedName, table: &TablePlan, found: &mut Found) {
    let rules = preflight.around.catalog.objects.rules.iter();
    let is_here = |table: &QualifiedName| preflight.plan.root_of(table) == name;
    let rules: Vec<_> =
        rules.filter(|rule| is_here(&rule.table) && rule.event == "UPDATE").map(|rule| &rule.name).collect();
    if !rules.is_empty() && preflight.writes(name) && !table.skip_triggers {
        let text = format!("rules rewrite the UPDATEs of the backfill: {}", list(rules));
        let remedy = "disable the rules for the run, or run as a role that may set session_replication_role";
        found.block(Kind::RuleRewrites, Some(name), text, remedy);
    }
}

fn policies(preflight: &Preflight<'_>, name: &QualifiedName, found: &mut Found) {
    let policies = preflight.around.catalog.objects.policies.iter().filter(|policy| policy.reads.contains(name));
    let policies: Vec<String> = policies
        .map(|policy| match policy.table == *name {
            true => policy.name.to_string(),
            false => format!("{} on {}", policy.name, policy.table),
        })
        .collect();
    if !policies.is_empty() {
        let text = format!("policies name it and do not know the owner: {}", policies.join(", "));
        found.tell(Kind::PolicyNames, Some(name), text);
    }
}

fn constraints(preflight: &Preflight<'_>, name: &QualifiedName, now: &Table, found: &mut Found) {
    let ours = |constraint: &str| {
        constraint.contains(preflight.plan.owner_column.as_str()) && constraint.starts_with(name.name.as_str())
    };
    let unproven: Vec<_> = now
        .checks
        .iter()
        .filter(|check| !check.validated && !ours(check.name.as_str()))
        .map(|check| &check.name)
        .collect();
    if !unproven.is_empty() && preflight.writes(name) {
        let names = list(unproven);
        let text = format!("not validated, so a row that violates it stops the backfill when it is written: {names}");
        found.tell(Kind::ConstraintNotValid, Some(name), text);
    }
    let unchecked: Vec<_> = now.foreign_keys.iter().filter(|key| !key.triggers_enabled).map(|key| &key.name).collect();
    if !unchecked.is_empty() {
        let text = format!("foreign keys whose triggers are disabled, so nobody checks them: {}", list(unchecked));
        found.tell(Kind::KeyUnchecked, Some(name), text);
    }
}

/// Indexes that are INVALID, and triggers that are off.
fn remains(preflight: &Preflight<'_>, name: &QualifiedName, now: &Table, found: &mut Found) {
    let builds = |index| {
        let built = |op: &Op| match op {
            Op::BuildIndex { index: ours, .. } | Op::Key(KeyOp::Build { index: ours, .. }) => ours == index,
            _ => false,
        };
        preflight.plan.steps().any(|step| built(&step.op))
    };
    // The index of a partitioned table is INVALID until each partition has attached its own.
    let completes = |index| {
        preflight
            .plan
            .steps()
            .any(|step| matches!(&step.op, Op::CreateParentIndex { index: ours, .. } | Op::Key(KeyOp::BuildParent { index: ours, .. }) if ours == index))
    };
    for index in now.indexes.iter().filter(|index| !index.valid) {
        let what = match builds(&index.name) {
            _ if completes(&index.name) => "the run attaches the parts that it lacks",
            true => "it is what a broken build of ours left; the run drops it and builds it again",
            false => "no query uses it and every write maintains it; drop or rebuild it",
        };
        found.tell(Kind::IndexInvalid, Some(name), format!("the index {} is INVALID: {what}", index.name));
    }
    let disabled = now.triggers.iter().filter(|trigger| trigger.firing == Firing::Disabled);
    let disabled: Vec<_> = disabled.map(|trigger| &trigger.name).collect();
    if !disabled.is_empty() {
        let text = format!("triggers that are disabled and stay so: {}", list(disabled));
        found.tell(Kind::TriggerDisabled, Some(name), text);
    }
}

fn event_triggers(preflight: &Preflight<'_>, found: &mut Found) {
    let fires = |trigger: &&EventTrigger| {
        matches!(trigger.event.as_str(), "ddl_command_start" | "ddl_command_end" | "sql_drop")
            && (trigger.tags.is_empty() || trigger.tags.iter().any(|tag| SENT.contains(&tag.as_str())))
    };
    for trigger in preflight.around.catalog.objects.event_triggers.iter().filter(fires) {
        let text = format!(
            "the event trigger {} ({}) calls {} for the run's DDL and may refuse it",
            trigger.name, trigger.event, trigger.function
        );
        found.tell(Kind::EventTriggerFires, None, text);
    }
}
