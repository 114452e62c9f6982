//! Foreign keys that compare owners, in SQL.
//!
//! They are checked at the end of a transaction: a parent that changes its owner passes the new one down to its children
//! in the same transaction, after its own update (see `pass_down`).

use super::condition::{Condition, ConditionKind};
use super::quote::{ident, idents, literal, qualified};
use super::{Query, Statement};
use crate::catalog::{Action, Column, Ident, QualifiedName};
use crate::plan::{Plan, Reference, ReferenceOp};

/// How many rows are named that disagree.
const SAMPLE: u32 = 5;

/// The statements of an operation that is not a condition.
pub(super) fn statements(op: &ReferenceOp) -> Vec<Statement> {
    let text = match op {
        ReferenceOp::Check { .. } => return Vec::new(),
        ReferenceOp::Add { child, reference } => format!("{} NOT VALID", add(child, reference)),
        ReferenceOp::Adopt { child, reference } => add(child, reference),
        ReferenceOp::Validate { child, reference } => {
            format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", qualified(child), ident(&reference.constraint))
        }
    };
    vec![Statement::new(text)]
}

fn add(child: &QualifiedName, reference: &Reference) -> String {
    let on_delete = match (reference.on_delete, &reference.set_columns[..]) {
        (Action::NoAction, _) => String::new(),
        (action, []) => format!(" ON DELETE {}", action.as_sql()),
        (action, columns) => format!(" ON DELETE {} ({})", action.as_sql(), idents(columns)),
    };
    format!(
        "ALTER TABLE {} ADD CONSTRAINT {}\n  FOREIGN KEY ({}) REFERENCES {} ({}){on_delete}\n  DEFERRABLE INITIALLY DEFERRED",
        qualified(child),
        ident(&reference.constraint),
        idents(&reference.columns),
        qualified(&reference.parent),
        idents(&reference.parent_columns),
    )
}

/// What must be so before the key is added; nothing for an operation that does something.
pub(super) fn condition(plan: &Plan, op: &ReferenceOp) -> Option<Condition> {
    let ReferenceOp::Check { child, reference } = op else { return None };
    let table = plan.table(child);
    let (key, is_tree) =
        (table.map_or(&[][..], |table| &table.key), table.is_some_and(|table| table.partitions.is_some()));
    let order = if is_tree { "c.tableoid, c.ctid" } else { "c.ctid" };
    let crossing = crossing(plan, child, reference);
    let (old, parent) = (&reference.old, &reference.parent);
    Some(Condition {
        kind: ConditionKind::RowsDisagree,
        found: format!("rows of {child} refer by {old} to rows of {parent} that belong to another tenant"),
        remedy: format!(
            "correct the owner or the reference of these rows and run `tenantctl migrate` again; where they are meant to \
             cross tenants, set references.{old} = {{ scope = \"global\", reason = \"...\" }} in the rule of {child}"
        ),
        count: Query::new(format!("SELECT count(*) {crossing}")),
        sample: Query::new(format!("SELECT {} {crossing} ORDER BY {order} LIMIT {SAMPLE}", name(key, is_tree))),
    })
}

/// Rows whose owner is not that of the row that they refer to. A reference that is NULL, or in part, refers to nothing.
fn crossing(plan: &Plan, child: &QualifiedName, reference: &Reference) -> String {
    let owner = &plan.owner_column;
    let pairs = reference.parent_columns.iter().zip(&reference.columns).filter(|(_, column)| *column != owner);
    let equal = |(up, down): (&Ident, &Ident)| format!("p.{} = c.{}", ident(up), ident(down));
    let owner = ident(owner);
    format!(
        "FROM {} AS c JOIN {} AS p ON {} WHERE c.{owner} IS DISTINCT FROM p.{owner}",
        qualified(child),
        qualified(&reference.parent),
        pairs.map(equal).collect::<Vec<_>>().join(" AND "),
    )
}

/// A row as a condition that finds it: by its key, or by its place where there is none.
fn name(key: &[Column], is_tree: bool) -> String {
    if key.is_empty() {
        return match is_tree {
            true => "format('tableoid = %L::regclass AND ctid = %L', c.tableoid::regclass, c.ctid)".to_owned(),
            false => "format('ctid = %L', c.ctid)".to_owned(),
        };
    }
    let pattern = vec!["%I = %L"; key.len()].join(" AND ");
    let values = key.iter().map(|column| format!(", {}, c.{}", literal(column.name.as_str()), ident(&column.name)));
    format!("format('{pattern}'{})", values.collect::<String>())
}

/// What it does, for people.
pub(super) fn title(op: &ReferenceOp) -> String {
    let Reference { parent, constraint, .. } = op.reference();
    match op {
        ReferenceOp::Check { child, .. } => format!("look for rows of {child} that refer to another tenant's {parent}"),
        ReferenceOp::Add { child, .. } => {
            format!("demand that new rows of {child} refer to {parent} of their own tenant ({constraint})")
        }
        ReferenceOp::Validate { child, .. } => {
            format!("prove that every row of {child} refers to {parent} of its own tenant ({constraint})")
        }
        ReferenceOp::Adopt { child, .. } => {
            format!("make the proven keys of the partitions one of {child} ({constraint}), which scans nothing")
        }
    }
}
