//! The filler: triggers that give a row its owner while writers do not know the column.
//!
//! The owner of a derived row is looked up under the lock that the row's foreign key takes anyway (`FOR KEY SHARE` on
//! the parent). Whoever changes a parent's owner takes `FOR UPDATE` on it before it passes the owner down, so one of the
//! two waits, and no child keeps the old owner. The look-up is a statement of its own, after the lock, because under READ
//! COMMITTED only the next statement sees what was committed while the lock was waited for (docs, 13.2.1).
//!
//! Where a backfill writes the table, the trigger on changed rows comes after it: with it, PostgreSQL would lock and log
//! every row before a batch changes it. Until then a writer may leave a row without an owner, or with that of the parent it
//! had before; nobody reads owners yet. The lock of CREATE TRIGGER waits for those writers, and from then on each change
//! of a row derives its owner, so that what is wrong lies still until it is reconciled. A batch that waits for a writer's
//! row looks up the owner of the row's new version (docs, 13.2.1).
//!
//! What this does not cover: a REPEATABLE READ writer whose snapshot is older than the move adds its row with the old owner,
//! and one that moves a parent does not see a row that was added since its snapshot (the comparison of owners before
//! `enforce` repairs both); and a transaction that holds a moving row's family from both
//! ends, by an added child and a change of the parent, say. PostgreSQL ends one of those two as a deadlock.

use super::lookup::{self, Directory};
use super::mapping::new_id;
use super::quote::{dollar, ident, literal, qualified};
use super::{Statement, filled};
use crate::catalog::{Ident, QualifiedName};
use crate::config::{IdStyle, Unowned};
use crate::plan::{FILL_ON_INSERT, FILL_ON_UPDATE, Link, Lookup, OwnedTable, Owner, Plan, TablePlan, Value};

/// The batches of a backfill set this: their owners are right already, and children have batches of their own.
pub(super) const NOT_THE_BACKFILL: &str = "current_setting('tenantctl.backfill', true) IS DISTINCT FROM 'on'";

/// The row that a trigger is about.
const NEW: &str = "NEW";

/// Whether an expression may find a parent without an owner and then asks the parent's own source.
#[derive(Clone, Copy)]
pub(super) enum Climb {
    /// While the backfill has not reached the parent.
    ToTheSource,
    /// Parents are complete.
    OneStep,
}

/// The System Tenant's id as a literal of the id's type.
pub(super) fn system_id(plan: &Plan) -> String {
    match plan.tenants.id {
        IdStyle::Bigserial => plan.system.id.clone(),
        IdStyle::Uuid => format!("{}::uuid", literal(&plan.system.id)),
        IdStyle::Text { .. } => format!("{}::{}", literal(&plan.system.id), plan.tenants.id_type),
    }
}

/// The owner of the row `alias` by its source, whatever its own column says.
pub(super) fn owner_of(plan: &Plan, table: &OwnedTable, alias: &str, climb: Climb) -> String {
    expression(plan, table, alias, climb, 1)
}

/// The owner of the row `alias` by its source, else the one it has: a row that loses its parent keeps its owner, and only
/// a row that never had one may stay without.
pub(super) fn owner_or_kept(plan: &Plan, table: &OwnedTable, alias: &str, climb: Climb) -> String {
    if table.owner == Owner::System {
        let system = system_id(plan);
        // A trigger asks only where there is none.
        return if alias == NEW {
            system
        } else {
            format!("coalesce({alias}.{}, {system})", ident(&plan.owner_column))
        };
    }
    let only_found = OwnedTable { unowned: Unowned::Stop, ..table.clone() };
    let found = owner_of(plan, &only_found, alias, climb);
    let kept = format!("{alias}.{}", ident(&plan.owner_column));
    let kept = if alias == NEW && is_own_tenant(plan, table) { own_tenant(plan, &kept) } else { kept };
    found_or_kept(plan, table, &found, &kept)
}

/// The owner that was found, else the one that the row has, else the System Tenant where that is what the configuration
/// wants.
pub(super) fn found_or_kept(plan: &Plan, table: &OwnedTable, found: &str, kept: &str) -> String {
    let last = match table.unowned {
        Unowned::Stop => String::new(),
        Unowned::System => format!(", {}", system_id(plan)),
    };
    format!("coalesce(\n      {found},\n      {kept}{last})")
}

/// The same with a parent that is joined: the expression, and the join that it needs. It is the foreign key's, so there is
/// one parent at most.
pub(super) fn owner_by_join(plan: &Plan, table: &OwnedTable, alias: &str) -> (String, String) {
    match &table.owner {
        Owner::Parent(link) if !is_owner_itself(plan, link) => {
            let found = parent_owner(plan, link, "p1", Climb::OneStep, 1);
            let join = format!("\n  LEFT JOIN {} AS p1 ON {}", qualified(&link.parent), join(link, "p1", alias));
            (or_system(plan, table, found), join)
        }
        Owner::Parent(_) | Owner::Lookup(_) | Owner::System => {
            (owner_of(plan, table, alias, Climb::OneStep), String::new())
        }
    }
}

fn expression(plan: &Plan, table: &OwnedTable, alias: &str, climb: Climb, depth: usize) -> String {
    let found = match &table.owner {
        Owner::System => return system_id(plan),
        Owner::Lookup(lookup) => Directory::planned(plan).tenant(lookup, &table.called, alias),
        Owner::Parent(link) if is_owner_itself(plan, link) => format!("{alias}.{}", ident(&link.columns[0])),
        Owner::Parent(link) => {
            let parent = format!("p{depth}");
            let owner = parent_owner(plan, link, &parent, climb, depth);
            let matches = join(link, &parent, alias);
            format!("(SELECT {owner} FROM {} AS {parent} WHERE {matches})", qualified(&link.parent))
        }
    };
    or_system(plan, table, found)
}

/// What is found, or the System Tenant where that is what the configuration wants.
fn or_system(plan: &Plan, table: &OwnedTable, found: String) -> String {
    match table.unowned {
        Unowned::Stop => found,
        Unowned::System => format!("coalesce({found}, {})", system_id(plan)),
    }
}

/// A new row of the mapped table belongs to the tenant that is made right after it; a row that is there keeps its own.
fn own_tenant(plan: &Plan, kept: &str) -> String {
    format!("CASE WHEN TG_OP = 'INSERT' THEN {} ELSE {kept} END", new_id(plan))
}

fn is_own_tenant(plan: &Plan, table: &OwnedTable) -> bool {
    plan.own_tenants().is_some_and(|own| own.owned.name == table.name)
}

/// The owner that a row of the parent table has.
fn parent_owner(plan: &Plan, link: &Link, parent: &str, climb: Climb, depth: usize) -> String {
    if link.ends_at_tenants {
        return format!("{parent}.{}", ident(&plan.tenants.columns.id));
    }
    let column = format!("{parent}.{}", ident(&plan.owner_column));
    let above = plan.tables.get(&link.parent).filter(|above| !is_complete(above));
    match (climb, above) {
        (Climb::ToTheSource, Some(above)) => {
            format!("coalesce({column}, {})", expression(plan, &above.owned, parent, climb, depth + 1))
        }
        (Climb::ToTheSource | Climb::OneStep, _) => column,
    }
}

fn is_complete(table: &TablePlan) -> bool {
    table.owned.column.as_ref().is_some_and(|column| column.not_null)
}

/// The foreign key's value is the tenant's id.
fn is_owner_itself(plan: &Plan, link: &Link) -> bool {
    link.ends_at_tenants && link.parent_columns == [plan.tenants.columns.id.clone()]
}

fn join(link: &Link, parent: &str, child: &str) -> String {
    let pairs = link.parent_columns.iter().zip(&link.columns);
    let equal = |(up, down): (&Ident, &Ident)| format!("{parent}.{} = {child}.{}", ident(up), ident(down));
    pairs.map(equal).collect::<Vec<_>>().join(" AND ")
}

/// The name of what is ours of a table. The dot keeps schema and table apart: `a_b.c` and `a.b_c` need two functions, or one's
/// rows get the other's owner.
pub(super) fn named(kind: &str, table: &QualifiedName) -> String {
    let name = Ident::derived(&[kind, &table.to_string()]);
    format!("tenantctl.{}", ident(&name))
}

/// The function, the trigger on new rows that fills a table's owner column, and the one on changed rows unless that follows
/// the backfill. One that an earlier plan left there may have looked at another source.
pub(super) fn fill(plan: &Plan, table: &TablePlan) -> Vec<Statement> {
    let name = qualified(&table.owned.name);
    let function = named("fill", &table.owned.name);
    let on_insert = match &table.owned.owner {
        Owner::System => format!(" WHEN (NEW.{} IS NULL)", ident(&plan.owner_column)),
        Owner::Parent(_) | Owner::Lookup(_) => String::new(),
    };
    let mut statements = filled::create(&table.owned.name).to_vec();
    statements.push(Statement::new(create_function(&function, &fill_body(plan, table))));
    statements.push(Statement::new(format!("REVOKE ALL ON FUNCTION {function}() FROM PUBLIC")));
    statements.push(Statement::new(format!(
        "CREATE OR REPLACE TRIGGER {}\n  BEFORE INSERT ON {name}\n  FOR EACH ROW{on_insert}\n  EXECUTE FUNCTION {function}()",
        trigger(FILL_ON_INSERT)
    )));
    if table.is_written(plan) {
        statements.push(Statement::new(format!("DROP TRIGGER IF EXISTS {} ON {name}", trigger(FILL_ON_UPDATE))));
        statements.push(always(&name, &[FILL_ON_INSERT]));
    } else {
        statements.push(on_update(plan, table, Changes::OfTheSource));
        statements.push(always(&name, &[FILL_ON_INSERT, FILL_ON_UPDATE]));
    }
    statements
}

/// The trigger on changed rows, once all are filled. It looks at every change, so that no row can move away from the
/// comparison of owners with one that became wrong before.
pub(super) fn follow(plan: &Plan, table: &TablePlan) -> Vec<Statement> {
    let changes = match &table.owned.owner {
        Owner::System => Changes::OfTheSource,
        Owner::Parent(_) | Owner::Lookup(_) => Changes::Any,
    };
    vec![on_update(plan, table, changes), always(&qualified(&table.owned.name), &[FILL_ON_UPDATE])]
}

/// The trigger on changed rows, once all owners are right.
pub(super) fn settle(plan: &Plan, table: &TablePlan) -> Vec<Statement> {
    let enabled = always(&qualified(&table.owned.name), &[FILL_ON_UPDATE]);
    vec![on_update(plan, table, Changes::OfTheSource), enabled]
}

/// At which changed rows the filler looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changes {
    /// At all that writers change.
    Any,
    /// At those that have no owner, or another source, or were given another owner.
    OfTheSource,
}

fn on_update(plan: &Plan, table: &TablePlan, changes: Changes) -> Statement {
    let column = ident(&plan.owner_column);
    // Where the source decides, a writer that names another owner is corrected; the backfill's owner is the source's.
    let derived = |moved: String| match changes {
        Changes::Any => format!("{moved}\n    OR {NOT_THE_BACKFILL}"),
        Changes::OfTheSource => {
            format!("{moved}\n    OR NEW.{column} IS DISTINCT FROM OLD.{column} AND {NOT_THE_BACKFILL}")
        }
    };
    let otherwise = match &table.owned.owner {
        Owner::System => String::new(),
        Owner::Parent(link) => derived(link.columns.iter().map(|column| format!(" OR {}", changed(column))).collect()),
        Owner::Lookup(lookup) => derived(changed_value(lookup)),
    };
    // The function does not care; the probe knows by it which of the two triggers is there.
    let any = if changes == Changes::Any { "'any change'" } else { "" };
    Statement::new(format!(
        "CREATE OR REPLACE TRIGGER {}\n  BEFORE UPDATE ON {}\n  FOR EACH ROW WHEN (NEW.{column} IS NULL{otherwise})\n  \
         EXECUTE FUNCTION {}({any})",
        trigger(FILL_ON_UPDATE),
        qualified(&table.owned.name),
        named("fill", &table.owned.name)
    ))
}

fn always(name: &str, triggers: &[&str]) -> Statement {
    let enabled: Vec<String> =
        triggers.iter().map(|name| format!("\n  ENABLE ALWAYS TRIGGER {}", trigger(name))).collect();
    Statement::new(format!("ALTER TABLE {name}{}", enabled.join(",")))
}

fn trigger(name: &str) -> String {
    ident(&Ident::derived(&[name]))
}

/// The name of a table's filler and what it does, for the probe.
pub(super) fn filler(plan: &Plan, table: &TablePlan) -> (String, String) {
    (named("fill", &table.owned.name), fill_body(plan, table))
}

/// Runs as its owner, who may read the parent, with a fixed search path (docs, CREATE FUNCTION, "Writing SECURITY
/// DEFINER Functions Safely").
fn create_function(function: &str, body: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger\n  LANGUAGE plpgsql SECURITY DEFINER\n  \
         SET search_path = pg_catalog, pg_temp\n  AS {}",
        dollar(body)
    )
}

/// A row that stays where it is takes no lock on its parent: a parent that moves finds it and waits for it. If it took
/// one, each would wait for the other.
fn fill_body(plan: &Plan, table: &TablePlan) -> String {
    let column = ident(&plan.owner_column);
    let owner = owner_or_kept(plan, &table.owned, NEW, Climb::ToTheSource);
    let lock = table.owned.owner.parent_with_owner().map_or_else(String::new, |link| {
        let moved = link.columns.iter().map(changed).collect::<Vec<_>>().join(" OR ");
        let (parent, matches) = (qualified(&link.parent), join(link, "p1", "NEW"));
        format!(
            "  IF TG_OP = 'INSERT' OR {moved} THEN\n    PERFORM 1 FROM {parent} AS p1 WHERE {matches} FOR KEY \
             SHARE;\n  END IF;\n"
        )
    });
    let fill = format!("  NEW.{column} := {owner};\n");
    let declared =
        format!("DECLARE\n  unfilled boolean := NEW.{column} IS NULL AND {NOT_THE_BACKFILL};\n  counted bigint;\n");
    let counted =
        format!("  IF unfilled AND NEW.{column} IS NOT NULL THEN\n{}  END IF;\n", filled::count(&table.owned.name));
    if !asks_expression(plan, &table.owned) {
        return format!("\n{declared}BEGIN\n{lock}{fill}{counted}  RETURN NEW;\nEND\n");
    }
    let last = match table.owned.unowned {
        Unowned::Stop => String::new(),
        Unowned::System => format!("    NEW.{column} := coalesce(NEW.{column}, {});\n", system_id(plan)),
    };
    format!(
        "\n#variable_conflict use_column\n{declared}BEGIN\n{lock}  BEGIN\n  {fill}  EXCEPTION WHEN data_exception OR \
         cardinality_violation THEN\n    NULL;\n{last}  END;\n{counted}  RETURN NEW;\nEND\n"
    )
}

/// Whether the filler asks an expression of the operator's, here or on its way up. One that fails on a row must not fail
/// the application's statement: the row names no tenant then.
fn asks_expression(plan: &Plan, table: &OwnedTable) -> bool {
    match &table.owner {
        Owner::System => false,
        Owner::Lookup(lookup) => matches!(lookup.value, Value::Expression(_)),
        Owner::Parent(link) => {
            let above = plan.tables.get(&link.parent).filter(|above| !is_complete(above));
            above.is_some_and(|above| asks_expression(plan, &above.owned))
        }
    }
}

fn changed_value(lookup: &Lookup) -> String {
    let (new, old) =
        (|_, column: &Ident| format!("NEW.{}", ident(column)), |_, column: &Ident| format!("OLD.{}", ident(column)));
    lookup::changed(lookup, new, old).map_or_else(String::new, |changed| format!(" OR {changed}"))
}

fn changed(column: &Ident) -> String {
    format!("NEW.{0} IS DISTINCT FROM OLD.{0}", ident(column))
}
