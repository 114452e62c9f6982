//! Names that the plan needs and somebody else has, or that two of its own objects would share.

use std::collections::BTreeMap;

use super::{Found, Kind, Preflight};
use crate::catalog::{Catalog, Ident, QualifiedName, Table};
use crate::plan::{FILL_ON_INSERT, FILL_ON_UPDATE, Op, pass_trigger};

/// How the names begin that tenantctl makes from a table's whole name: functions, and the trigger on a parent.
const DERIVED: [&str; 3] = ["fill", "pass", "~tenantctl_pass"];

/// A schema of our name that is somebody else's.
pub(super) fn bookkeeping(catalog: &Catalog, found: &mut Found) {
    if catalog.objects.bookkeeping.as_ref().is_some_and(|schema| !schema.ours) {
        let text = "the schema tenantctl holds something else than tenantctl's books";
        found.block(Kind::SchemaTaken, None, text, "rename that schema");
    }
}

pub(super) fn examine(preflight: &Preflight<'_>, found: &mut Found) {
    let catalog = preflight.around.catalog;
    for step in preflight.plan.steps() {
        let tenants = &preflight.plan.tenants.table;
        match &step.op {
            Op::CreateTenantsTable => {
                if let Some(kind) = holder(catalog, tenants) {
                    let text = format!("the tenants table would be called {tenants}, and that is the name of a {kind}");
                    found.block(Kind::NameTaken, Some(tenants), text, "set tenants.table to another name");
                }
            }
            op => {
                if let Some((table, index)) = op.new_index() {
                    index_name(catalog, table, index, found);
                }
            }
        }
    }
    for (name, _, now) in preflight.tables() {
        own_objects(preflight, name, &now, found);
    }
    clashes(preflight, found);
}

fn index_name(catalog: &Catalog, table: &QualifiedName, index: &Ident, found: &mut Found) {
    let name = QualifiedName { schema: table.schema.clone(), name: index.clone() };
    if let Some(kind) = holder(catalog, &name).filter(|kind| *kind != "index") {
        let text = format!("its index would be called {index}, and that is the name of a {kind}");
        found.block(Kind::NameTaken, Some(table), text, format!("rename the {kind} {name}"));
    }
}

/// What has the name of a relation already; a table that is there is adopted elsewhere.
fn holder<'a>(catalog: &'a Catalog, name: &QualifiedName) -> Option<&'a str> {
    let other = catalog.objects.names.iter().find(|taken| taken.name == *name).map(|taken| taken.kind.as_str());
    let has_index = |(of, table): (&QualifiedName, &Table)| {
        of.schema == name.schema && table.indexes.iter().any(|index| index.name == name.name)
    };
    other.or_else(|| catalog.tables.iter().any(has_index).then_some("index"))
}

/// Triggers and constraints of the table that have our names and are not ours.
fn own_objects(preflight: &Preflight<'_>, name: &QualifiedName, now: &Table, found: &mut Found) {
    let children = preflight.plan.steps().filter_map(|step| match &step.op {
        Op::PassOwnerDown { parent, child } if parent == name => Some(pass_trigger(child).as_str().to_owned()),
        _ => None,
    });
    let ours: Vec<String> = [FILL_ON_INSERT, FILL_ON_UPDATE].map(str::to_owned).into_iter().chain(children).collect();
    for trigger in &now.triggers {
        if ours.iter().any(|name| name == trigger.name.as_str()) && trigger.function.schema.as_str() != "tenantctl" {
            let text = format!("it has a trigger {}, which is not tenantctl's and has its name", trigger.name);
            found.block(Kind::NameTaken, Some(name), text, format!("rename the trigger {}", trigger.name));
        }
    }
    for step in preflight.plan.steps().filter(|step| step.op.table() == Some(name)) {
        let (Op::AddNotNull { constraint, .. }
        | Op::ValidateNotNull { constraint, .. }
        | Op::AddForeignKey { constraint, .. }) = &step.op
        else {
            continue;
        };
        if is_taken(now, constraint, &step.op) {
            let text = format!("it has a constraint {constraint}, which is not tenantctl's and has its name");
            found.block(Kind::NameTaken, Some(name), text, format!("rename the constraint {constraint}"));
        }
    }
}

/// Whether another constraint has the name; a NOT NULL of that name is what an earlier run or PostgreSQL 18 made.
fn is_taken(now: &Table, constraint: &Ident, op: &Op) -> bool {
    let is_not_null = |definition: &Option<String>| definition.as_ref().is_none_or(|text| text.contains("NOT NULL"));
    let check = now.checks.iter().find(|check| check.name == *constraint);
    let key = now.keys.iter().any(|key| key.name == *constraint);
    match op {
        Op::AddForeignKey { .. } => key || check.is_some(),
        _ => {
            let foreign = now.foreign_keys.iter().any(|key| key.name == *constraint);
            key || foreign || check.is_some_and(|check| !is_not_null(&check.definition))
        }
    }
}

/// Names over 63 bytes are cut and get a short hash, so in the worst case two tables get the same one.
fn clashes(preflight: &Preflight<'_>, found: &mut Found) {
    let mut seen: BTreeMap<(String, Ident), &QualifiedName> = BTreeMap::new();
    let mut claim = |place: &str, name: Ident, table| {
        if let Some(other) = seen.insert((place.to_owned(), name.clone()), table)
            && other != table
        {
            let text = format!("{name} would be the name of an object of {other} too");
            found.block(
                Kind::NameClash,
                Some(table),
                text,
                format!("rename {table} or {other}: long names are shortened"),
            );
        }
    };
    for (name, _, _) in preflight.tables() {
        for kind in DERIVED {
            claim(kind, Ident::derived(&[kind, &name.to_string()]), name);
        }
    }
    for step in preflight.plan.steps() {
        if let Some((table, index)) = step.op.new_index() {
            claim(table.schema.as_str(), index.clone(), table);
        }
    }
}
