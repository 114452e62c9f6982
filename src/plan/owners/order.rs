//! The order of the tables: parents before children, and the circles that have none.

use std::collections::{BTreeMap, BTreeSet};

use super::{OwnedTable, Owner, Resolver};
use crate::catalog::QualifiedName;

impl Resolver<'_> {
    /// Parents before children, tables of one height by name.
    pub(super) fn in_order(&mut self, mut waiting: Vec<OwnedTable>) -> Vec<OwnedTable> {
        let names: BTreeSet<QualifiedName> = waiting.iter().map(|table| table.name.clone()).collect();
        let mut done: BTreeSet<QualifiedName> = BTreeSet::new();
        let mut ordered = Vec::new();
        while !waiting.is_empty() {
            let ready = |table: &OwnedTable| match &table.owner {
                Owner::System | Owner::Lookup(_) => true,
                Owner::Parent(link) => done.contains(&link.parent) || !names.contains(&link.parent),
            };
            let (now, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(ready);
            if now.is_empty() {
                self.name_circles(&later);
                break;
            }
            done.extend(now.iter().map(|table| table.name.clone()));
            ordered.extend(now);
            waiting = later;
        }
        ordered
    }

    /// Names every circle. A table has one parent, so the way up from it ends, or runs into a circle or into a table whose
    /// way was gone before.
    fn name_circles(&mut self, tables: &[OwnedTable]) {
        let by_name: BTreeMap<&QualifiedName, &OwnedTable> = tables.iter().map(|table| (&table.name, table)).collect();
        let mut gone: BTreeSet<&QualifiedName> = BTreeSet::new();
        for first in tables {
            let mut trail: Vec<&OwnedTable> = Vec::new();
            let mut at = Some(first);
            while let Some(table) = at.filter(|table| gone.insert(&table.name)) {
                trail.push(table);
                at = match &table.owner {
                    Owner::Parent(link) => by_name.get(&link.parent).copied(),
                    Owner::System | Owner::Lookup(_) => None,
                };
            }
            let start = at.and_then(|end| trail.iter().position(|table| table.name == end.name));
            if let (Some(end), Some(start)) = (at, start) {
                let names: Vec<String> = trail[start..].iter().chain([&end]).map(|t| t.name.to_string()).collect();
                let what = format!("the parents form a circle: {}; ", names.join(" -> "));
                self.problem(end.line, what + "give one of them source = \"system\" or another parent");
            }
        }
    }
}
