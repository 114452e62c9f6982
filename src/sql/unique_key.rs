//! Uniqueness within each tenant, in SQL.

use super::quote::{ident, idents, qualified};
use super::{Statement, tree};
use crate::plan::{KeyColumns, KeyOp, Plan, SealedKey};

/// The statements of an operation.
pub(super) fn statements(plan: &Plan, op: &KeyOp) -> Vec<Statement> {
    match op {
        KeyOp::Build { table, index, over } => vec![Statement::new(format!(
            "CREATE UNIQUE INDEX CONCURRENTLY {}\n  ON {} {}",
            ident(index),
            qualified(table),
            columns(plan, over)
        ))],
        KeyOp::BuildParent { table, index, over, parent } => {
            tree::create_parent_index(plan, table, (index, "UNIQUE INDEX"), parent.as_ref(), &columns(plan, over))
        }
        KeyOp::Attach { table, index, parent, .. } => {
            vec![Statement::new(tree::attach(parent, &tree::beside(table, index)))]
        }
        KeyOp::Seal { table, keys } => {
            let actions: Vec<String> = keys.iter().map(seal).collect();
            vec![Statement::new(format!("ALTER TABLE {}\n  {}", qualified(table), actions.join(",\n  ")))]
        }
    }
}

/// The owner first, then whatever else.
fn columns(plan: &Plan, over: &KeyColumns) -> String {
    let owner = ident(&plan.owner_column);
    match over {
        KeyColumns::As(tail) => format!("USING btree ({owner}, {tail}"),
        KeyColumns::Of(columns) => format!("USING btree ({owner}, {})", idents(columns)),
    }
}

fn seal(key: &SealedKey) -> String {
    let name = ident(&key.name);
    let deferrable = match key.deferrable {
        None => "",
        Some(false) => " DEFERRABLE INITIALLY IMMEDIATE",
        Some(true) => " DEFERRABLE INITIALLY DEFERRED",
    };
    format!("ADD CONSTRAINT {name} UNIQUE USING INDEX {name}{deferrable}")
}

/// What it does, for people.
pub(super) fn title(plan: &Plan, op: &KeyOp) -> String {
    let owner = &plan.owner_column;
    match op {
        // The leaves of a tree are told together, so nothing but the table may tell one from another.
        KeyOp::Build { table, over, .. } if plan.leaves.contains_key(table) => {
            format!("build the unique index on {table} ({})", columns_in_words(plan, over))
        }
        KeyOp::Build { table, index, .. } => {
            format!("build the unique index {index} on {table}, which leads with {owner}")
        }
        KeyOp::BuildParent { table, index, .. } => {
            format!("make the unique index {index} on {table}, without its partitions' parts")
        }
        KeyOp::Attach { table, over, .. } => {
            format!("attach the unique index on {table} ({}) to the one above", columns_in_words(plan, over))
        }
        KeyOp::Seal { table, keys } => {
            let names: Vec<String> = keys.iter().map(|key| key.name.to_string()).collect();
            format!("make {} of {table} unique within each tenant", names.join(", "))
        }
    }
}

/// What it covers, for people: the columns, without how they are stored or which rows are meant.
pub(super) fn columns_in_words(plan: &Plan, over: &KeyColumns) -> String {
    let others = match over {
        KeyColumns::As(tail) => within(tail).to_owned(),
        KeyColumns::Of(columns) => columns.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(", "),
    };
    format!("{}, {others}", plan.owner_column)
}

/// What stands before the parenthesis that closes the columns.
fn within(tail: &str) -> &str {
    let (mut depth, mut quote) = (0, None);
    for (at, sign) in tail.char_indices() {
        match (quote, sign) {
            (Some(open), sign) if open == sign => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(sign),
            (None, '(') => depth += 1,
            (None, ')') if depth == 0 => return &tail[..at],
            (None, ')') => depth -= 1,
            (None, _) => {}
        }
    }
    tail
}
