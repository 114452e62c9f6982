//! What a step does, how strong its lock is, and whether it runs in a transaction.

mod key;
mod reference;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalog::{Ident, QualifiedName};

pub use key::{KeyColumns, KeyOp, SealedKey};
pub use reference::{Reference, ReferenceOp};

/// One thing that a step does. A closed list on purpose: a new one makes the compiler ask for its lock, its mode and its
/// SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Makes the tenants table.
    CreateTenantsTable,
    /// Inserts the System Tenant and moves the id's sequence past it.
    CreateSystemTenant,
    /// Makes every new row of the mapped table get its tenant.
    CreateTenantTrigger(QualifiedName),
    /// Makes a tenant for every row of the mapped table, in batches.
    CreateTenants(QualifiedName),
    /// Adds the owner column and the filler for writers that do not know it, in one transaction.
    AddOwnerColumn(QualifiedName),
    /// Adds columns that say when a row came to be and when it changed.
    AddTimestamps {
        /// The table.
        table: QualifiedName,
        /// The columns.
        columns: Vec<Ident>,
    },
    /// Makes a row whose owner changes pass the new one down to its children in a table.
    PassOwnerDown {
        /// The table whose rows have children.
        parent: QualifiedName,
        /// The table of the children.
        child: QualifiedName,
    },
    /// Gives every row without an owner its owner, in batches.
    Backfill(QualifiedName),
    /// Gives rows whose owner is not their parent's the parent's, in batches; usually finds none.
    Reconcile(QualifiedName),
    /// Makes the filler look at changed rows too, at each of them, once the table's rows have their owners.
    FollowOwner(QualifiedName),
    /// Makes the filler look only at those changed rows whose owner may be another one.
    SettleFiller(QualifiedName),
    /// Frees what the backfill left behind and refreshes the statistics.
    Vacuum(QualifiedName),
    /// Refreshes the statistics (autoanalyze never sees a column that was added with a default).
    Analyze(QualifiedName),
    /// Refreshes the statistics of a partitioned table as a whole, which autoanalyze never does.
    AnalyzeTree(QualifiedName),
    /// Makes the index of a partitioned table alone: it counts once every part has attached its own.
    CreateParentIndex {
        /// The root, or a branch.
        table: QualifiedName,
        /// The index.
        index: Ident,
        /// For a branch: the index of the table that it is a part of.
        parent: Option<QualifiedName>,
    },
    /// Attaches a leaf's index to that of the table that it is a part of.
    AttachIndex {
        /// The leaf.
        table: QualifiedName,
        /// Its index.
        index: Ident,
        /// The index that it becomes a part of.
        parent: QualifiedName,
    },
    /// Builds the index that leads with the owner.
    BuildIndex {
        /// The table.
        table: QualifiedName,
        /// The index.
        index: Ident,
    },
    /// Demands an owner of new rows; existing ones are not looked at.
    AddNotNull {
        /// The table.
        table: QualifiedName,
        /// The constraint.
        constraint: Ident,
    },
    /// Proves that existing rows have an owner.
    ValidateNotNull {
        /// The table.
        table: QualifiedName,
        /// The constraint.
        constraint: Ident,
    },
    /// Turns the proven check into the column's NOT NULL (before 18).
    SetNotNull {
        /// The table.
        table: QualifiedName,
        /// The proven check, dropped in the same transaction.
        constraint: Ident,
    },
    /// Demands that new owners are tenants; existing ones are not looked at.
    AddForeignKey {
        /// The table.
        table: QualifiedName,
        /// The constraint.
        constraint: Ident,
    },
    /// Proves that existing owners are tenants.
    ValidateForeignKey {
        /// The table.
        table: QualifiedName,
        /// The constraint.
        constraint: Ident,
    },
    /// Makes the proven keys of all leaves one key of the partitioned table, without a scan (before 18).
    AdoptForeignKey {
        /// The root.
        table: QualifiedName,
        /// The constraint.
        constraint: Ident,
    },
    /// What makes uniqueness count within each tenant.
    Key(KeyOp),
    /// What makes foreign keys compare owners.
    Reference(ReferenceOp),
}

impl Op {
    /// The table that it works on; nothing for the tenants table.
    pub fn table(&self) -> Option<&QualifiedName> {
        match self {
            Op::CreateTenantsTable | Op::CreateSystemTenant => None,
            Op::CreateTenantTrigger(table)
            | Op::CreateTenants(table)
            | Op::AddOwnerColumn(table)
            | Op::Backfill(table)
            | Op::FollowOwner(table)
            | Op::Reconcile(table)
            | Op::SettleFiller(table)
            | Op::Vacuum(table)
            | Op::Analyze(table)
            | Op::AnalyzeTree(table)
            | Op::AddTimestamps { table, .. }
            | Op::PassOwnerDown { parent: table, .. }
            | Op::CreateParentIndex { table, .. }
            | Op::AttachIndex { table, .. }
            | Op::AdoptForeignKey { table, .. }
            | Op::BuildIndex { table, .. }
            | Op::AddNotNull { table, .. }
            | Op::ValidateNotNull { table, .. }
            | Op::SetNotNull { table, .. }
            | Op::AddForeignKey { table, .. }
            | Op::ValidateForeignKey { table, .. } => Some(table),
            Op::Key(op) => Some(op.table()),
            Op::Reference(op) => Some(op.child()),
        }
    }

    /// The table and the index that it makes; a leaf's, too.
    pub fn new_index(&self) -> Option<(&QualifiedName, &Ident)> {
        match self {
            Op::BuildIndex { table, index }
            | Op::CreateParentIndex { table, index, .. }
            | Op::Key(KeyOp::Build { table, index, .. } | KeyOp::BuildParent { table, index, .. }) => {
                Some((table, index))
            }
            _ => None,
        }
    }

    /// What tells it from others of the kind on the same table; nothing where there is one at most.
    pub fn object(&self) -> Option<&Ident> {
        match self {
            Op::Key(op) => op.object(),
            Op::Reference(op) => Some(&op.reference().constraint),
            _ => None,
        }
    }

    /// The last word of the step's id.
    pub fn verb(&self) -> &'static str {
        match self {
            Op::CreateTenantsTable => "create-tenants-table",
            Op::CreateSystemTenant => "create-system-tenant",
            Op::CreateTenantTrigger(_) => "create-tenant-trigger",
            Op::CreateTenants(_) => "create-tenants",
            Op::AddOwnerColumn(_) => "add-owner-column",
            Op::AddTimestamps { .. } => "add-timestamps",
            Op::PassOwnerDown { .. } => "pass-owner-down",
            Op::Backfill(_) => "backfill",
            Op::FollowOwner(_) => "follow-owner",
            Op::Reconcile(_) => "reconcile",
            Op::SettleFiller(_) => "settle-filler",
            Op::Vacuum(_) => "vacuum",
            Op::Analyze(_) | Op::AnalyzeTree(_) => "analyze",
            Op::CreateParentIndex { .. } => "create-parent-index",
            Op::AttachIndex { .. } => "attach-index",
            Op::BuildIndex { .. } => "build-index",
            Op::AddNotNull { .. } => "add-not-null",
            Op::ValidateNotNull { .. } => "validate-not-null",
            Op::SetNotNull { .. } => "set-not-null",
            Op::AddForeignKey { .. } => "add-foreign-key",
            Op::ValidateForeignKey { .. } => "validate-foreign-key",
            Op::AdoptForeignKey { .. } => "adopt-foreign-key",
            Op::Key(op) => op.verb(),
            Op::Reference(op) => op.verb(),
        }
    }

    /// The strongest lock that the step takes on a table of the application (PostgreSQL docs, 13.3 "Explicit Locking"
    /// and the page of each command).
    pub fn lock(&self) -> LockLevel {
        match self {
            // A new table: nobody can wait for it yet. ROW EXCLUSIVE is what any INSERT takes.
            Op::CreateTenantsTable | Op::CreateTenants(_) => LockLevel::None,
            Op::CreateSystemTenant | Op::Backfill(_) | Op::Reconcile(_) => LockLevel::RowExclusive,
            Op::AddOwnerColumn(_) | Op::AddTimestamps { .. } => LockLevel::AccessExclusive,
            Op::AddNotNull { .. } | Op::SetNotNull { .. } => LockLevel::AccessExclusive,
            // On the index, which every reader of the leaf opens; and on the tenants table, where the triggers of the
            // leaves' own keys go (measured on 14 to 17, the manual does not tell).
            Op::AttachIndex { .. } | Op::AdoptForeignKey { .. } => LockLevel::AccessExclusive,
            Op::CreateParentIndex { .. } => LockLevel::Share,
            // On both tables of a foreign key, the child's first: the order in which an INSERT locks them too.
            Op::AddForeignKey { .. } | Op::PassOwnerDown { .. } | Op::CreateTenantTrigger(_) => {
                LockLevel::ShareRowExclusive
            }
            Op::FollowOwner(_) | Op::SettleFiller(_) => LockLevel::ShareRowExclusive,
            Op::Vacuum(_)
            | Op::Analyze(_)
            | Op::AnalyzeTree(_)
            | Op::BuildIndex { .. }
            | Op::ValidateNotNull { .. }
            | Op::ValidateForeignKey { .. } => LockLevel::ShareUpdateExclusive,
            Op::Key(op) => op.lock(),
            Op::Reference(op) => op.lock(),
        }
    }

    /// How the step is sent.
    pub fn mode(&self) -> TxnMode {
        match self {
            // Statistics need no transaction: within one, the lock on the first leaf would last until the last is done.
            Op::BuildIndex { .. } | Op::Vacuum(_) | Op::AnalyzeTree(_) => TxnMode::Autocommit,
            Op::CreateTenants(_) | Op::Backfill(_) | Op::Reconcile(_) => TxnMode::Batches,
            Op::CreateTenantsTable
            | Op::CreateSystemTenant
            | Op::CreateTenantTrigger(_)
            | Op::AddOwnerColumn(_)
            | Op::AddTimestamps { .. }
            | Op::PassOwnerDown { .. }
            | Op::FollowOwner(_)
            | Op::SettleFiller(_)
            | Op::Analyze(_)
            | Op::AddNotNull { .. }
            | Op::ValidateNotNull { .. }
            | Op::SetNotNull { .. }
            | Op::AddForeignKey { .. }
            | Op::ValidateForeignKey { .. }
            | Op::CreateParentIndex { .. }
            | Op::AttachIndex { .. }
            | Op::AdoptForeignKey { .. } => TxnMode::Transaction,
            Op::Key(op) => op.mode(),
            Op::Reference(op) => op.mode(),
        }
    }

    /// Whether it changes the catalog only, or reads or writes the table's rows and so takes its time.
    pub fn duration(&self) -> Held {
        match self {
            Op::CreateTenantsTable
            | Op::CreateSystemTenant
            | Op::CreateTenantTrigger(_)
            | Op::AddOwnerColumn(_)
            | Op::AddTimestamps { .. }
            | Op::PassOwnerDown { .. }
            | Op::FollowOwner(_)
            | Op::SettleFiller(_)
            | Op::AddNotNull { .. }
            | Op::SetNotNull { .. }
            | Op::AddForeignKey { .. }
            | Op::CreateParentIndex { .. }
            | Op::AttachIndex { .. }
            | Op::AdoptForeignKey { .. } => Held::CatalogOnly,
            Op::CreateTenants(_) | Op::Backfill(_) | Op::Reconcile(_) => Held::Batch,
            Op::Vacuum(_)
            | Op::Analyze(_)
            | Op::AnalyzeTree(_)
            | Op::BuildIndex { .. }
            | Op::ValidateNotNull { .. }
            | Op::ValidateForeignKey { .. } => Held::Scan,
            Op::Key(op) => op.duration(),
            Op::Reference(op) => op.duration(),
        }
    }
}

/// How long a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// For a change of the catalog: milliseconds, whatever the table's size.
    CatalogOnly,
    /// For one batch at a time.
    Batch,
    /// While the table is read once.
    Scan,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Held::CatalogOnly => "a catalog change",
            Held::Batch => "each batch",
            Held::Scan => "one scan",
        })
    }
}

/// How a step's statements are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TxnMode {
    /// All of them in one transaction, in one round trip.
    Transaction,
    /// Each on its own, because PostgreSQL refuses it in a transaction.
    Autocommit,
    /// Over and over, a transaction a batch, with the checkpoint in it.
    Batches,
}

/// PostgreSQL's table locks, weakest first; their order is their strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LockLevel {
    /// No lock on a table of the application.
    None,
    /// What INSERT, UPDATE and DELETE take.
    RowExclusive,
    /// Against other schema changes and VACUUM.
    ShareUpdateExclusive,
    /// Against writes, but not against others like it.
    Share,
    /// Against writes.
    ShareRowExclusive,
    /// Against everything, reads too.
    AccessExclusive,
}

impl LockLevel {
    /// What waits while it is held.
    pub fn blocks(self) -> &'static str {
        match self {
            LockLevel::None => "nothing",
            LockLevel::RowExclusive => "writes to the same rows",
            LockLevel::ShareUpdateExclusive => "schema changes and vacuum",
            LockLevel::Share | LockLevel::ShareRowExclusive => "writes",
            LockLevel::AccessExclusive => "reads and writes",
        }
    }

    /// Strong enough to be asked for with `lock_timeout` and retries: the application would queue behind it.
    pub fn is_strong(self) -> bool {
        self >= LockLevel::Share
    }
}

impl fmt::Display for LockLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LockLevel::None => "none",
            LockLevel::RowExclusive => "ROW EXCLUSIVE",
            LockLevel::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            LockLevel::Share => "SHARE",
            LockLevel::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            LockLevel::AccessExclusive => "ACCESS EXCLUSIVE",
        })
    }
}
