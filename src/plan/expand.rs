//! Phase `expand`: the owner column, nullable, and the filler that covers writers who do not know it.

use super::{Op, OwnedTable, Owner, Owners, Plan, Strategy, TablePlan};
use crate::catalog::{Ident, Table};
use crate::config::{Config, StrategyChoice};
use crate::error::{Code, Failure};

/// The trigger that fills the owner of a new row. BEFORE triggers fire in the order of their names, and `~` sorts after
/// every letter: the filler sees what the application's own triggers left.
pub const FILL_ON_INSERT: &str = "~tenantctl_fill_insert";
/// The trigger that fills or re-derives the owner of a changed row.
pub const FILL_ON_UPDATE: &str = "~tenantctl_fill_update";

/// The trigger on a parent that passes a new owner down to one child table.
pub fn pass_trigger(child: &crate::catalog::QualifiedName) -> Ident {
    Ident::derived(&["~tenantctl_pass", &child.to_string()])
}

/// The steps of the phase for one table: nothing where the column is complete already.
///
/// The column's step is there even if column and triggers are: a filler of an earlier plan may have another source, which
/// only the step's probe can tell.
pub(super) fn ops(_plan: &Plan, table: &TablePlan, _now: &Table) -> Vec<Op> {
    let name = &table.owned.name;
    if table.owned.column.as_ref().is_some_and(|column| column.not_null) {
        return Vec::new();
    }
    let column = Op::AddOwnerColumn(name.clone());
    let pass_down = match &table.owned.owner {
        Owner::Parent(link) if !link.ends_at_tenants => {
            Some(Op::PassOwnerDown { parent: link.parent.clone(), child: name.clone() })
        }
        Owner::Parent(_) | Owner::Lookup(_) | Owner::System => None,
    };
    std::iter::once(column).chain(pass_down).collect()
}

/// Chooses how existing rows are filled.
///
/// `instant` needs one constant for all of them and a new column (its default then stands for the rows that are there),
/// and PostgreSQL takes no new column with a default where whole rows of the table are stored elsewhere.
pub(super) fn strategy(
    config: &Config,
    owners: &Owners,
    owned: &OwnedTable,
    table: &Table,
) -> Result<Strategy, Failure> {
    let obstacle = obstacle(config, owners, owned, table);
    match (owned.choice, obstacle) {
        (StrategyChoice::Auto | StrategyChoice::Instant, None) => Ok(Strategy::Instant),
        (StrategyChoice::Auto, Some(_)) | (StrategyChoice::Batched, _) => Ok(Strategy::Ranges),
        (StrategyChoice::Instant, Some(why)) => {
            let message = format!("{}: {}: backfill = \"instant\" cannot be: {why}", config.at(owned.line), owned.name);
            Err(Failure::new(Code::ConfigInvalid, message).hint("drop the key, or set backfill = \"batched\""))
        }
    }
}

/// Why a default cannot stand for the rows that are there; nothing where it can.
fn obstacle(config: &Config, owners: &Owners, owned: &OwnedTable, table: &Table) -> Option<String> {
    if owned.column.is_some() {
        return Some(format!("the column {} is there already", config.tenant_column));
    }
    if !owners.is_constant(owned) {
        return Some("its rows do not all have the same owner".to_owned());
    }
    stored(table)
}

/// Where whole rows of the table are stored, which keeps PostgreSQL from adding a column with a default.
pub(super) fn stored(table: &Table) -> Option<String> {
    if table.stored_in.is_empty() {
        return None;
    }
    let names: Vec<String> = table.stored_in.iter().map(ToString::to_string).collect();
    Some(format!(
        "whole rows of it are in columns of {}, so PostgreSQL refuses a column with a default",
        names.join(", ")
    ))
}
