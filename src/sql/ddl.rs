//! Each operation in SQL.

use super::Statement;
use super::filler::{fill, follow, settle, system_id};
use super::mapping;
use super::pass_down::pass_down;
use super::quote::{ident, idents, literal, qualified};
use super::{reference, tree, unique_key};
use crate::catalog::{Ident, QualifiedName};
use crate::config::IdStyle;
use crate::plan::{KeyOp, NOT_NULL_NOT_VALID, Op, Owner, Plan, Strategy, TablePlan};

/// The first major version that can analyze a partitioned table without its leaves (18's page of ANALYZE).
const ANALYZE_ONLY: u32 = 18;

/// The statements of an operation that is not a backfill.
pub(super) fn statements(plan: &Plan, op: &Op) -> Vec<Statement> {
    let mut statements = tree::locks(plan, op);
    statements.extend(own(plan, op));
    statements
}

fn own(plan: &Plan, op: &Op) -> Vec<Statement> {
    let column = ident(&plan.owner_column);
    let one = |text: String| vec![Statement::new(text)];
    match op {
        Op::CreateTenantsTable => one(create_tenants(plan)),
        Op::CreateSystemTenant => create_system_tenant(plan),
        Op::CreateTenantTrigger(_) => {
            plan.mapping.as_ref().map_or_else(Vec::new, |mapping| mapping::trigger(plan, mapping))
        }
        Op::AddOwnerColumn(name) => match plan.tables.get(name) {
            Some(table) => add_owner_column(plan, table),
            None => Vec::new(),
        },
        Op::AddTimestamps { table, columns } => one(add_timestamps(table, columns)),
        Op::PassOwnerDown { parent, child } => pass_down(plan, parent, child),
        Op::FollowOwner(name) => plan.tables.get(name).map_or_else(Vec::new, |table| follow(plan, table)),
        Op::SettleFiller(name) => plan.tables.get(name).map_or_else(Vec::new, |table| settle(plan, table)),
        Op::CreateTenants(_) | Op::Backfill(_) | Op::Reconcile(_) => Vec::new(),
        Op::Vacuum(table) => one(format!("VACUUM (ANALYZE) {}", qualified(table))),
        Op::Analyze(table) => one(format!("ANALYZE {}", qualified(table))),
        // Before 18 it analyzes every leaf again, since nothing keeps it to the root.
        Op::AnalyzeTree(table) => {
            let only = if plan.major >= ANALYZE_ONLY { "ONLY " } else { "" };
            one(format!("ANALYZE {only}{}", qualified(table)))
        }
        Op::CreateParentIndex { table, index, parent } => {
            tree::create_parent_index(plan, table, (index, "INDEX"), parent.as_ref(), &format!("({column})"))
        }
        Op::AttachIndex { table, index, parent } => one(tree::attach(parent, &tree::beside(table, index))),
        Op::AdoptForeignKey { table, constraint } => one(add_foreign_key(plan, table, constraint, &column)),
        Op::BuildIndex { table, index } => {
            one(format!("CREATE INDEX CONCURRENTLY {}\n  ON {} ({column})", ident(index), qualified(table)))
        }
        Op::AddNotNull { table, constraint } => one(add_not_null(plan, table, constraint, &column)),
        Op::ValidateNotNull { table, constraint } | Op::ValidateForeignKey { table, constraint } => {
            one(format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", qualified(table), ident(constraint)))
        }
        // Two statements: in one ALTER TABLE the check would be dropped before it could vouch for the column.
        Op::SetNotNull { table, constraint } => vec![
            Statement::new(format!("ALTER TABLE {} ALTER COLUMN {column} SET NOT NULL", qualified(table))),
            Statement::new(format!("ALTER TABLE {} DROP CONSTRAINT {}", qualified(table), ident(constraint))),
        ],
        Op::AddForeignKey { table, constraint } => {
            one(format!("{} NOT VALID", add_foreign_key(plan, table, constraint, &column)))
        }
        Op::Key(op) => unique_key::statements(plan, op),
        Op::Reference(op) => reference::statements(op),
    }
}

/// What removes a half-made object, so that the operation can be done again.
pub(super) fn repair(op: &Op) -> Option<Statement> {
    match op {
        Op::BuildIndex { table, index } | Op::Key(KeyOp::Build { table, index, .. }) => {
            let index = QualifiedName { schema: table.schema.clone(), name: index.clone() };
            Some(Statement::new(format!("DROP INDEX CONCURRENTLY {}", qualified(&index))))
        }
        _ => None,
    }
}

fn create_tenants(plan: &Plan) -> String {
    let tenants = &plan.tenants;
    let columns = &tenants.columns;
    let id = match &tenants.id {
        IdStyle::Bigserial => format!(
            "{} bigserial PRIMARY KEY,\n  {} uuid NOT NULL UNIQUE DEFAULT gen_random_uuid()",
            ident(&columns.id),
            ident(&columns.uuid)
        ),
        IdStyle::Uuid => format!("{} uuid PRIMARY KEY DEFAULT gen_random_uuid()", ident(&columns.id)),
        IdStyle::Text { prefix } => {
            format!("{} text PRIMARY KEY DEFAULT {}", ident(&columns.id), mapping::random_text(prefix))
        }
    };
    let mapped = plan
        .mapping
        .as_ref()
        .map_or_else(String::new, |mapping| format!(",\n  {} {} UNIQUE", ident(&mapping.column), mapping.key_type));
    format!(
        "CREATE TABLE {} (\n  {id},\n  {} text NOT NULL,\n  {} text NOT NULL UNIQUE,\n  {} boolean NOT NULL DEFAULT \
         true,\n  {} timestamptz NOT NULL DEFAULT now(),\n  {} timestamptz NOT NULL DEFAULT now(){mapped}\n)",
        qualified(&tenants.table),
        ident(&columns.name),
        ident(&columns.slug),
        ident(&columns.active),
        ident(&columns.created_at),
        ident(&columns.updated_at)
    )
}

/// The sequence goes first: from then on nobody else draws the id. It only ever moves forward.
fn create_system_tenant(plan: &Plan) -> Vec<Statement> {
    let tenants = &plan.tenants;
    let table = qualified(&tenants.table);
    let mut columns = vec![tenants.columns.id.clone(), tenants.columns.name.clone(), tenants.columns.slug.clone()];
    let mut values = vec![system_id(plan), literal(&plan.system.name), literal(&plan.system.slug)];
    for (column, value) in &plan.system.values {
        columns.push(column.clone());
        values.push(literal(value));
    }
    let insert = Statement::new(format!(
        "INSERT INTO {table} ({})\n  OVERRIDING SYSTEM VALUE VALUES ({})",
        idents(&columns),
        values.join(", ")
    ));
    if !tenants.numbered {
        return vec![insert];
    }
    let id = system_id(plan);
    let sequence = format!("pg_get_serial_sequence({}, {})", literal(&table), literal(tenants.columns.id.as_str()));
    let advance = Statement::new(format!(
        "SELECT setval({sequence}, {id})\n  WHERE {id} >= coalesce(\n    \
         pg_sequence_last_value({sequence}::regclass), 0)"
    ));
    vec![advance, insert]
}

/// With `instant` the default stands for every row that is there. It stays where it is also right for new rows, and goes
/// again at once where those are derived.
fn add_owner_column(plan: &Plan, table: &TablePlan) -> Vec<Statement> {
    let name = qualified(&table.owned.name);
    let column = ident(&plan.owner_column);
    let system = system_id(plan);
    let mut statements = Vec::new();
    let constant = table.owned.owner == Owner::System;
    let alter = |action: String| Statement::new(format!("ALTER TABLE {name} {action}"));
    match (&table.owned.column, table.strategy) {
        (None, Strategy::Instant) => {
            statements.push(alter(format!("ADD COLUMN {column} {} DEFAULT {system}", plan.tenants.id_type)));
            if !constant {
                statements.push(alter(format!("ALTER COLUMN {column} DROP DEFAULT")));
            }
        }
        (None, Strategy::Cascade | Strategy::Ranges | Strategy::Keyset) => {
            statements.push(alter(format!("ADD COLUMN {column} {}", plan.tenants.id_type)));
            if constant {
                statements.push(alter(format!("ALTER COLUMN {column} SET DEFAULT {system}")));
            }
        }
        (Some(_), _) if constant => statements.push(alter(format!("ALTER COLUMN {column} SET DEFAULT {system}"))),
        // A default would come before the filler: it only looks at rows without an owner.
        (Some(_), _) => statements.push(alter(format!("ALTER COLUMN {column} DROP DEFAULT"))),
    }
    statements.extend(fill(plan, table));
    statements
}

/// Rows that are there get the time of this transaction, which the catalog keeps for all of them: none is written (docs,
/// ALTER TABLE, Notes: a default that is not volatile).
fn add_timestamps(table: &QualifiedName, columns: &[Ident]) -> String {
    let add = |column: &Ident| format!("ADD COLUMN {} timestamptz NOT NULL DEFAULT now()", ident(column));
    format!("ALTER TABLE {}\n  {}", qualified(table), columns.iter().map(add).collect::<Vec<_>>().join(",\n  "))
}

fn add_foreign_key(plan: &Plan, table: &QualifiedName, constraint: &Ident, column: &str) -> String {
    format!(
        "ALTER TABLE {} ADD CONSTRAINT {}\n  FOREIGN KEY ({column}) REFERENCES {} ({})",
        qualified(table),
        ident(constraint),
        qualified(&plan.tenants.table),
        ident(&plan.tenants.columns.id)
    )
}

fn add_not_null(plan: &Plan, table: &QualifiedName, constraint: &Ident, column: &str) -> String {
    let (table, constraint) = (qualified(table), ident(constraint));
    if plan.major >= NOT_NULL_NOT_VALID {
        format!("ALTER TABLE {table} ADD CONSTRAINT {constraint}\n  NOT NULL {column} NOT VALID")
    } else {
        format!("ALTER TABLE {table} ADD CONSTRAINT {constraint}\n  CHECK ({column} IS NOT NULL) NOT VALID")
    }
}
