//! What the configuration declares every table to be, held leniently against the catalog.
//!
//! Where the plan refuses to go on, `verify` has a finding: a table without a rule and a rule without a table are what it
//! is asked to look for. So reading never fails; what does not fit together is kept for the checks.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Catalog, Ident, QualifiedName, Table};
use crate::config::{Config, KeyDecision, KeyScope, Scope, TableKey, TableRule, TenantsTable};
use crate::plan::{self, ByName, Named};

/// What the rows of a table are declared to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Every row has an owner.
    Tenant,
    /// Reference data for all tenants.
    Shared,
    /// Not looked at.
    Ignored,
}

/// A rule that does not mean exactly one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// The rule's name in the file.
    pub rule: String,
    /// Where it stands and what is wrong with it.
    pub what: String,
}

/// What every table is declared to be.
#[derive(Debug, Clone)]
pub struct Contract {
    /// The tenants table.
    pub tenants: TenantsTable,
    /// The owner column's name.
    pub owner: Ident,
    /// The System Tenant's slug.
    pub system_slug: String,
    /// Tables that exist and have a rule.
    classes: BTreeMap<QualifiedName, Class>,
    /// The tables whose rows name their tenant.
    pub(super) named: Named,
    /// The unique keys that were decided about.
    unique: BTreeMap<QualifiedName, Vec<KeyDecision>>,
    /// The foreign keys that may lead to other tenants' rows.
    crossing: BTreeSet<(QualifiedName, Ident)>,
    /// Every rule that means exactly one table, in the file's order.
    good: Vec<String>,
    problems: Vec<RuleProblem>,
}

impl Contract {
    /// Reads the rules against the catalog.
    pub fn read(config: &Config, catalog: &Catalog) -> Self {
        let mut contract = Contract {
            tenants: config.tenants.clone(),
            owner: config.tenant_column.clone(),
            system_slug: config.system_tenant.slug.clone(),
            classes: BTreeMap::new(),
            named: plan::named(config, catalog),
            unique: BTreeMap::new(),
            crossing: BTreeSet::new(),
            good: Vec::new(),
            problems: Vec::new(),
        };
        let tables = ByName::of(catalog);
        for rule in &config.tables {
            contract.add(rule, config, &tables);
        }
        contract
    }

    fn add(&mut self, rule: &TableRule, config: &Config, tables: &ByName) {
        let found = tables.meant_by(&rule.key);
        let problem = match found.as_slice() {
            [one] => {
                if let Scope::Tenant(owner) = &rule.scope {
                    self.unique.insert((*one).clone(), owner.unique.clone());
                    let is_global = |scope: &KeyScope| matches!(scope, KeyScope::Global { .. });
                    let global = owner.references.iter().filter(|decision| is_global(&decision.scope));
                    self.crossing.extend(global.map(|decision| ((*one).clone(), decision.name.clone())));
                }
                self.classify(one, class_of(&rule.scope))
            }
            [] => Some("no table has that name; it was renamed or dropped, and its rule protects nothing".to_owned()),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                Some(format!("it may mean {}; write the schema too", names.join(" or ")))
            }
        };
        let name = rule_name(&rule.key);
        match problem {
            Some(what) => {
                let what = format!("{}: {what}", config.at(rule.key.line));
                self.problems.push(RuleProblem { rule: name, what });
            }
            None => self.good.push(name),
        }
    }

    /// Of two rules for one table the stricter one holds: a table is not left out by mistake.
    fn classify(&mut self, table: &QualifiedName, class: Class) -> Option<String> {
        let before = self.classes.get(table).copied();
        if before.is_none() || class == Class::Tenant {
            self.classes.insert(table.clone(), class);
        }
        before.map(|_| format!("{table} has another rule already; drop one"))
    }

    /// What the table is declared to be.
    pub fn class(&self, table: &QualifiedName) -> Option<Class> {
        self.classes.get(table).copied()
    }

    /// What was decided about a unique key; a partition follows its root.
    pub(super) fn key_scope(&self, catalog: &Catalog, table: &QualifiedName, key: &Ident) -> Option<&KeyScope> {
        let of = |table: &QualifiedName| {
            let decision = self.unique.get(table)?.iter().find(|decision| decision.name == *key)?;
            Some(&decision.scope)
        };
        of(table).or_else(|| catalog.root_of(table).and_then(of))
    }

    /// Whether a foreign key of the table may lead to other tenants' rows.
    pub(super) fn may_cross(&self, table: &QualifiedName, key: &Ident) -> bool {
        self.crossing.contains(&(table.clone(), key.clone()))
    }

    /// What the rows of a table are: a partition without a rule of its own follows its root.
    pub(super) fn class_of_rows(&self, catalog: &Catalog, table: &QualifiedName) -> Option<Class> {
        self.class(table).or_else(|| catalog.root_of(table).and_then(|root| self.class(root)))
    }

    /// The tenant-scoped tables that exist. A partition is looked at through its root, unless it has a rule of its own.
    pub fn tenant_tables<'a>(
        &'a self,
        catalog: &'a Catalog,
    ) -> impl Iterator<Item = (&'a QualifiedName, &'a Table)> + 'a {
        catalog.tables.iter().filter(|(name, _)| self.class(name) == Some(Class::Tenant))
    }

    /// The tenant-scoped tables that have their owner column; the others are one check's finding, not everyone's.
    pub(super) fn owned_tables<'a>(
        &'a self,
        catalog: &'a Catalog,
    ) -> impl Iterator<Item = (&'a QualifiedName, &'a Table)> + 'a {
        self.tenant_tables(catalog).filter(|(_, table)| table.column(&self.owner).is_some())
    }

    /// The tables that need a rule: all but the tenants table, and but partitions, which follow their root.
    pub(super) fn declared_tables<'a>(&'a self, catalog: &'a Catalog) -> impl Iterator<Item = &'a QualifiedName> + 'a {
        let needs = |name: &QualifiedName, table: &Table| {
            *name != self.tenants.table && (!table.is_part() || self.class(name).is_some())
        };
        catalog.tables.iter().filter(move |(name, table)| needs(name, table)).map(|(name, _)| name)
    }

    /// The rules that mean exactly one table.
    pub(super) fn good_rules(&self) -> &[String] {
        &self.good
    }

    /// The rules that do not.
    pub fn problems(&self) -> &[RuleProblem] {
        &self.problems
    }
}

fn class_of(scope: &Scope) -> Class {
    match scope {
        Scope::Tenant(_) => Class::Tenant,
        Scope::Shared => Class::Shared,
        Scope::Ignored => Class::Ignored,
    }
}

fn rule_name(key: &TableKey) -> String {
    format!("tables.{key}")
}
