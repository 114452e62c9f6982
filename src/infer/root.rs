//! The table whose rows are the tenants, where there is one: its name, how much of the database leads to it, who is a
//! member of it, and whether it can be adopted.
//!
//! To make a table of tenants and give everything to the System Tenant is always safe. To adopt the wrong table gives
//! rows the wrong owner. So one that is not beyond doubt is only named as a candidate.

use std::collections::BTreeSet;

use super::graph::Graph;
use super::names;
use super::path::naming_columns;
use crate::catalog::{Column, Ident, QualifiedName, Table};

/// A table that may hold the tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The table.
    pub table: QualifiedName,
    /// What speaks for it.
    pub reason: String,
    /// What speaks against it; nothing where it is beyond doubt.
    pub doubts: Vec<String>,
    /// How it would be adopted; nothing where it lacks a column for that.
    pub root: Option<Root>,
    /// How many tables lead to it, directly or over others.
    pub reach: usize,
    weight: u8,
}

/// An existing table whose rows become the tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The table.
    pub table: QualifiedName,
    /// Its primary key.
    pub id: Ident,
    /// The key's type.
    pub id_type: String,
    /// What people call a tenant.
    pub name: Ident,
    /// What finds a tenant again, such as in a hostname.
    pub slug: Ident,
    /// The slugs are not declared unique.
    pub slug_may_repeat: bool,
    /// Other columns that the System Tenant's row needs a value for.
    pub required: Vec<Required>,
}

/// A column of an adopted table that is required and has no default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Required {
    /// The column.
    pub column: Ident,
    /// Its type.
    pub data_type: String,
    /// A value that the type takes; nothing where only the operator can know one.
    pub value: Option<&'static str>,
}

/// What columns hold, as far as comparing them goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Number,
    Uuid,
    Text,
}

/// The family of a type that tenants' ids can have.
pub(super) fn family(data_type: &str) -> Option<Family> {
    match data_type {
        "bigint" | "integer" => Some(Family::Number),
        "uuid" => Some(Family::Uuid),
        text if text == "text" || text.starts_with("character varying") => Some(Family::Text),
        _ => None,
    }
}

const NAMES: &[&str] = &["name", "title", "display_name", "displayname", "label", "full_name", "fullname"];
const SLUGS: &[&str] = &[
    "slug",
    "handle",
    "subdomain",
    "code",
    "key",
    "identifier",
    "short_name",
    "shortname",
    "login",
    "username",
    "domain",
];

/// Every table that may hold the tenants, the most likely one first. `counted` are the tables that an owner is sought for.
pub(super) fn candidates<'a>(graph: &Graph<'a>, counted: &BTreeSet<&'a QualifiedName>) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = counted.iter().filter_map(|name| candidate(graph, counted, name)).collect();
    found.sort_by(|a, b| (b.weight, b.reach, &a.table).cmp(&(a.weight, a.reach, &b.table)));
    doubt_those_below(graph, &mut found);
    found
}

/// The one candidate that is beyond doubt.
pub(super) fn convincing(candidates: &[Candidate]) -> Option<&Candidate> {
    match candidates.iter().filter(|candidate| candidate.doubts.is_empty()).collect::<Vec<_>>().as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

fn candidate<'a>(
    graph: &Graph<'a>,
    counted: &BTreeSet<&'a QualifiedName>,
    name: &'a QualifiedName,
) -> Option<Candidate> {
    let concept = names::concept(name)?;
    let node = graph.nodes.get(name)?;
    let named_by = named_by(graph, counted, name);
    let children: BTreeSet<&QualifiedName> = node.down.union(&named_by).copied().collect();
    let below = children.iter().flat_map(|child| graph.reached_by(child)).filter(|table| *table != name);
    let reached: BTreeSet<&QualifiedName> = children.iter().copied().chain(below).collect();
    let reach = reached.intersection(counted).count();
    let (direct, by_column) = (children.len(), named_by.len());
    let others = counted.len().saturating_sub(1);
    if reach == 0 {
        return None;
    }
    let has_members = children.iter().any(|child| holds_members(graph, child, name));
    let (fewest, share) = match (concept.weight, has_members) {
        (3, true) => (2, 0.3),
        (3, false) | (2, true) => (3, 0.5),
        _ => (usize::MAX, 1.0),
    };
    let mut doubts = Vec::new();
    if concept.weight < 2 || concept.weight == 2 && !has_members {
        doubts.push("its name often means something else".to_owned());
    } else if direct < fewest || (reach as f64) < share * others as f64 {
        doubts.push("too few tables lead to it".to_owned());
    }
    doubts.extend(doubts_about_rows(graph, node.table, &children));
    let adopted = adopt(name, node.table);
    doubts.extend(adopted.as_ref().err().cloned());
    let by_column = if by_column > 0 { format!(", {by_column} by a column without a key") } else { String::new() };
    let members = if has_members { ", and people are its members" } else { "" };
    Some(Candidate {
        table: name.clone(),
        reason: format!("{reach} of {others} other tables lead to it ({direct} directly{by_column}){members}"),
        doubts,
        root: adopted.ok(),
        reach,
        weight: concept.weight,
    })
}

/// The tables that name its rows by a column without a foreign key.
fn named_by<'a>(
    graph: &Graph<'a>,
    counted: &BTreeSet<&'a QualifiedName>,
    name: &QualifiedName,
) -> BTreeSet<&'a QualifiedName> {
    let key = graph.nodes.get(name).and_then(|node| Some((node.table, node.table.primary_key()?)));
    let id = key.and_then(|(table, key)| table.column(key.columns.first()?));
    let names_it = |table: &Table, id: &Column| naming_columns(table, name, &id.data_type).next().is_some();
    let others = counted.iter().copied().filter(|other| *other != name);
    others.filter(|other| id.zip(graph.nodes.get(other)).is_some_and(|(id, node)| names_it(node.table, id))).collect()
}

/// People refer to it, or a table refers to both people and it.
fn holds_members(graph: &Graph, child: &QualifiedName, name: &QualifiedName) -> bool {
    let to_people = |node: &super::graph::Node| node.up.iter().any(|edge| names::is_people(&edge.key.parent));
    child != name && (names::is_people(child) || graph.nodes.get(child).is_some_and(to_people))
}

fn doubts_about_rows(graph: &Graph, table: &Table, children: &BTreeSet<&QualifiedName>) -> Option<String> {
    let most = children.iter().filter_map(|child| graph.nodes.get(child)?.table.rows).max();
    match (table.rows, most) {
        (Some(0), _) => Some("it is empty".to_owned()),
        (Some(rows), Some(most)) if rows > most && most > 0 => {
            Some("it has more rows than any table that refers to it".to_owned())
        }
        _ => None,
    }
}

/// A team of an organization is no tenant: whoever leads to another candidate of no less reach is below it.
fn doubt_those_below(graph: &Graph, candidates: &mut [Candidate]) {
    let all: Vec<(QualifiedName, usize)> = candidates.iter().map(|c| (c.table.clone(), c.reach)).collect();
    for candidate in candidates {
        let above = all.iter().find(|(table, reach)| {
            *reach >= candidate.reach
                && *table != candidate.table
                && graph
                    .nodes
                    .get_key_value(table)
                    .is_some_and(|(key, _)| graph.reached_by(key).contains(&candidate.table))
        });
        if let Some((above, _)) = above {
            candidate.doubts.push(format!("it belongs to {above}"));
        }
    }
}

/// How a table would be adopted, or what it lacks for that.
pub(super) fn adopt(name: &QualifiedName, table: &Table) -> Result<Root, String> {
    let id = match table.primary_key().map(|key| (key.columns.as_slice(), key.deferrable)) {
        Some(([id], false)) => table.column(id).filter(|column| family(&column.data_type).is_some()),
        _ => None,
    };
    let Some(id) = id else {
        return Err("its primary key is not one column of type bigint, integer, uuid, text or varchar".to_owned());
    };
    let Some(called) = text_column(table, NAMES, &[&id.name]).or_else(|| own_name(name, table, &id.name)) else {
        return Err("it has no column for a tenant's name".to_owned());
    };
    let Some(slug) = slug(table, &[&id.name, &called.name]) else {
        return Err("it has no column for a slug (a stable, unique name such as one in a hostname)".to_owned());
    };
    let given = [&id.name, &called.name, &slug.name];
    let required = table
        .columns
        .iter()
        .filter(|column| {
            column.not_null && column.default.is_none() && !column.generated && !given.contains(&&column.name)
        })
        .map(|column| required(table, column))
        .collect();
    Ok(Root {
        table: name.clone(),
        id: id.name.clone(),
        id_type: id.data_type.clone(),
        name: called.name.clone(),
        slug: slug.name.clone(),
        slug_may_repeat: !is_unique(table, &slug.name),
        required,
    })
}

/// The first column of texts that is called like one of the list and is not taken.
fn text_column<'a>(table: &'a Table, list: &[&str], taken: &[&Ident]) -> Option<&'a Column> {
    let texts = |wanted: &&str| table.columns.iter().find(|column| is_text(column, taken) && called(column, wanted));
    list.iter().find_map(texts)
}

/// The slug: one that is declared unique, else the first that is called like one.
fn slug<'a>(table: &'a Table, taken: &[&Ident]) -> Option<&'a Column> {
    let likely = |column: &&Column| is_text(column, taken) && SLUGS.iter().any(|wanted| called(column, wanted));
    let unique = table.columns.iter().filter(likely).find(|column| is_unique(table, &column.name));
    unique.or_else(|| text_column(table, SLUGS, taken))
}

/// `company_name` in `companies`.
fn own_name<'a>(name: &QualifiedName, table: &'a Table, id: &Ident) -> Option<&'a Column> {
    let mut wanted = names::words(name.name.as_str());
    wanted.push("name".to_owned());
    table.columns.iter().find(|column| is_text(column, &[id]) && names::words(column.name.as_str()) == wanted)
}

fn is_text(column: &Column, taken: &[&Ident]) -> bool {
    family(&column.data_type) == Some(Family::Text) && !column.generated && !taken.contains(&&column.name)
}

fn called(column: &Column, wanted: &str) -> bool {
    names::words(column.name.as_str()).join("_") == wanted || column.name.as_str().eq_ignore_ascii_case(wanted)
}

fn is_unique(table: &Table, column: &Ident) -> bool {
    let alone = |columns: &[Ident]| columns == [column.clone()];
    let by_key = table.keys.iter().any(|key| alone(&key.columns));
    let by_index = |index: &crate::catalog::Index| {
        index.unique && index.valid && !index.partial && index.columns == [Some(column.clone())]
    };
    by_key || table.indexes.iter().any(by_index)
}

fn required(table: &Table, column: &Column) -> Required {
    let refers = table.foreign_keys.iter().any(|key| key.columns.contains(&column.name));
    Required {
        column: column.name.clone(),
        data_type: column.data_type.clone(),
        value: if refers { None } else { harmless(&column.data_type) },
    }
}

fn harmless(data_type: &str) -> Option<&'static str> {
    match data_type {
        "text" => Some("system"),
        "boolean" => Some("true"),
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => Some("0"),
        "json" | "jsonb" => Some("{}"),
        "uuid" => Some("00000000-0000-4000-8000-000000000001"),
        "date" => Some("now"),
        time if time.starts_with("timestamp") => Some("now"),
        text if text.starts_with("character varying") => Some("system"),
        array if array.ends_with("[]") => Some("{}"),
        _ => None,
    }
}
