//! Family X: no row refers to a row of another tenant, and no constraint is left half made.

use super::proof::{self, NotNull, part};
use super::rows::rows_of;
use super::{Case, Check, Class, Contract, Cost, Outcome, Question, Severity, counted};
use crate::catalog::{self, Catalog, ForeignKey, Ident, QualifiedName, Table};
use crate::sql::Query;
use crate::sql::quote::ident;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "xref-rows",
        severity: Severity::Error,
        cost: Cost::Rows,
        promise: "a row and the row that it refers to have the same owner, along every foreign key that is not \"global\"",
        harm: "one tenant's rows lead into another's: joins show them, and a cascading delete removes them",
        remedy: "correct the owner of the child or its reference; `tenantctl migrate` adds the key that proves it for good",
        violation: "INSERT INTO tenants (name, slug) VALUES ('Second', 'second');\n\
                    ALTER TABLE rules DROP CONSTRAINT \"rules_tenant_id_workflowId_fkey\";\n\
                    UPDATE rules SET tenant_id = (SELECT id FROM tenants WHERE slug = 'second')\n\
                    WHERE id = (SELECT min(id) FROM rules WHERE \"workflowId\" IS NOT NULL);",
        judge: crossing_rows,
    },
    Check {
        id: "xref-fk-unscoped",
        severity: Severity::Error,
        cost: Cost::Catalog,
        promise: "beside every foreign key between tenant-scoped tables that is not \"global\" is one that compares owners",
        harm: "any writer can make a row refer to another tenant's, by mistake or by guessing its id",
        remedy: "run `tenantctl migrate`, or set the key to \"global\" with a reason in [tables.<name>.references]",
        violation: "ALTER TABLE workflows DROP CONSTRAINT \"workflows_tenant_id_copiedFrom_fkey\";",
        judge: unscoped,
    },
    Check {
        id: "xref-fk-unproven",
        severity: Severity::Error,
        cost: Cost::Catalog,
        promise: "every foreign key and check of a tenant-scoped table is validated and enforced",
        harm: "the constraint looks like a promise, but nobody knows whether the rows keep it",
        remedy: "ALTER TABLE ... VALIDATE CONSTRAINT (it blocks no writer), or drop the constraint",
        violation: "ALTER TABLE templates ADD CONSTRAINT templates_named CHECK (name <> '') NOT VALID;",
        judge: unproven,
    },
];

fn crossing_rows(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let scoped = |table: &QualifiedName| contract.class(table) == Some(Class::Tenant);
    let mut cases = Vec::new();
    for (name, table) in contract.tenant_tables(catalog) {
        let keys = table.foreign_keys.iter().filter(|key| scoped(&key.parent));
        for key in keys.filter(|key| !contract.may_cross(name, &key.name)) {
            if let Some(parent) = catalog.tables.get(&key.parent) {
                cases.push(crossing(
                    contract,
                    catalog,
                    Side { name, table },
                    Side { name: &key.parent, table: parent },
                    key,
                ));
            }
        }
    }
    cases
}

/// Whether the key that is found proves anything is another check's question.
fn unscoped(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let owned = |table: &QualifiedName| contract.owned_tables(catalog).any(|(name, _)| name == table);
    let mut cases = Vec::new();
    for (name, table) in contract.owned_tables(catalog) {
        let keys = table.foreign_keys.iter().filter(|key| owned(&key.parent));
        for key in keys.filter(|key| !contract.may_cross(name, &key.name)) {
            let scoped = proof::compares_owners(contract, table, key).next().is_some();
            let flaw = (!scoped).then(|| "no key beside it compares the owners".to_owned());
            cases.push(Case::by_catalog(part(name, &key.name), flaw));
        }
    }
    cases
}

/// One end of a foreign key.
#[derive(Clone, Copy)]
struct Side<'a> {
    name: &'a QualifiedName,
    table: &'a Table,
}

fn crossing(contract: &Contract, catalog: &Catalog, child: Side, parent: Side, key: &ForeignKey) -> Case {
    let object = part(child.name, &key.name);
    let unknown = |reason: String| Case::settled(&object, Outcome::Unverified { reason });
    if let Some(side) = [child, parent].into_iter().find(|side| side.table.column(&contract.owner).is_none()) {
        return unknown(format!("{} has no column {}", side.name, contract.owner));
    }
    if let Some(proof) = proof::owner_key(contract, catalog, child.table, key) {
        return Case::settled(&object, Outcome::Proved { by: proof.name.to_string() });
    }
    if let Some(column) = key.columns.iter().find(|column| folds_case(child.table, column)) {
        return unknown(format!("{column} is compared without regard to case, which this check cannot do"));
    }
    let judge = |rows| (rows > 0).then(|| counted(rows, "row refers", "rows refer") + " to another tenant's row");
    Case::ask(&object, Question { given: None, query: query(contract, child, parent, key), judge })
}

/// Whether the key compares by an operator of the extension citext. The session's `search_path` is `pg_catalog`, where
/// `=` would compare such columns as text, and miss pairs.
fn folds_case(table: &Table, column: &Ident) -> bool {
    table.column(column).is_some_and(|column| column.data_type.ends_with("citext"))
}

/// Rows whose owner is not their parent's. A NULL reference joins nothing; a NULL owner is another check's finding.
fn query(contract: &Contract, child: Side, parent: Side, key: &ForeignKey) -> Query {
    let last = key.columns.len().saturating_sub(1);
    let equal = |(place, (down, up)): (usize, (&Ident, &Ident))| {
        let operator = if key.period && place == last { "&&" } else { "=" };
        format!("p.{} {operator} c.{}", ident(up), ident(down))
    };
    let joined: Vec<String> = key.columns.iter().zip(&key.parent_columns).enumerate().map(equal).collect();
    let owner = ident(&contract.owner);
    Query::new(format!(
        "SELECT count(*) FROM {} AS c JOIN {} AS p ON {} WHERE c.{owner} <> p.{owner}",
        rows_of(child.name, child.table),
        rows_of(parent.name, parent.table),
        joined.join(" AND ")
    ))
}

/// A flaw that the owner's own checks report is not reported a second time here.
fn unproven(contract: &Contract, catalog: &Catalog) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, table) in contract.tenant_tables(catalog) {
        let known = proof::tenant_key(contract, catalog, table).is_none();
        let told = |key: &ForeignKey| known && proof::is_tenant_key(contract, key);
        for key in table.foreign_keys.iter().filter(|key| !told(key)) {
            let flaw = match (key.enforced, key.validated) {
                (false, _) => Some("it is NOT ENFORCED".to_owned()),
                (true, false) => Some("it is NOT VALID".to_owned()),
                (true, true) => None,
            };
            cases.push(Case::by_catalog(part(name, &key.name), flaw));
        }
        let known = matches!(proof::not_null(contract, table), NotNull::Open(_));
        let told = |check: &catalog::Check| known && proof::is_not_null(check, &contract.owner);
        for check in table.checks.iter().filter(|check| !told(check)) {
            let flaw = (!check.validated).then(|| "it is NOT VALID".to_owned());
            cases.push(Case::by_catalog(part(name, &check.name), flaw));
        }
    }
    cases
}
