//! What the role may not do, said before anything is tried.

use super::{Owners, Plan};
use crate::catalog::Catalog;

/// One line for every right that `migrate` needs and the role lacks; `plan` needs none of them.
pub fn missing_rights(catalog: &Catalog, owners: &Owners, plan: &Plan, bookkeeping_exists: bool) -> Vec<String> {
    let server = &catalog.server;
    if server.superuser || plan.migrations.is_empty() {
        return Vec::new();
    }
    let mut missing = Vec::new();
    if !bookkeeping_exists && !server.may_create_schema {
        missing.push(format!("CREATE on database {} (for the schema tenantctl)", server.database));
    }
    for owned in &owners.tables {
        let Some(table) = catalog.tables.get(&owned.name) else { continue };
        if !table.may_alter {
            missing.push(format!("ownership of {} (its owner is {})", owned.name, table.owner));
        } else if !table.may_create {
            missing.push(format!("CREATE on schema {} (for an index on {})", owned.name.schema, owned.name));
        }
    }
    if let Some(mapping) = &plan.mapping
        && let Some(mapped) = catalog.tables.get(&mapping.table)
        && owners.get(&mapping.table).is_none()
        && !mapped.may_alter
    {
        missing.push(format!("ownership of {} (its owner is {})", mapping.table, mapped.owner));
    }
    if let Some(tenants) = catalog.tables.get(&plan.tenants.table)
        && !tenants.may_alter
    {
        missing.push(format!("ownership of {} (its owner is {})", plan.tenants.table, tenants.owner));
    }
    missing
}
