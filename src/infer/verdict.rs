//! The decision about each table, put into words.

use std::collections::BTreeMap;

use super::graph::{Edge, Graph};
use super::path::{Cost, First, Paths, naming_columns};
use super::root::Root;
use super::{Certainty, Choices, Decision, Verdict, names, needs_rule, reference, unsupported};
use crate::catalog::{Catalog, Ident, QualifiedName};

/// The decisions, while they are being made.
pub(super) struct Verdicts<'a> {
    pub catalog: &'a Catalog,
    pub graph: &'a Graph<'a>,
    pub choices: &'a Choices,
    pub tables: BTreeMap<QualifiedName, Verdict>,
}

impl Verdict {
    fn new(decision: Decision, certainty: Certainty, reason: impl Into<String>) -> Self {
        Verdict {
            decision,
            certainty,
            reasons: vec![reason.into()],
            alternatives: Vec::new(),
            ways: Vec::new(),
            depth: 0,
        }
    }

    fn or(mut self, alternatives: &[Decision]) -> Self {
        self.alternatives = alternatives.to_vec();
        self
    }
}

impl<'a> Verdicts<'a> {
    /// Tables that are decided before an owner is sought: what the plan refuses, what a framework keeps for itself, and
    /// what somebody decided.
    pub fn without_owner(&mut self, known: &BTreeMap<&QualifiedName, &'static str>) {
        for (name, table) in &self.catalog.tables {
            if !needs_rule(table) {
                continue;
            }
            let decided = self.choices.tables.get(name);
            let verdict = if let Some(why) = unsupported(table.kind) {
                Some(Verdict::new(Decision::Ignored, Certainty::Sure, format!("It is {why}.")))
            } else if let Some(decision @ (Decision::System | Decision::Shared | Decision::Ignored)) = decided {
                Some(Verdict::new(decision.clone(), Certainty::Sure, "As it was decided."))
            } else {
                let what = known.get(name).filter(|_| decided.is_none());
                what.map(|what| self.of_framework(name, what, known))
            };
            if let Some(verdict) = verdict {
                self.tables.insert(name.clone(), verdict);
            }
        }
    }

    /// A framework's table is nobody's; where the application's own tables refer to it, it is a list for all of them.
    fn of_framework(
        &self,
        name: &QualifiedName,
        what: &str,
        known: &BTreeMap<&QualifiedName, &'static str>,
    ) -> Verdict {
        let referrers = self.graph.nodes.get(name).map(|node| &node.down);
        match referrers.into_iter().flatten().find(|child| !known.contains_key(*child)) {
            None => Verdict::new(Decision::Ignored, Certainty::Sure, format!("It holds {what}.")),
            Some(child) => {
                let reason = format!("It holds {what}, and {child} refers to it.");
                Verdict::new(Decision::Shared, Certainty::Sure, reason)
            }
        }
    }

    /// People who are members of several tenants by a table between the two: no tenant owns their rows.
    pub fn people(&mut self, root: &Root) {
        let below = self.graph.reached_by(&root.table);
        for (name, node) in &self.graph.nodes {
            if !names::is_people(name) || self.tables.contains_key(*name) || self.choices.tables.contains_key(*name) {
                continue;
            }
            let leads_up =
                |edge: &&Edge| !edge.weak && (edge.key.parent == root.table || below.contains(&edge.key.parent));
            let says_itself = naming_columns(node.table, &root.table, &root.id_type).next().is_some();
            let joins = |child: &QualifiedName| {
                let leads = |parent: &QualifiedName| {
                    let mut edges = self.graph.nodes.get(child).into_iter().flat_map(|node| &node.up);
                    edges.any(|edge| edge.key.parent == *parent && !edge.weak)
                };
                child != *name && leads(name) && leads(&root.table)
            };
            let membership = node.down.iter().find(|child| joins(child));
            if let (Some(membership), false, None) = (membership, says_itself, node.up.iter().find(leads_up)) {
                let reason = format!(
                    "{} joins it with {}: a person may belong to several tenants, so none of them owns the row.",
                    membership.name, root.table.name
                );
                let verdict = Verdict::new(Decision::Shared, Certainty::Ask, reason);
                self.tables.insert((*name).clone(), verdict.or(&[Decision::Shared, Decision::System]));
            }
        }
    }

    /// Tables from which a way leads to the tenants.
    pub fn with_owner(&mut self, paths: &Paths<'a>, root: &Root) {
        for name in paths.found.keys().copied() {
            let verdict = self.owned(name, paths, root);
            self.tables.insert(name.clone(), verdict);
        }
    }

    fn owned(&self, name: &'a QualifiedName, paths: &Paths<'a>, root: &Root) -> Verdict {
        let ways = paths.ways(name);
        let Some((first, cost)) = ways.first() else {
            return Verdict::new(Decision::System, Certainty::Guess, "Nothing leads from it to the tenants.");
        };
        let mut reasons = vec![self.step(first, root)];
        let rivals: Vec<&(First, Cost)> = ways.iter().skip(1).filter(|(_, other)| other.weak <= cost.weak).collect();
        let is_straight = leads_straight(first, root);
        let certainty = match first {
            _ if self.choices.tables.contains_key(name) => Certainty::Sure,
            First::Column(_) => Certainty::Guess,
            _ if cost.weak > 0 => Certainty::Guess,
            First::Key(edge) if is_straight && !self.is_the_one(edge, &rivals, root) => Certainty::Ask,
            First::Key(edge)
                if !is_straight && rivals.iter().any(|(step, other)| as_good(edge, *cost, step, *other)) =>
            {
                Certainty::Guess
            }
            First::Key(_) | First::OwnerColumn(_) | First::Expression => Certainty::Sure,
        };
        if cost.weak > 0 && !self.choices.tables.contains_key(name) {
            reasons.push("The name of a key on this way says who did something, not whose the row is.".to_owned());
        }
        reasons.extend(self.shape(name, first));
        let mut alternatives: Vec<Decision> = ways.iter().map(|(step, _)| step.decision()).collect();
        alternatives.extend([Decision::System, Decision::Shared]);
        Verdict {
            decision: first.decision(),
            certainty,
            reasons,
            alternatives: if certainty == Certainty::Sure { Vec::new() } else { alternatives },
            ways: ways.iter().filter_map(|(step, _)| paths.way(step)).collect(),
            depth: cost.keys as usize,
        }
    }

    /// Of several keys that lead straight to the tenants, the one that is called so is the owner's.
    fn is_the_one(&self, edge: &Edge, rivals: &[&(First, Cost)], root: &Root) -> bool {
        let named = |edge: &Edge| edge.key.columns.iter().any(|column| names::names_tenant(column, &root.table));
        let straight = |(step, _): &&&(First, Cost)| matches!(step, First::Key(other) if leads_straight(step, root) && !other.weak);
        named(edge) || !rivals.iter().any(|rival| straight(&rival))
    }

    /// The first step as a sentence.
    fn step(&self, first: &First, root: &Root) -> String {
        let edge = match first {
            First::Key(edge) => edge,
            First::Column(column) => {
                return format!(
                    "{} is called like a reference to {}, but no foreign key says so.",
                    shown(column),
                    root.table.name
                );
            }
            First::OwnerColumn(column) => {
                return format!(
                    "Its {} holds owners already; rows without one go to the System Tenant.",
                    shown(column)
                );
            }
            First::Expression => return "As it was decided.".to_owned(),
        };
        let columns = list(&edge.key.columns);
        let owner = if edge.key.parent == root.table { "the tenant itself" } else { "whose owner is its owner" };
        let null = match edge.nullable {
            true => " It may be NULL: such rows stop the plan, or go to the System Tenant with unowned = \"system\".",
            false => "",
        };
        format!("{columns} leads to {}, {owner}.{null}", edge.key.parent.name)
    }

    /// What is worth a word about its keys: a junction, keys to itself, keys that close a circle.
    fn shape(&self, name: &QualifiedName, first: &First) -> Vec<String> {
        let Some(node) = self.graph.nodes.get(name) else { return Vec::new() };
        let mut said = Vec::new();
        let parents: Vec<&str> =
            node.up.iter().filter(|edge| edge.identifying).map(|edge| edge.key.parent.name.as_str()).collect();
        if parents.len() > 1 {
            said.push(format!("It joins {}.", parents.join(" and ")));
        }
        for key in &node.to_itself {
            said.push(format!("{} leads to the table itself and decides nothing.", list(&key.columns)));
        }
        let used = |edge: &Edge| matches!(first, First::Key(used) if std::ptr::eq(used.key, edge.key));
        for edge in node.up.iter().filter(|edge| !used(edge) && self.graph.closes_circle(edge)) {
            let parent = &edge.key.parent.name;
            said.push(format!("{} closes a circle with {parent}, which is broken here.", list(&edge.key.columns)));
        }
        said
    }

    /// The tables that are left: reference data, and what nothing leads to the tenants from.
    pub fn rest(&mut self, root: Option<&Root>) {
        self.shared_lists();
        let names = self.graph.nodes.keys().copied().filter(|name| root.is_none_or(|root| root.table != **name));
        let left: Vec<&QualifiedName> = names.filter(|name| !self.tables.contains_key(*name)).collect();
        for name in left {
            let verdict = match root {
                None => Verdict::new(Decision::System, Certainty::Sure, "All rows of today are one customer's."),
                Some(_) => {
                    let verdict = Verdict::new(Decision::System, Certainty::Guess, self.no_way(name));
                    verdict.or(&[Decision::System, Decision::Shared, Decision::Ignored])
                }
            };
            self.tables.insert(name.clone(), verdict);
        }
    }

    /// A list may refer to other lists, so each round may find more.
    fn shared_lists(&mut self) {
        loop {
            let undecided = self.graph.nodes.keys().filter(|name| !self.tables.contains_key(**name));
            let fitting =
                undecided.filter_map(|name| Some((*name, reference::recognise(self.graph, name, &self.tables)?)));
            let found: Vec<(&QualifiedName, String)> = fitting.collect();
            if found.is_empty() {
                return;
            }
            for (name, why) in found {
                let verdict =
                    Verdict::new(Decision::Shared, Certainty::Guess, format!("Probably reference data: {why}."));
                self.tables.insert(name.clone(), verdict.or(&[Decision::Shared, Decision::System]));
            }
        }
    }

    /// Why a table has no way to the tenants.
    fn no_way(&self, name: &QualifiedName) -> String {
        let up = self.graph.nodes.get(name).map(|node| node.up.as_slice()).unwrap_or_default();
        let parents: Vec<&str> = up.iter().map(|edge| edge.key.parent.name.as_str()).collect();
        if parents.is_empty() {
            return "It has no foreign key to another table and no column that names a tenant.".to_owned();
        }
        format!("Its keys lead to {}, and from there no way leads to the tenants.", parents.join(", "))
    }
}

fn leads_straight(step: &First, root: &Root) -> bool {
    matches!(step, First::Key(edge) if edge.key.parent == root.table)
}

/// Nothing but its length speaks for the chosen way.
fn as_good(chosen: &Edge, cost: Cost, step: &First, other: Cost) -> bool {
    let identifying = matches!(step, First::Key(edge) if edge.identifying);
    (cost.weak, cost.nullable) == (other.weak, other.nullable) && (identifying || !chosen.identifying)
}

fn list(columns: &[Ident]) -> String {
    let names: Vec<String> = columns.iter().map(shown).collect();
    if names.len() == 1 { names.concat() } else { format!("({})", names.join(", ")) }
}

/// A column in a sentence; in quotes where it would be taken for words.
fn shown(column: &Ident) -> String {
    let plain = column.as_str().chars().all(|c| c.is_alphanumeric() || c == '_');
    if plain { column.to_string() } else { format!("{:?}", column.as_str()) }
}
