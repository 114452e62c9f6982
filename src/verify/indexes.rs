//! Families U and I: indexes that work, and one that finds a tenant's rows.

use super::proof::part;
use super::{Case, Check, Contract, Cost, Severity};
use crate::catalog::{Catalog, Index, TableKind};
use crate::config::KeyScope;
use crate::plan::{Unique, serves_tenant};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "uniq-unscoped",
        severity: Severity::Error,
        cost: Cost::Catalog,
        promise: "every unique key of a tenant-scoped table counts within each tenant, or is meant to count for all",
        harm: "a tenant cannot use a value that another one has, and learns from the refusal that it is there",
        remedy: "decide about it in [tables.<name>.unique] (`tenantctl init --stdout` proposes how), then run `tenantctl \
                 migrate`",
        violation: "ALTER TABLE templates ADD CONSTRAINT templates_name_key UNIQUE (name);",
        judge: unscoped,
    },
    Check {
        id: "uniq-invalid",
        severity: Severity::Error,
        cost: Cost::Catalog,
        promise: "every unique index of a tenant-scoped table is valid",
        harm: "the key looks enforced, but rows that are there already may violate it",
        remedy: "REINDEX INDEX CONCURRENTLY, or DROP INDEX CONCURRENTLY",
        violation: "-- What a CREATE UNIQUE INDEX CONCURRENTLY leaves behind that met a duplicate.\n\
                    CREATE UNIQUE INDEX templates_body_idx ON templates (id, name);\n\
                    UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'templates_body_idx'::regclass;",
        judge: |contract, catalog| invalid(contract, catalog, |index| index.unique),
    },
    Check {
        id: "idx-invalid",
        severity: Severity::Warning,
        cost: Cost::Catalog,
        promise: "every other index of a tenant-scoped table is valid",
        harm: "the index costs every write and serves no query",
        remedy: "REINDEX INDEX CONCURRENTLY, or DROP INDEX CONCURRENTLY",
        violation: "-- What a CREATE INDEX CONCURRENTLY leaves behind that was interrupted.\n\
                    CREATE INDEX templates_name_idx ON templates (name);\n\
                    UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'templates_name_idx'::regclass;",
        judge: |contract, catalog| invalid(contract, catalog, |index| !index.unique),
    },
    Check {
        id: "idx-tenant-leading",
        severity: Severity::Warning,
        cost: Cost::Catalog,
        promise: "a valid, complete index leads with the owner column",
        harm: "every query of one tenant reads the rows of all, and so does the deletion of a tenant",
        remedy: "run `tenantctl migrate`, which builds it CONCURRENTLY",
        violation: "DROP INDEX templates_tenant_id_idx;",
        judge: tenant_leading,
    },
];

fn invalid(contract: &Contract, catalog: &Catalog, kind: fn(&Index) -> bool) -> Vec<Case> {
    let cases = contract.tenant_tables(catalog).flat_map(|(name, table)| {
        let indexes = table.indexes.iter().filter(move |index| kind(index));
        indexes.map(move |index| {
            let flaw = (!index.valid).then(|| "it is INVALID".to_owned());
            Case::by_catalog(part(name, &index.name), flaw)
        })
    });
    cases.collect()
}

/// Of primary keys, and of values that are made so that they never meet, nothing is asked.
fn unscoped(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let cases = contract.tenant_tables(catalog).flat_map(|(name, table)| {
        let keys = Unique::global(table, &contract.owner).into_iter();
        keys.filter(|unique| !unique.is_primary() && !unique.never_meets(table)).map(move |unique| {
            let key = &unique.index.name;
            let flaw = match contract.key_scope(catalog, name, key) {
                Some(KeyScope::Global { .. }) => None,
                Some(KeyScope::Scoped) => {
                    let is_built = unique.twin(table, &contract.owner).is_some_and(|twin| twin.valid);
                    (!is_built).then(|| "it is to count within each tenant, and counts for all of them".to_owned())
                }
                None => Some("it counts for all tenants, and nobody decided that it should".to_owned()),
            };
            Case::by_catalog(part(name, key), flaw)
        })
    });
    cases.collect()
}

fn tenant_leading(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    // A foreign table has no indexes of its own.
    let local = contract.owned_tables(catalog).filter(|(_, table)| table.kind != TableKind::Foreign);
    let cases = local.map(|(name, table)| {
        let served = table.indexes.iter().any(|index| serves_tenant(index, &contract.owner));
        Case::by_catalog(name, (!served).then(|| format!("no usable index leads with {}", contract.owner)))
    });
    cases.collect()
}
