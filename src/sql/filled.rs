//! What a filler does for writers that do not know the owner column: counted row by row, with the applications' names.
//!
//! A count is a sequence: no transaction waits for another one's number, and nothing that is rolled back takes it back. So
//! it says what writers sent, not what is in the table. Names go to a table that is only added to, at most once in five
//! minutes for each session.

use super::Query;
use super::Statement;
use super::filler::named;
use super::quote::{literal, qualified};
use crate::catalog::QualifiedName;

/// As many names are noted for a table, over all time; migration V9 has the same number.
const TELLS: u32 = 10_000;
/// Names of a table that are shown, the latest ones.
const SHOWN: u32 = 20;

/// The sequence that counts a table's rows.
fn counter(table: &QualifiedName) -> String {
    named("filled", table)
}

/// The sequence that limits how many names of a table are noted.
fn tells(table: &QualifiedName) -> String {
    named("told", table)
}

/// Both, for whoever drops them.
pub(super) fn sequences(table: &QualifiedName) -> [String; 2] {
    [counter(table), tells(table)]
}

/// Looked up anew each time: a sequence that somebody dropped makes no number, and fails no writer.
fn regclass(sequence: &str) -> String {
    format!("to_regclass({})", literal(sequence))
}

/// Makes a table's counters; those of an earlier run go on.
pub(super) fn create(table: &QualifiedName) -> [Statement; 2] {
    // None is ever full: it begins again.
    [counter(table), tells(table)].map(|name| Statement::new(format!("CREATE SEQUENCE IF NOT EXISTS {name} CYCLE")))
}

/// Whether a table's counters are there.
pub(super) fn exist(table: &QualifiedName) -> String {
    let [counter, tells] = [counter(table), tells(table)].map(|name| regclass(&name));
    format!("{counter} IS NOT NULL AND {tells} IS NOT NULL")
}

/// What a filler does for a row that it gave an owner; the body has a variable `counted`.
///
/// The session remembers what it told in a setting that goes with a rollback as the row does. It is set before the block
/// whose failures are caught, or a session whose names cannot be noted would try again with every row.
pub(super) fn count(table: &QualifiedName) -> String {
    let setting = "'tenantctl.told_' || TG_RELID";
    let teller = "current_setting('application_name') || ' ' || floor(date_part('epoch', now()) / 300)";
    format!(
        "    counted := nextval({});\n    \
         IF current_setting({setting}, true) IS DISTINCT FROM {teller} THEN\n      \
         PERFORM set_config({setting}, {teller}, false);\n      \
         BEGIN\n        \
         PERFORM tenantctl.tell_filled({}, {});\n      \
         EXCEPTION WHEN OTHERS THEN\n        NULL;\n      END;\n    END IF;\n",
        regclass(&counter(table)),
        literal(&qualified(table)),
        regclass(&tells(table))
    )
}

/// The counts of those tables that have a counter: the table's place in the list, its rows (nothing where the role may not
/// see them), whether no further name is noted.
pub fn counts(tables: &[QualifiedName]) -> Query {
    let value = |sequence: &str| {
        format!(
            "CASE WHEN has_sequence_privilege(t.{sequence}::oid, 'SELECT') THEN \
             coalesce(pg_sequence_last_value(t.{sequence}), 0) END"
        )
    };
    let row = |(place, table): (usize, &QualifiedName)| {
        format!("({place}, {}, {})", regclass(&counter(table)), regclass(&tells(table)))
    };
    Query::new(format!(
        "SELECT t.place, {}, coalesce({} >= {TELLS}, false) FROM (VALUES {}) AS t (place, counter, tells) WHERE t.counter \
         IS NOT NULL ORDER BY t.place",
        value("counter"),
        value("tells"),
        tables.iter().enumerate().map(row).collect::<Vec<_>>().join(", ")
    ))
}

/// Whether the role may see for whom rows are filled.
pub fn may_see_applications() -> Query {
    Query::new("SELECT has_table_privilege('tenantctl.filled_for', 'SELECT')")
}

/// For whom rows of these tables were filled: the table's place in the list, the application, when last (as text), how many
/// applications the table has in all. Latest first, and the latest ones only.
pub fn applications(tables: &[QualifiedName]) -> Query {
    let row = |(place, table): (usize, &QualifiedName)| format!("({place}, {})", literal(&qualified(table)));
    Query::new(format!(
        "SELECT n.place, n.application, date_trunc('second', n.last)::text, n.names FROM (SELECT t.place, f.application, \
         max(f.told_at) AS last, count(*) OVER (PARTITION BY t.place) AS names, row_number() OVER (PARTITION BY t.place \
         ORDER BY max(f.told_at) DESC, f.application) AS rank FROM tenantctl.filled_for AS f JOIN (VALUES {}) AS t (place, \
         table_name) USING (table_name) GROUP BY t.place, f.application) AS n WHERE n.rank <= {SHOWN} ORDER BY n.place, \
         n.rank",
        tables.iter().enumerate().map(row).collect::<Vec<_>>().join(", ")
    ))
}
