//! The owner column of a table as it is in the end, for whoever describes the table a second time: a model, a schema file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unique_key;
use crate::catalog::{Ident, QualifiedName};
use crate::plan::{KeyOp, Op, Owner, Plan, Reference, ReferenceOp, TablePlan};

/// A table's owner column with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnerColumn {
    /// The table.
    pub table: QualifiedName,
    /// The column.
    pub column: Ident,
    /// Its type.
    pub data_type: String,
    /// The id that its default names; nothing where a row's owner is derived from another row.
    pub default: Option<String>,
    /// The index that this plan builds on it; nothing where one is there already, or a key leads with it.
    pub index: Option<Ident>,
    /// The foreign key that this plan adds; nothing where one is there already.
    pub foreign_key: Option<Ident>,
    /// The unique keys that lead with it and that this plan builds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<TenantKey>,
    /// The foreign keys that this plan adds and that compare owners.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<OwnerReference>,
    /// Columns with the times of its rows that this plan adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timestamps: Vec<Ident>,
    /// The tenants table.
    pub tenants: QualifiedName,
    /// Its primary key.
    pub tenants_id: Ident,
}

/// A unique key within each tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TenantKey {
    /// Its name.
    pub name: Ident,
    /// Its columns, the owner first, as text.
    pub columns: String,
}

/// A foreign key that compares owners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnerReference {
    /// Its name.
    pub name: Ident,
    /// The columns that refer; the owner comes first.
    pub columns: Vec<Ident>,
    /// The table that they refer to.
    pub parent: QualifiedName,
    /// The columns there, in the same order.
    pub parent_columns: Vec<Ident>,
}

/// One for every tenant-scoped table, by name.
pub(super) fn owner_columns(plan: &Plan) -> Vec<OwnerColumn> {
    plan.tables.values().map(|table| owner_column(plan, table)).collect()
}

fn owner_column(plan: &Plan, table: &TablePlan) -> OwnerColumn {
    let name = &table.owned.name;
    let steps = plan.migrations.iter().filter(|migration| migration.table.as_ref() == Some(name));
    let (mut index_made, mut key_added) = (None, None);
    let (mut keys, mut references) = (Vec::new(), Vec::new());
    for step in steps.flat_map(|migration| &migration.steps) {
        match &step.op {
            Op::BuildIndex { index, table } | Op::CreateParentIndex { index, table, .. } if table == name => {
                index_made = Some(index.clone());
            }
            Op::AddForeignKey { constraint, table } | Op::AdoptForeignKey { constraint, table } if table == name => {
                key_added = Some(constraint.clone());
            }
            Op::Key(KeyOp::Build { index, table, over } | KeyOp::BuildParent { index, table, over, .. })
                if table == name =>
            {
                keys.push(TenantKey { name: index.clone(), columns: unique_key::columns_in_words(plan, over) });
            }
            Op::Reference(ReferenceOp::Add { child, reference } | ReferenceOp::Adopt { child, reference })
                if child == name =>
            {
                references.push(owner_reference(reference));
            }
            _ => {}
        }
    }
    OwnerColumn {
        table: name.clone(),
        column: plan.owner_column.clone(),
        data_type: plan.tenants.id_type.clone(),
        default: (table.owned.owner == Owner::System).then(|| plan.system.id.clone()),
        index: index_made,
        foreign_key: key_added,
        keys,
        references,
        timestamps: table.owned.timestamps.clone(),
        tenants: plan.tenants.table.clone(),
        tenants_id: plan.tenants.columns.id.clone(),
    }
}

fn owner_reference(reference: &Reference) -> OwnerReference {
    OwnerReference {
        name: reference.constraint.clone(),
        columns: reference.columns.clone(),
        parent: reference.parent.clone(),
        parent_columns: reference.parent_columns.clone(),
    }
}
