//! What only the data tells, asked before the plan is built.

use super::lookup::misses;
use super::quote::{ident, literal, qualified};
use super::{Query, mapping};
use crate::catalog::{Catalog, ForeignKey, Ident};
use crate::config::{Config, TenantsMode};
use crate::plan::{Link, OwnedTable, Owner, Owners};

/// The id (as text) of the tenant with the System Tenant's slug; nothing to ask where there is no tenants table.
pub fn system_tenant(config: &Config, catalog: &Catalog) -> Option<Query> {
    let tenants = &config.tenants;
    let table = catalog.tables.get(&tenants.table)?;
    table.column(&tenants.columns.id).and(table.column(&tenants.columns.slug))?;
    Some(Query::new(format!(
        "SELECT {}::text FROM {} WHERE {} = {}",
        ident(&tenants.columns.id),
        qualified(&tenants.table),
        ident(&tenants.columns.slug),
        literal(&config.system_tenant.slug)
    )))
}

/// The highest id of an adopted table with numbers for ids, the ids that its sequence gave out included.
pub fn highest_tenant(config: &Config, catalog: &Catalog) -> Option<Query> {
    let tenants = &config.tenants;
    if tenants.mode == TenantsMode::Create {
        return None;
    }
    let id = catalog.tables.get(&tenants.table)?.column(&tenants.columns.id)?;
    if !matches!(id.data_type.as_str(), "bigint" | "integer") {
        return None;
    }
    let rows = format!("SELECT max({})::bigint FROM {}", ident(&id.name), qualified(&tenants.table));
    Some(Query::new(match &id.sequence {
        None => format!("SELECT coalesce(({rows}), 0)"),
        Some(sequence) => {
            format!("SELECT greatest(({rows}), pg_sequence_last_value({}::regclass), 0)", literal(&qualified(sequence)))
        }
    }))
}

/// The rows of the mapped table that have no tenant yet, and what stands in the way of one.
pub fn mapping(config: &Config, catalog: &Catalog, owners: &Owners) -> Option<Query> {
    let mapping = owners.mapping.as_ref()?;
    Some(mapping::facts(config, mapping, has_tenants(config, catalog, owners)))
}

/// Whether there is a table of tenants that rows can be compared with.
fn has_tenants(config: &Config, catalog: &Catalog, owners: &Owners) -> bool {
    catalog.tables.get(&config.tenants.table).is_some_and(|tenants| {
        let mapped = owners.mapping.as_ref().is_none_or(|mapping| tenants.column(&mapping.column).is_some());
        mapped && tenants.column(&config.tenants.columns.slug).is_some()
    })
}

/// Rows that the source gives no owner: they name no parent or tenant, or one that is not there.
///
/// Only the table's own link is looked at; a parent that has no owner itself is counted with the parent. Where the key's
/// columns are NOT NULL and the foreign key is proven there is nothing to count.
pub fn unowned(catalog: &Catalog, table: &OwnedTable, owners: &Owners, config: &Config) -> Option<Query> {
    let without = match &table.owner {
        Owner::System => return None,
        Owner::Parent(link) => orphan(catalog, table, link, &config.tenant_column)?,
        Owner::Lookup(lookup) if !lookup.may_miss => return None,
        Owner::Lookup(lookup) => misses(lookup, owners, config, table, has_tenants(config, catalog, owners)),
    };
    let missing =
        if table.column.is_some() { format!(" AND c.{} IS NULL", ident(&config.tenant_column)) } else { String::new() };
    Some(Query::new(format!("SELECT count(*) FROM {} AS c WHERE {without}{missing}", qualified(&table.name))))
}

fn orphan(catalog: &Catalog, table: &OwnedTable, link: &Link, owner: &Ident) -> Option<String> {
    let leads_there = |key: &ForeignKey| key.parent == link.parent && key.columns == link.columns;
    let proves = |key: &ForeignKey| leads_there(key) && key.validated && key.enforced && key.triggers_enabled;
    let proven = catalog.tables.get(&table.name)?.links(owner).iter().any(proves);
    match (proven, link.nullable) {
        (true, false) => None,
        (true, true) => Some(null_link(link)),
        (false, _) => Some(format!("({} OR {})", null_link(link), dangling(link))),
    }
}

/// Rows whose owner column names no tenant; nothing to ask where the column is not there, has another type than the
/// tenants' ids, or a proven key covers it.
pub fn strangers(catalog: &Catalog, table: &OwnedTable, config: &Config) -> Option<Query> {
    let column = table.column.as_ref().filter(|column| !column.generated)?;
    let tenants = &config.tenants;
    let now = catalog.tables.get(&table.name)?;
    let covers = |key: &ForeignKey| {
        key.columns == [column.name.clone()] && key.validated && key.enforced && key.triggers_enabled
    };
    let id = catalog.tables.get(&tenants.table).map(|table| table.column(&tenants.columns.id));
    let owner = ident(&column.name);
    let unknown = match id {
        Some(Some(id)) if id.data_type == column.data_type && !now.foreign_keys_to(&tenants.table).any(covers) => {
            format!(
                "NOT EXISTS (SELECT 1 FROM {} AS t WHERE t.{} = c.{owner})",
                qualified(&tenants.table),
                ident(&id.name)
            )
        }
        // The tenants are made by this plan, and no row can know them.
        None => "true".to_owned(),
        Some(_) => return None,
    };
    Some(Query::new(format!(
        "SELECT count(*) FROM {} AS c WHERE c.{owner} IS NOT NULL AND {unknown}",
        qualified(&table.name)
    )))
}

/// 1 where no row has an owner, in an owner column that is there already: a way back empties it again.
pub fn is_empty(table: &OwnedTable) -> Option<Query> {
    let column = table.column.as_ref().filter(|column| !column.generated && !column.not_null)?;
    Some(Query::new(format!(
        "SELECT CASE WHEN EXISTS (SELECT FROM {} AS c WHERE c.{} IS NOT NULL) THEN 0 ELSE 1 END",
        qualified(&table.name),
        ident(&column.name)
    )))
}

/// The statements of this database that clients sent most often and that may mean all columns or name a unique key, with
/// how often they were sent; `schema` is where pg_stat_statements lives. Its texts hold placeholders instead of values.
pub fn statements(schema: &Ident) -> Query {
    Query::new(format!(
        "SELECT s.query, s.calls FROM {}.pg_stat_statements AS s JOIN pg_database AS d ON d.oid = s.dbid WHERE d.datname = \
         current_database() AND (s.query LIKE '%*%' OR s.query ILIKE 'insert%' OR s.query ILIKE 'copy%' OR s.query \
         ILIKE '%on conflict%') ORDER BY s.calls DESC LIMIT 2000",
        ident(schema)
    ))
}

/// The answers of queries of one number each, as an array in their order.
///
/// A list of sub-selects, which the server reads however long it is; a chain of UNIONs would go as deep as it is long.
pub fn together<'a>(queries: impl IntoIterator<Item = &'a Query>) -> Query {
    let numbers: Vec<String> = queries.into_iter().map(|query| format!("({})", query.text())).collect();
    Query::new(format!("SELECT ARRAY[{}]::bigint[]", numbers.join(",\n")))
}

fn null_link(link: &Link) -> String {
    let nulls = link.columns.iter().map(|column| format!("c.{} IS NULL", ident(column)));
    format!("({})", nulls.collect::<Vec<_>>().join(" OR "))
}

fn dangling(link: &Link) -> String {
    let equal = |(up, down): (&Ident, &Ident)| format!("p.{} = c.{}", ident(up), ident(down));
    let matches = link.parent_columns.iter().zip(&link.columns).map(equal).collect::<Vec<_>>().join(" AND ");
    format!("NOT EXISTS (SELECT 1 FROM {} AS p WHERE {matches})", qualified(&link.parent))
}
