//! What changed in the schema since a conversion, and which of it is the conversion's concern.
//!
//! What the conversion itself made is left out: columns, indexes, keys and triggers of ours. Whether those are still right
//! today is said instead, where the conversion was finished.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Contract;
use super::contract::Class;
use crate::catalog::diff::differences;
use crate::catalog::{Catalog, Change, Difference, Firing, ForeignKey, Ident, Index, Object, QualifiedName, Table};
use crate::config::KeyScope;
use crate::plan::{FILL_ON_INSERT, FILL_ON_UPDATE};

/// What the schema is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// What it is, for people: `run 3`, `plan.json`.
    pub name: String,
    /// The schema then.
    pub catalog: Catalog,
    /// Whether a conversion was finished since, so that its tables must be complete now.
    pub converted: bool,
}

/// One change since the baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// What changed.
    #[serde(flatten)]
    pub difference: Difference,
    /// Why it matters; nothing where it does not.
    pub concern: Option<Concern>,
}

/// Why a change matters to the conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Concern {
    /// A table that nobody classified.
    Unclassified,
    /// A tenant-scoped table that was not converted.
    Unconverted,
    /// A table with a rule is gone.
    TableGone,
    /// A table was made again.
    TableRemade,
    /// A unique constraint or index that spans all tenants.
    GlobalUnique,
    /// An owner column, its NOT NULL, key, index or trigger is gone.
    ProtectionLost,
    /// A foreign key of a tenant-scoped table is gone or unchecked.
    ReferenceLost,
    /// A trigger that the conversion has not seen.
    NewTrigger,
    /// A view over tenants' rows.
    NewView,
    /// Row-level security was switched.
    RowSecurity,
}

impl Concern {
    /// What may come of it, and what to do.
    pub fn advice(self) -> &'static str {
        match self {
            Concern::Unclassified => {
                "say in [tables] what its rows are (`tenantctl init` proposes a rule), then migrate"
            }
            Concern::Unconverted => "`tenantctl plan` shows what it lacks, `tenantctl migrate` adds it",
            Concern::TableGone => "drop its rule, or give the rule the table's new name",
            Concern::TableRemade => "`tenantctl plan` shows what it lacks, `tenantctl migrate` adds it",
            Concern::GlobalUnique => {
                "two tenants cannot have the same value: decide about it in [tables.<name>.unique], then migrate"
            }
            Concern::ProtectionLost => {
                "find out who dropped it; `tenantctl migrate` makes it again, `verify` tells the harm"
            }
            Concern::ReferenceLost => {
                "rows may now name parents that do not exist, or another tenant's: restore the key"
            }
            Concern::NewTrigger => "see whether it writes tenants' rows: those need an owner too",
            Concern::NewView => {
                "it shows the rows of all tenants to whoever may read it: filter it by the owner column"
            }
            Concern::RowSecurity => "see who may read which rows now",
        }
    }
}

/// Everything that changed since the baseline, but for what the conversion made.
pub fn drift(contract: &Contract, baseline: &Baseline, now: &Catalog) -> Vec<Drift> {
    let judge = Judge { contract, baseline, now };
    let changed = differences(&baseline.catalog, now).into_iter();
    let others = changed.filter(|difference| difference.object != Object::Role && !judge.is_ours(difference));
    let mut found: Vec<Drift> =
        others.map(|difference| Drift { concern: judge.concern(&difference), difference }).collect();
    for lost in judge.lost() {
        if !found.iter().any(|drift| is_same_object(&drift.difference, &lost)) {
            found.push(Drift { difference: lost, concern: Some(Concern::ProtectionLost) });
        }
    }
    found
}

fn is_same_object(one: &Difference, other: &Difference) -> bool {
    one.table == other.table && one.object == other.object
}

struct Judge<'a> {
    contract: &'a Contract,
    baseline: &'a Baseline,
    now: &'a Catalog,
}

impl Judge<'_> {
    /// The table of a difference as it is now, where its rows have owners.
    fn tenant_table(&self, difference: &Difference) -> Option<&Table> {
        let name = difference.table.as_ref()?;
        let class = self.contract.class_of_rows(self.now, name);
        (class == Some(Class::Tenant)).then(|| self.now.tables.get(name))?
    }

    /// Whether the conversion made it.
    fn is_ours(&self, difference: &Difference) -> bool {
        let owner = &self.contract.owner;
        if difference.table.as_ref() == Some(&self.contract.tenants.table)
            && difference.object == Object::Table
            && difference.change == Change::New
        {
            return true;
        }
        let Some(table) = self.tenant_table(difference) else { return false };
        if difference.change == Change::Gone {
            return false;
        }
        match &difference.object {
            Object::Column(name) => {
                let was = difference.table.as_ref().and_then(|table| self.baseline.catalog.tables.get(table));
                let was_complete = was.and_then(|table| table.column(owner)).is_some_and(|column| column.not_null);
                name == owner && !was_complete
            }
            Object::Trigger(name) => difference.change == Change::New && is_our_trigger(name.as_str()),
            Object::ForeignKey(name) => {
                let key = table.foreign_keys.iter().find(|key| key.name == *name);
                key.is_some_and(|key| (key.columns == [owner.clone()] || key.compares(owner)) && key.validated)
            }
            Object::Index(name) => {
                let index = table.indexes.iter().find(|index| index.name == *name);
                let is_own = |index: &Index| index.columns == [Some(owner.clone())] && !index.unique;
                index.is_some_and(|index| index.valid && (is_own(index) || self.is_scoped(difference, index)))
            }
            Object::Key(name) => {
                let index = table.indexes.iter().find(|index| index.name == *name);
                difference.change == Change::New && index.is_some_and(|index| self.is_scoped(difference, index))
            }
            Object::Check(name) => {
                let check = table.checks.iter().find(|check| check.name == *name);
                let about_owner = |text: &String| text.contains(owner.as_str()) && text.contains("NOT NULL");
                check.is_some_and(|check| check.validated && check.definition.as_ref().is_some_and(about_owner))
            }
            _ => false,
        }
    }

    /// Whether a unique index is one of the baseline's with the owner in front.
    fn is_scoped(&self, difference: &Difference, index: &Index) -> bool {
        let was = difference.table.as_ref().and_then(|table| self.baseline.catalog.tables.get(table));
        let Some((Some(first), others)) = index.columns.split_first() else { return false };
        let is_twin = |old: &Index| old.unique && old.columns == others;
        index.unique && first == &self.contract.owner && was.is_some_and(|table| table.indexes.iter().any(is_twin))
    }

    fn is_decided(&self, difference: &Difference, key: &Ident) -> bool {
        let scope = difference.table.as_ref().and_then(|table| self.contract.key_scope(self.now, table, key));
        matches!(scope, Some(KeyScope::Global { .. }))
    }

    /// Keys that were there then and led to tenants' rows, and have none beside them that compares the owners.
    fn unscoped(&self, name: &QualifiedName, table: &Table) -> Vec<Difference> {
        let owner = &self.contract.owner;
        let owned = |table: &QualifiedName| {
            self.contract.class(table) == Some(Class::Tenant)
                && self.now.tables.get(table).is_some_and(|table| table.column(owner).is_some())
        };
        let was = self.baseline.catalog.tables.get(name);
        let had = |key: &&ForeignKey| was.is_some_and(|was| was.foreign_keys.iter().any(|old| old.name == key.name));
        let is_scoped = |key: &ForeignKey| {
            key.compares(owner) || table.foreign_keys.iter().any(|other| is_scoped_by(owner, key, other))
        };
        let lost = |key: &ForeignKey| Difference {
            table: Some(name.clone()),
            object: Object::ForeignKey(key.name.clone()),
            change: Change::Changed,
            text: format!("{name}: no foreign key beside {} compares the owners", key.name),
        };
        let keys = table.foreign_keys.iter().filter(had);
        let keys = keys.filter(|key| owned(&key.parent) && !self.contract.may_cross(name, &key.name));
        keys.filter(|key| key.enforced && !key.period && !is_scoped(key)).map(lost).collect()
    }

    fn concern(&self, difference: &Difference) -> Option<Concern> {
        let owner = &self.contract.owner;
        if let (Object::Table, Some(name)) = (&difference.object, &difference.table) {
            return self.concern_of_table(name, difference.change);
        }
        let table = self.tenant_table(difference)?;
        let is_new = difference.change == Change::New;
        match &difference.object {
            Object::Column(name) => (name == owner).then_some(Concern::ProtectionLost),
            Object::Key(name) if is_new => {
                let key = table.keys.iter().find(|key| key.name == *name)?;
                (!key.primary && !key.columns.contains(owner) && !self.is_decided(difference, name))
                    .then_some(Concern::GlobalUnique)
            }
            Object::Index(name) if is_new => {
                let index = table.indexes.iter().find(|index| index.name == *name)?;
                let is_global = index.unique && !index.columns.contains(&Some(owner.clone()));
                (is_global && !self.is_decided(difference, name)).then_some(Concern::GlobalUnique)
            }
            Object::ForeignKey(_) => (!is_new).then_some(Concern::ReferenceLost),
            Object::Trigger(name) if is_our_trigger(name.as_str()) => Some(Concern::ProtectionLost),
            Object::Trigger(_) => is_new.then_some(Concern::NewTrigger),
            Object::View(_) => (difference.change != Change::Gone).then_some(Concern::NewView),
            Object::RowSecurity => Some(Concern::RowSecurity),
            _ => None,
        }
    }

    fn concern_of_table(&self, name: &QualifiedName, change: Change) -> Option<Concern> {
        let class = self.contract.class_of_rows(self.now, name);
        match change {
            // Partitions are dropped with the time that they stand for.
            Change::Gone if self.baseline.catalog.root_of(name).is_some() => None,
            Change::Gone => Some(Concern::TableGone),
            Change::Changed => (class == Some(Class::Tenant)).then_some(Concern::TableRemade),
            Change::New if class == Some(Class::Tenant) => {
                let column = self.now.tables.get(name).and_then(|table| table.column(&self.contract.owner));
                column.is_none_or(|column| !column.not_null).then_some(Concern::Unconverted)
            }
            Change::New => {
                let declared = self.contract.declared_tables(self.now).any(|table| table == name);
                (declared && class.is_none()).then_some(Concern::Unclassified)
            }
        }
    }

    /// What the converted tables lack.
    fn lost(&self) -> Vec<Difference> {
        let converted =
            |name: &QualifiedName| self.baseline.converted && self.baseline.catalog.tables.contains_key(name);
        let tables = self.contract.tenant_tables(self.now).filter(|(name, _)| converted(name));
        tables.flat_map(|(name, table)| self.lost_by(name, table).into_iter().chain(self.asleep(name))).collect()
    }

    /// Partitions of a table in which a filler is gone or switched off.
    fn asleep(&self, root: &QualifiedName) -> Vec<Difference> {
        let tree = self.now.tree(root);
        let local = tree.leaves.iter().filter_map(|leaf| Some((*leaf, self.now.tables.get(*leaf)?)));
        let asleep = |table: &Table, name: &str| {
            let own = table.triggers.iter().find(|trigger| trigger.name.as_str() == name);
            own.is_none_or(|trigger| trigger.firing != Firing::Always)
        };
        let lost = local.flat_map(|(leaf, table)| {
            let fillers = [FILL_ON_INSERT, FILL_ON_UPDATE].into_iter().filter(|name| asleep(table, name));
            fillers.map(move |name| Difference {
                table: Some(leaf.clone()),
                object: Object::Trigger(Ident::derived(&[name])),
                change: Change::Changed,
                text: format!("{leaf}: trigger {name} is gone or not ENABLE ALWAYS any more"),
            })
        });
        lost.collect()
    }

    fn lost_by(&self, name: &QualifiedName, table: &Table) -> Vec<Difference> {
        let owner = &self.contract.owner;
        let gone = |object: Object, change: Change, text: String| Difference {
            table: Some(name.clone()),
            object,
            change,
            text: format!("{name}: {text}"),
        };
        let column = || Object::Column(owner.clone());
        let Some(owned) = table.column(owner) else {
            return vec![gone(column(), Change::Gone, format!("column {owner} is gone"))];
        };
        let mut lost = Vec::new();
        if !owned.not_null {
            lost.push(gone(column(), Change::Changed, format!("column {owner} is nullable")));
        }
        for fills in [FILL_ON_INSERT, FILL_ON_UPDATE] {
            let trigger = table.triggers.iter().find(|trigger| trigger.name.as_str() == fills);
            let object = || Object::Trigger(Ident::derived(&[fills]));
            match trigger {
                None => lost.push(gone(object(), Change::Gone, format!("trigger {fills} is gone"))),
                Some(trigger) if trigger.firing != Firing::Always => {
                    let text = format!("trigger {fills} is not ENABLE ALWAYS any more");
                    lost.push(gone(object(), Change::Changed, text));
                }
                Some(_) => {}
            }
        }
        let tenants = &self.contract.tenants.table;
        if !table.foreign_keys_to(tenants).any(|key| key.columns == [owner.clone()]) {
            let text = format!("the foreign key from {owner} to {tenants} is gone");
            lost.push(gone(Object::ForeignKey(owner.clone()), Change::Gone, text));
        }
        let serves = |index: &Index| index.columns.first() == Some(&Some(owner.clone())) && index.valid;
        if !table.indexes.iter().any(serves) {
            let text = format!("the index on {owner} is gone");
            lost.push(gone(Object::Index(owner.clone()), Change::Gone, text));
        }
        lost.extend(self.unscoped(name, table));
        lost
    }
}

/// Whether a key leads as the other one does, and compares the owners besides.
fn is_scoped_by(owner: &Ident, old: &ForeignKey, key: &ForeignKey) -> bool {
    let wanted: BTreeSet<_> = old.pairs().chain([(owner, owner)]).collect();
    key.parent == old.parent && old.columns.len() < wanted.len() && key.pairs().collect::<BTreeSet<_>>() == wanted
}

fn is_our_trigger(name: &str) -> bool {
    name.starts_with("~tenantctl_")
}
