//! Family O, the part that the catalog tells: every tenant-scoped table has its owner column, and the database enforces
//! that the owner is there and is a tenant.

use super::proof::{self, NotNull, part};
use super::{Case, Check, Contract, Cost, Outcome, Severity};
use crate::catalog::{Action, Catalog, Ident, QualifiedName, ReferenceDetails, Table, TableKind};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "own-column-missing",
        severity: Severity::Error,
        cost: Cost::Catalog,
        promise: "every tenant-scoped table has its owner column",
        harm: "nothing tells whose the rows are, so every tenant shares them",
        remedy: "run `tenantctl migrate`, or give the table another scope",
        violation: "ALTER TABLE rules DROP COLUMN tenant_id CASCADE;",
        judge: column_missing,
    },
    Check {
        id: "own-type",
        severity: Severity::Error,
        cost: Cost::Catalog,
        promise: "the owner column has the type of the tenants' id",
        harm: "comparisons need casts, which pass by indexes and let values in that no tenant can have",
        remedy: "change the column's type to the type of the tenants' id",
        violation: "ALTER TABLE templates DROP COLUMN tenant_id CASCADE;\n\
                    ALTER TABLE templates ADD COLUMN tenant_id integer NOT NULL DEFAULT 1 REFERENCES tenants (id);\n\
                    CREATE INDEX ON templates (tenant_id);",
        judge: owner_type,
    },
    Check {
        id: "own-not-null",
        severity: Severity::Error,
        cost: Cost::Catalog,
        promise: "a validated constraint refuses rows without an owner",
        harm: "a writer that forgets the owner leaves rows that belong to nobody, or to everybody",
        remedy: "run `tenantctl migrate`: it validates first, so that SET NOT NULL scans nothing under its lock",
        violation: "ALTER TABLE templates ALTER COLUMN tenant_id DROP NOT NULL;",
        judge: not_null,
    },
    Check {
        id: "own-fk-tenants",
        severity: Severity::Error,
        cost: Cost::Catalog,
        promise: "a validated, enforced foreign key leads from the owner column to the tenants table",
        harm: "rows can name an owner that is no tenant, and outlive the tenant they belonged to",
        remedy: "run `tenantctl migrate`; where triggers were disabled, enable them, then drop the key and add it anew",
        violation: "ALTER TABLE templates DROP CONSTRAINT templates_tenant_id_fkey;",
        judge: foreign_key,
    },
    Check {
        id: "own-set-null",
        severity: Severity::Error,
        cost: Cost::Catalog,
        promise: "no foreign key sets the owner column to NULL or to its default when a row that it refers to changes or goes",
        harm: "deleting one row takes the owner from others, or fails because they must have one",
        remedy: "make the key again with ON DELETE SET NULL (columns) without the owner (15 and later), or with another action",
        violation: "ALTER TABLE \"Rule Rows\" ADD CONSTRAINT again FOREIGN KEY (\"ruleId\", tenant_id)\n\
                    REFERENCES rules (id, tenant_id) ON DELETE SET NULL;",
        judge: set_null,
    },
];

fn column_missing(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let case = |(name, table): (_, &Table)| {
        let missing = table.column(&contract.owner).is_none();
        Case::by_catalog(name, missing.then(|| format!("it has no column {}", contract.owner)))
    };
    contract.tenant_tables(catalog).map(case).collect()
}

fn owner_type(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let tenants = &contract.tenants;
    let id = catalog.tables.get(&tenants.table).and_then(|table| table.column(&tenants.columns.id));
    let case = |(name, table): (&QualifiedName, &Table)| {
        let Some(id) = id else {
            let reason = format!("{} has no column {}", tenants.table, tenants.columns.id);
            return Case::settled(name, Outcome::Unverified { reason });
        };
        let other = table.column(&contract.owner).filter(|owner| base(&owner.data_type) != base(&id.data_type));
        let what = |owner: &crate::catalog::Column| {
            format!("{} is {}, but tenants are {}", owner.name, owner.data_type, id.data_type)
        };
        Case::by_catalog(name, other.map(what))
    };
    contract.owned_tables(catalog).map(case).collect()
}

/// The type without its length: `character varying(40)` and `character varying(80)` compare without a cast.
fn base(data_type: &str) -> &str {
    data_type.split('(').next().unwrap_or(data_type)
}

fn not_null(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let case = |(name, table): (&QualifiedName, &Table)| match proof::not_null(contract, table) {
        NotNull::Proven(_) => Case::settled(name, Outcome::Catalog),
        NotNull::Open(what) => Case::by_catalog(name, Some(what)),
        NotNull::Unknown(reason) => Case::settled(name, Outcome::Unverified { reason }),
    };
    contract.owned_tables(catalog).map(case).collect()
}

fn set_null(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, table) in contract.owned_tables(catalog) {
        for key in table.foreign_keys.iter().filter(|key| key.columns.contains(&contract.owner)) {
            let flaw = key.details.as_ref().and_then(|details| sets_owner(&contract.owner, details));
            cases.push(Case::by_catalog(part(name, &key.name), flaw));
        }
    }
    cases
}

/// What the key does to the owner, which it refers by.
fn sets_owner(owner: &Ident, details: &ReferenceDetails) -> Option<String> {
    let sets = |action: Action| matches!(action, Action::SetNull | Action::SetDefault);
    let columns = &details.set_columns;
    if sets(details.on_delete) && (columns.is_empty() || columns.contains(owner)) {
        Some(format!("ON DELETE {} takes {owner} along", details.on_delete.as_sql()))
    } else {
        sets(details.on_update).then(|| format!("ON UPDATE {} takes {owner} along", details.on_update.as_sql()))
    }
}

fn foreign_key(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let case = |(name, table): (&QualifiedName, &Table)| {
        if table.kind == TableKind::Foreign {
            let reason = "it is a foreign table, which can have no foreign key".to_owned();
            return Case::settled(name, Outcome::Unverified { reason });
        }
        if proof::tenant_key(contract, catalog, table).is_some() {
            return Case::settled(name, Outcome::Catalog);
        }
        let flawed = table.foreign_keys.iter().filter(|key| proof::is_tenant_key(contract, key));
        let flaws: Vec<String> = flawed
            .filter_map(|key| proof::flaw(catalog, table, key).map(|flaw| format!("{} {flaw}", key.name)))
            .collect();
        let none = || format!("no foreign key leads from {} to {}", contract.owner, contract.tenants.table);
        Case::by_catalog(name, Some(if flaws.is_empty() { none() } else { flaws.join("; ") }))
    };
    contract.owned_tables(catalog).map(case).collect()
}
