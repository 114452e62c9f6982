//! A script for `psql`: the statements as they are sent, and around them what `psql` needs to send them by itself. Any
//! `psql` will do: [`\gexec`](https://www.postgresql.org/docs/current/app-psql.html) is older than every server we know.
//!
//! Nothing that a person named stands in a meta-command; there, quotes and backslashes mean other things than in SQL.

use super::Statement;
use super::batch::{Backfill, Scan};
use super::bookkeeping::create_schema;
use super::keyset;
use super::quote::{comment, dollar, literal};
use super::script::{ScriptStep, Work};
use crate::config::LockLimits;
use crate::plan::{LockLevel, TxnMode};

/// Blocks of a batch, one megabyte: by hand there is nobody who measures how long one takes.
const BLOCKS: u32 = 128;
/// Rows of a batch in the order of a key.
const ROWS: u32 = 5_000;

/// The beginning of a script: `psql` stops at the first error, and its session is as `migrate` sets its own up.
pub fn head() -> String {
    format!(
        "\\set ON_ERROR_STOP on\n\\set AUTOCOMMIT on\n\\set QUIET on\n\\encoding UTF8\n\\pset tuples_only on\n\
         SET search_path = pg_catalog;\nSET row_security = off;\nSET standard_conforming_strings = on;\n\
         SET check_function_bodies = on;\nSET client_min_messages = warning;\n{};\n",
        create_schema()
    )
}

/// Stops a script that is blocked before it does anything.
pub fn refuse() -> &'static str {
    "DO $$BEGIN RAISE EXCEPTION 'this plan is blocked: the comments above say by what'; END$$;\n"
}

/// One step.
pub fn step(step: &ScriptStep, locks: &LockLimits) -> String {
    let head: String = heading(step).iter().map(|line| comment(line) + "\n").collect();
    let body = match (&step.work, step.mode) {
        (Work::Backfill(backfill), _) => batches(backfill),
        (Work::Condition(condition), _) => condition.block(),
        (Work::Statements(_), TxnMode::Autocommit) => texts(step),
        (Work::Statements(_), TxnMode::Transaction | TxnMode::Batches) => {
            format!("BEGIN;\n{}{}COMMIT;\n", limits(step.lock, locks), texts(step))
        }
    };
    head + &body
}

fn heading(step: &ScriptStep) -> Vec<String> {
    let lock = match step.lock {
        LockLevel::None => "no lock on the application's tables".to_owned(),
        lock => format!("{lock} for {}, blocks {}", step.held, lock.blocks()),
    };
    let mut lines = vec![step.title.clone(), step.id.clone(), format!("lock: {lock}")];
    lines.extend(step.repair.as_ref().map(|repair| format!("after a broken attempt, first: {repair};")));
    lines
}

fn texts(step: &ScriptStep) -> String {
    step.texts().map(|text| format!("{text};\n")).collect()
}

/// So that the application does not queue behind a step that waits for its lock.
fn limits(lock: LockLevel, locks: &LockLimits) -> String {
    if !lock.is_strong() {
        return String::new();
    }
    let (lock, statement) = (locks.timeout.as_millis(), locks.statement_timeout.as_millis());
    format!("SET LOCAL lock_timeout = '{lock}ms';\nSET LOCAL statement_timeout = '{statement}ms';\n")
}

/// The batch is prepared once; a query writes the transactions that run it over the whole table, and `\gexec` sends them.
fn batches(backfill: &Backfill) -> String {
    let settings = backfill.settings.iter().map(|setting| format!(", {}", literal(setting.text())));
    let settings: String = settings.collect();
    let pause = match backfill.pace.pause.as_secs_f64() {
        0.0 => String::new(),
        seconds => format!(", 'SELECT pg_sleep({seconds})'"),
    };
    let left = backfill.left.as_ref().map_or_else(String::new, |left| {
        format!(
            "\\echo 'rows that are left, to be 0 before the phase enforce:'\nPREPARE tenantctl_left (text, text) AS\n{};\n\
             EXECUTE tenantctl_left ('(0,0)', '({},0)');\nDEALLOCATE tenantctl_left;\n",
            left.text(),
            u32::MAX
        )
    });
    // One pass over each range; a cascade's text takes its number and the pass of each line besides.
    let (types, one_pass) = match backfill.scan {
        Scan::Keyset => return by_key(backfill),
        Scan::Ranges { .. } => ("", ""),
        Scan::Cascade { .. } => (", integer, bytea", ", 0, decode(repeat(''00'', 256), ''hex'')"),
    };
    format!(
        "PREPARE tenantctl_batch (text, text{types}) AS\n{batch};\n\
         SELECT 'BEGIN'{settings},\n  format('EXECUTE tenantctl_batch (%L, %L{one_pass})', format('(%s,0)', block), format('(%s,0)', block \
         + {BLOCKS})),\n  'COMMIT'{pause}\nFROM (\n{extent}\n) AS extent (oid, file, blocks), generate_series(0, \
         extent.blocks - 1, {BLOCKS}) AS block\n\\gexec\n\
         DEALLOCATE tenantctl_batch;\n{left}",
        batch = backfill.batch,
        extent = backfill.extent.text(),
    )
}

/// A block that goes from key to key, with a transaction for each batch.
fn by_key(backfill: &Backfill) -> String {
    let perform = |statement: &Statement| format!("    EXECUTE {};\n", literal(statement.text()));
    let settings: String = backfill.settings.iter().map(perform).collect();
    let body = format!(
        "\nDECLARE\n  last text[];\nBEGIN\n  LOOP\n{settings}    EXECUTE {} USING last, {ROWS}::bigint;\n    last := \
         nullif(current_setting('{}'), '')::text[];\n    COMMIT;\n    EXIT WHEN last IS NULL;\n    PERFORM \
         pg_sleep({});\n  END LOOP;\nEND\n",
        literal(backfill.batch.text()),
        keyset::KEY,
        backfill.pace.pause.as_secs_f64(),
    );
    let left = backfill.left.as_ref().map_or_else(String::new, |left| {
        format!("\\echo 'rows that are left, to be 0 before the phase enforce:'\n{};\n", left.text())
    });
    format!("DO {};\n{left}", dollar(&body))
}
