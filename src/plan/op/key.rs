//! What makes uniqueness count within each tenant.

use super::{Held, LockLevel, TxnMode};
use crate::catalog::{Ident, QualifiedName};

/// One thing that is done for a unique index that leads with the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOp {
    /// Builds it, beside whatever is there.
    Build {
        /// The table, or a leaf.
        table: QualifiedName,
        /// The index.
        index: Ident,
        /// What it covers behind the owner.
        over: KeyColumns,
    },
    /// Makes that of a partitioned table alone: it counts once every part has attached its own.
    BuildParent {
        /// The root, or a branch.
        table: QualifiedName,
        /// The index.
        index: Ident,
        /// What it covers behind the owner.
        over: KeyColumns,
        /// For a branch: the index of the table that it is a part of.
        parent: Option<QualifiedName>,
    },
    /// Attaches a leaf's to that of the table that it is a part of.
    Attach {
        /// The leaf.
        table: QualifiedName,
        /// Its index.
        index: Ident,
        /// What it covers behind the owner.
        over: KeyColumns,
        /// The index that it becomes a part of.
        parent: QualifiedName,
    },
    /// Makes built indexes constraints, in one transaction.
    Seal {
        /// The table, or a leaf.
        table: QualifiedName,
        /// The constraints, each called as its index.
        keys: Vec<SealedKey>,
    },
}

/// What a unique index covers behind the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyColumns {
    /// What PostgreSQL says of another one behind `USING btree (`.
    As(String),
    /// These columns.
    Of(Vec<Ident>),
}

/// An index that becomes a constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// The index, and the constraint's name.
    pub name: Ident,
    /// Whether it may be checked at the end of a transaction, and then whether it is if nobody asks otherwise.
    pub deferrable: Option<bool>,
}

impl KeyOp {
    /// The table that it works on.
    pub fn table(&self) -> &QualifiedName {
        match self {
            KeyOp::Build { table, .. }
            | KeyOp::BuildParent { table, .. }
            | KeyOp::Attach { table, .. }
            | KeyOp::Seal { table, .. } => table,
        }
    }

    /// The index that it is about, where it is one.
    pub fn object(&self) -> Option<&Ident> {
        match self {
            KeyOp::Build { index, .. } | KeyOp::BuildParent { index, .. } | KeyOp::Attach { index, .. } => Some(index),
            KeyOp::Seal { .. } => None,
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            KeyOp::Build { .. } => "build-key",
            KeyOp::BuildParent { .. } => "create-parent-key",
            KeyOp::Attach { .. } => "attach-key",
            KeyOp::Seal { .. } => "seal-keys",
        }
    }

    /// (Docs: CREATE INDEX, CONCURRENTLY; ALTER TABLE, ADD table_constraint and USING INDEX.)
    pub(super) fn lock(&self) -> LockLevel {
        match self {
            KeyOp::Build { .. } => LockLevel::ShareUpdateExclusive,
            KeyOp::BuildParent { .. } => LockLevel::Share,
            // Of the first, on the leaf's index, which every reader of the leaf opens.
            KeyOp::Attach { .. } | KeyOp::Seal { .. } => LockLevel::AccessExclusive,
        }
    }

    pub(super) fn mode(&self) -> TxnMode {
        match self {
            KeyOp::Build { .. } => TxnMode::Autocommit,
            KeyOp::BuildParent { .. } | KeyOp::Attach { .. } | KeyOp::Seal { .. } => TxnMode::Transaction,
        }
    }

    pub(super) fn duration(&self) -> Held {
        match self {
            KeyOp::Build { .. } => Held::Scan,
            KeyOp::BuildParent { .. } | KeyOp::Attach { .. } | KeyOp::Seal { .. } => Held::CatalogOnly,
        }
    }
}
