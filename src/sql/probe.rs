//! Whether a step is done, asked of the catalog: before it runs, and again when a run is resumed.

use serde::{Deserialize, Serialize};

use super::Query;
use super::filled;
use super::filler::{filler, system_id};
use super::mapping;
use super::quote::{ident, literal, qualified};
use super::tree;
use crate::catalog::{Ident, QualifiedName};
use crate::plan::{FILL_ON_INSERT, FILL_ON_UPDATE, KeyOp, Op, Plan, ReferenceOp, TENANT_TRIGGER, pass_trigger};

/// What a probe answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Nothing of it is there.
    Absent,
    /// It was begun and broke off; the repair comes first.
    Partial,
    /// It is done.
    Done,
}

impl StepState {
    /// Reads a probe's answer.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "absent" => Some(StepState::Absent),
            "partial" => Some(StepState::Partial),
            "done" => Some(StepState::Done),
            _ => None,
        }
    }
}

/// The question for a step; nothing where the catalog cannot tell (VACUUM, ANALYZE) or the work itself does (a backfill).
pub(super) fn probe(plan: &Plan, op: &Op) -> Option<Query> {
    let column = literal(plan.owner_column.as_str());
    match op {
        Op::CreateTenantsTable => Some(done_if(&format!("to_regclass({}) IS NOT NULL", regclass(&plan.tenants.table)))),
        Op::CreateSystemTenant => Some(done_if(&format!(
            "EXISTS (SELECT 1 FROM {} WHERE {} = {} AND {} = {})",
            qualified(&plan.tenants.table),
            ident(&plan.tenants.columns.id),
            system_id(plan),
            ident(&plan.tenants.columns.slug),
            literal(&plan.system.slug)
        ))),
        Op::CreateTenantTrigger(table) => plan.mapping.as_ref().map(|mapping| {
            let same = has_function(&mapping::function_body(plan, mapping));
            done_if(&format!("{} AND {same}", has_trigger(table, TENANT_TRIGGER)))
        }),
        Op::AddOwnerColumn(table) => {
            let later = plan.tables.get(table).is_some_and(|planned| planned.is_written(plan));
            let names = if later { vec![FILL_ON_INSERT] } else { vec![FILL_ON_INSERT, FILL_ON_UPDATE] };
            let fills = names.into_iter().map(|name| fires(plan, table, name));
            let all = std::iter::once(has_column(table, &column)).chain(fills).chain(same_filler(plan, table));
            Some(done_if(&all.chain([filled::exist(table)]).collect::<Vec<_>>().join(" AND ")))
        }
        Op::AddTimestamps { table, columns } => {
            let all: Vec<String> = columns.iter().map(|column| has_column(table, &literal(column.as_str()))).collect();
            Some(done_if(&all.join(" AND ")))
        }
        Op::PassOwnerDown { parent, child } => Some(done_if(&fires(plan, parent, pass_trigger(child).as_str()))),
        Op::FollowOwner(table) => {
            let all = std::iter::once(fires(plan, table, FILL_ON_UPDATE)).chain(same_filler(plan, table));
            Some(done_if(&all.collect::<Vec<_>>().join(" AND ")))
        }
        Op::SettleFiller(table) => Some(done_if(&format!(
            "{} AND NOT {}",
            fires(plan, table, FILL_ON_UPDATE),
            has_trigger_where(table, FILL_ON_UPDATE, "t.tgnargs > 0")
        ))),
        Op::BuildIndex { table, index } => Some(index_state(table, index)),
        Op::CreateParentIndex { table, index, parent } => {
            Some(done_if(&tree::has_index(table, index, parent.as_ref())))
        }
        Op::AttachIndex { table, index, parent } => Some(done_if(&tree::has_index(table, index, Some(parent)))),
        Op::AddNotNull { table, constraint } => {
            let exists = has_constraint(table, constraint, "true");
            Some(done_if(&format!("{exists} OR {}", is_not_null(table, &column))))
        }
        Op::ValidateNotNull { table, constraint } => {
            let valid = has_constraint(table, constraint, "k.convalidated");
            let exists = has_constraint(table, constraint, "true");
            Some(done_if(&format!("{valid} OR (NOT {exists} AND {})", is_not_null(table, &column))))
        }
        Op::SetNotNull { table, constraint } => {
            let exists = has_constraint(table, constraint, "true");
            Some(done_if(&format!("{} AND NOT {exists}", is_not_null(table, &column))))
        }
        Op::AddForeignKey { table, constraint } | Op::AdoptForeignKey { table, constraint } => {
            Some(done_if(&has_constraint(table, constraint, "true")))
        }
        Op::ValidateForeignKey { table, constraint } => {
            Some(done_if(&has_constraint(table, constraint, "k.convalidated")))
        }
        Op::Key(KeyOp::Build { table, index, .. }) => Some(index_state(table, index)),
        Op::Key(KeyOp::BuildParent { table, index, parent, .. }) => {
            Some(done_if(&tree::has_index(table, index, parent.as_ref())))
        }
        Op::Key(KeyOp::Attach { table, index, parent, .. }) => {
            Some(done_if(&tree::has_index(table, index, Some(parent))))
        }
        Op::Key(KeyOp::Seal { table, keys }) => {
            let all: Vec<String> = keys.iter().map(|key| has_constraint(table, &key.name, "k.contype = 'u'")).collect();
            Some(done_if(&all.join(" AND ")))
        }
        Op::Reference(ReferenceOp::Add { child, reference }) => {
            Some(done_if(&has_constraint(child, &reference.constraint, "k.contype = 'f'")))
        }
        Op::Reference(ReferenceOp::Validate { child, reference } | ReferenceOp::Adopt { child, reference }) => {
            Some(done_if(&has_constraint(child, &reference.constraint, "k.contype = 'f' AND k.convalidated")))
        }
        Op::Reference(ReferenceOp::Check { .. })
        | Op::CreateTenants(_)
        | Op::Backfill(_)
        | Op::Reconcile(_)
        | Op::Vacuum(_)
        | Op::Analyze(_)
        | Op::AnalyzeTree(_) => None,
    }
}

pub(super) fn done_if(condition: &str) -> Query {
    Query::new(format!("SELECT CASE WHEN {condition} THEN 'done' ELSE 'absent' END"))
}

fn regclass(table: &QualifiedName) -> String {
    literal(&qualified(table))
}

fn has_column(table: &QualifiedName, column: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM pg_attribute AS a WHERE a.attrelid = to_regclass({}) AND a.attname = {column} AND NOT \
         a.attisdropped)",
        regclass(table)
    )
}

fn is_not_null(table: &QualifiedName, column: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM pg_attribute AS a WHERE a.attrelid = to_regclass({}) AND a.attname = {column} AND \
         a.attnotnull)",
        regclass(table)
    )
}

/// The trigger is there and always fires, in every partition too.
fn fires(plan: &Plan, table: &QualifiedName, name: &str) -> String {
    match tree::is_parted(plan, table) {
        true => format!("{} AND {}", has_trigger(table, name), tree::has_copies(table, name)),
        false => has_trigger(table, name),
    }
}

fn has_trigger(table: &QualifiedName, name: &str) -> String {
    has_trigger_where(table, name, "t.tgenabled = 'A'")
}

fn has_trigger_where(table: &QualifiedName, name: &str, and: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM pg_trigger AS t WHERE t.tgrelid = to_regclass({}) AND t.tgname = {} AND {and})",
        regclass(table),
        literal(name)
    )
}

/// The table's filler does what this plan wants of it.
fn same_filler(plan: &Plan, table: &QualifiedName) -> Option<String> {
    plan.tables.get(table).map(|table| has_function(&filler(plan, table)))
}

/// A function of another plan may do something else.
fn has_function((function, body): &(String, String)) -> String {
    format!(
        "EXISTS (SELECT 1 FROM pg_proc AS p WHERE p.oid = to_regprocedure({}) AND p.prosrc = {})",
        literal(&format!("{function}()")),
        literal(body)
    )
}

fn has_constraint(table: &QualifiedName, name: &Ident, and: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM pg_constraint AS k WHERE k.conrelid = to_regclass({}) AND k.conname = {} AND {and})",
        regclass(table),
        literal(name.as_str())
    )
}

/// A broken CONCURRENTLY leaves an index that is not valid: it costs every write and serves no query. Another table's
/// index of that name is not ours, and the repair must not drop it.
fn index_state(table: &QualifiedName, index: &Ident) -> Query {
    let index = QualifiedName { schema: table.schema.clone(), name: index.clone() };
    Query::new(format!(
        "SELECT coalesce((SELECT CASE WHEN i.indisvalid THEN 'done' ELSE 'partial' END FROM pg_index AS i WHERE \
         i.indexrelid = to_regclass({}) AND i.indrelid = to_regclass({})), 'absent')",
        regclass(&index),
        regclass(table)
    ))
}
