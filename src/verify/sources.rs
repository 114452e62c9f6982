//! Family O, the part that only the rows' own words tell: the owner of a row is the tenant that it names, and there is a
//! tenant for each row of a table that is mapped.

use super::rows::{missing_column, rows_of};
use super::{Case, Check, Contract, Cost, Outcome, Question, Severity, counted};
use crate::catalog::{Catalog, QualifiedName, Table};
use crate::plan::Mapping;
use crate::sql::Query;
use crate::sql::lookup::Directory;
use crate::sql::mapping::unmapped;
use crate::sql::quote::ident;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "own-source-rows",
        severity: Severity::Error,
        cost: Cost::Rows,
        promise: "the owner of a row is the tenant that its column or expression names",
        harm: "the application and the database disagree about whose the row is, and one tenant's row is shown to another",
        remedy: "correct the owner, or what the row names; while the fillers are there they follow every change",
        violation: "INSERT INTO tenants (name, slug, partner_id) VALUES ('Second', 'second', 4711);\n\
                    ALTER TABLE licenses DISABLE TRIGGER USER;\n\
                    INSERT INTO partners (id, name, slug) VALUES (4711, 'Second', 'second');\n\
                    UPDATE licenses SET partner = 4711;",
        judge: named,
    },
    Check {
        id: "own-map-rows",
        severity: Severity::Error,
        cost: Cost::Rows,
        promise: "every row of the mapped table has its tenant",
        harm: "the rows that name it belong to nobody, or to the System Tenant",
        remedy: "run `tenantctl migrate`: it makes the missing tenants and the trigger for new rows",
        violation: "INSERT INTO partners (id, name, slug) VALUES (4712, 'Third', 'third');",
        judge: mapped,
    },
];

fn named(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let directory = Directory::configured(&contract.tenants, contract.named.mapping.as_ref());
    let judge = |rows| (rows > 0).then(|| counted(rows, "row names", "rows name") + " another tenant than its owner");
    let case = |(name, table): (&QualifiedName, &Table)| {
        let Some(lookup) = contract.named.lookups.get(name)? else {
            let reason = "its rule does not fit the database; `tenantctl plan` tells why".to_owned();
            return Some(Case::settled(name, Outcome::Unverified { reason }));
        };
        if let Some(unknown) = missing_column(contract, table) {
            return Some(Case::settled(name, unknown));
        }
        let (rows, owner) = (rows_of(name, table), ident(&contract.owner));
        let tenant = directory.tenant(lookup, &name.name, "c");
        let query = Query::new(format!("SELECT count(*) FROM {rows} AS c WHERE c.{owner} <> {tenant}"));
        Some(Case::ask(name, Question { given: None, query, judge }))
    };
    contract.tenant_tables(catalog).filter_map(case).collect()
}

fn mapped(contract: &Contract, _: &Catalog) -> Vec<Case> {
    let judge = |rows| (rows > 0).then(|| counted(rows, "row has", "rows have") + " no tenant");
    let case = |mapping: &Mapping| {
        let query = unmapped(&contract.tenants, mapping);
        Case::ask(&mapping.table, Question { given: None, query, judge })
    };
    contract.named.mapping.iter().map(case).collect()
}
