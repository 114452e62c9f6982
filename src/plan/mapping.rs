//! The table whose rows become tenants, one for each, in a tenants table that the conversion makes.

use super::lookup::is_unique;
use super::owners::{Resolver, unsupported};
use super::{Blocker, Facts, Kind, Op, Owner, Plan};
use crate::catalog::{Firing, Ident, QualifiedName, TableKind};
use crate::config::TenantMap;

/// The trigger that makes the tenant of a new row. It comes after the row is there, so that a row that ON CONFLICT turns
/// down gets none; and `!` sorts before the checks of foreign keys, so that the row may refer to its tenant.
pub const TENANT_TRIGGER: &str = "!tenantctl_create_tenant";

/// The mapped table as the later floors need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The table.
    pub table: QualifiedName,
    /// Its oid when it was planned.
    pub oid: u32,
    /// Estimated rows, where there are statistics.
    pub rows: Option<u64>,
    /// Its unique column that names a row.
    pub key: Ident,
    /// The key's type.
    pub key_type: String,
    /// Its column with the name.
    pub name: Ident,
    /// Its column with the slug.
    pub slug: Ident,
    /// The tenants' column that keeps the key.
    pub column: Ident,
    /// The trigger for new rows is there.
    pub follows: bool,
}

/// What only the rows of the mapped table tell: of those that have no tenant yet, how many cannot have one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MappingFacts {
    /// Rows without a tenant.
    pub unmapped: u64,
    /// Those without a name.
    pub without_name: u64,
    /// Those without a slug.
    pub without_slug: u64,
    /// Those whose slug another row or another tenant has.
    pub same_slug: u64,
    /// Those whose slug is the System Tenant's.
    pub system_slug: u64,
}

impl Resolver<'_> {
    /// The mapped table, where one is configured and as it should be.
    pub(super) fn find_mapping(&mut self, wanted: &TenantMap) -> Option<Mapping> {
        let line = wanted.line;
        let name = self.find(&wanted.table, "tenants.map.table")?;
        let table = self.catalog.tables.get(&name)?;
        let before = self.problems.len();
        for column in [&wanted.key, &wanted.name, &wanted.slug] {
            if table.column(column).is_none() {
                self.problem(line, format!("tenants.map: {name} has no column {column}"));
            }
        }
        if let Some(why) = unsupported(table.kind) {
            self.problem(line, format!("tenants.map: {name} is {why}"));
        }
        if table.kind == TableKind::Partitioned {
            let why = "a row that moves to another partition would get another tenant";
            self.problem(line, format!("tenants.map: {name} is partitioned: {why}"));
        }
        let column = wanted.column.clone();
        let column = column.unwrap_or_else(|| Ident::derived(&[name.name.as_str(), wanted.key.as_str()]));
        let names = &self.config.tenants.columns;
        let taken =
            [&names.id, &names.uuid, &names.name, &names.slug, &names.active, &names.created_at, &names.updated_at];
        if taken.contains(&&column) {
            let what = format!("tenants.map.column: the tenants have a column {column} already; choose another name");
            self.problem(line, what);
        }
        let key = table.column(&wanted.key)?;
        if !key.not_null || !is_unique(table, &wanted.key) {
            let what = format!("tenants.map.key: {name}.{} is not both unique and NOT NULL; ", wanted.key);
            self.problem(line, what + "choose the column that other tables name its rows by");
        }
        (self.problems.len() == before).then(|| Mapping {
            table: name.clone(),
            oid: table.oid,
            rows: table.rows,
            key: wanted.key.clone(),
            key_type: key.data_type.clone(),
            name: wanted.name.clone(),
            slug: wanted.slug.clone(),
            column,
            follows: table
                .triggers
                .iter()
                .any(|trigger| trigger.name.as_str() == TENANT_TRIGGER && trigger.firing == Firing::Always),
        })
    }
}

/// The steps that give each row of the mapped table its tenant: first those to come, then those that are there.
///
/// The trigger is written again while the table's own owner column is being made, whose filler decides the tenant's id.
pub(super) fn ops(plan: &Plan, facts: &Facts) -> Vec<Op> {
    let Some(mapping) = &plan.mapping else { return Vec::new() };
    let own = plan.own_tenants().is_some_and(|table| table.owned.column.as_ref().is_none_or(|column| !column.not_null));
    let unmapped = facts.mapping.is_none_or(|found| found.unmapped > 0);
    let mut ops = Vec::new();
    if own || !mapping.follows || unmapped {
        ops.push(Op::CreateTenantTrigger(mapping.table.clone()));
    }
    if unmapped || !mapping.follows {
        ops.push(Op::CreateTenants(mapping.table.clone()));
    }
    ops
}

/// Rows that no tenant can be made for as they are.
pub(super) fn blockers(plan: &Plan, facts: &Facts) -> Vec<Blocker> {
    let (Some(mapping), Some(found)) = (&plan.mapping, facts.mapping) else { return Vec::new() };
    let (name, slug) = (&mapping.name, &mapping.slug);
    let lines = [
        (found.without_name, format!("rows have no {name}, which a tenant needs"), format!("give them a {name}")),
        (found.without_slug, format!("rows have no {slug}, which a tenant needs"), format!("give them a {slug}")),
        (
            found.same_slug,
            format!("rows have a {slug} that another row or tenant has too"),
            format!("make {slug} unique, or map another column with tenants.map.slug"),
        ),
        (
            found.system_slug,
            format!("rows have the {slug} of the System Tenant, {:?}", plan.system.slug),
            "choose another system_tenant.slug".to_owned(),
        ),
    ];
    let lines = lines.into_iter().filter(|(count, ..)| *count > 0);
    let block = |(count, what, remedy)| Blocker {
        kind: Kind::TenantUnmappable,
        table: Some(mapping.table.clone()),
        text: format!("{count} {what}"),
        remedy,
    };
    lines.map(block).collect()
}

impl Plan {
    /// The mapped table's own plan, where each of its rows belongs to the tenant that is made for it.
    pub fn own_tenants(&self) -> Option<&super::TablePlan> {
        let mapping = self.mapping.as_ref()?;
        self.tables.get(&mapping.table).filter(|table| match &table.owned.owner {
            Owner::Lookup(lookup) => lookup.is_own_tenant(&mapping.table, mapping),
            Owner::System | Owner::Parent(_) => false,
        })
    }
}
