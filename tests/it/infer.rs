//! What is proposed for a database. Databases are texts; each case that the proposal must tell apart is one of them.

mod again;
mod generated;
mod live;
mod owners;
mod questions;
mod roots;

use std::collections::BTreeMap;

use tenantctl::catalog::{Catalog, QualifiedName, Table, TableKind};
use tenantctl::config;
use tenantctl::infer::{Certainty, Choices, Decision, Proposal, Tenants, Verdict, infer};
use tenantctl::plan::{Owners, resolve};
use tenantctl::report::proposal;

use crate::support::plan::{self, With, ident, name, table};

/// A product of teams, as small as one can be whose tenants are beyond doubt.
const PRODUCT: &str = "
orgs 12: id bigint!, name text!, slug text!
users 90: id bigint!, email text!
members 200: id bigint!, org_id bigint! -> orgs, user_id bigint! -> users
projects 300: id bigint!, org_id bigint! -> orgs
tasks 9000: id bigint!, project_id bigint! -> projects";

/// A database: one table a line, `name rows: column type, column type! -> parent`, with `!` for NOT NULL. The columns
/// with `*` are the primary key, else the first one; keys lead to the parent's first column.
fn catalog(text: &str) -> Catalog {
    let lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.trim().split_once(':')).collect();
    let columns: BTreeMap<&str, Vec<&str>> = lines
        .iter()
        .map(|(head, columns)| (head.split(' ').next().unwrap(), columns.split(',').map(str::trim).collect()))
        .collect();
    let tables = lines.iter().enumerate().map(|(at, (head, _))| {
        let (called, rows) = head.split_once(' ').unwrap_or((head, ""));
        (qualified(called), made(at as u32 + 1, rows.parse().ok(), &columns[called], &columns))
    });
    plan::catalog(tables.collect())
}

fn made(oid: u32, rows: Option<u64>, columns: &[&str], all: &BTreeMap<&str, Vec<&str>>) -> Table {
    let plain: Vec<String> = columns.iter().map(|c| c.split(" -> ").next().unwrap().replace('*', "")).collect();
    let mut table = table(oid, rows, &plain.iter().map(String::as_str).collect::<Vec<_>>());
    let keys: Vec<_> = columns.iter().filter(|c| c.contains('*')).map(|c| ident(word(c))).collect();
    if !keys.is_empty() {
        table.keys[0].columns = keys;
    }
    for (column, parent) in columns.iter().filter_map(|column| column.split_once(" -> ")) {
        table = table.child(&[word(column)], &qualified(parent), &[word(all[parent][0])]);
    }
    table
}

fn word(column: &str) -> &str {
    column.split(' ').next().unwrap().trim_matches('*')
}

fn qualified(text: &str) -> QualifiedName {
    let (schema, table) = text.split_once('.').unwrap_or(("public", text));
    name(schema, table)
}

/// The same database with more tables.
fn product(more: &str) -> Catalog {
    catalog(&format!("{PRODUCT}\n{more}"))
}

/// What is proposed, which the plan takes as it is.
fn proposed(catalog: &Catalog) -> Proposal {
    let proposal = infer(catalog, &Choices::default());
    resolved(&proposal, catalog);
    proposal
}

/// The file that is proposed, as the plan understands it.
fn resolved(proposal: &Proposal, catalog: &Catalog) -> Owners {
    let text = proposal::file(proposal, "shop");
    let config = config::parse(&text, "tenantctl.toml").unwrap_or_else(|failure| panic!("{failure}\n{text}"));
    resolve(&config, catalog).unwrap_or_else(|failure| panic!("{failure}\n{text}"))
}

fn root(proposal: &Proposal) -> Option<String> {
    match &proposal.tenants {
        Tenants::Adopt(root) => Some(root.table.to_string()),
        Tenants::Create { .. } => None,
    }
}

fn verdict<'a>(proposal: &'a Proposal, table: &str) -> &'a Verdict {
    &proposal.tables[&qualified(table)]
}

/// A table's decision in a word or two, with a mark for a guess (`~`) and for a question (`?`).
fn said(proposal: &Proposal, table: &str) -> String {
    let verdict = verdict(proposal, table);
    let mark = match verdict.certainty {
        Certainty::Sure => "",
        Certainty::Guess => "~",
        Certainty::Ask => "?",
    };
    let decision = match &verdict.decision {
        Decision::Parent { parent, via } if via.is_empty() => format!("parent {}", parent.name),
        Decision::Parent { parent, via } => format!("parent {} via {}", parent.name, via[0]),
        Decision::Column(column) => format!("column {column}"),
        other => format!("{other:?}").to_lowercase(),
    };
    format!("{mark}{decision}")
}

/// The reasons as one text.
fn why(proposal: &Proposal, table: &str) -> String {
    verdict(proposal, table).reasons.join(" ")
}

/// The same table as another kind.
fn turned(mut catalog: Catalog, table: &str, kind: TableKind) -> Catalog {
    catalog.tables.get_mut(&qualified(table)).unwrap().kind = kind;
    catalog
}
