//! How the tenant is found that a row itself names.

use super::Query;
use super::quote::{ident, literal, qualified};
use crate::catalog::{Ident, QualifiedName};
use crate::config::{Config, TenantsTable};
use crate::plan::{Lookup, Mapping, OwnedTable, Owner, Owners, Plan, Value};

/// Where tenants are found.
#[derive(Clone, Copy)]
pub(crate) struct Directory<'a> {
    tenants: &'a QualifiedName,
    id: &'a Ident,
    mapping: Option<&'a Mapping>,
}

impl<'a> Directory<'a> {
    /// As planned.
    pub(super) fn planned(plan: &'a Plan) -> Self {
        Directory { tenants: &plan.tenants.table, id: &plan.tenants.columns.id, mapping: plan.mapping.as_ref() }
    }

    /// As configured.
    pub(crate) fn configured(tenants: &'a TenantsTable, mapping: Option<&'a Mapping>) -> Self {
        Directory { tenants: &tenants.table, id: &tenants.columns.id, mapping }
    }

    /// The id of the tenant that the row `alias` names, or NULL; `called` is what an expression calls the row's table.
    pub(crate) fn tenant(&self, lookup: &Lookup, called: &Ident, alias: &str) -> String {
        let (from, column) = self.place(lookup);
        let id = ident(self.id);
        match &lookup.value {
            Value::Column(name) => format!("(SELECT t.{id} FROM {from} WHERE {column} = {alias}.{})", ident(name)),
            // OFFSET keeps the planner from asking the expression anew for every tenant.
            Value::Expression(_) => format!(
                "(SELECT t.{id} FROM (SELECT {} AS value FROM (SELECT {alias}.*) AS {} OFFSET 0) AS v\n        JOIN \
                 {from} ON {column} = v.value)",
                cast(lookup),
                ident(called)
            ),
        }
    }

    /// The tenants, with the mapped table beside them where another of its columns than the key is compared.
    fn place(&self, lookup: &Lookup) -> (String, String) {
        let tenants = qualified(self.tenants);
        match self.mapping {
            Some(mapping) if lookup.column == mapping.key => {
                (format!("{tenants} AS t"), format!("t.{}", ident(&mapping.column)))
            }
            Some(mapping) => {
                let (table, key) = (qualified(&mapping.table), ident(&mapping.key));
                let joined = format!("({tenants} AS t JOIN {table} AS o ON t.{} = o.{key})", ident(&mapping.column));
                (joined, format!("o.{}", ident(&lookup.column)))
            }
            None => (format!("{tenants} AS t"), format!("t.{}", ident(&lookup.column))),
        }
    }
}

/// The expression's value, as what it is compared with.
fn cast(lookup: &Lookup) -> String {
    match &lookup.value {
        Value::Column(name) => ident(name),
        Value::Expression(expression) => format!("CAST(({expression}) AS {})", lookup.data_type),
    }
}

/// Asks the server what it thinks of a table's expression; it gives no row. In WHERE the server allows neither sets nor
/// aggregates.
pub fn typed(table: &OwnedTable) -> Option<Query> {
    let lookup = expression(table)?;
    Some(Query::new(format!(
        "SELECT 1 FROM (SELECT r.* FROM {} AS r LIMIT 0) AS {} WHERE {} IS NULL",
        qualified(&table.name),
        ident(&table.name.name),
        cast(lookup)
    )))
}

/// The functions in a table's expression of which some kind is volatile, by name.
pub fn volatile(table: &OwnedTable) -> Option<Query> {
    let Value::Expression(expression) = &expression(table)?.value else { return None };
    let called = expression.names().iter().filter(|name| name.called);
    let called: Vec<String> = called.map(|name| literal(&name.text)).collect();
    (!called.is_empty()).then(|| {
        Query::new(format!(
            "SELECT DISTINCT p.proname::text FROM pg_proc AS p WHERE p.provolatile = 'v' AND p.proname IN ({}) ORDER BY 1",
            called.join(", ")
        ))
    })
}

/// Whether an expression of the operator's names the tenant.
pub fn is_expression(table: &OwnedTable) -> bool {
    expression(table).is_some()
}

fn expression(table: &OwnedTable) -> Option<&Lookup> {
    match &table.owner {
        Owner::Lookup(lookup) if matches!(lookup.value, Value::Expression(_)) => Some(lookup),
        Owner::Lookup(_) | Owner::System | Owner::Parent(_) => None,
    }
}

/// Whether the row `alias` names no tenant. It asks the mapped table where there are no tenants yet: each of its rows
/// will have one.
pub(super) fn misses(lookup: &Lookup, owners: &Owners, config: &Config, table: &OwnedTable, there: bool) -> String {
    let directory = Directory::configured(&config.tenants, owners.mapping.as_ref());
    let (from, column) = match there {
        true => directory.place(lookup),
        false => (format!("{} AS t", qualified(&lookup.table)), format!("t.{}", ident(&lookup.column))),
    };
    match &lookup.value {
        Value::Column(name) => format!("NOT EXISTS (SELECT 1 FROM {from} WHERE {column} = c.{})", ident(name)),
        Value::Expression(_) => format!(
            "NOT EXISTS (SELECT 1 FROM (SELECT {} AS value FROM (SELECT c.*) AS {} OFFSET 0) AS v JOIN {from} ON \
             {column} = v.value)",
            cast(lookup),
            ident(&table.name.name)
        ),
    }
}

/// Whether the columns that an expression or a look-up uses are not the same in two versions of a row. Those of an
/// expression are compared by their bytes: json, for example, has no equality.
pub(super) fn changed(
    lookup: &Lookup,
    left: impl Fn(usize, &Ident) -> String,
    right: impl Fn(usize, &Ident) -> String,
) -> Option<String> {
    let list = |side: &dyn Fn(usize, &Ident) -> String| {
        lookup.columns.iter().enumerate().map(|(number, column)| side(number, column)).collect::<Vec<_>>().join(", ")
    };
    match &lookup.value {
        _ if lookup.columns.is_empty() => None,
        Value::Column(_) => Some(format!("{} IS DISTINCT FROM {}", list(&left), list(&right))),
        Value::Expression(_) => {
            Some(format!("ROW({})::record OPERATOR(pg_catalog.*<>) ROW({})::record", list(&left), list(&right)))
        }
    }
}
