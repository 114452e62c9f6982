//! Phase `expand`: the owner column, nullable, and the filler that covers writers who do not know it.

use super::{Op, Plan, TablePlan};
use crate::catalog::{Ident, Table};

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
    let mut ops = Vec::new();
    if table.owned.column.as_ref().is_none_or(|column| !column.not_null) {
        ops.push(Op::AddOwnerColumn(name.clone()));
        let parent = table.owned.owner.parent_with_owner();
        ops.extend(parent.map(|link| Op::PassOwnerDown { parent: link.parent.clone(), child: name.clone() }));
    }
    if !table.owned.timestamps.is_empty() {
        ops.push(Op::AddTimestamps { table: name.clone(), columns: table.owned.timestamps.clone() });
    }
    ops
}
