//! What makes foreign keys compare owners, too.

use super::{Held, LockLevel, TxnMode};
use crate::catalog::{Action, Ident, QualifiedName};

/// One thing that is done for a foreign key that leads from owner and reference to owner and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceOp {
    /// Looks for rows that refer to another tenant's, and stops the run where there are any.
    Check {
        /// The table whose rows refer.
        child: QualifiedName,
        /// The key.
        reference: Box<Reference>,
    },
    /// Demands it of new rows; existing ones are not looked at.
    Add {
        /// The table whose rows refer, or a leaf of it.
        child: QualifiedName,
        /// The key.
        reference: Box<Reference>,
    },
    /// Proves it of existing rows.
    Validate {
        /// The table whose rows refer, or a leaf of it.
        child: QualifiedName,
        /// The key.
        reference: Box<Reference>,
    },
    /// Makes the proven keys of all leaves one key of the partitioned table, without a scan (before 18).
    Adopt {
        /// The root.
        child: QualifiedName,
        /// The key.
        reference: Box<Reference>,
    },
}

/// A foreign key over the owner and the columns of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its name.
    pub constraint: Ident,
    /// The key over the same columns without the owner.
    pub old: Ident,
    /// The columns that refer; the owner comes first.
    pub columns: Vec<Ident>,
    /// The table they refer to.
    pub parent: QualifiedName,
    /// The columns there, in the same order.
    pub parent_columns: Vec<Ident>,
    /// What happens to a row when its parent goes.
    pub on_delete: Action,
    /// The columns that SET NULL and SET DEFAULT are for: never the owner.
    pub set_columns: Vec<Ident>,
}

impl ReferenceOp {
    /// The table whose rows refer.
    pub fn child(&self) -> &QualifiedName {
        match self {
            ReferenceOp::Check { child, .. }
            | ReferenceOp::Add { child, .. }
            | ReferenceOp::Validate { child, .. }
            | ReferenceOp::Adopt { child, .. } => child,
        }
    }

    /// The key.
    pub fn reference(&self) -> &Reference {
        match self {
            ReferenceOp::Check { reference, .. }
            | ReferenceOp::Add { reference, .. }
            | ReferenceOp::Validate { reference, .. }
            | ReferenceOp::Adopt { reference, .. } => reference,
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            ReferenceOp::Check { .. } => "check-reference",
            ReferenceOp::Add { .. } => "add-reference",
            ReferenceOp::Validate { .. } => "validate-reference",
            ReferenceOp::Adopt { .. } => "adopt-reference",
        }
    }

    /// The strongest lock that it takes (docs: ALTER TABLE, ADD FOREIGN KEY and VALIDATE CONSTRAINT).
    pub fn lock(&self) -> LockLevel {
        match self {
            ReferenceOp::Check { .. } => LockLevel::None,
            // On both tables, the child's first.
            ReferenceOp::Add { .. } => LockLevel::ShareRowExclusive,
            ReferenceOp::Validate { .. } => LockLevel::ShareUpdateExclusive,
            // On the parent, where the triggers of the leaves' own keys go.
            ReferenceOp::Adopt { .. } => LockLevel::AccessExclusive,
        }
    }

    pub(super) fn mode(&self) -> TxnMode {
        match self {
            ReferenceOp::Check { .. } => TxnMode::Autocommit,
            ReferenceOp::Add { .. } | ReferenceOp::Validate { .. } | ReferenceOp::Adopt { .. } => TxnMode::Transaction,
        }
    }

    pub(super) fn duration(&self) -> Held {
        match self {
            ReferenceOp::Check { .. } | ReferenceOp::Validate { .. } => Held::Scan,
            ReferenceOp::Add { .. } | ReferenceOp::Adopt { .. } => Held::CatalogOnly,
        }
    }
}
