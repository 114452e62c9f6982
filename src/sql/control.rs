//! What an operator wants of a run that goes on, and what the run says of itself: its control and its pulse.

use super::{Query, Statement};

/// What an operator is called: `$1` the name on the machine, then what the server knows.
const OPERATOR: &str =
    "$1 || ' (role ' || session_user || ') from ' || coalesce(host(inet_client_addr()), 'a local socket')";
/// Only an unfinished run can be steered.
const OPEN: &str = "EXISTS (SELECT FROM tenantctl.run WHERE finished_at IS NULL AND abandoned_at IS NULL)";

/// What a role needs that shall steer a run without owning it; its name is quoted already.
pub fn grants(role: &str) -> String {
    format!(
        "GRANT USAGE ON SCHEMA tenantctl TO {role}; GRANT SELECT ON tenantctl.run, tenantctl.control, tenantctl.pulse TO \
         {role}; GRANT UPDATE ON tenantctl.control TO {role}"
    )
}

/// The session's role, quoted.
pub fn role() -> Query {
    Query::new("SELECT quote_ident(current_user)")
}

/// The unfinished run, without its script: id, the tool's version.
pub fn steerable_run() -> Query {
    Query::new("SELECT id, tool_version FROM tenantctl.run WHERE finished_at IS NULL AND abandoned_at IS NULL")
}

/// What is wanted: revision, paused since (as text) and by whom, workers, milliseconds of a batch and of lag, the last
/// change (as text) and by whom.
pub fn wishes() -> Query {
    Query::new(
        "SELECT revision, to_char(paused_at, 'YYYY-MM-DD HH24:MI:SS TZ'), paused_by, workers, batch_ms, max_lag_ms, \
         to_char(changed_at, 'YYYY-MM-DD HH24:MI:SS TZ'), changed_by FROM tenantctl.control WHERE id = 1",
    )
}

/// Pauses: `$1` who. Who came first stays the one who did it. Answers the revision; no row without an unfinished run.
pub fn pause() -> Statement {
    change("paused_at = coalesce(paused_at, now())", &format!("coalesce(paused_by, {OPERATOR})"))
}

/// Lets it go on: `$1` who. Answers as [`pause`].
pub fn resume() -> Statement {
    change("paused_at = NULL", "NULL")
}

/// Tunes: `$1` who, `$2` whether what is not named becomes as configured, else it stays; `$3` workers, `$4` milliseconds of
/// a batch, `$5` of lag. Answers as [`pause`].
pub fn tune() -> Statement {
    let wanted =
        |column: &str, number: u8| format!("{column} = coalesce(${number}, CASE WHEN $2 THEN NULL ELSE {column} END)");
    let wanted = [wanted("workers", 3), wanted("batch_ms", 4), wanted("max_lag_ms", 5)].join(", ");
    change(&wanted, "paused_by")
}

fn change(what: &str, paused_by: &str) -> Statement {
    Statement::new(format!(
        "UPDATE tenantctl.control SET revision = revision + 1, changed_at = now(), changed_by = {OPERATOR}, {what}, paused_by \
         = {paused_by} WHERE id = 1 AND {OPEN} RETURNING revision"
    ))
}

/// Forgets what was wanted of an earlier run.
pub fn forget() -> Statement {
    Statement::new(
        "UPDATE tenantctl.control SET revision = revision + 1, changed_at = NULL, changed_by = NULL, paused_at = NULL, \
         paused_by = NULL, workers = NULL, batch_ms = NULL, max_lag_ms = NULL WHERE id = 1",
    )
}

/// Writes the pulse: `$1` run, `$2` fence, `$3` state, `$4` how it ended, `$5` revision, `$6` step, `$7` workers, `$8`
/// milliseconds a batch, `$9` rows written, `$10` expected, `$11` a second, `$12` rows of the last batch, `$13` its
/// milliseconds, `$14` pressure, `$15` its reason. Not where another run took over. Nobody waits until it is on disk: the
/// next one follows.
pub fn beat() -> Statement {
    Statement::new(
        "WITH settings AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)) INSERT INTO tenantctl.pulse \
         (run_id, fence, beat_at, state, ended, revision, step, workers, batch_ms, rows_written, rows_expected, \
         rows_per_second, last_batch_rows, last_batch_ms, pressure, reason) SELECT $1, $2, now(), $3, $4, $5, $6, $7, $8, $9, \
         $10, $11, $12, $13, $14, $15 FROM settings WHERE EXISTS (SELECT FROM tenantctl.lease WHERE id = 1 AND fence = $2) \
         ON CONFLICT (run_id) DO UPDATE SET fence = excluded.fence, beat_at = excluded.beat_at, state = excluded.state, \
         ended = excluded.ended, revision = excluded.revision, step = excluded.step, workers = excluded.workers, batch_ms = \
         excluded.batch_ms, rows_written = excluded.rows_written, rows_expected = excluded.rows_expected, rows_per_second = \
         excluded.rows_per_second, last_batch_rows = excluded.last_batch_rows, last_batch_ms = excluded.last_batch_ms, \
         pressure = excluded.pressure, reason = excluded.reason",
    )
}

/// The pulse of a run: when (as text), seconds ago, then as in [`beat`] from state on.
pub fn pulse(run: i64) -> Query {
    Query::new(format!(
        "SELECT to_char(beat_at, 'YYYY-MM-DD HH24:MI:SS TZ'), extract(epoch FROM clock_timestamp() - beat_at)::float8, state, \
         ended, revision, step, workers, batch_ms, rows_written, rows_expected, rows_per_second, last_batch_rows, \
         last_batch_ms, pressure, reason FROM tenantctl.pulse WHERE run_id = {run}"
    ))
}

/// The session that follows the wishes also holds the run's lock and asks whom others wait for: it must not hang itself.
pub fn short_waits() -> Statement {
    Statement::new("SET lock_timeout = '1s'")
}

/// Nothing of a run's lock can be seen on a standby.
pub fn is_standby() -> Query {
    Query::new("SELECT pg_is_in_recovery()")
}
