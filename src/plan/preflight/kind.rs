//! The kinds of things that a plan may say about a database, by stable names that scripts can act on.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($(#[doc = $doc:literal] $name:ident = $text:literal, $weight:ident, $advice:literal;)*) => {
        /// What a notice or a blocker is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum Kind { $(#[doc = $doc] #[serde(rename = $text)] $name,)* }

        impl Kind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &[Kind] = &[$(Kind::$name,)*];

            /// The name as it is printed: kebab-case, never reused.
            pub fn as_str(self) -> &'static str {
                match self { $(Kind::$name => $text,)* }
            }

            /// What it tells, as a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Kind::$name => $doc.trim_ascii(),)* }
            }

            /// What to do about it, as a sentence.
            pub fn advice(self) -> &'static str {
                match self { $(Kind::$name => $advice,)* }
            }

            /// Whether it stops the run.
            pub fn weight(self) -> Weight {
                match self { $(Kind::$name => Weight::$weight,)* }
            }
        }
    };
}

/// How much a kind weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Something to know.
    Notice,
    /// Nothing runs before it is mended.
    Blocker,
    /// `plan` tells it and `migrate` refuses: another role may run that.
    Refusal,
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Weight::Notice => "no",
            Weight::Blocker => "yes",
            Weight::Refusal => "`migrate`",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

kinds! {
    /// The role that plans lacks a right that `migrate` needs.
    RightMissing = "right-missing", Refusal, "Run `migrate` as the owner of the tables, or grant what is named.";
    /// Row-level security applies to the role, so it would see and convert only some rows.
    RowSecurity = "row-security", Blocker, "Run as a role with BYPASSRLS.";
    /// The role does not see what other roles' sessions do, so nobody could be named.
    ActivityHidden = "activity-hidden", Notice, "Grant pg_monitor to the role.";
    /// The role may not look at what the backfills are to give way to.
    SignalForbidden = "signal-forbidden", Refusal, "Grant what is named, or set the signals to \"off\" in the section throttle.";
    /// What the backfills give way to, and how far.
    ThrottleWatches = "throttle-watches", Notice, "Nothing, or change the limits in the section throttle.";
    /// Rows have no owner by their source.
    RowsUnowned = "rows-unowned", Blocker, "Give them a parent, or set unowned = \"system\".";
    /// Rows without an owner by their source become the System Tenant's.
    RowsAdopted = "rows-adopted", Notice, "Nothing, if that is what they are.";
    /// The expression that names the owner cannot be used.
    ExpressionRefused = "expression-refused", Blocker, "Mend it; its search path is pg_catalog.";
    /// The expression that names the owner may answer otherwise each time.
    ExpressionVolatile = "expression-volatile", Notice, "Make sure that it gives one row one owner.";
    /// Rows of the table whose rows become tenants cannot become tenants.
    TenantUnmappable = "tenant-unmappable", Blocker, "Mend the rows that are named.";
    /// The row may name no tenant, and such rows will be refused.
    TenantMissing = "tenant-missing", Notice, "Set unowned = \"system\" if such rows are meant to be.";
    /// The foreign key to the parent may be NULL, and rows without a parent will be refused.
    ParentNullable = "parent-nullable", Notice, "Set unowned = \"system\" if such rows are meant to be.";
    /// The owner column is there already with another type than the tenants' ids.
    OwnerColumnType = "owner-column-type", Blocker, "Change its type, or choose another tenant_column.name.";
    /// The owner column is there already and generated, so nobody can write it.
    OwnerColumnGenerated = "owner-column-generated", Blocker, "Drop it, or choose another tenant_column.name.";
    /// The owner column is there already with values that are no tenants.
    OwnerColumnValues = "owner-column-values", Blocker, "Adopt the table that they refer to, or choose another tenant_column.name.";
    /// A name that tenantctl needs belongs to something else.
    NameTaken = "name-taken", Blocker, "Rename what has the name, or configure another one.";
    /// Two objects of the plan would get the same name, because long names are shortened.
    NameClash = "name-clash", Blocker, "Rename one of the two tables.";
    /// The schema `tenantctl` belongs to something else.
    SchemaTaken = "schema-taken", Blocker, "Rename that schema.";
    /// Columns with times are wanted of a table whose whole rows are stored elsewhere.
    TimestampsStored = "timestamps-stored", Blocker, "Add the columns by hand, or drop `audit_timestamps`.";
    /// A unique key stays unique over all tenants.
    UniqueGlobal = "unique-global", Notice, "Expect collisions once there is a second tenant.";
    /// A unique key was decided to stay unique over all tenants.
    UniqueKept = "unique-kept", Notice, "Nothing; it is what the configuration says.";
    /// A unique key that is checked late is checked at once while the one within each tenant is built.
    UniqueDeferrable = "unique-deferrable", Notice, "Let no transaction swap such values during the run, or leave the key global.";
    /// Functions or statements name a key that becomes unique within each tenant as the target of ON CONFLICT.
    ConflictTarget = "conflict-target", Notice, "Put the owner column into the target after the run and before the old key goes.";
    /// Rows may refer only to rows of their own tenant.
    ReferenceCompared = "reference-compared", Notice, "Let such rows have one owner; set a reference to \"global\" where that is meant otherwise.";
    /// A reference was decided to lead to other tenants' rows too.
    ReferenceKept = "reference-kept", Notice, "Nothing; it is what the configuration says.";
    /// A foreign key cannot get one beside it that compares owners, or only one that is not proven.
    ReferenceUncompared = "reference-uncompared", Notice, "Mend the key and plan again, or make sure that its rows never lead to another tenant.";
    /// A foreign key stays beside the one that compares owners, for what it does on delete or update.
    ReferenceActionKept = "reference-action-kept", Notice, "Nothing; both keys hold.";
    /// A shared table refers to rows of tenants.
    SharedRefers = "shared-refers", Notice, "Give it owners as well, or make sure that no tenant sees another's rows through it.";
    /// A decision about a key names none that is there.
    DecisionUnmatched = "decision-unmatched", Notice, "Correct the name, or drop the line.";
    /// Prepared statements that mean all columns fail once when their table gets its column.
    CachedPlan = "cached-plan", Notice, "Let the application retry or reconnect; name columns in COPY and INSERT.";
    /// A view seems to be written with `SELECT *` and will not show the new column.
    ViewStar = "view-star", Notice, "Create it again after the run if it should show the owner.";
    /// A function's text means all columns of a table.
    FunctionStar = "function-star", Notice, "Name the columns before the run.";
    /// A statement that clients send, by pg_stat_statements, means all columns of a table.
    StatementStar = "statement-star", Notice, "Name the columns in the application before the run.";
    /// A function takes or returns whole rows of a table, which get one more column.
    RowFunction = "row-function", Notice, "Check what calls it.";
    /// Whole rows of a table are stored in a column, so a default cannot stand for its owner column's existing rows.
    RowsStored = "rows-stored", Notice, "Nothing; the table is filled in batches.";
    /// A function's variable or argument is called like the owner column, and becomes ambiguous or changes its meaning.
    VariableNamedAsOwner = "variable-named-as-owner", Notice, "Rename the variable, or qualify it, before the run.";
    /// The backfill does not fire these triggers.
    TriggerSkipped = "trigger-skipped", Notice, "Nothing, unless they must see the new owner.";
    /// The backfill fires these triggers on every row.
    TriggerFires = "trigger-fires", Notice, "Grant SET on session_replication_role, or accept what they do.";
    /// A trigger seems to send something out of the database.
    TriggerReachesOut = "trigger-reaches-out", Notice, "Make sure that the receiver bears one message a row, or disable it for the run.";
    /// A trigger is disabled and stays so.
    TriggerDisabled = "trigger-disabled", Notice, "Nothing, if that is meant to be.";
    /// A foreign key's triggers are disabled, so the key proves nothing.
    KeyUnchecked = "key-unchecked", Notice, "Enable its triggers before the run.";
    /// A rule rewrites the statements that the run sends.
    RuleRewrites = "rule-rewrites", Blocker, "Disable or replace the rule; a trigger does the same and can be skipped.";
    /// A policy names a table and does not know the new column.
    PolicyNames = "policy-names", Notice, "Check that it still says what it should with several tenants.";
    /// An event trigger fires on the run's DDL and may refuse it.
    EventTriggerFires = "event-trigger-fires", Notice, "Try the run on a copy, or disable it for the run.";
    /// A constraint that is not validated is checked for every row that the backfill writes.
    ConstraintNotValid = "constraint-not-valid", Notice, "Validate it before the run: a row that violates it stops the backfill.";
    /// An exclusion constraint stays one over all tenants.
    ExclusionGlobal = "exclusion-global", Notice, "Add the owner to it if tenants may overlap.";
    /// An index is INVALID: queries do not use it, but every write maintains it.
    IndexInvalid = "index-invalid", Notice, "Drop or rebuild it; one of tenantctl's own is rebuilt by the run.";
    /// A published table gets a column that its subscribers lack, which stops them.
    SubscriberNotReady = "subscriber-not-ready", Blocker, "Add the column there first, then list the publication in publications_ready.";
    /// A published table has no replica identity, so the backfill's UPDATEs would fail.
    ReplicaIdentityMissing = "replica-identity-missing", Blocker, "Give it a primary key, or a replica identity.";
    /// The schema `tenantctl` is published too.
    BookkeepingPublished = "bookkeeping-published", Notice, "Nothing, or exclude it at the subscriber.";
    /// A logical subscription writes the table, without checking its foreign keys.
    Subscribed = "subscribed", Notice, "Convert the publisher too.";
    /// A transaction has been open for long: DDL and CONCURRENTLY wait for it.
    LongTransaction = "long-transaction", Notice, "Let it end, or end it, before the run.";
    /// A prepared transaction keeps its locks and snapshot until somebody ends it.
    PreparedTransaction = "prepared-transaction", Notice, "Commit it or roll it back before the run.";
    /// (Auto)vacuum works on a table of the plan right now.
    VacuumRunning = "vacuum-running", Notice, "Wait for its end; an ordinary autovacuum lets go by itself.";
    /// An autovacuum against wraparound is running or due: it does not let go for DDL.
    WraparoundVacuum = "wraparound-vacuum", Notice, "Let VACUUM (FREEZE) finish on the table before the run.";
    /// Something holds dead rows back from VACUUM, so that the backfill bloats its table.
    HorizonHeld = "horizon-held", Notice, "End it before the run, or expect the tables to grow.";
    /// A replication slot that nobody reads keeps write-ahead log until the disk is full.
    SlotInactive = "slot-inactive", Notice, "Connect its reader, or drop it.";
    /// Nothing limits the write-ahead log that a slot keeps.
    SlotUnlimited = "slot-unlimited", Notice, "Set max_slot_wal_keep_size, or watch the disk.";
    /// A replica is behind already.
    ReplicaLags = "replica-lags", Notice, "Let it catch up before the run.";
    /// The archiver fails, so write-ahead log piles up.
    ArchiverFailing = "archiver-failing", Notice, "Mend archive_command before the run.";
    /// The free disk is less than the plan needs.
    DiskShort = "disk-short", Blocker, "Make room, then say so in server.free_disk.";
    /// Nobody said how much disk is free; SQL cannot see it.
    DiskUnknown = "disk-unknown", Notice, "Set server.free_disk.";
    /// Tables or indexes live in tablespaces of their own, whose room counts apart.
    Tablespaces = "tablespaces", Notice, "Check the room there, too.";
    /// A table's costs could not be measured on a copy, so they are estimated from statistics.
    NotCalibrated = "not-calibrated", Notice, "Nothing; the estimate of this table is less sure.";
    /// The batches write more log than max_wal_size, so checkpoints come often.
    WalSmall = "wal-small", Notice, "Raise max_wal_size for the run.";
    /// The server is a standby.
    Standby = "standby", Refusal, "Plan and run on the primary.";
    /// The server or the database is read-only.
    ReadOnly = "read-only", Refusal, "Find out who made it read-only and why.";
    /// A transaction pooler stands between: session locks and settings would be lost.
    Pooler = "pooler", Refusal, "Connect to PostgreSQL itself, or to a pooler in session mode.";
    /// Something stands between, which may be a pooler.
    PoolerSuspected = "pooler-suspected", Notice, "Connect to PostgreSQL itself if it is a pooler.";
    /// Something in the files of an offline plan was not loaded, or is not what it seems.
    FileRemark = "file-remark", Notice, "Plan against the database itself before the run.";
    /// The major version gets no more fixes.
    VersionUnsupported = "version-unsupported", Notice, "Upgrade, before the run or soon after.";
    /// The minor version has a defect that matters here.
    VersionDefect = "version-defect", Notice, "Install the newest minor version before the run.";
}

/// The table of the documentation.
pub fn kinds_table() -> String {
    let rows = Kind::ALL
        .iter()
        .map(|kind| format!("| `{kind}` | {} | {} | {} |\n", kind.weight(), kind.meaning(), kind.advice()));
    format!("| kind | stops | what it says | what to do |\n| --- | --- | --- | --- |\n{}", rows.collect::<String>())
}
