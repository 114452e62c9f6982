//! `tenantctl.toml` as it is written: the sections and keys with their defaults, nothing decided yet.
//!
//! Every value knows its place, so that `file` can name the line of a problem. A test compares `tenantctl.toml.example`
//! with what is here, key by key.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{FailingRow, StrategyChoice, TenantsMode, Unowned, WalCompression};

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section with keys of its own")]
pub struct File {
    pub schemas: Spanned<Vec<Spanned<String>>>,
    pub publications_ready: Vec<Spanned<String>>,
    pub connection: Connection,
    pub tenants: Spanned<Tenants>,
    pub tenant_column: TenantColumn,
    pub system_tenant: System,
    pub tables: BTreeMap<Spanned<String>, Rule>,
    pub backfill: Backfill,
    pub locks: Locks,
    pub throttle: Throttle,
    pub server: Server,
    pub audit: Audit,
}

impl Default for File {
    fn default() -> Self {
        File {
            schemas: unwritten(vec![unwritten("public".to_owned())]),
            publications_ready: Vec::new(),
            connection: Connection::default(),
            tenants: unwritten(Tenants::default()),
            tenant_column: TenantColumn::default(),
            system_tenant: System::default(),
            tables: BTreeMap::new(),
            backfill: Backfill::default(),
            locks: Locks::default(),
            throttle: Throttle::default(),
            server: Server::default(),
            audit: Audit::default(),
        }
    }
}

/// `[connection]`
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a section with keys of its own")]
pub struct Connection {
    pub url: Option<String>,
}

/// How tenants are numbered; `text` needs the prefix beside it.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    Bigserial,
    Uuid,
    Text,
}

/// `[tenants]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section with keys of its own")]
pub struct Tenants {
    pub mode: TenantsMode,
    pub table: Spanned<String>,
    pub id: Style,
    pub prefix: Spanned<String>,
    pub columns: Columns,
    pub map: Option<Spanned<Map>>,
}

impl Default for Tenants {
    fn default() -> Self {
        Tenants {
            mode: TenantsMode::Create,
            table: unwritten("tenants".to_owned()),
            id: Style::Bigserial,
            prefix: unwritten("ten_".to_owned()),
            columns: Columns::default(),
            map: None,
        }
    }
}

/// `[tenants.map]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section with keys of its own")]
pub struct Map {
    pub table: Spanned<String>,
    #[serde(default = "Map::key")]
    pub key: Spanned<String>,
    #[serde(default = "Map::name")]
    pub name: Spanned<String>,
    #[serde(default = "Map::slug")]
    pub slug: Spanned<String>,
    pub column: Option<Spanned<String>>,
}

impl Map {
    fn key() -> Spanned<String> {
        unwritten("id".to_owned())
    }

    fn name() -> Spanned<String> {
        unwritten("name".to_owned())
    }

    fn slug() -> Spanned<String> {
        unwritten("slug".to_owned())
    }
}

/// `[tenants.columns]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section with keys of its own")]
pub struct Columns {
    pub id: Spanned<String>,
    pub uuid: Spanned<String>,
    pub name: Spanned<String>,
    pub slug: Spanned<String>,
    pub active: Spanned<String>,
    pub created_at: Spanned<String>,
    pub updated_at: Spanned<String>,
}

impl Default for Columns {
    fn default() -> Self {
        let column = |name: &str| unwritten(name.to_owned());
        Columns {
            id: column("id"),
            uuid: column("uuid"),
            name: column("name"),
            slug: column("slug"),
            active: column("is_active"),
            created_at: column("created_at"),
            updated_at: column("updated_at"),
        }
    }
}

/// `[tenant_column]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section with keys of its own")]
pub struct TenantColumn {
    pub name: Spanned<String>,
}

impl Default for TenantColumn {
    fn default() -> Self {
        TenantColumn { name: unwritten("tenant_id".to_owned()) }
    }
}

/// `[system_tenant]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section with keys of its own")]
pub struct System {
    pub name: String,
    pub slug: Spanned<String>,
    pub id: Option<Spanned<toml::Value>>,
    pub values: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
}

impl Default for System {
    fn default() -> Self {
        System { name: "System".to_owned(), slug: unwritten("system".to_owned()), id: None, values: BTreeMap::new() }
    }
}

/// The word for what a table is.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeWord {
    Tenant,
    Shared,
    Ignored,
}

/// The word for where its owner comes from; the keys beside it say the rest.
#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum SourceWord {
    System,
    Parent,
    Column,
    Sql,
}

/// `[tables.<name>]`: every key that any scope and source may have; the reader says which do not go together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section with keys of its own")]
pub struct Rule {
    pub scope: ScopeWord,
    pub source: Option<SourceWord>,
    pub parent: Option<Spanned<String>>,
    pub via: Option<Vec<Spanned<String>>>,
    pub column: Option<Spanned<String>>,
    pub expression: Option<Spanned<String>>,
    pub matches: Option<Spanned<String>>,
    pub unowned: Option<Unowned>,
    pub backfill: Option<StrategyChoice>,
    pub audit_timestamps: Option<bool>,
    #[serde(default)]
    pub unique: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    #[serde(default)]
    pub references: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
}

impl Rule {
    /// Whether any key is there that only rows with an owner need.
    pub fn speaks_of_an_owner(&self) -> bool {
        self.source.is_some()
            || self.parent.is_some()
            || self.via.is_some()
            || self.column.is_some()
            || self.expression.is_some()
            || self.matches.is_some()
            || self.unowned.is_some()
            || self.backfill.is_some()
            || self.audit_timestamps.is_some()
            || !self.unique.is_empty()
            || !self.references.is_empty()
    }
}

/// `[backfill]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section with keys of its own")]
pub struct Backfill {
    pub batch: Spanned<String>,
    pub min_blocks: Spanned<u32>,
    pub max_blocks: Spanned<u32>,
    pub pause: Spanned<String>,
    pub workers: Spanned<u32>,
    pub synchronous_commit: bool,
    pub wal_compression: WalCompression,
    pub failing_row: FailingRow,
}

impl Default for Backfill {
    fn default() -> Self {
        Backfill {
            batch: unwritten("250ms".to_owned()),
            min_blocks: unwritten(8),
            max_blocks: unwritten(4096),
            pause: unwritten("0ms".to_owned()),
            workers: unwritten(2),
            synchronous_commit: false,
            wal_compression: WalCompression::Auto,
            failing_row: FailingRow::Stop,
        }
    }
}

/// `[locks]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section with keys of its own")]
pub struct Locks {
    pub timeout: Spanned<String>,
    pub attempts: Spanned<u32>,
    pub statement_timeout: Spanned<String>,
    pub max_wait: Spanned<String>,
}

impl Default for Locks {
    fn default() -> Self {
        Locks {
            timeout: unwritten("500ms".to_owned()),
            attempts: unwritten(60),
            statement_timeout: unwritten("10s".to_owned()),
            max_wait: unwritten("10s".to_owned()),
        }
    }
}

/// `[throttle]`: a limit for every signal, or "off".
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section with keys of its own")]
pub struct Throttle {
    pub every: Spanned<String>,
    pub max_pause: Spanned<String>,
    pub replica_lag: Spanned<String>,
    pub replica_bytes: Spanned<String>,
    pub slot_wal: Spanned<String>,
    pub archive_backlog: Spanned<toml::Value>,
    pub lock_waiters: Spanned<toml::Value>,
    pub active_sessions: Spanned<toml::Value>,
    pub autovacuum: Spanned<String>,
    pub snapshot: Spanned<String>,
    pub commit_latency: Spanned<String>,
    pub probe: Option<Probe>,
}

impl Default for Throttle {
    fn default() -> Self {
        let text = |value: &str| unwritten(value.to_owned());
        Throttle {
            every: text("1s"),
            max_pause: text("10m"),
            replica_lag: text("10s"),
            replica_bytes: text("512MiB"),
            slot_wal: text("8GiB"),
            archive_backlog: unwritten(toml::Value::Integer(64)),
            lock_waiters: unwritten(toml::Value::Integer(4)),
            active_sessions: unwritten(toml::Value::String("off".to_owned())),
            autovacuum: text("50%"),
            snapshot: text("5m"),
            commit_latency: text("100ms"),
            probe: None,
        }
    }
}

/// `[throttle.probe]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section with keys of its own")]
pub struct Probe {
    pub sql: Spanned<String>,
    pub limit: Spanned<toml::Value>,
}

/// `[server]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section with keys of its own")]
pub struct Server {
    pub free_disk: Option<Spanned<String>>,
    pub long_transaction: Spanned<String>,
}

impl Default for Server {
    fn default() -> Self {
        Server { free_disk: None, long_transaction: unwritten("1m".to_owned()) }
    }
}

/// `[audit]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section with keys of its own")]
pub struct Audit {
    pub created_at: Spanned<String>,
    pub updated_at: Spanned<String>,
}

impl Default for Audit {
    fn default() -> Self {
        Audit { created_at: unwritten("created_at".to_owned()), updated_at: unwritten("updated_at".to_owned()) }
    }
}

/// A default: a value without a place.
fn unwritten<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}
