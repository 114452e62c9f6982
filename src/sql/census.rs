//! How many rows and owners each table has, for the demo's before and after.

use super::Query;
use super::quote::{ident, literal, qualified};
use crate::plan::Plan;

/// One row a table, in the plan's order: its name, its rows, and its different owners (0 before there is a column).
pub fn census(plan: &Plan, owners: Owners) -> Query {
    let column = ident(&plan.owner_column);
    let owners = match owners {
        Owners::Counted => format!("count(DISTINCT {column})"),
        Owners::NotYet => "0::bigint".to_owned(),
    };
    let counts = plan.tables.keys().map(|table| {
        format!("SELECT {}, count(*), {owners} FROM {}", literal(&table.name.to_string()), qualified(table))
    });
    Query::new(counts.collect::<Vec<_>>().join("\nUNION ALL\n"))
}

/// Whether the tables have owners yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// The column may not be there.
    NotYet,
    /// Count them.
    Counted,
}
