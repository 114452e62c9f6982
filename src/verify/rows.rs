//! Family O, the part that only rows tell, unless a constraint vouches for them: no row without an owner, no owner that
//! is no tenant, and the System Tenant itself.

use super::proof::{self, NotNull};
use super::{Case, Check, Contract, Cost, Outcome, Question, Severity, counted};
use crate::catalog::{Catalog, QualifiedName, Table, TableKind};
use crate::sql::Query;
use crate::sql::quote::{ident, literal, qualified};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "own-null-rows",
        severity: Severity::Error,
        cost: Cost::Rows,
        promise: "every row of a tenant-scoped table has an owner",
        harm: "rows without an owner vanish from every tenant, or show up for all of them",
        remedy: "run `tenantctl migrate` to fill them, then let it enforce NOT NULL",
        violation: "ALTER TABLE templates ALTER COLUMN tenant_id DROP NOT NULL;\n\
                    ALTER TABLE templates DISABLE TRIGGER USER;\n\
                    UPDATE templates SET tenant_id = NULL;",
        judge: null_rows,
    },
    Check {
        id: "own-orphan-rows",
        severity: Severity::Error,
        cost: Cost::Rows,
        promise: "every owner is a tenant that exists",
        harm: "nobody can reach, export or delete the rows of a tenant that does not exist, until its id is given out again",
        remedy: "give the rows to a tenant, or delete them; then let `tenantctl migrate` add the foreign key",
        violation: "ALTER TABLE templates DROP CONSTRAINT templates_tenant_id_fkey;\n\
                    UPDATE templates SET tenant_id = 4711;",
        judge: orphan_rows,
    },
    Check {
        id: "own-system-tenant",
        severity: Severity::Error,
        cost: Cost::Rows,
        promise: "exactly one tenant has the System Tenant's slug",
        harm: "what belongs to no customer has no owner that can be found, and the next run would make another one",
        remedy: "give the System Tenant its slug back, or set system_tenant.slug to the one it has",
        violation: "UPDATE tenants SET slug = 'root' WHERE slug = 'system';",
        judge: system_tenant,
    },
];

/// The rows of one table. Children by classic inheritance are tables with rules of their own.
pub(super) fn rows_of(name: &QualifiedName, table: &Table) -> String {
    let only = if table.kind == TableKind::Inherited { "ONLY " } else { "" };
    format!("{only}{}", qualified(name))
}

/// A case about the owner column's rows; where the column is missing nobody can ask.
pub(super) fn missing_column(contract: &Contract, table: &Table) -> Option<Outcome> {
    let missing = table.column(&contract.owner).is_none();
    missing.then(|| Outcome::Unverified { reason: format!("it has no column {}", contract.owner) })
}

fn null_rows(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let judge = |rows| (rows > 0).then(|| counted(rows, "row has", "rows have") + " no owner");
    let case = |(name, table): (&QualifiedName, &Table)| {
        if let Some(unknown) = missing_column(contract, table) {
            return Case::settled(name, unknown);
        }
        if let NotNull::Proven(by) = proof::not_null(contract, table) {
            return Case::settled(name, Outcome::Proved { by });
        }
        let (rows, owner) = (rows_of(name, table), ident(&contract.owner));
        let query = Query::new(format!("SELECT count(*) FROM {rows} WHERE {owner} IS NULL"));
        Case::ask(name, Question { given: None, query, judge })
    };
    contract.tenant_tables(catalog).map(case).collect()
}

fn orphan_rows(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let judge = |rows| (rows > 0).then(|| counted(rows, "row names", "rows name") + " an owner that is no tenant");
    let (tenants, id) = (qualified(&contract.tenants.table), ident(&contract.tenants.columns.id));
    let case = |(name, table): (&QualifiedName, &Table)| {
        if let Some(unknown) = missing_column(contract, table) {
            return Case::settled(name, unknown);
        }
        if let Some(key) = proof::tenant_key(contract, catalog, table) {
            return Case::settled(name, Outcome::Proved { by: key.name.to_string() });
        }
        let (rows, owner) = (rows_of(name, table), ident(&contract.owner));
        let query = Query::new(format!(
            "SELECT count(*) FROM {rows} AS c WHERE c.{owner} IS NOT NULL AND NOT EXISTS (SELECT FROM {tenants} AS t \
             WHERE t.{id} = c.{owner})"
        ));
        Case::ask(name, Question { given: None, query, judge })
    };
    contract.tenant_tables(catalog).map(case).collect()
}

fn system_tenant(contract: &Contract, _: &Catalog) -> Vec<Case> {
    let judge = |rows| match rows {
        0 => Some("no row has the System Tenant's slug".to_owned()),
        1 => None,
        _ => Some(format!("{rows} rows have the System Tenant's slug")),
    };
    let (table, slug) = (&contract.tenants.table, ident(&contract.tenants.columns.slug));
    let query = Query::new(format!(
        "SELECT count(*) FROM {} WHERE {slug} = {}",
        qualified(table),
        literal(&contract.system_slug)
    ));
    vec![Case::ask(table, Question { given: None, query, judge })]
}
