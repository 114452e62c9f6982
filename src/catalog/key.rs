//! What refers and what is referred to: primary keys, unique constraints and foreign keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ident, QualifiedName};

/// A primary key or unique constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Key {
    /// The constraint's name.
    pub name: Ident,
    /// Primary key, or unique.
    pub primary: bool,
    /// Its columns in order.
    pub columns: Vec<Ident>,
    /// It may be checked at the end of the transaction; no foreign key can refer to such a key.
    pub deferrable: bool,
    /// Its last column may not overlap instead of not be equal (WITHOUT OVERLAPS of 18).
    pub period: bool,
    /// What else there is to it; nothing in a catalog that an earlier version kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<KeyDetails>,
}

/// What a key needs to be built again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyDetails {
    /// It is checked at the end of a transaction that does not ask otherwise.
    pub initially_deferred: bool,
    /// It belongs to a key of the partitioned table above.
    pub inherited: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForeignKey {
    /// The constraint's name.
    pub name: Ident,
    /// The columns that refer.
    pub columns: Vec<Ident>,
    /// The table they refer to.
    pub parent: QualifiedName,
    /// The columns there, in the same order.
    pub parent_columns: Vec<Ident>,
    /// Every row was checked (`convalidated`).
    pub validated: bool,
    /// New rows are checked (false only for NOT ENFORCED of 18).
    pub enforced: bool,
    /// Its triggers are enabled on both sides, and everywhere in the partition trees there; a key whose triggers are
    /// off proves nothing.
    pub triggers_enabled: bool,
    /// It may be checked at the end of the transaction.
    pub deferrable: bool,
    /// Its last column is contained in the parent's instead of equal (PERIOD of 18).
    pub period: bool,
    /// What else there is to it; nothing in a catalog that an earlier version kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<ReferenceDetails>,
}

impl ForeignKey {
    /// Its columns, each with the parent's.
    pub fn pairs(&self) -> impl Iterator<Item = (&Ident, &Ident)> {
        self.columns.iter().zip(&self.parent_columns)
    }

    /// Whether it compares the owners of both rows, besides other columns.
    pub fn compares(&self, owner: &Ident) -> bool {
        let mut pairs = self.pairs();
        self.columns.len() > 1 && pairs.any(|pair| pair == (owner, owner))
    }

    /// The same without the owner.
    pub(super) fn without(&self, owner: &Ident) -> ForeignKey {
        let pairs = self.pairs().filter(|pair| *pair != (owner, owner));
        let (columns, parent_columns) = pairs.map(|(column, parent)| (column.clone(), parent.clone())).unzip();
        ForeignKey { columns, parent_columns, ..self.clone() }
    }

    /// It leads to the same rows.
    pub(super) fn leads_as(&self, other: &ForeignKey) -> bool {
        self.parent == other.parent && self.columns == other.columns && self.parent_columns == other.parent_columns
    }

    /// What it proves, for comparison.
    pub(super) fn strength(&self) -> [bool; 5] {
        [self.enforced, self.triggers_enabled, self.validated, !self.period, !self.deferrable]
    }
}

/// What a foreign key needs to be built again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReferenceDetails {
    /// What it makes of NULL.
    pub matching: Matching,
    /// What happens to a row when its parent's columns change.
    pub on_update: Action,
    /// What happens to it when its parent goes.
    pub on_delete: Action,
    /// The columns that `SET NULL` and `SET DEFAULT` on delete are for, where not for all (15 and later).
    pub set_columns: Vec<Ident>,
    /// It is checked at the end of a transaction that does not ask otherwise.
    pub initially_deferred: bool,
    /// It belongs to a key of the partitioned table above.
    pub inherited: bool,
    /// The parent's index that it relies on.
    pub index: Option<Ident>,
}

/// What a foreign key over several columns makes of NULL in some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Matching {
    /// The row refers to nothing.
    Simple,
    /// It is refused.
    Full,
}

/// What happens to a row whose parent changes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The parent's change is refused, at the end of the transaction where the key is deferred.
    NoAction,
    /// It is refused at once.
    Restrict,
    /// The row follows.
    Cascade,
    /// Its columns become NULL.
    SetNull,
    /// Its columns get their defaults.
    SetDefault,
}

impl Action {
    /// Its words in SQL.
    pub fn as_sql(self) -> &'static str {
        match self {
            Action::NoAction => "NO ACTION",
            Action::Restrict => "RESTRICT",
            Action::Cascade => "CASCADE",
            Action::SetNull => "SET NULL",
            Action::SetDefault => "SET DEFAULT",
        }
    }
}
