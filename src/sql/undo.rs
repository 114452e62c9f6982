//! The way back of each step, decided when the step is planned: by then it is known what was there before, and that is never
//! dropped.
//!
//! - `owner`: the owner column with its filler, and the tenants
//! - `gone`: what the catalog shows when nothing is left
//!
//! Each step asks first whether there is anything left for it, so that it may be begun any number of times. A table that is
//! gone leaves nothing to do.

mod gone;
mod owner;

use super::condition::Condition;
use super::filler::named;
use super::probe::done_if;
use super::quote::{ident, qualified};
use super::script::{ScriptStep, Work};
use super::{Query, Statement, tree};
use crate::catalog::{Ident, QualifiedName};
use crate::plan::{
    Cost, FILL_ON_UPDATE, Held, KeyOp, LockLevel, Op, Plan, ReferenceOp, SealedKey, Step, TENANT_TRIGGER, TxnMode,
    pass_trigger,
};

/// The steps that take a step back, in order; none where nothing is to be taken back.
pub(super) fn undo(plan: &Plan, step: &Step) -> Vec<ScriptStep> {
    Undo { plan, step }.steps()
}

/// Whether a step of a way back only proves that no owner is lost by it.
pub(super) fn is_proof(step: &ScriptStep) -> bool {
    matches!(step.work, Work::Condition(_)) || owner::PROOFS.iter().any(|end| step.id.ends_with(end))
}

struct Undo<'a> {
    plan: &'a Plan,
    step: &'a Step,
}

impl Undo<'_> {
    fn steps(&self) -> Vec<ScriptStep> {
        match &self.step.op {
            Op::CreateTenantsTable => owner::tenants_table(self),
            Op::CreateSystemTenant => owner::system_tenant(self),
            Op::AddOwnerColumn(table) => owner::column(self, table),
            Op::AddTimestamps { table, columns } => self.columns(table, columns),
            Op::CreateTenantTrigger(table) => {
                self.trigger(table, &Ident::derived(&[TENANT_TRIGGER]), named("tenant", table))
            }
            Op::PassOwnerDown { parent, child } => self.trigger(parent, &pass_trigger(child), named("pass", child)),
            Op::FollowOwner(table) => self.follow(table),
            Op::BuildIndex { table, index } | Op::Key(KeyOp::Build { table, index, .. }) => self.index(table, index),
            Op::CreateParentIndex { table, index, parent }
            | Op::Key(KeyOp::BuildParent { table, index, parent, .. }) => {
                // What hangs on the index of another table goes with that one.
                if parent.is_none() { self.whole_index(table, index) } else { Vec::new() }
            }
            Op::Key(KeyOp::Seal { table, keys }) => self.keys(table, keys),
            Op::AddNotNull { table, constraint } => self.constraints(table, &[constraint], None),
            Op::SetNotNull { table, .. } => self.not_null(table),
            Op::AddForeignKey { table, constraint } | Op::AdoptForeignKey { table, constraint } => {
                self.constraints(table, &[constraint], Some(&self.plan.tenants.table))
            }
            Op::Reference(ReferenceOp::Add { child, reference } | ReferenceOp::Adopt { child, reference }) => {
                self.constraints(child, &[&reference.constraint], Some(&reference.parent))
            }
            // Rows keep their owners as long as they have the column. What the filler was made to settle for goes with the
            // trigger, whose step is always one of the same migration. A part of an index goes with the whole.
            Op::CreateTenants(_)
            | Op::Backfill(_)
            | Op::Reconcile(_)
            | Op::SettleFiller(_)
            | Op::Vacuum(_)
            | Op::Analyze(_)
            | Op::AnalyzeTree(_)
            | Op::AttachIndex { .. }
            | Op::Key(KeyOp::Attach { .. })
            | Op::ValidateNotNull { .. }
            | Op::ValidateForeignKey { .. }
            | Op::Reference(ReferenceOp::Check { .. } | ReferenceOp::Validate { .. }) => Vec::new(),
        }
    }

    fn id(&self, part: &str) -> String {
        format!("undo/{}{part}", self.step.id)
    }

    fn back(&self, part: &str, title: String, work: Work, probe: Option<Query>) -> ScriptStep {
        ScriptStep {
            id: self.id(part),
            title,
            partition: self.step.op.table().filter(|table| self.plan.leaves.contains_key(*table)).cloned(),
            lock: LockLevel::AccessExclusive,
            held: Held::CatalogOnly,
            mode: TxnMode::Transaction,
            cost: Cost::default(),
            blocked_by: Vec::new(),
            work,
            probe,
            repair: None,
            undo: None,
        }
    }

    /// A change of the catalog under a strong lock, in one transaction.
    fn change(&self, part: &str, title: String, texts: Vec<String>, gone: &str) -> ScriptStep {
        let statements = texts.into_iter().map(Statement::new).collect();
        self.back(part, title, Work::Statements(statements), Some(done_if(gone)))
    }

    /// The lock of a whole tree in one statement, as on the way forth.
    fn lock(&self, table: &QualifiedName) -> Option<String> {
        let lock = || format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", qualified(table));
        tree::is_parted(self.plan, table).then(lock)
    }

    fn trigger(&self, table: &QualifiedName, name: &Ident, function: String) -> Vec<ScriptStep> {
        if self.plan.before.has_trigger(table, name) {
            return Vec::new();
        }
        let mut texts: Vec<String> = self.lock(table).into_iter().collect();
        texts.push(format!("DROP TRIGGER IF EXISTS {} ON {}", ident(name), qualified(table)));
        texts.push(format!("DROP FUNCTION IF EXISTS {function}()"));
        let title = format!("drop the trigger {name} of {table}, with its function");
        vec![self.change("", title, texts, &gone::triggers(table, std::slice::from_ref(name)))]
    }

    /// The trigger on changed rows comes with the backfill; its function is the filler's.
    fn follow(&self, table: &QualifiedName) -> Vec<ScriptStep> {
        let name = Ident::derived(&[FILL_ON_UPDATE]);
        if self.plan.before.has_trigger(table, &name) {
            return Vec::new();
        }
        let mut texts: Vec<String> = self.lock(table).into_iter().collect();
        texts.push(format!("DROP TRIGGER IF EXISTS {} ON {}", ident(&name), qualified(table)));
        let title = format!("look up the owner of new rows of {table} only");
        vec![self.change("", title, texts, &gone::triggers(table, &[name]))]
    }

    /// One that hangs on another index by now goes with that one, and one of a constraint went with it.
    fn index(&self, table: &QualifiedName, index: &Ident) -> Vec<ScriptStep> {
        if self.plan.before.has_index(table, index) {
            return Vec::new();
        }
        let text = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", qualified(&tree::beside(table, index)));
        let step =
            self.change("", format!("drop the index {index} of {table}"), vec![text], &gone::index(table, index));
        vec![ScriptStep { lock: LockLevel::ShareUpdateExclusive, mode: TxnMode::Autocommit, ..step }]
    }

    /// PostgreSQL drops the index of a partitioned table with all its parts, and not CONCURRENTLY. Where one of them was there
    /// before, the whole stays: a part cannot be taken off again.
    fn whole_index(&self, table: &QualifiedName, index: &Ident) -> Vec<ScriptStep> {
        let was_there = |(part, index): (&QualifiedName, &Ident)| self.plan.before.has_index(part, index);
        let of_tree = |part: &QualifiedName| self.plan.root_of(part) == table;
        let parts = self.plan.steps().filter_map(|step| step.op.new_index()).filter(|(part, _)| of_tree(part));
        if parts.into_iter().any(was_there) {
            return Vec::new();
        }
        let mut texts: Vec<String> = self.lock(table).into_iter().collect();
        texts.push(format!("DROP INDEX IF EXISTS {}", qualified(&tree::beside(table, index))));
        let title = format!("drop the index {index} of {table}, with its partitions' parts");
        vec![self.change("", title, texts, &gone::index(table, index))]
    }

    /// A constraint takes its index along; where the index was there before, both stay.
    fn keys(&self, table: &QualifiedName, keys: &[SealedKey]) -> Vec<ScriptStep> {
        let names: Vec<&Ident> = keys.iter().map(|key| &key.name).collect();
        let ours: Vec<&Ident> = names.into_iter().filter(|name| !self.plan.before.has_index(table, name)).collect();
        self.constraints(table, &ours, None)
    }

    /// The constraints of a foreign key's parent table are locked, too, the child's first.
    fn constraints(&self, table: &QualifiedName, names: &[&Ident], parent: Option<&QualifiedName>) -> Vec<ScriptStep> {
        if names.is_empty() {
            return Vec::new();
        }
        let mut texts: Vec<String> = self.lock(table).into_iter().collect();
        if let (false, Some(parent)) = (texts.is_empty(), parent) {
            texts.push(format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", qualified(parent)));
        }
        let drops: Vec<String> =
            names.iter().map(|name| format!("DROP CONSTRAINT IF EXISTS {}", ident(name))).collect();
        texts.push(format!("ALTER TABLE {} {}", qualified(table), drops.join(", ")));
        let words: Vec<String> = names.iter().map(ToString::to_string).collect();
        let title = format!("drop the constraint {} of {table}", words.join(", "));
        vec![self.change("", title, texts, &gone::constraints(table, names))]
    }

    fn columns(&self, table: &QualifiedName, columns: &[Ident]) -> Vec<ScriptStep> {
        let mut texts: Vec<String> = self.lock(table).into_iter().collect();
        let drops: Vec<String> =
            columns.iter().map(|column| format!("DROP COLUMN IF EXISTS {}", ident(column))).collect();
        texts.push(format!("ALTER TABLE {} {}", qualified(table), drops.join(", ")));
        let words: Vec<&str> = columns.iter().map(Ident::as_str).collect();
        let title = format!("drop {} of {table}", words.join(" and "));
        let gone: Vec<String> = columns.iter().map(|column| gone::column(table, column)).collect();
        vec![self.change("", title, texts, &gone.join(" AND "))]
    }

    fn not_null(&self, table: &QualifiedName) -> Vec<ScriptStep> {
        let column = &self.plan.owner_column;
        let mut texts: Vec<String> = self.lock(table).into_iter().collect();
        texts.push(format!("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", qualified(table), ident(column)));
        let title = format!("let {table}.{column} be NULL again");
        vec![self.change("", title, texts, &gone::not_null(table, column))]
    }

    /// A question that stops the way back, unless there is nothing left to go back from.
    fn condition(&self, title: String, condition: Condition, gone: &str) -> ScriptStep {
        let step = self.back(owner::CHECK, title, Work::Condition(Box::new(condition)), Some(done_if(gone)));
        ScriptStep { lock: LockLevel::None, held: Held::Scan, mode: TxnMode::Autocommit, ..step }
    }
}
