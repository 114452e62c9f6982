//! What the role may not do, said before anything is tried.

use super::{Found, Kind, Preflight, Surroundings};
use crate::catalog::{Catalog, QualifiedName};
use crate::plan::{Op, Owners};

/// Rights that are missing whatever the tables are.
pub(super) fn on_database(around: &Surroundings<'_>, found: &mut Found) {
    let server = &around.catalog.server;
    let mut lacks = |right: String| found.tell(Kind::RightMissing, None, needs(&right));
    match &around.catalog.objects.bookkeeping {
        None if !server.may_create_schema => {
            lacks(format!("CREATE on database {} (for the schema tenantctl)", server.database));
        }
        Some(schema) if !schema.usable => {
            lacks(format!("USAGE and CREATE on the schema tenantctl (its owner is {})", schema.owner));
        }
        Some(_) | None => {}
    }
    if !around.activity.sees_all && around.activity.was_read() {
        let text = format!(
            "the role {} does not see what other roles' sessions do, so whoever would block the run is named without state \
             and age; pg_monitor would show it",
            server.role
        );
        found.tell(Kind::ActivityHidden, None, text);
    }
}

/// Rights on the tables of the plan; `plan` itself needs none of them.
pub(super) fn on_tables(preflight: &Preflight<'_>, found: &mut Found) {
    let catalog = preflight.around.catalog;
    let mut lacks = |table: &QualifiedName, right: String| found.tell(Kind::RightMissing, Some(table), needs(&right));
    for owned in &preflight.owners.tables {
        let parts = preflight.plan.tables.get(&owned.name).and_then(|table| table.partitions.as_ref());
        let parts = parts.into_iter().flat_map(|parts| parts.all()).map(|part| &part.name);
        for name in std::iter::once(&owned.name).chain(parts) {
            let Some(table) = catalog.tables.get(name) else { continue };
            if !table.may_alter {
                lacks(name, format!("ownership of {name} (its owner is {})", table.owner));
            } else if !table.may_create {
                lacks(name, format!("CREATE on schema {} (for an index on {name})", name.schema));
            } else if !table.may_read {
                lacks(name, format!("USAGE on schema {} (for {name})", name.schema));
            }
        }
    }
    if let Some(mapping) = &preflight.plan.mapping
        && let Some(mapped) = catalog.tables.get(&mapping.table)
        && preflight.owners.get(&mapping.table).is_none()
        && !mapped.may_alter
    {
        lacks(&mapping.table, format!("ownership of {} (its owner is {})", mapping.table, mapped.owner));
    }
    let tenants = &preflight.plan.tenants.table;
    let closed =
        |(name, table): (&QualifiedName, &crate::catalog::Table)| name.schema == tenants.schema && !table.may_create;
    match catalog.tables.get(tenants) {
        Some(table) if !table.may_alter => {
            lacks(tenants, format!("ownership of {tenants} (its owner is {})", table.owner))
        }
        None if catalog.tables.iter().any(closed)
            && preflight.plan.steps().any(|step| step.op == Op::CreateTenantsTable) =>
        {
            lacks(tenants, format!("CREATE on schema {} (for {tenants})", tenants.schema));
        }
        Some(_) | None => {}
    }
}

fn needs(right: &str) -> String {
    format!("migrate needs {right}")
}

/// The tables among these that the role may not read.
pub fn unreadable<'a>(catalog: &'a Catalog, owners: &'a Owners) -> Vec<&'a QualifiedName> {
    let names = owners.tables.iter().map(|owned| &owned.name);
    names.filter(|name| catalog.tables.get(name).is_some_and(|table| !table.may_read)).collect()
}
