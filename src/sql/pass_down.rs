//! The trigger by which a parent that gets another owner passes it down to its children.

use super::Statement;
use super::filler::{NOT_THE_BACKFILL, named};
use super::quote::{dollar, ident, qualified};
use crate::catalog::{Ident, QualifiedName};
use crate::plan::{Plan, pass_trigger};

/// How often a new owner is passed down with little patience before it is passed down with the session's own.
const ATTEMPTS: u32 = 20;

/// The function and the trigger by which a parent's row passes a new owner down to its children in one table.
///
/// All children are written, also one that seems to have the new owner already: that may be an owner that is wrong still,
/// and somebody who is changing the row may just have looked up the parent's old one. Then this waits for them, and comes
/// last.
///
/// Its update fires the application's own triggers on the children, which may rely on the session's search path: so the
/// function leaves that alone, and names its operators with their schema instead.
pub(super) fn pass_down(plan: &Plan, parent: &QualifiedName, child: &QualifiedName) -> Vec<Statement> {
    let Some(link) = plan.tables.get(child).and_then(|table| table.owned.owner.parent_with_owner()) else {
        return Vec::new();
    };
    let column = ident(&plan.owner_column);
    let function = named("pass", child);
    let trigger = ident(&pass_trigger(child));
    let (up, down) = (qualified(parent), qualified(child));
    let same_row = pairs("p", &link.parent_columns, "NEW", &link.parent_columns);
    let children = pairs("c", &link.columns, "NEW", &link.parent_columns);
    let work = format!(
        "PERFORM 1 FROM {up} AS p WHERE {same_row} FOR UPDATE;\n      UPDATE {down} AS c SET {column} = NEW.{column}\n        \
         WHERE {children};"
    );
    vec![
        Statement::new(format!(
            "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger\n  LANGUAGE plpgsql SECURITY DEFINER\n  AS {}",
            dollar(&yielding(&work))
        )),
        Statement::new(format!("REVOKE ALL ON FUNCTION {function}() FROM PUBLIC")),
        Statement::new(format!(
            "CREATE OR REPLACE TRIGGER {trigger}\n  AFTER UPDATE ON {up}\n  FOR EACH ROW WHEN (NEW.{column} IS NOT NULL\n    \
             AND NEW.{column} IS DISTINCT FROM OLD.{column}\n    AND {NOT_THE_BACKFILL})\n  \
             EXECUTE FUNCTION {function}()"
        )),
        Statement::new(format!("ALTER TABLE {up} ENABLE ALWAYS TRIGGER {trigger}")),
    ]
}

/// Work that gives its locks up and begins anew rather than wait long for one. It goes from the parent to its children;
/// a writer that has changed a child and now refers to a parent comes the other way. The writer gets through, since each
/// attempt ends well before `deadlock_timeout` (1 s by default); the last one waits as the session would.
///
/// Passing on to grandchildren is part of the outermost attempt: only that one can give up all of them.
fn yielding(work: &str) -> String {
    format!(
        "
DECLARE
  patience text := pg_catalog.current_setting('lock_timeout');
BEGIN
  IF pg_catalog.current_setting('tenantctl.passing', true) OPERATOR(pg_catalog.=) 'on' THEN
    {work}
    RETURN NULL;
  END IF;
  FOR attempt IN 1..{ATTEMPTS} LOOP
    BEGIN
      PERFORM pg_catalog.set_config('tenantctl.passing', 'on', true);
      IF attempt OPERATOR(pg_catalog.<) {ATTEMPTS} THEN
        PERFORM pg_catalog.set_config('lock_timeout', '100ms', true);
      END IF;
      {work}
      PERFORM pg_catalog.set_config('tenantctl.passing', 'off', true);
      PERFORM pg_catalog.set_config('lock_timeout', patience, true);
      RETURN NULL;
    EXCEPTION WHEN lock_not_available THEN
      IF attempt OPERATOR(pg_catalog.=) {ATTEMPTS} THEN
        RAISE;
      END IF;
    END;
    PERFORM pg_catalog.pg_sleep(0.01);
  END LOOP;
END
"
    )
}

fn pairs(left: &str, left_columns: &[Ident], right: &str, right_columns: &[Ident]) -> String {
    let equal = |(one, other): (&Ident, &Ident)| {
        format!("{left}.{} OPERATOR(pg_catalog.=) {right}.{}", ident(one), ident(other))
    };
    left_columns.iter().zip(right_columns).map(equal).collect::<Vec<_>>().join(" AND ")
}
