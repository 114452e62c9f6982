//! What the database *is*: plain values, read once, ordered, without a connection in them.
//!
//! `pg::introspect` fills a [`Catalog`]; `infer`, `plan` and `verify` only look at it. What happens on the server right now
//! is an [`Activity`], apart from it: no statement of a plan rests on that.

mod activity;
pub mod code;
pub mod diff;
mod index;
mod key;
mod lock;
pub mod name;
mod objects;
mod storage;
mod tree;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use activity::{Activity, HeldLock, LockHolder, Prepared, Replica, Route, Slot, Transaction, Vacuum};
pub(crate) use activity::{from_seconds, seconds, seconds_if_any};
pub use diff::{Change, Difference, Object};
pub use index::{Index, IndexDefinition};
pub use key::{Action, ForeignKey, Key, KeyDetails, Matching, ReferenceDetails};
pub use lock::LockMode;
pub use name::{Ident, QualifiedName};
pub use objects::{Bookkeeping, EventTrigger, Objects, Part, Policy, Routine, Rule, TakenName};
pub use storage::{ColumnStatistics, IndexStorage, Storage, WalSettings};
pub use tree::{Partitioning, Tree};

/// One database at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Catalog {
    /// The server and who we are on it.
    pub server: Server,
    /// Every table of the schemas that were asked for, by name.
    #[serde(with = "as_pairs")]
    #[schemars(with = "Vec<(QualifiedName, Table)>")]
    pub tables: BTreeMap<QualifiedName, Table>,
    /// Views and materialized views that read one of them, whatever schema they are in.
    pub views: Vec<View>,
    /// Functions whose arguments or result are a row of one of them, one entry for each overload.
    pub row_functions: Vec<RowFunction>,
    /// What stands around them: policies, rules, event triggers, the code of functions, names that are taken.
    #[serde(default)]
    pub objects: Objects,
}

impl Catalog {
    /// The same with each table's [links](Table::links) for its foreign keys.
    pub fn linked(&self, owner: &Ident) -> Catalog {
        let mut linked = self.clone();
        linked.tables.values_mut().for_each(|table| table.foreign_keys = table.links(owner));
        linked
    }
}

/// The server, the database and the role that looks at them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    /// `server_version_num`, for example 170002.
    pub version: u32,
    /// The database's name.
    pub database: String,
    /// Identifies the cluster: the same after a restart, another one where `initdb` ran anew, but kept by a physical
    /// copy (a replica, a restored base backup). Empty where the right to ask for it was revoked.
    pub system_identifier: String,
    /// The role we are.
    pub role: String,
    /// May do everything.
    pub superuser: bool,
    /// Row-level security does not apply to the role.
    pub bypass_rls: bool,
    /// May set `session_replication_role` (superuser, or granted on 15 and later), which skips user triggers.
    pub may_skip_triggers: bool,
    /// May create a schema in this database.
    pub may_create_schema: bool,
    /// How it writes its log.
    pub wal: WalSettings,
}

impl Server {
    /// The major version, for example 17.
    pub fn major(&self) -> u32 {
        self.version / 10_000
    }
}

/// What kind of relation holds the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TableKind {
    /// An ordinary heap table.
    Ordinary,
    /// The root or an inner level of a partition tree.
    Partitioned,
    /// A leaf of a partition tree.
    Partition,
    /// A child by classic inheritance, or a table that has such children.
    Inherited,
    /// A table `OF` a composite type, which alone says what its columns are.
    Typed,
    /// A foreign table.
    Foreign,
}

/// Whether row-level security applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RowSecurity {
    /// Not enabled.
    Off,
    /// Enabled; the owner is exempt.
    Enabled,
    /// Enabled and forced: the owner is subject too.
    Forced,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// Its oid: another one means another table, whatever its name.
    pub oid: u32,
    /// Its kind.
    pub kind: TableKind,
    /// Its owner.
    pub owner: Ident,
    /// The role is the owner or a member of it, so it may alter the table.
    pub may_alter: bool,
    /// The role may read it, and may use its schema.
    pub may_read: bool,
    /// Its schema accepts new objects (an index, for example) from the role.
    pub may_create: bool,
    /// Rows, estimated as the planner does: from the last ANALYZE and the size now, else from the columns' types and the
    /// size. Nothing for a foreign table, for a partitioned one that was never analyzed, and where the size is unknown.
    pub rows: Option<u64>,
    /// Bytes of the main heap; those of the last VACUUM or ANALYZE while another session holds the table exclusively.
    /// 0 above the leaves of a partition tree.
    pub heap_bytes: u64,
    /// Bytes with indexes and TOAST.
    pub total_bytes: u64,
    /// How it lies on disk.
    #[serde(default)]
    pub storage: Storage,
    /// Its place in a tree of partitions.
    #[serde(default)]
    pub partitioning: Partitioning,
    /// Row-level security.
    pub row_security: RowSecurity,
    /// Publications that send it out (`FOR ALL TABLES` and `TABLES IN SCHEMA` included).
    pub publications: Vec<Ident>,
    /// It names its rows to subscribers by FULL or by an index of choice (`REPLICA IDENTITY`).
    pub replica_identity: bool,
    /// That index of choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_index: Option<Ident>,
    /// A logical subscription writes it, so its foreign keys prove nothing.
    pub subscribed: bool,
    /// Relations that store whole rows of it in a column, as they are or within an array, a domain, a range or another
    /// composite type: while there is one, PostgreSQL refuses a new column that has a default.
    #[serde(default)]
    pub stored_in: Vec<QualifiedName>,
    /// Columns by position, dropped ones left out.
    #[serde(default)]
    pub columns: Vec<Column>,
    /// Primary key and unique constraints.
    #[serde(default)]
    pub keys: Vec<Key>,
    /// Foreign keys of this table.
    #[serde(default)]
    pub foreign_keys: Vec<ForeignKey>,
    /// Check constraints, and the named NOT NULL constraints of 18.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// All indexes, those of constraints too.
    #[serde(default)]
    pub indexes: Vec<Index>,
    /// User triggers, copies in partitions included.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &Ident) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == *name)
    }

    /// The primary key.
    pub fn primary_key(&self) -> Option<&Key> {
        self.keys.iter().find(|key| key.primary)
    }

    /// It is a part of a partitioned table, whose rule and protection it shares.
    pub fn is_part(&self) -> bool {
        self.kind == TableKind::Partition || self.partitioning.of.is_some()
    }

    /// The foreign keys, one for each way to a parent: a key that compares the owners of both rows as well counts as the
    /// one that does not, and of the two the one that proves more.
    pub fn links(&self, owner: &Ident) -> Vec<ForeignKey> {
        let comparing = |key: &ForeignKey| key.compares(owner);
        let (comparing, mut links): (Vec<_>, Vec<_>) = self.foreign_keys.iter().cloned().partition(comparing);
        for key in comparing.iter().map(|key| key.without(owner)) {
            match links.iter_mut().find(|link| link.leads_as(&key)) {
                Some(link) if key.strength() > link.strength() => *link = key,
                Some(_) => {}
                None => links.push(key),
            }
        }
        links
    }

    /// The foreign keys that lead to `parent`.
    pub fn foreign_keys_to<'a>(&'a self, parent: &'a QualifiedName) -> impl Iterator<Item = &'a ForeignKey> {
        self.foreign_keys.iter().filter(move |key| key.parent == *parent)
    }
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type as `format_type` says it, for example `bigint` or `character varying(40)`.
    pub data_type: String,
    /// NOT NULL is set, proven or not (18 knows a NOT NULL that is not valid: see [`Check`]).
    pub not_null: bool,
    /// The default's expression, or `identity`, or the generated column's expression (nothing for that one while
    /// another session holds the table exclusively: it cannot be read then without waiting).
    pub default: Option<String>,
    /// It is computed from other columns, so nobody can write to it.
    pub generated: bool,
    /// The sequence that feeds it: an identity's, or the one that the default calls.
    pub sequence: Option<QualifiedName>,
}

impl Column {
    /// Its values are made so that no two rows get the same: uuids, and numbers of a sequence.
    pub fn never_meets(&self) -> bool {
        let by_default = |text: &String| text == "identity" || text.starts_with("nextval(");
        self.data_type == "uuid" || self.sequence.is_some() || self.default.as_ref().is_some_and(by_default)
    }
}

/// A check constraint, or on 18 a NOT NULL constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The constraint's name.
    pub name: Ident,
    /// The definition, for example `CHECK ((tenant_id IS NOT NULL))` or `NOT NULL tenant_id`, without NOT VALID. A
    /// check has none while another session holds the table exclusively: it cannot be read then without waiting.
    pub definition: Option<String>,
    /// Every row was checked.
    pub validated: bool,
}

/// When a trigger fires, as `tgenabled` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Firing {
    /// In ordinary sessions.
    Origin,
    /// In replication sessions only.
    Replica,
    /// Always.
    Always,
    /// Never.
    Disabled,
}

/// A user trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trigger {
    /// Its name.
    pub name: Ident,
    /// The function it calls.
    pub function: QualifiedName,
    /// When it fires.
    pub firing: Firing,
    /// It fires on UPDATE.
    pub on_update: bool,
    /// It is a BEFORE ROW trigger.
    pub before_row: bool,
}

/// A view that reads tables, directly or through other views.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct View {
    /// Its name.
    pub name: QualifiedName,
    /// A materialized one.
    pub materialized: bool,
    /// The tables and views that it reads directly.
    pub reads: Vec<QualifiedName>,
}

/// A function that takes or returns whole rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RowFunction {
    /// Its name.
    pub name: QualifiedName,
    /// The tables whose row type it uses.
    pub tables: Vec<QualifiedName>,
}

/// JSON has no maps with structured keys, so the tables are written as a list of pairs.
mod as_pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{QualifiedName, Table};

    pub fn serialize<S: Serializer>(map: &BTreeMap<QualifiedName, Table>, to: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<QualifiedName, Table>, D::Error> {
        Ok(Vec::<(QualifiedName, Table)>::deserialize(from)?.into_iter().collect())
    }
}
