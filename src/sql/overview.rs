//! What the script says about every table of the configuration, for people; nothing of it is sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalog::{Ident, QualifiedName};
use crate::plan::{Lookup, Owner, Plan, Strategy, TablePlan, Value};

/// A table and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableOverview {
    /// The table.
    pub name: QualifiedName,
    /// What its rows are.
    #[serde(flatten)]
    pub scope: TableScope,
}

/// What a table's rows are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "scope", rename_all = "kebab-case")]
pub enum TableScope {
    /// Every row has an owner.
    Tenant {
        /// Where a row's owner comes from.
        source: TableOwner,
        /// How existing rows are filled; nothing where all of them have their owner already.
        strategy: Option<Strategy>,
        /// Why they are filled so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Estimated rows, where there are statistics.
        rows: Option<u64>,
        /// How many partitions hold them; nothing for a table on its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        partitions: Option<usize>,
    },
    /// Reference data.
    Shared,
    /// Not looked at.
    Ignored,
}

/// Where a row's owner comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TableOwner {
    /// The System Tenant.
    System,
    /// The row that a foreign key leads to.
    Parent {
        /// The parent.
        table: QualifiedName,
        /// The columns that refer to it.
        columns: Vec<Ident>,
    },
    /// The tenant that a column names.
    Column {
        /// The column.
        column: Ident,
        /// The table in which its value is looked up.
        table: QualifiedName,
        /// The unique column there.
        matches: Ident,
    },
    /// The tenant that an expression names.
    Sql {
        /// The expression.
        expression: String,
        /// The table in which its value is looked up.
        table: QualifiedName,
        /// The unique column there.
        matches: Ident,
    },
}

/// Every table: tenant-scoped, then shared, then ignored ones, by name.
pub(super) fn overview(plan: &Plan) -> Vec<TableOverview> {
    let tenant =
        plan.tables.values().map(|table| TableOverview { name: table.owned.name.clone(), scope: scope(table) });
    let shared = plan.shared.iter().map(|name| TableOverview { name: name.clone(), scope: TableScope::Shared });
    let ignored = plan.ignored.iter().map(|name| TableOverview { name: name.clone(), scope: TableScope::Ignored });
    tenant.chain(shared).chain(ignored).collect()
}

fn scope(table: &TablePlan) -> TableScope {
    let complete = table.owned.column.as_ref().is_some_and(|column| column.not_null);
    TableScope::Tenant {
        source: match &table.owned.owner {
            Owner::System => TableOwner::System,
            Owner::Parent(link) => TableOwner::Parent { table: link.parent.clone(), columns: link.columns.clone() },
            Owner::Lookup(lookup) => named(lookup),
        },
        strategy: (!complete).then_some(table.strategy),
        reason: (!complete).then(|| table.reason.clone()),
        rows: table.rows,
        partitions: table.partitions.as_ref().map(|partitions| partitions.leaves.len()),
    }
}

fn named(lookup: &Lookup) -> TableOwner {
    let (table, matches) = (lookup.table.clone(), lookup.column.clone());
    match &lookup.value {
        Value::Column(column) => TableOwner::Column { column: column.clone(), table, matches },
        Value::Expression(expression) => TableOwner::Sql { expression: expression.to_string(), table, matches },
    }
}
