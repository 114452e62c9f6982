//! What we *will* do: configuration and catalog in, phases, versioned migrations and steps out. No SQL text, no I/O.
//!
//! [`resolve`] finds each table's way to its owner; [`Facts`] are the few things that only the data tells;
//! [`Plan::build`] lists the steps that are still missing, so that planning a converted database gives none.

mod backfill;
mod before;
mod cascade;
mod compression;
mod cost;
mod enforce;
mod estimate;
mod expand;
mod lookup;
mod mapping;
mod names;
mod notice;
mod op;
mod owners;
mod partitions;
mod preflight;
mod prepare;
mod reference;
mod reliance;
mod sample;
mod strategy;
mod table;
mod tree_index;
mod unique;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalog::code::{Conflict, Star};
use crate::catalog::{Activity, Catalog, Ident, LockHolder, QualifiedName, Table};
use crate::config::{BackfillLimits, Config, LockLimits};
use crate::error::Failure;
use crate::pressure::Readings;

pub use before::Before;
pub use cascade::Cascade;
pub use cost::Cost;
pub use enforce::{NOT_NULL_NOT_VALID, serves_tenant};
pub use expand::{FILL_ON_INSERT, FILL_ON_UPDATE, pass_trigger};
pub use lookup::{Lookup, Value};
pub use mapping::{Mapping, MappingFacts, TENANT_TRIGGER};
pub use names::ByName;
pub use notice::{Blocker, Notice};
pub use op::{Held, KeyColumns, KeyOp, LockLevel, Op, Reference, ReferenceOp, SealedKey, TxnMode};
pub use owners::{Link, Named, OwnedTable, Owner, Owners, named, resolve, unsupported};
pub use partitions::{Part, Partitions};
pub use preflight::{Found, Kind, Room, Weight, kinds_table, surroundings, unreadable};
pub use prepare::{SystemTenant, Tenants};
pub use reliance::{Tie, relied_on};
pub use sample::{Sample, Samples};
pub use strategy::{Filling, Strategy};
pub use table::TablePlan;
pub use unique::Unique;

/// The stages of the conversion, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Tenants table and System Tenant.
    Prepare,
    /// The owner column, and the filler for writers that do not know it.
    Expand,
    /// Every existing row gets its owner.
    Backfill,
    /// NOT NULL, foreign keys, indexes.
    Enforce,
}

/// Between one VACUUM of a table that is filled and the next are at least so many ranges.
pub const RANGES_PER_VACUUM: u32 = 8;

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 4] = [Phase::Prepare, Phase::Expand, Phase::Backfill, Phase::Enforce];

    /// The word of the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Prepare => "prepare",
            Phase::Expand => "expand",
            Phase::Backfill => "backfill",
            Phase::Enforce => "enforce",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Phase {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Phase::ALL.into_iter().find(|phase| phase.as_str() == word).ok_or_else(|| {
            let words = Phase::ALL.map(Phase::as_str).join(", ");
            format!("there is no phase {word:?}; the phases are {words}")
        })
    }
}

/// What only the data and the bookkeeping can tell; read before [`Plan::build`] with `sql::facts`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The id of the tenant whose slug is the System Tenant's, as text.
    pub system_tenant: Option<String>,
    /// The highest id given out so far in an adopted table with numbers for ids.
    pub highest_tenant: Option<i64>,
    /// Rows that their source gives no owner, by table.
    pub unowned: BTreeMap<QualifiedName, u64>,
    /// Tables with an owner column in which no row has an owner; the number says nothing.
    pub empty: BTreeMap<QualifiedName, u64>,
    /// Rows whose owner column names no tenant, by table.
    pub strangers: BTreeMap<QualifiedName, u64>,
    /// Statements of clients that mean all columns of a table, and how often they were sent.
    pub statements: Vec<(Star, i64)>,
    /// Statements of clients that name a unique key as the target of ON CONFLICT, and how often they were sent.
    pub conflicts: Vec<(Conflict, i64)>,
    /// What happens on the server right now: for people, no step depends on it.
    pub activity: Activity,
    /// What the throttle saw first; nothing where nobody looked.
    pub readings: Option<Readings>,
    /// Why the server refuses a table's expression, by table.
    pub refused: BTreeMap<QualifiedName, String>,
    /// Functions in a table's expression that may answer otherwise each time, by table.
    pub volatile: BTreeMap<QualifiedName, Vec<String>>,
    /// The rows of the mapped table; nothing where there is none.
    pub mapping: Option<MappingFacts>,
    /// The last version of the conversion's history; 0 before the first.
    pub last_version: i32,
}

/// One versioned migration: a table's steps in one phase.
#[derive(Debug, Clone)]
pub struct Migration {
    /// Its version, never used twice in a database.
    pub version: i32,
    /// Its name, such as `expand_orders`: letters, digits and underscores.
    pub name: String,
    /// Its phase.
    pub phase: Phase,
    /// The table that it is about.
    pub table: Option<QualifiedName>,
    /// Its steps in order.
    pub steps: Vec<Step>,
}

/// One statement, one transaction or one backfill.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// A readable, stable name: `enforce/public.orders/build-index`.
    pub id: String,
    /// What it does.
    pub op: Op,
    /// What it is expected to cost.
    pub cost: Cost,
    /// The sessions that would keep it waiting if it ran now.
    pub blocked_by: Vec<LockHolder>,
}

/// The whole conversion, or what is left of it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server's major version, for which the SQL is written.
    pub major: u32,
    /// The tenants table.
    pub tenants: Tenants,
    /// The System Tenant.
    pub system: SystemTenant,
    /// The table whose rows become tenants.
    pub mapping: Option<Mapping>,
    /// The owner column's name.
    pub owner_column: Ident,
    /// Every tenant-scoped table by name.
    pub tables: BTreeMap<QualifiedName, TablePlan>,
    /// The leaves of those that are partitioned; each is filled as a table of its own.
    pub leaves: BTreeMap<QualifiedName, TablePlan>,
    /// Reference data.
    pub shared: Vec<QualifiedName>,
    /// Not looked at.
    pub ignored: Vec<QualifiedName>,
    /// What is to be done; empty when everything is done.
    pub migrations: Vec<Migration>,
    /// What the operator should know.
    pub notices: Vec<Notice>,
    /// What stops the run.
    pub blockers: Vec<Blocker>,
    /// How batches are paced.
    pub backfill: BackfillLimits,
    /// What batches set `wal_compression` to, where that helps.
    pub wal_compression: Option<&'static str>,
    /// How strong locks are asked for.
    pub locks: LockLimits,
    /// What was measured on copies, where somebody asked for it.
    pub samples: Samples,
    /// What its costs are judged by.
    pub room: Room,
    /// What a way back leaves alone.
    pub before: Before,
}

impl Plan {
    /// Lists what is missing between the catalog and the goal.
    ///
    /// # Errors
    /// `config-invalid` where the tenants table or the System Tenant cannot be as configured.
    pub fn build(config: &Config, catalog: &Catalog, owners: &Owners, facts: &Facts) -> Result<Plan, Failure> {
        let tenants = prepare::tenants(config, catalog, owners.mapping.as_ref())?;
        let system = prepare::system_tenant(config, catalog, &tenants, facts)?;
        let mut plan = Plan {
            major: catalog.server.major(),
            tenants,
            system,
            mapping: owners.mapping.clone(),
            owner_column: config.tenant_column.clone(),
            tables: BTreeMap::new(),
            leaves: BTreeMap::new(),
            shared: owners.shared.clone(),
            ignored: owners.ignored.clone(),
            migrations: Vec::new(),
            notices: Vec::new(),
            blockers: Vec::new(),
            backfill: config.backfill.clone(),
            wal_compression: compression::choose(config, &catalog.server)?,
            locks: config.locks.clone(),
            samples: Samples::new(),
            room: Room::of(config, &facts.activity),
            before: Before::of(catalog, facts),
        };
        let mut refused = Vec::new();
        for owned in &owners.tables {
            if let Some(table) = catalog.tables.get(&owned.name) {
                match plan.planned(config, catalog, owners, owned, table) {
                    Ok((planned, leaves)) => {
                        plan.leaves.extend(leaves);
                        plan.tables.insert(owned.name.clone(), planned);
                    }
                    Err(failure) => refused.push(failure),
                }
            }
        }
        if let Some(failure) = refused.into_iter().reduce(both) {
            return Err(failure);
        }
        plan.notices = notice::notices(config, catalog, owners, &plan, facts);
        plan.blockers = notice::blockers(config, catalog, owners, &plan, facts);
        plan.blockers.extend(mapping::blockers(&plan, facts));

        let mut writer = Writer { next: facts.last_version + 1, migrations: Vec::new() };
        writer.add(Phase::Prepare, None, prepare::ops(&plan, facts));
        type PhaseOps<'a> = &'a dyn Fn(&Plan, &TablePlan, &Table) -> Vec<Op>;
        let relations = enforce::RelationNames::of(catalog);
        let enforce = |plan: &Plan, table: &TablePlan, now: &Table| enforce::ops(plan, table, now, catalog, &relations);
        let phases: [(Phase, PhaseOps); 3] =
            [(Phase::Expand, &expand::ops), (Phase::Backfill, &backfill::ops), (Phase::Enforce, &enforce)];
        for (phase, ops) in phases {
            for owned in &owners.tables {
                if let (Some(table), Some(now)) = (plan.tables.get(&owned.name), catalog.tables.get(&owned.name)) {
                    writer.add(phase, Some(&owned.name), ops(&plan, table, now));
                }
            }
        }
        // Every key that a row may refer to is there by now, and every row has its owner.
        for owned in &owners.tables {
            if let (Some(table), Some(now)) = (plan.tables.get(&owned.name), catalog.tables.get(&owned.name)) {
                writer.add_about(
                    "references_",
                    Phase::Enforce,
                    Some(&owned.name),
                    reference::ops(&plan, table, now, catalog),
                );
            }
        }
        plan.migrations = writer.migrations;
        estimate::charge(&mut plan, catalog);
        plan.look_around(config, catalog, owners, facts);
        Ok(plan)
    }

    /// Counts the costs anew with what was measured, and judges them by the disk again.
    pub fn calibrate(&mut self, catalog: &Catalog, samples: Samples) {
        self.samples = samples;
        estimate::charge(self, catalog);
        preflight::judge_costs(self);
    }

    /// Adds what preflight finds, and who would keep each step waiting.
    fn look_around(&mut self, config: &Config, catalog: &Catalog, owners: &Owners, facts: &Facts) {
        let found = preflight::examine(config, catalog, owners, self, facts);
        self.notices.extend(found.notices);
        self.blockers.extend(found.blockers);
        let blocked =
            |step: &Step| preflight::blocked_by(self, &step.op, &facts.activity, config.server.long_transaction);
        let mut holders: Vec<Vec<LockHolder>> = self.steps().map(blocked).collect();
        let steps = self.migrations.iter_mut().flat_map(|migration| &mut migration.steps);
        steps.zip(holders.drain(..)).for_each(|(step, holders)| step.blocked_by = holders);
    }

    /// A tenant-scoped table or a leaf of one.
    pub fn table(&self, name: &QualifiedName) -> Option<&TablePlan> {
        self.tables.get(name).or_else(|| self.leaves.get(name))
    }

    /// The root of a leaf; any other table is its own.
    pub fn root_of<'a>(&'a self, name: &'a QualifiedName) -> &'a QualifiedName {
        self.leaves.get(name).and_then(|leaf| leaf.root.as_ref()).unwrap_or(name)
    }

    /// One table as the later floors need it, with its leaves.
    fn planned(
        &self,
        config: &Config,
        catalog: &Catalog,
        owners: &Owners,
        owned: &OwnedTable,
        table: &Table,
    ) -> Result<(TablePlan, BTreeMap<QualifiedName, TablePlan>), Failure> {
        let draft = TablePlan::draft(config, catalog, owned, table);
        let Some(partitions) = &draft.partitions else {
            let filling = strategy::choose(config, catalog, owners, self, &draft, table)?;
            return Ok((draft.filled(filling), BTreeMap::new()));
        };
        let whole = partitions::whole(catalog, &owned.name, table);
        let of_tree = strategy::of_tree(config, owners, &draft, &whole)?;
        let mut leaves = BTreeMap::new();
        for part in &partitions.leaves {
            let Some(table) = catalog.tables.get(&part.name) else { continue };
            let leaf = partitions::owned_leaf(owned, &part.name, table, &config.tenant_column, of_tree.is_some());
            let leaf = TablePlan { root: Some(owned.name.clone()), ..TablePlan::draft(config, catalog, &leaf, table) };
            let filling = match &of_tree {
                Some(filling) => filling.clone(),
                None => strategy::choose(config, catalog, owners, self, &leaf, table)?,
            };
            leaves.insert(part.name.clone(), leaf.filled(filling));
        }
        let filling = of_tree.unwrap_or_else(|| partitions::filling(catalog, &leaves));
        Ok((TablePlan { rows: whole.rows, ..draft.filled(filling) }, leaves))
    }

    /// Bytes of an owner in a row; of a text, those of the System Tenant's.
    pub fn owner_bytes(&self) -> u32 {
        match self.tenants.id_type.as_str() {
            "integer" => 4,
            "bigint" => 8,
            "uuid" => 16,
            _ => u32::try_from(self.system.id.len() + 1).unwrap_or(u32::MAX),
        }
    }

    /// Every step in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.migrations.iter().flat_map(|migration| &migration.steps)
    }
}

/// Two failures as one.
fn both(first: Failure, second: Failure) -> Failure {
    let hints: Vec<String> = first.hint.into_iter().chain(second.hint).collect();
    let hint = match &hints[..] {
        [one, other] if one == other => one.clone(),
        hints => hints.join("; "),
    };
    Failure::new(first.code, format!("{}\n{}", first.message, second.message)).hint(hint)
}

/// Numbers the migrations; one without steps is not written.
struct Writer {
    next: i32,
    migrations: Vec<Migration>,
}

impl Writer {
    fn add(&mut self, phase: Phase, table: Option<&QualifiedName>, ops: Vec<Op>) {
        self.add_about("", phase, table, ops);
    }

    /// A table's second migration of a phase tells by its name what it is about.
    fn add_about(&mut self, about: &str, phase: Phase, table: Option<&QualifiedName>, ops: Vec<Op>) {
        if ops.is_empty() {
            return;
        }
        let step = |op| Step { id: step_id(phase, table, &op), op, cost: Cost::default(), blocked_by: Vec::new() };
        let steps = ops.into_iter().map(step).collect();
        let name = match table {
            Some(table) => format!("{phase}_{about}{}", word(table.name.as_str())),
            None => phase.to_string(),
        };
        self.migrations.push(Migration { version: self.next, name, phase, table: table.cloned(), steps });
        self.next += 1;
    }
}

fn step_id(phase: Phase, table: Option<&QualifiedName>, op: &Op) -> String {
    let verb = op.verb();
    match (table, op) {
        (_, Op::PassOwnerDown { parent, child }) => format!("{phase}/{child}/{verb}-from/{parent}"),
        (Some(table), op) => {
            let part = op.table().filter(|part| *part != table).map(|part| format!("/{part}"));
            let object = op.object().map(|object| format!("/{object}"));
            format!("{phase}/{table}/{verb}{}{}", part.unwrap_or_default(), object.unwrap_or_default())
        }
        (None, _) => format!("{phase}/{verb}"),
    }
}

/// A migration's name may hold letters, digits and underscores only.
fn word(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
