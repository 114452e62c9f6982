//! What the operator decided: `tenantctl.toml`, resolved.
//!
//! `written` is the text as serde sees it (`syntax` says where it is none), `file` reads it and names every problem with
//! its line; here are the decisions as the rest of the program uses them. Whether a table exists is the plan's question,
//! not the file's.

mod expression;
mod file;
mod key;
mod syntax;
mod throttle;
mod written;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalog::{Ident, QualifiedName};

pub use expression::{Expression, Name};
pub use file::{MOST_WORKERS, parse};
pub use key::{TableKey, table_key, table_value};
pub use throttle::{ThrottleLimits, ThrottleProbe};

/// Everything that the file decides.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file's name, for messages.
    pub path: String,
    /// Connection string (URL or `key=value`), where the file has one.
    pub database_url: Option<String>,
    /// The schemas that are converted; every table in them must be classified.
    pub schemas: Vec<Ident>,
    /// The table of tenants.
    pub tenants: TenantsTable,
    /// The owner column's name in every tenant-scoped table.
    pub tenant_column: Ident,
    /// The tenant that owns what has no other owner.
    pub system_tenant: SystemTenant,
    /// Publications whose subscribers have the new columns already.
    pub publications_ready: Vec<Ident>,
    /// One rule a table, in the file's order.
    pub tables: Vec<TableRule>,
    /// How batches are paced.
    pub backfill: BackfillLimits,
    /// What happens at a row that cannot be filled.
    pub failing_row: FailingRow,
    /// How strong locks are asked for.
    pub locks: LockLimits,
    /// What the backfills give way to.
    pub throttle: ThrottleLimits,
    /// What only the operator knows about the server.
    pub server: ServerFacts,
    /// What the columns are called that say when a row came to be and when it changed.
    pub audit: [Ident; 2],
}

impl Config {
    /// The place of a line, for messages: `tenantctl.toml:12`.
    pub fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }
}

/// Whether the tenants table is made or there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TenantsMode {
    /// tenantctl makes it.
    Create,
    /// An existing table's rows are the tenants.
    Adopt,
}

/// How tenants are numbered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdStyle {
    /// `id bigserial` and beside it `uuid uuid UNIQUE`.
    Bigserial,
    /// `id uuid`.
    Uuid,
    /// `id text` with a prefix that tells what it is, such as `ten_`.
    Text {
        /// The prefix.
        prefix: String,
    },
}

/// The table of tenants.
#[derive(Debug, Clone)]
pub struct TenantsTable {
    /// Made or adopted.
    pub mode: TenantsMode,
    /// Its name.
    pub table: QualifiedName,
    /// The line that names it.
    pub line: usize,
    /// How ids look; for an adopted table the column's type tells.
    pub id: IdStyle,
    /// What its columns are called.
    pub columns: TenantColumns,
    /// The table whose rows become the tenants of a table that is made.
    pub map: Option<TenantMap>,
}

/// An existing table of organizations, each of which gets a tenant of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantMap {
    /// The table.
    pub table: TableKey,
    /// Its column that rows of other tables name an organization by.
    pub key: Ident,
    /// Its column with the tenant's name.
    pub name: Ident,
    /// Its column with the tenant's slug.
    pub slug: Ident,
    /// The tenants' column that keeps the key; without it the names of table and key give one.
    pub column: Option<Ident>,
    /// The line of the section.
    pub line: usize,
}

/// The names of the tenants table's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantColumns {
    /// Primary key.
    pub id: Ident,
    /// The second, public id of the `bigserial` style.
    pub uuid: Ident,
    /// Human name.
    pub name: Ident,
    /// Stable unique name for hostnames.
    pub slug: Ident,
    /// Whether the tenant may be used.
    pub active: Ident,
    /// When it was made.
    pub created_at: Ident,
    /// When it was changed.
    pub updated_at: Ident,
}

/// The id of the System Tenant, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemId {
    /// A fixed default for the id style: 1, a fixed UUID, `ten_system`.
    Default,
    /// Derived from the cluster and the database: the same for every plan here, another one elsewhere.
    Generated,
    /// This one.
    Fixed(String),
}

/// The tenant that owns the rows that have no other owner.
#[derive(Debug, Clone)]
pub struct SystemTenant {
    /// Its human name.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// Its id.
    pub id: SystemId,
    /// Values for an adopted table's other required columns.
    pub values: BTreeMap<Ident, String>,
}

/// The decision about one table.
#[derive(Debug, Clone)]
pub struct TableRule {
    /// Which table.
    pub key: TableKey,
    /// What it is.
    pub scope: Scope,
}

/// What a table's rows are.
#[derive(Debug, Clone)]
pub enum Scope {
    /// Every row has an owner.
    Tenant(OwnerRule),
    /// Reference data for all tenants.
    Shared,
    /// Not looked at.
    Ignored,
}

impl Scope {
    /// The word of the file.
    pub fn as_str(&self) -> &'static str {
        match self {
            Scope::Tenant(_) => "tenant",
            Scope::Shared => "shared",
            Scope::Ignored => "ignored",
        }
    }
}

/// Where a tenant-scoped table's rows get their owner.
#[derive(Debug, Clone)]
pub struct OwnerRule {
    /// The source.
    pub source: Source,
    /// What happens to rows that the source gives no owner.
    pub unowned: Unowned,
    /// How existing rows are filled.
    pub strategy: StrategyChoice,
    /// The columns of [`Config::audit`] are added where they are missing.
    pub audit_timestamps: bool,
    /// Unique constraints and indexes that somebody decided about.
    pub unique: Vec<KeyDecision>,
    /// Foreign keys that somebody decided about.
    pub references: Vec<KeyDecision>,
}

/// Whether a key counts within each tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDecision {
    /// The constraint's name, or the index's.
    pub name: Ident,
    /// The decision.
    pub scope: KeyScope,
    /// The line, for messages.
    pub line: usize,
}

/// For whom a key counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyScope {
    /// For each tenant by itself.
    Scoped,
    /// For all tenants together.
    Global {
        /// Why.
        reason: String,
    },
}

/// The source of a table's owner.
#[derive(Debug, Clone)]
pub enum Source {
    /// The System Tenant.
    System,
    /// The parent row's owner, through a foreign key; a key to the tenants table is the owner itself.
    Parent {
        /// The parent table.
        table: TableKey,
        /// The foreign key's columns, where several keys lead there.
        via: Vec<Ident>,
    },
    /// An existing column that names the tenant.
    Column {
        /// The column.
        column: Ident,
        /// What its value is compared with; nothing for the tenant's id, or for the key of a mapped table.
        matches: Option<Ident>,
    },
    /// An SQL expression over the row that names the tenant.
    Sql {
        /// The expression.
        expression: Expression,
        /// What its value is compared with, as for a column.
        matches: Option<Ident>,
    },
}

/// What happens to rows without an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unowned {
    /// The plan stops and counts them.
    Stop,
    /// The System Tenant owns them.
    System,
}

/// How existing rows are filled, as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyChoice {
    /// The plan chooses.
    Auto,
    /// By the column's default, without touching a row; refused where that cannot be.
    Instant,
    /// Written in batches, even where `instant` would do; the plan chooses how.
    Batched,
    /// Written in passes over ranges of blocks; refused where that cannot be.
    Cascade,
    /// Written once over ranges of blocks; refused where that cannot be.
    Ranges,
    /// Written in the order of a key; refused where there is none.
    Keyset,
}

/// How batches are paced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackfillLimits {
    /// What one batch should take.
    pub batch: Duration,
    /// The fewest heap blocks a batch takes.
    pub min_blocks: u32,
    /// The most heap blocks a batch takes.
    pub max_blocks: u32,
    /// A rest after each batch.
    pub pause: Duration,
    /// How many batches run at once.
    pub workers: u32,
    /// A batch's commit waits until its log is on disk.
    pub synchronous_commit: bool,
    /// How batches compress the pages that they log as a whole.
    pub wal_compression: WalCompression,
}

/// How batches compress the pages that they log as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WalCompression {
    /// With `lz4` or else `zstd`, where the server was built with it, the role may set it and the server does not compress
    /// anyway.
    Auto,
    /// As the server is set.
    Off,
    /// Everywhere, and costs the most time for what it saves.
    Pglz,
    /// On 15 and later, where the server was built with it.
    Lz4,
    /// The same; smaller and slower than `lz4`.
    Zstd,
}

impl WalCompression {
    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            WalCompression::Auto => "auto",
            WalCompression::Off => "off",
            WalCompression::Pglz => "pglz",
            WalCompression::Lz4 => "lz4",
            WalCompression::Zstd => "zstd",
        }
    }
}

/// What happens at a row whose update the server refuses, for a constraint or by a trigger. Not a part of the plan: a run
/// that is resumed takes what is given now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailingRow {
    /// The run stops.
    Stop,
    /// The rest of the table is filled, then the run stops.
    Skip,
}

/// How strong locks are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockLimits {
    /// `lock_timeout` of one attempt.
    pub timeout: Duration,
    /// How many attempts before the run stops, resumable.
    pub attempts: u32,
    /// `statement_timeout` of a catalog change that holds a strong lock.
    pub statement_timeout: Duration,
    /// The longest rest between two attempts.
    pub max_wait: Duration,
}

/// What only the operator knows about the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Bytes of free disk, which SQL cannot see.
    pub free_disk: Option<u64>,
    /// How long a transaction is open before preflight names it.
    pub long_transaction: Duration,
}
