//! Phase `prepare`: the tenants table and the System Tenant, whose id is decided here and nowhere else.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Facts, Mapping, Op, Plan, mapping};
use crate::catalog::{Catalog, Ident, QualifiedName, Table};
use crate::config::{Config, IdStyle, SystemId, TenantColumns, TenantsMode};
use crate::error::{Code, Failure};

/// The System Tenant's id where tenants are numbered and we make the table.
const SYSTEM_NUMBER: i64 = 1;
/// The System Tenant's id where ids are UUIDs: a valid version 4 that nobody draws.
const SYSTEM_UUID: &str = "00000000-0000-4000-8000-000000000001";
/// In an adopted, numbered table the System Tenant takes the next multiple of this above the highest id, so that the
/// ids that the application hands out between plan and run do not meet it.
const ADOPTED_STRIDE: i64 = 1000;

/// The tenants table as the later floors need it.
#[derive(Debug, Clone)]
pub struct Tenants {
    /// Its name.
    pub table: QualifiedName,
    /// It is there already.
    pub exists: bool,
    /// How ids look.
    pub id: IdStyle,
    /// The id's type, which the owner columns take.
    pub id_type: String,
    /// The id is fed by a sequence.
    pub numbered: bool,
    /// Its columns' names.
    pub columns: TenantColumns,
}

/// The tenant that owns what has no other owner.
#[derive(Debug, Clone)]
pub struct SystemTenant {
    /// Its id as text; SQL gets it as a literal of the id's type.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// It is there already.
    pub exists: bool,
    /// Values for an adopted table's other columns.
    pub values: BTreeMap<Ident, String>,
}

/// The steps of the phase.
pub(super) fn ops(plan: &Plan, facts: &Facts) -> Vec<Op> {
    let table = (!plan.tenants.exists).then_some(Op::CreateTenantsTable);
    let system = (!plan.system.exists).then_some(Op::CreateSystemTenant);
    table.into_iter().chain(system).chain(mapping::ops(plan, facts)).collect()
}

/// The tenants table as configured and found.
pub(super) fn tenants(config: &Config, catalog: &Catalog, mapping: Option<&Mapping>) -> Result<Tenants, Failure> {
    let wanted = &config.tenants;
    let invalid = |what: String, fix: &str| {
        let message = format!("{}: tenants.table: {what}", config.at(wanted.line));
        Err(Failure::new(Code::ConfigInvalid, message).hint(fix))
    };
    match (catalog.tables.get(&wanted.table), wanted.mode) {
        (None, TenantsMode::Adopt) => invalid(
            format!("mode = \"adopt\", but there is no table {}", wanted.table),
            "name the table whose rows are the tenants, or set tenants.mode = \"create\"",
        ),
        (None, TenantsMode::Create) => Ok(Tenants {
            table: wanted.table.clone(),
            exists: false,
            id: wanted.id.clone(),
            id_type: type_of(&wanted.id).to_owned(),
            numbered: wanted.id == IdStyle::Bigserial,
            columns: wanted.columns.clone(),
        }),
        (Some(table), mode) => {
            let missing: Vec<&str> = [&wanted.columns.id, &wanted.columns.name, &wanted.columns.slug]
                .into_iter()
                .chain(mapping.map(|mapping| &mapping.column))
                .filter(|name| table.column(name).is_none())
                .map(Ident::as_str)
                .collect();
            if !missing.is_empty() {
                let made = if mode == TenantsMode::Create { " exists already and is not ours: it" } else { "" };
                return invalid(
                    format!("{}{made} has no column {}", wanted.table, missing.join(", ")),
                    "set tenants.columns to the names it uses, or choose another tenants.table",
                );
            }
            existing(config, table)
        }
    }
}

fn existing(config: &Config, table: &Table) -> Result<Tenants, Failure> {
    let wanted = &config.tenants;
    let invalid = |what: String, fix: &str| {
        let message = format!("{}: tenants.table: {what}", config.at(wanted.line));
        Err(Failure::new(Code::ConfigInvalid, message).hint(fix))
    };
    let Some(id) = table.column(&wanted.columns.id) else {
        return invalid(format!("{} has no column {}", wanted.table, wanted.columns.id), "set tenants.columns.id");
    };
    let key = [id.name.clone()];
    if !table.keys.iter().any(|unique| unique.columns == key && !unique.deferrable) {
        return invalid(
            format!(
                "{}.{} is neither primary key nor unique, so no foreign key can refer to it",
                wanted.table, id.name
            ),
            "set tenants.columns.id to the table's primary key",
        );
    }
    let style = match id.data_type.as_str() {
        "bigint" | "integer" => IdStyle::Bigserial,
        "uuid" => IdStyle::Uuid,
        text if text == "text" || text.starts_with("character varying") => match &wanted.id {
            IdStyle::Text { prefix } => IdStyle::Text { prefix: prefix.clone() },
            _ => IdStyle::Text { prefix: String::new() },
        },
        other => {
            return invalid(
                format!("ids of type {other} are not supported"),
                "use a table whose id is bigint, integer, uuid, text or varchar",
            );
        }
    };
    Ok(Tenants {
        table: wanted.table.clone(),
        exists: true,
        id: style,
        id_type: id.data_type.clone(),
        numbered: id.sequence.is_some(),
        columns: wanted.columns.clone(),
    })
}

fn type_of(style: &IdStyle) -> &'static str {
    match style {
        IdStyle::Bigserial => "bigint",
        IdStyle::Uuid => "uuid",
        IdStyle::Text { .. } => "text",
    }
}

/// The System Tenant with its id: the one that is there, the configured one, or a fixed default.
pub(super) fn system_tenant(
    config: &Config,
    catalog: &Catalog,
    tenants: &Tenants,
    facts: &Facts,
) -> Result<SystemTenant, Failure> {
    let wanted = &config.system_tenant;
    let generated = || {
        let server = &catalog.server;
        let name = format!("{}/{}/{}", server.system_identifier, server.database, wanted.slug);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
    };
    let id = match (&facts.system_tenant, &wanted.id) {
        (Some(id), SystemId::Fixed(fixed)) if id != fixed => {
            let what = format!("{}: system_tenant.id is {fixed}, but the tenant with slug", config.path);
            return Err(Failure::new(Code::ConfigInvalid, format!("{what} {:?} has the id {id}", wanted.slug))
                .hint("drop system_tenant.id to use the one that is there, or choose another slug"));
        }
        (Some(id), _) => id.clone(),
        (None, SystemId::Fixed(id)) => id.clone(),
        (None, choice) => match &tenants.id {
            IdStyle::Bigserial => match facts.highest_tenant {
                Some(highest) => ((highest / ADOPTED_STRIDE + 1) * ADOPTED_STRIDE).to_string(),
                None => SYSTEM_NUMBER.to_string(),
            },
            IdStyle::Uuid if *choice == SystemId::Generated => generated().to_string(),
            IdStyle::Uuid => SYSTEM_UUID.to_owned(),
            IdStyle::Text { prefix } if *choice == SystemId::Generated => format!("{prefix}{}", generated().simple()),
            IdStyle::Text { prefix } => format!("{prefix}system"),
        },
    };
    check_id(config, &tenants.id, &id)?;
    Ok(SystemTenant {
        id,
        name: wanted.name.clone(),
        slug: wanted.slug.clone(),
        exists: facts.system_tenant.is_some(),
        values: wanted.values.clone(),
    })
}

fn check_id(config: &Config, style: &IdStyle, id: &str) -> Result<(), Failure> {
    let (fits, what) = match style {
        IdStyle::Bigserial => (id.parse::<i64>().is_ok_and(|id| id > 0), "a whole number above 0"),
        IdStyle::Uuid => (Uuid::parse_str(id).is_ok(), "a UUID"),
        IdStyle::Text { prefix } => (id.starts_with(prefix.as_str()) && !id.is_empty(), "a text with the id's prefix"),
    };
    if fits {
        return Ok(());
    }
    let message = format!("{}: system_tenant.id: {id:?} is not {what}", config.path);
    Err(Failure::new(Code::ConfigInvalid, message).hint("write an id of the tenants table's type, or drop the key"))
}
