//! What is new in a database since its file was written: tables without a rule, rules without a table, ways that are gone.

use std::collections::BTreeSet;

use super::{Choices, Decision, Proposal, needs_rule};
use crate::catalog::{Catalog, ForeignKey, Ident, QualifiedName, Table};
use crate::config::{Config, Scope, Source, TableKey, TableRule, TenantsMode};

/// The difference between a file and a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Tables that no rule names.
    pub new: Vec<QualifiedName>,
    /// Rules that do not fit any more.
    pub drifted: Vec<Drifted>,
}

/// A rule that does not fit any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drifted {
    /// The rule's line in the file.
    pub line: usize,
    /// What is wrong, and what to do.
    pub text: String,
}

/// Holds a file against the database and what would be proposed for it.
pub fn changes(config: &Config, catalog: &Catalog, proposal: &Proposal) -> Changes {
    let tenants = &config.tenants.table;
    let ruled: BTreeSet<&QualifiedName> = config.tables.iter().filter_map(|rule| find(catalog, &rule.key)).collect();
    let new = catalog
        .tables
        .iter()
        .filter(|(name, table)| needs_rule(table) && *name != tenants && !ruled.contains(name))
        .map(|(name, _)| name.clone())
        .collect();
    let mut drifted: Vec<Drifted> =
        config.tables.iter().filter_map(|rule| drift(config, catalog, proposal, rule)).collect();
    if config.tenants.mode == TenantsMode::Adopt && !catalog.tables.contains_key(tenants) {
        drifted.insert(0, Drifted { line: config.tenants.line, text: format!("the adopted table {tenants} is gone") });
    }
    Changes { new, drifted }
}

/// A file's rules as choices that a proposal keeps to.
pub fn choices(config: &Config, catalog: &Catalog) -> Choices {
    let adopts = config.tenants.mode == TenantsMode::Adopt;
    let rules = config.tables.iter().filter_map(|rule| {
        let name = find(catalog, &rule.key)?;
        Some((name.clone(), decision(config, catalog, catalog.tables.get(name)?, rule)?))
    });
    // The table that an earlier run made is ours, and nobody's rows.
    let ours = (!adopts && catalog.tables.contains_key(&config.tenants.table))
        .then(|| (config.tenants.table.clone(), Decision::Ignored));
    // A mapped table's rows become tenants one by one: what leads to it leads to a tenant.
    let mapped = || find(catalog, &config.tenants.map.as_ref()?.table).cloned();
    Choices {
        root: Some(if adopts { Some(config.tenants.table.clone()) } else { mapped() }),
        owner_column: Some(config.tenant_column.clone()),
        tenants_table: Some(config.tenants.table.clone()),
        tables: rules.chain(ours).collect(),
    }
}

/// The one table that a key means.
fn find<'a>(catalog: &'a Catalog, key: &TableKey) -> Option<&'a QualifiedName> {
    let mut named = catalog.tables.keys().filter(|name| key.names(name));
    named.next().filter(|_| named.next().is_none())
}

/// What a rule decides; nothing where its key or its column is gone, so that another way is proposed.
fn decision(config: &Config, catalog: &Catalog, table: &Table, rule: &TableRule) -> Option<Decision> {
    Some(match &rule.scope {
        Scope::Shared => Decision::Shared,
        Scope::Ignored => Decision::Ignored,
        Scope::Tenant(owner) => match &owner.source {
            Source::System => Decision::System,
            Source::Parent { table: key, via } => {
                let parent = parent(config, catalog, key).filter(|parent| has_key(config, table, parent, via))?;
                Decision::Parent { parent: parent.clone(), via: via.clone() }
            }
            Source::Column { column, matches: None } => Decision::Column(table.column(column)?.name.clone()),
            Source::Column { .. } | Source::Sql { .. } => Decision::Expression,
        },
    })
}

fn parent<'a>(config: &'a Config, catalog: &'a Catalog, key: &TableKey) -> Option<&'a QualifiedName> {
    let tenants = &config.tenants;
    if tenants.mode == TenantsMode::Adopt && key.names(&tenants.table) {
        return Some(&tenants.table);
    }
    find(catalog, key)
}

fn drift(config: &Config, catalog: &Catalog, proposal: &Proposal, rule: &TableRule) -> Option<Drifted> {
    let drifted = |text: String| Some(Drifted { line: rule.key.line, text });
    let Some(name) = find(catalog, &rule.key) else {
        return drifted(format!("there is no table {} any more; drop its rule", rule.key));
    };
    let Scope::Tenant(owner) = &rule.scope else { return None };
    let table = catalog.tables.get(name)?;
    let lost = match &owner.source {
        Source::Parent { table: key, via } => {
            let there = parent(config, catalog, key).is_some_and(|parent| has_key(config, table, parent, via));
            (!there).then(|| format!("no foreign key leads from {name} to {key} any more"))
        }
        Source::Column { column, .. } => {
            table.column(column).is_none().then(|| format!("{name} has no column {column} any more"))
        }
        Source::System | Source::Sql { .. } => None,
    }?;
    let now = proposal.tables.get(name).map(|verdict| &verdict.decision);
    let instead = match now {
        Some(Decision::Parent { parent, .. }) => format!("parent = {:?} would do", parent.to_string()),
        _ => "choose another source".to_owned(),
    };
    drifted(format!("{lost}; {instead}"))
}

fn has_key(config: &Config, table: &Table, parent: &QualifiedName, via: &[Ident]) -> bool {
    let leads_there = |key: &ForeignKey| key.parent == *parent && (via.is_empty() || key.columns == via);
    table.links(&config.tenant_column).iter().any(leads_there)
}
