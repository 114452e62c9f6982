//! Family C: the contract covers the database, and there is something to look at.

use super::{Case, Check, Contract, Cost, Outcome, Severity};
use crate::catalog::Catalog;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "cov-vacuous",
        severity: Severity::Error,
        cost: Cost::Catalog,
        promise: "the tenants table and at least one tenant-scoped table exist",
        harm: "with nothing to look at, every other check is silent and the run would look like a pass",
        remedy: "check that database, schemas, tenants.table and [tables] mean the database you think of",
        violation: "DROP SCHEMA public CASCADE;\nCREATE SCHEMA public;",
        judge: vacuous,
    },
    Check {
        id: "cov-unclassified",
        severity: Severity::Error,
        cost: Cost::Catalog,
        promise: "every table is declared to be tenant, shared or ignored",
        harm: "nobody decided whose the rows of the table are, so no check protects them",
        remedy: "give the table a rule in [tables] with scope = \"tenant\", \"shared\" or \"ignored\"",
        violation: "CREATE TABLE invoices (id bigint PRIMARY KEY, total numeric NOT NULL);",
        judge: unclassified,
    },
    Check {
        id: "cov-stale",
        severity: Severity::Warning,
        cost: Cost::Catalog,
        promise: "every rule means exactly one table that exists",
        harm: "a renamed table loses its rule silently, and the rule looks as if it still protected something",
        remedy: "rename or drop the rule in [tables]",
        violation: "DROP TABLE roles;",
        judge: stale,
    },
];

fn vacuous(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let tenants = &contract.tenants.table;
    let missing = !catalog.tables.contains_key(tenants);
    let empty = contract.tenant_tables(catalog).next().is_none();
    vec![
        Case::by_catalog(tenants, missing.then(|| "the tenants table does not exist".to_owned())),
        Case::by_catalog("tables", empty.then(|| "there is no tenant-scoped table".to_owned())),
    ]
}

fn unclassified(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let case = |table| {
        let broken = contract.class(table).is_none().then(|| "no rule says what its rows are".to_owned());
        Case::by_catalog(table, broken)
    };
    contract.declared_tables(catalog).map(case).collect()
}

fn stale(contract: &Contract, _: &Catalog) -> Vec<Case> {
    let good = contract.good_rules().iter().map(|rule| Case::settled(rule, Outcome::Catalog));
    let bad = contract.problems().iter().map(|problem| Case::by_catalog(&problem.rule, Some(problem.what.clone())));
    good.chain(bad).collect()
}
