//! The script: the plan in SQL, in the order in which it is sent. What is printed, stored, resumed and sent is this value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::batch::{Backfill, Wanted, backfill};
use super::condition::Condition;
use super::overview::{TableOverview, overview};
use super::owner_column::{OwnerColumn, owner_columns};
use super::quote::comment;
use super::undo::undo;
use super::{Query, Statement, advice, ddl, guard, mapping, probe, reference, unique_key};
use crate::catalog::{Ident, LockHolder, QualifiedName};
use crate::config::LockLimits;
use crate::error::{Code, Failure};
use crate::plan::{Blocker, Cost, Held, LockLevel, Notice, Op, Owner, Phase, Plan, Step, Strategy, TxnMode};

/// The format of a stored or exported script; another number is refused.
pub(super) const FORMAT: u32 = 3;

/// A rendered plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Script {
    /// The format's number.
    #[schemars(extend("const" = FORMAT))]
    pub format: u32,
    /// The server's major version for which it was written.
    pub major: u32,
    /// SHA-256 over step ids, modes and every text that may be sent, as `sha256:<hex>`.
    pub fingerprint: String,
    /// The tenants table, for people.
    pub tenants: QualifiedName,
    /// Every table, for people.
    pub tables: Vec<TableOverview>,
    /// Every owner column as it is in the end, for people.
    #[serde(default)]
    pub owner_columns: Vec<OwnerColumn>,
    /// The migrations in order.
    pub migrations: Vec<MigrationScript>,
    /// What the operator should know.
    pub notices: Vec<Notice>,
    /// What stops the run.
    pub blockers: Vec<Blocker>,
    /// How strong locks are asked for.
    pub locks: LockLimits,
    /// Tables whose costs were measured on a copy of some of their pages, for people.
    #[serde(default)]
    pub calibrated: Vec<QualifiedName>,
}

/// One versioned migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MigrationScript {
    /// Its version.
    pub version: i32,
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: Phase,
    /// The table that it is about.
    pub table: Option<QualifiedName>,
    /// How that table's rows are filled, for people.
    pub strategy: Option<Strategy>,
    /// Words for every difference between the plan and the database; asked before the first step.
    pub guard: Option<Query>,
    /// Its steps.
    pub steps: Vec<ScriptStep>,
    /// The version that it takes back; nothing where it goes forth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<i32>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScriptStep {
    /// Its id.
    pub id: String,
    /// What it does, for people.
    pub title: String,
    /// The partition that it works on; nothing where that is the migration's table itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<QualifiedName>,
    /// The strongest lock it takes on the application's tables.
    pub lock: LockLevel,
    /// How long that lock is held.
    pub held: Held,
    /// How it is sent.
    pub mode: TxnMode,
    /// What it is expected to cost, for people.
    pub cost: Cost,
    /// The sessions that would keep it waiting if it ran now, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<LockHolder>,
    /// What is sent.
    pub work: Work,
    /// Asks the catalog whether it is done.
    pub probe: Option<Query>,
    /// Removes what a broken attempt left behind.
    pub repair: Option<Statement>,
    /// The steps that take it back, in order; nothing where an earlier tenantctl planned it, which kept none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Vec<ScriptStep>>,
}

/// What a step sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// These statements.
    Statements(Vec<Statement>),
    /// Batches.
    Backfill(Box<Backfill>),
    /// Nothing but questions, whose answer may stop the run.
    Condition(Box<Condition>),
}

/// Renders a plan.
pub fn render(plan: &Plan) -> Script {
    let migrations: Vec<MigrationScript> = plan
        .migrations
        .iter()
        .map(|migration| MigrationScript {
            version: migration.version,
            name: migration.name.clone(),
            phase: migration.phase,
            table: migration.table.clone(),
            strategy: migration.table.as_ref().and_then(|name| plan.tables.get(name)).map(|table| table.strategy),
            guard: match &migration.table {
                Some(name) => guard::guard(plan, migration.phase, name),
                None => guard::mapped(plan),
            },
            steps: migration.steps.iter().map(|step| render_step(plan, step)).collect(),
            undoes: None,
        })
        .collect();
    Script {
        format: FORMAT,
        major: plan.major,
        fingerprint: fingerprint(&migrations),
        tenants: plan.tenants.table.clone(),
        tables: overview(plan),
        owner_columns: owner_columns(plan),
        migrations,
        notices: plan.notices.clone(),
        blockers: plan.blockers.iter().map(|blocker| advice::with_statement(plan, blocker)).collect(),
        locks: plan.locks.clone(),
        calibrated: plan.samples.keys().cloned().collect(),
    }
}

fn render_step(plan: &Plan, step: &Step) -> ScriptStep {
    let batches = |table: &QualifiedName, wanted| plan.table(table).map(|table| backfill(plan, table, wanted));
    let filled = match &step.op {
        Op::Backfill(table) => batches(table, Wanted::Unfilled),
        Op::Reconcile(table) => batches(table, Wanted::Stale),
        Op::CreateTenants(_) => plan.mapping.as_ref().map(|mapping| mapping::batches(plan, mapping)),
        _ => None,
    };
    let demanded = match &step.op {
        Op::Reference(op) => reference::condition(plan, op),
        _ => None,
    };
    ScriptStep {
        id: step.id.clone(),
        title: title(plan, &step.op),
        partition: step.op.table().filter(|table| plan.leaves.contains_key(*table)).cloned(),
        lock: step.op.lock(),
        held: step.op.duration(),
        mode: step.op.mode(),
        cost: step.cost.clone(),
        blocked_by: step.blocked_by.clone(),
        work: match (filled, demanded) {
            (Some(backfill), _) => Work::Backfill(Box::new(backfill)),
            (None, Some(condition)) => Work::Condition(Box::new(condition)),
            (None, None) => Work::Statements(ddl::statements(plan, &step.op)),
        },
        probe: probe::probe(plan, &step.op),
        repair: ddl::repair(&step.op),
        undo: Some(undo(plan, step)),
    }
}

fn title(plan: &Plan, op: &Op) -> String {
    let column = &plan.owner_column;
    match op {
        Op::CreateTenantsTable => format!("create {}", plan.tenants.table),
        Op::CreateSystemTenant => format!("create the System Tenant {:?} with id {}", plan.system.slug, plan.system.id),
        Op::CreateTenantTrigger(table) => format!("make the tenant of every new row of {table}"),
        Op::CreateTenants(table) => format!("make a tenant for every row of {table}"),
        Op::AddOwnerColumn(table) => {
            let exists = plan.tables.get(table).is_some_and(|planned| planned.owned.column.is_some());
            match exists {
                true => format!("fill {column} of {table} for old writers"),
                false => format!("add {column} to {table}, with the filler for old writers"),
            }
        }
        Op::AddTimestamps { table, columns } => {
            let names: Vec<&str> = columns.iter().map(Ident::as_str).collect();
            format!("add {} to {table}", names.join(" and "))
        }
        Op::PassOwnerDown { parent, child } => format!("pass a new owner of {parent} down to {child}"),
        Op::Backfill(table) => format!("give every row of {table} its owner"),
        Op::FollowOwner(table) => format!("look up the owner of every row of {table} that changes from now on"),
        Op::SettleFiller(table) => {
            format!("look up the owner of a changed row of {table} only where it may be another one")
        }
        Op::Reconcile(table) => match plan.table(table).map(|planned| &planned.owned.owner) {
            Some(Owner::System) => format!("give rows of {table} that changed while it was filled their owner"),
            Some(Owner::Lookup(_)) => format!("correct every owner in {table} that its row does not name"),
            _ => format!("correct every owner in {table} that is not its parent's"),
        },
        Op::Vacuum(table) => format!("vacuum and analyze {table}"),
        Op::Analyze(table) => format!("analyze {table}"),
        Op::AnalyzeTree(table) => format!("analyze {table} as a whole"),
        Op::CreateParentIndex { table, .. } => {
            format!("make the index on {table} ({column}), without its partitions' parts")
        }
        Op::AttachIndex { table, .. } => format!("attach the index on {table} ({column}) to the one above"),
        Op::BuildIndex { table, .. } => format!("build the index on {table} ({column})"),
        Op::AddNotNull { table, .. } => format!("demand an owner of new rows in {table}"),
        Op::ValidateNotNull { table, .. } => format!("prove that every row of {table} has an owner"),
        Op::SetNotNull { table, .. } => format!("set {table}.{column} NOT NULL, which the proven check makes instant"),
        Op::AddForeignKey { table, .. } => format!("demand that new owners in {table} are tenants"),
        Op::ValidateForeignKey { table, .. } => format!("prove that every owner in {table} is a tenant"),
        Op::AdoptForeignKey { table, .. } => {
            format!("make the proven keys of the partitions one of {table}, which scans nothing")
        }
        Op::Key(op) => unique_key::title(plan, op),
        Op::Reference(op) => reference::title(op),
    }
}

/// SHA-256 over everything that may be sent, in order; lengths keep the parts apart. Guards, probes and repairs are in it
/// too: a script that comes from a file must not smuggle in a statement that nobody reviewed.
pub(super) fn fingerprint(migrations: &[MigrationScript]) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(text.len().to_le_bytes());
        hash.update(text.as_bytes());
    };
    for migration in migrations {
        add(&migration.file_name());
        add(migration.guard.as_ref().map_or("", Query::text));
        for step in &migration.steps {
            every_text(step, &mut add);
            // Nothing for a step without any, so that scripts of earlier versions keep their fingerprints.
            step.undo.iter().flatten().for_each(|back| every_text(back, &mut add));
        }
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn every_text(step: &ScriptStep, add: &mut impl FnMut(&str)) {
    add(&step.id);
    add(&format!("{:?}", step.mode));
    step.texts().for_each(&mut *add);
    add(step.probe.as_ref().map_or("", Query::text));
    add(step.repair.as_ref().map_or("", Statement::text));
    if let Work::Backfill(backfill) = &step.work {
        add(backfill.extent.text());
        add(backfill.left.as_ref().map_or("", Query::text));
        add(backfill.vacuum.as_ref().map_or("", |vacuum| vacuum.statement.text()));
    }
    if let Work::Condition(condition) = &step.work {
        add(condition.sample.text());
    }
}

impl Script {
    /// Reads a script back: a run's stored one, or the file of `plan --format json`.
    ///
    /// # Errors
    /// [`Code::PlanChanged`] where the fingerprint does not fit the statements, [`Code::BookkeepingUnreadable`] where the
    /// text is not a script of this format.
    pub fn from_json(text: &str) -> Result<Script, Failure> {
        let script: Script = serde_json::from_str(text).map_err(|error| {
            Failure::new(Code::BookkeepingUnreadable, format!("the script cannot be read: {error}"))
                .hint("it was written by another version of tenantctl; use that one, or plan again")
        })?;
        if script.format != FORMAT {
            let message = format!("the script has format {}, this tenantctl reads format {FORMAT}", script.format);
            return Err(Failure::new(Code::BookkeepingUnreadable, message).hint("use the tenantctl that wrote it"));
        }
        if script.fingerprint != fingerprint(&script.migrations) {
            let message = "the script's fingerprint does not fit its statements: somebody edited it";
            return Err(Failure::new(Code::PlanChanged, message).hint("plan again and review the new plan"));
        }
        Ok(script)
    }

    /// Every step in order.
    pub fn steps(&self) -> impl Iterator<Item = &ScriptStep> {
        self.migrations.iter().flat_map(|migration| &migration.steps)
    }
}

impl MigrationScript {
    /// The name that refinery reads: `V7__backfill_orders`.
    pub fn file_name(&self) -> String {
        format!("V{}__{}", self.version, self.name)
    }

    /// The migration's text: what `plan --format sql` shows, and what refinery's checksum covers.
    pub fn text(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(ScriptStep::text).collect();
        format!("{}\n\n{}", comment(&self.file_name()), steps.join("\n"))
    }
}

impl ScriptStep {
    /// The table that it works on: a partition, or its migration's table.
    pub fn table<'a>(&'a self, migration: &'a MigrationScript) -> Option<&'a QualifiedName> {
        self.partition.as_ref().or(migration.table.as_ref())
    }

    /// The texts that it sends, in order; of a condition the one that is always sent.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let texts: Box<dyn Iterator<Item = &str>> = match &self.work {
            Work::Statements(statements) => Box::new(statements.iter().map(Statement::text)),
            Work::Backfill(backfill) => {
                let lists = backfill.lists.iter().flat_map(|lists| [&lists.first, &lists.later]);
                Box::new(backfill.settings.iter().chain(lists).chain([&backfill.batch]).map(Statement::text))
            }
            Work::Condition(condition) => Box::new(std::iter::once(condition.count.text())),
        };
        texts
    }

    fn text(&self) -> String {
        let lock = match self.lock {
            LockLevel::None => "no lock on the application's tables".to_owned(),
            lock => format!("{lock} for {}, blocks {}", self.held, lock.blocks()),
        };
        let mut lines = vec![self.title.clone(), self.id.clone(), format!("lock: {lock}")];
        lines.extend(self.repair.as_ref().map(|repair| format!("after a broken attempt, first: {repair};")));
        let head: String = lines.iter().map(|line| comment(line) + "\n").collect();
        let body: String = self.texts().map(|text| format!("{text};\n")).collect();
        match self.mode {
            TxnMode::Autocommit => format!("{head}{body}"),
            TxnMode::Transaction => format!("{head}BEGIN;\n{body}COMMIT;\n"),
            TxnMode::Batches => {
                let again =
                    comment("repeated for every range of blocks, with $1 and $2 as its first and last position");
                format!("{head}{again}\nBEGIN;\n{body}COMMIT;\n")
            }
        }
    }
}
