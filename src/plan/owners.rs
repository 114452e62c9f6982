//! Where every row gets its owner: the configuration's rules held against the catalog.
//!
//! The result names each tenant-scoped table in dependency order (parents first) with a complete path: it ends at the
//! System Tenant or at the tenants table, or it is a problem with the line to mend.

mod order;

use std::collections::BTreeMap;

use super::{ByName, Lookup, Mapping, partitions, prepare};
use crate::catalog::{Catalog, Column, ForeignKey, Ident, QualifiedName, Table, TableKind};
use crate::config::{
    Config, KeyDecision, OwnerRule, Scope, Source, StrategyChoice, TableKey, TenantsMode, Unowned, table_key,
};
use crate::error::{Code, Failure};

/// A tenant-scoped table and the way to its rows' owner.
#[derive(Debug, Clone)]
pub struct OwnedTable {
    /// The table.
    pub name: QualifiedName,
    /// The name by which expressions speak of it: a partition's is its root's.
    pub called: Ident,
    /// Its owner column, where it is there already.
    pub column: Option<Column>,
    /// The way to the owner.
    pub owner: Owner,
    /// What happens to rows that the way gives no owner.
    pub unowned: Unowned,
    /// How existing rows are filled, as configured.
    pub choice: StrategyChoice,
    /// The columns with its rows' times that are missing, where they are wanted.
    pub timestamps: Vec<Ident>,
    /// Unique constraints and indexes that somebody decided about.
    pub unique: Vec<KeyDecision>,
    /// Foreign keys that somebody decided about.
    pub references: Vec<KeyDecision>,
    /// The line of the rule, for messages.
    pub line: usize,
}

/// The way to a row's owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The System Tenant.
    System,
    /// The row that a foreign key leads to.
    Parent(Link),
    /// A tenant that the row itself names.
    Lookup(Lookup),
}

impl Owner {
    /// The row's own columns that it depends on.
    pub fn columns(&self) -> &[Ident] {
        match self {
            Owner::System => &[],
            Owner::Parent(link) => &link.columns,
            Owner::Lookup(lookup) => &lookup.columns,
        }
    }

    /// The key to a parent whose own owner is the row's, and may become another one.
    pub fn parent_with_owner(&self) -> Option<&Link> {
        match self {
            Owner::Parent(link) if !link.ends_at_tenants => Some(link),
            Owner::Parent(_) | Owner::Lookup(_) | Owner::System => None,
        }
    }
}

/// One foreign key on the way to the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The columns that refer.
    pub columns: Vec<Ident>,
    /// The parent.
    pub parent: QualifiedName,
    /// The columns there, in the same order.
    pub parent_columns: Vec<Ident>,
    /// Some of the referring columns may be NULL, so a row may have no parent.
    pub nullable: bool,
    /// Whether the parent is the tenants table itself.
    pub ends_at_tenants: bool,
}

/// Every table with its decision.
#[derive(Debug, Clone)]
pub struct Owners {
    /// Tenant-scoped tables, parents before children.
    pub tables: Vec<OwnedTable>,
    /// The table whose rows become tenants.
    pub mapping: Option<Mapping>,
    /// Reference data.
    pub shared: Vec<QualifiedName>,
    /// Not looked at.
    pub ignored: Vec<QualifiedName>,
    /// Where each of `tables` stands.
    places: BTreeMap<QualifiedName, usize>,
}

impl Owners {
    /// The tenant-scoped table of that name.
    pub fn get(&self, name: &QualifiedName) -> Option<&OwnedTable> {
        self.places.get(name).and_then(|place| self.tables.get(*place))
    }

    /// Whether every way from here ends at the System Tenant, over columns that this conversion makes: then the owner
    /// of every existing row is one constant.
    pub fn is_constant(&self, table: &OwnedTable) -> bool {
        table.column.is_none()
            && match &table.owner {
                Owner::System => true,
                Owner::Lookup(_) => false,
                Owner::Parent(link) => {
                    (!link.nullable || table.unowned == Unowned::System)
                        && self.get(&link.parent).is_some_and(|parent| self.is_constant(parent))
                }
            }
    }
}

/// Holds the rules against the catalog.
///
/// # Errors
/// [`Code::ConfigInvalid`] with every problem: a table that does not exist or that nobody classified, a parent without
/// a foreign key, a circle, a chain that ends nowhere, a kind of relation that this version does not convert.
pub fn resolve(config: &Config, catalog: &Catalog) -> Result<Owners, Failure> {
    let mut resolver = Resolver::new(config, catalog);
    resolver.check_tenants();
    let rules = resolver.classify();
    let owned = resolver.owned_tables(&rules);
    let tables = resolver.in_order(owned);
    resolver.check_scoped(&tables);
    if !resolver.problems.is_empty() {
        return Err(Failure::new(Code::ConfigInvalid, resolver.problems.join("\n"))
            .hint(format!("mend {}; `tenantctl plan --dry-run` shows what it then means", config.path)));
    }
    let of = |wanted: fn(&Scope) -> bool| {
        rules.iter().filter(|(_, rule)| wanted(rule.scope)).map(|(name, _)| name.clone()).collect()
    };
    Ok(Owners {
        places: tables.iter().enumerate().map(|(place, table)| (table.name.clone(), place)).collect(),
        tables,
        mapping: resolver.mapping,
        shared: of(|scope| matches!(scope, Scope::Shared)),
        ignored: of(|scope| matches!(scope, Scope::Ignored)),
    })
}

/// The tables whose rows name their tenant, as far as the rules fit the database.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// The table whose rows become tenants.
    pub mapping: Option<Mapping>,
    /// How a table's rows name their tenant; nothing where the rule does not fit.
    pub lookups: BTreeMap<QualifiedName, Option<Lookup>>,
}

/// Finds them without asking that every rule fits, for `verify`.
pub fn named(config: &Config, catalog: &Catalog) -> Named {
    let mut resolver = Resolver::new(config, catalog);
    let rules = resolver.classify();
    let mut lookups = BTreeMap::new();
    for (name, rule) in &rules {
        let (Scope::Tenant(owner), Some(table)) = (rule.scope, catalog.tables.get(name)) else { continue };
        let found = resolver.owner(name, table, owner, rule.line, &rules);
        match (found, &owner.source) {
            (Some(Owner::Lookup(lookup)), _) => drop(lookups.insert(name.clone(), Some(lookup))),
            (None, Source::Column { .. } | Source::Sql { .. }) => drop(lookups.insert(name.clone(), None)),
            (Some(Owner::System | Owner::Parent(_)) | None, _) => {}
        }
    }
    Named { mapping: resolver.mapping, lookups }
}

#[derive(Clone, Copy)]
pub(super) struct Rule<'a> {
    scope: &'a Scope,
    line: usize,
}

/// Holds the rules against the catalog and collects what does not fit.
pub(super) struct Resolver<'a> {
    pub(super) config: &'a Config,
    pub(super) catalog: &'a Catalog,
    tables: ByName<'a>,
    pub(super) mapping: Option<Mapping>,
    pub(super) problems: Vec<String>,
}

impl<'a> Resolver<'a> {
    fn new(config: &'a Config, catalog: &'a Catalog) -> Self {
        let tables = ByName::of(catalog);
        let mut resolver = Resolver { config, catalog, tables, mapping: None, problems: Vec::new() };
        resolver.mapping = config.tenants.map.as_ref().and_then(|wanted| resolver.find_mapping(wanted));
        resolver
    }

    pub(super) fn problem(&mut self, line: usize, what: impl std::fmt::Display) {
        self.problems.push(format!("{}: {what}", self.config.at(line)));
    }

    /// What is wrong with the tenants table is said with all the rest; a mapping that does not fit says so itself.
    fn check_tenants(&mut self) {
        let config = self.config;
        if config.tenants.map.is_some() && self.mapping.is_none() {
            return;
        }
        if let Err(failure) = prepare::tenants(config, self.catalog, self.mapping.as_ref()) {
            self.problems
                .push([Some(failure.message), failure.hint].into_iter().flatten().collect::<Vec<_>>().join("; "));
        }
    }

    /// Gives every table of the catalog its rule, and names the rules and tables that are left over.
    fn classify(&mut self) -> BTreeMap<QualifiedName, Rule<'a>> {
        let mut rules = BTreeMap::new();
        for rule in &self.config.tables {
            if let Some(name) = self.find(&rule.key, &format!("tables.{}", rule.key)) {
                if name == self.config.tenants.table {
                    self.problem(
                        rule.key.line,
                        format!("tables.{}: the tenants table needs no rule; drop it", rule.key),
                    );
                } else if rules.insert(name, Rule { scope: &rule.scope, line: rule.key.line }).is_some() {
                    self.problem(rule.key.line, format!("tables.{}: the table has a rule already; drop one", rule.key));
                }
            }
        }
        let missing: Vec<&QualifiedName> = self
            .catalog
            .tables
            .iter()
            .filter(|(_, table)| !table.is_part())
            .map(|(name, _)| name)
            .filter(|name| !rules.contains_key(*name) && **name != self.config.tenants.table)
            .collect();
        for name in missing {
            self.problems.push(format!(
                "{}: {name} is not classified; add a line [tables.{}] with scope = \"tenant\", \"shared\" or \"ignored\"",
                self.config.path,
                table_key(name, self.config.schemas.len() > 1)
            ));
        }
        rules
    }

    /// The one table that a key means.
    pub(super) fn find(&mut self, key: &TableKey, what: &str) -> Option<QualifiedName> {
        match self.tables.one(key, &self.config.schemas) {
            Ok(name) => Some(name.clone()),
            Err(why) => {
                self.problem(key.line, format!("{what}: {why}"));
                None
            }
        }
    }

    fn owned_tables(&mut self, rules: &BTreeMap<QualifiedName, Rule<'a>>) -> Vec<OwnedTable> {
        let catalog = self.catalog;
        let mut owned = Vec::new();
        let is_tenant =
            |name: &QualifiedName| rules.get(name).is_some_and(|rule| matches!(rule.scope, Scope::Tenant(_)));
        for (name, rule) in rules {
            if !is_tenant(name)
                && let Some(root) = catalog.root_of(name).filter(|root| is_tenant(root))
            {
                let what = format!("{name} is a partition of {root}, whose rows have owners; drop its rule");
                self.problem(rule.line, what);
            }
            let Scope::Tenant(owner_rule) = rule.scope else { continue };
            let Some(table) = catalog.tables.get(name) else { continue };
            let obstacles = partitions::obstacles(catalog, name, &self.config.tenant_column);
            if let Some(root) = catalog.root_of(name) {
                self.problem(
                    rule.line,
                    format!("{name} is a partition of {root}; drop its rule, the root's holds for it"),
                );
            } else if let Some(why) = unsupported(table.kind) {
                self.problem(rule.line, format!("{name} is {why}; set scope = \"ignored\" for now"));
            } else if !obstacles.is_empty() {
                obstacles.iter().for_each(|why| self.problem(rule.line, format!("{name}: {why}")));
            } else if let Some(owner) = self.owner(name, table, owner_rule, rule.line, rules) {
                owned.push(OwnedTable {
                    name: name.clone(),
                    called: name.name.clone(),
                    column: table.column(&self.config.tenant_column).cloned(),
                    owner,
                    unowned: owner_rule.unowned,
                    choice: owner_rule.strategy,
                    timestamps: timestamps(self.config, owner_rule, table),
                    unique: owner_rule.unique.clone(),
                    references: owner_rule.references.clone(),
                    line: rule.line,
                });
            }
        }
        owned
    }

    fn owner(
        &mut self,
        name: &QualifiedName,
        table: &'a Table,
        rule: &OwnerRule,
        line: usize,
        rules: &BTreeMap<QualifiedName, Rule<'a>>,
    ) -> Option<Owner> {
        match &rule.source {
            Source::System => Some(Owner::System),
            Source::Parent { table: key, via } => {
                let parent = self.parent(key, name)?;
                let ends_at_tenants = parent == self.config.tenants.table;
                let owned = rules.get(&parent).is_some_and(|rule| matches!(rule.scope, Scope::Tenant(_)));
                let mapped = self.mapping.as_ref().is_some_and(|mapping| mapping.table == parent);
                if !ends_at_tenants && !owned && !mapped {
                    let scope = rules.get(&parent).map_or("not classified", |rule| rule.scope.as_str());
                    let what = format!("{name}: its parent {parent} is {scope}, so the chain ends without an owner; ");
                    self.problem(line, what + "choose a tenant-scoped parent, or source = \"system\"");
                    return None;
                }
                let key = self.foreign_key(name, table, &parent, via, line)?;
                if mapped && !owned {
                    return self.by_mapped_key(name, table, &key, line);
                }
                Some(Owner::Parent(link(table, &key, ends_at_tenants)))
            }
            Source::Column { column, matches } => self.by_column(name, table, column, matches.as_ref(), line),
            Source::Sql { expression, matches } => self.by_expression(name, table, expression, matches.as_ref(), line),
        }
    }

    fn parent(&mut self, key: &TableKey, child: &QualifiedName) -> Option<QualifiedName> {
        let tenants = &self.config.tenants;
        if key.names(&tenants.table) && tenants.mode == TenantsMode::Adopt {
            return Some(tenants.table.clone());
        }
        self.find(key, &format!("parent of {child}"))
    }

    fn foreign_key(
        &mut self,
        name: &QualifiedName,
        table: &Table,
        parent: &QualifiedName,
        via: &[Ident],
        line: usize,
    ) -> Option<ForeignKey> {
        // A key over the owner column itself is what the conversion makes; it says nothing about the source.
        let owner = &self.config.tenant_column;
        let ours = |key: &ForeignKey| key.columns.contains(owner);
        let leads_there = |key: &ForeignKey| if via.is_empty() { !ours(key) } else { key.columns == via };
        let there = |key: &ForeignKey| key.parent == *parent && !key.period && leads_there(key);
        let keys: Vec<ForeignKey> = table.links(owner).into_iter().filter(there).collect();
        match keys.as_slice() {
            [key] => Some(key.clone()),
            [] => {
                let over = if via.is_empty() { String::new() } else { format!(" over ({})", list(via)) };
                let what = format!("{name} has no foreign key{over} to {parent}; name a parent that it refers to");
                self.problem(line, what);
                None
            }
            several => {
                let ways: Vec<String> = several.iter().map(|key| format!("[{}]", quoted_list(&key.columns))).collect();
                let what = format!("{name} has several foreign keys to {parent}; choose one with via = ");
                self.problem(line, what + &ways.join(" or via = "));
                None
            }
        }
    }
}

fn link(table: &Table, key: &ForeignKey, ends_at_tenants: bool) -> Link {
    let nullable = |name: &Ident| table.column(name).is_none_or(|column| !column.not_null);
    Link {
        columns: key.columns.clone(),
        parent: key.parent.clone(),
        parent_columns: key.parent_columns.clone(),
        nullable: key.columns.iter().any(nullable),
        ends_at_tenants,
    }
}

fn timestamps(config: &Config, rule: &OwnerRule, table: &Table) -> Vec<Ident> {
    let missing = config.audit.iter().filter(|name| rule.audit_timestamps && table.column(name).is_none());
    missing.cloned().collect()
}

/// Why a kind of table cannot be converted; nothing where it can.
pub fn unsupported(kind: TableKind) -> Option<&'static str> {
    match kind {
        TableKind::Ordinary | TableKind::Partitioned => None,
        TableKind::Partition => Some("a partition, whose rows are its root's"),
        TableKind::Inherited => Some("part of a classic inheritance tree, which this version does not convert"),
        TableKind::Typed => {
            Some("a table of a composite type, which takes no column of its own until ALTER TABLE ... NOT OF")
        }
        TableKind::Foreign => Some("a foreign table, whose rows live on another server"),
    }
}

fn list(names: &[Ident]) -> String {
    names.iter().map(Ident::as_str).collect::<Vec<_>>().join(", ")
}

fn quoted_list(names: &[Ident]) -> String {
    names.iter().map(|name| format!("{:?}", name.as_str())).collect::<Vec<_>>().join(", ")
}
