//! Statements that the operator runs elsewhere, to mend what blocks the plan; tenantctl never sends them.

use super::quote::{ident, qualified};
use crate::plan::{Blocker, Kind, Plan};

/// The blocker with the statement that mends it, where there is one.
pub(super) fn with_statement(plan: &Plan, blocker: &Blocker) -> Blocker {
    let mut blocker = blocker.clone();
    if let (Kind::SubscriberNotReady, Some(table)) = (blocker.kind, &blocker.table) {
        // Nullable and without a default: the subscriber gets the values from the publisher.
        let (table, column, id) = (qualified(table), ident(&plan.owner_column), &plan.tenants.id_type);
        blocker.remedy += &format!("; on every subscriber: ALTER TABLE {table} ADD COLUMN {column} {id}");
    }
    blocker
}
