//! The statements of the bookkeeping: which run holds the pen, what is done, how far a backfill is.

use super::quote::{literal, qualified};
use super::{Query, Statement};
use crate::catalog::QualifiedName;

/// The conversion's history, which refinery keeps.
pub const HISTORY: &str = "tenantctl.schema_history";
/// The history of the bookkeeping itself.
pub const OWN_HISTORY: &str = "tenantctl.bookkeeping_history";
/// The SQLSTATE that `tenantctl.assert_fence` raises.
pub const FENCED: &str = "TN001";
/// The advisory lock that a run holds: `tenantctl` in ASCII, cut to 63 bits.
pub const LOCK_KEY: i64 = 0x7465_6e61_6e74_6374;

/// Makes the schema that everything of ours lives in.
pub fn create_schema() -> Statement {
    Statement::new("CREATE SCHEMA IF NOT EXISTS tenantctl")
}

/// A statement that refinery wrote: its history table, or a row in it.
pub fn from_refinery(text: &str) -> Statement {
    Statement::new(text.trim_end().trim_end_matches(';'))
}

/// The history as refinery reads it.
pub fn history_from_refinery(text: &str) -> Query {
    Query::new(text)
}

/// Whether the bookkeeping is there, whether a history is, whether runs can be steered, whether fillers count, and whether
/// versions can be taken back.
pub fn exists() -> Query {
    // Asked of the catalog, which answers without a right to the schema too.
    Query::new(
        "SELECT count(*) FILTER (WHERE c.relname = 'run') > 0, count(*) FILTER (WHERE c.relname = 'schema_history') > 0, \
         count(*) FILTER (WHERE c.relname = 'control') > 0, count(*) FILTER (WHERE c.relname = 'filled_for') > 0, \
         count(*) FILTER (WHERE c.relname = 'undone' AND has_table_privilege(c.oid, 'SELECT')) > 0 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = \
         c.relnamespace WHERE n.nspname = 'tenantctl'",
    )
}

/// Every applied version, with its name and time.
pub fn history() -> Query {
    Query::new("SELECT version, name, applied_on FROM tenantctl.schema_history ORDER BY version")
}

/// Tries to take the run's lock; it belongs to the session.
pub fn try_lock() -> Query {
    Query::new(format!("SELECT pg_try_advisory_lock({LOCK_KEY})"))
}

/// Who holds the run's lock: pid, application, address, since when (as text).
pub fn lock_holder() -> Query {
    Query::new(format!(
        "SELECT a.pid, coalesce(a.application_name, ''), CASE WHEN a.backend_start IS NULL THEN 'an unknown address' ELSE \
         coalesce(host(a.client_addr), 'a local socket') END, coalesce(to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS \
         TZ'), 'an unknown time') FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid WHERE l.locktype = \
         'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND \
         l.classid::bigint = {} AND l.objid::bigint = {} AND l.objsubid = 1",
        LOCK_KEY >> 32,
        LOCK_KEY & 0xffff_ffff
    ))
}

/// Takes the pen: answers this run's fence.
pub fn take_fence() -> Statement {
    Statement::new("UPDATE tenantctl.lease SET fence = fence + 1 WHERE id = 1 RETURNING fence")
}

/// Fails where another run has taken the pen.
pub fn assert_fence(fence: i64) -> Statement {
    Statement::new(format!("SELECT tenantctl.assert_fence({fence})"))
}

/// What kind of run a row `r` of them is: an earlier version's table lacks the column.
const KIND: &str = "coalesce(to_jsonb(r) ->> 'kind', 'migrate')";

/// The unfinished run: id, script, fingerprint, the cluster it belongs to, its kind.
pub fn open_run() -> Query {
    Query::new(format!(
        "SELECT id, script, fingerprint, system_identifier, {KIND} FROM tenantctl.run AS r WHERE finished_at IS NULL AND \
         abandoned_at IS NULL"
    ))
}

/// The versions that were taken back, with the versions that did it.
pub fn undone() -> Query {
    Query::new("SELECT version, by_version FROM tenantctl.undone ORDER BY version")
}

/// A migration's row in the history, with the record of the version that it took back.
pub fn with_undone(history: &Statement, run: i64, version: i32, by: i32) -> Statement {
    Statement::new(format!(
        "{history};\nINSERT INTO tenantctl.undone (version, run_id, by_version) VALUES ({version}, {run}, {by})"
    ))
}

/// The catalog that a run was planned from: `$1` its place among all runs.
pub fn catalog_of_run() -> Query {
    Query::new("SELECT to_jsonb(r) ->> 'catalog' FROM tenantctl.run AS r ORDER BY id OFFSET $1::bigint LIMIT 1")
}

/// The scripts of earlier runs, in order; their applied migrations are replayed from here.
pub fn scripts() -> Query {
    Query::new("SELECT script FROM tenantctl.run ORDER BY id")
}

/// Stores a new run: `$1` version of the tool, `$2` fingerprint, `$3` script, `$4` cluster, `$5` who, `$6` catalog,
/// `$7` kind; answers its id.
pub fn start_run() -> Statement {
    Statement::new(
        "INSERT INTO tenantctl.run (tool_version, fingerprint, script, system_identifier, started_by, catalog, kind) VALUES \
         ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
    )
}

/// Marks a run as finished.
pub fn finish_run(run: i64) -> Statement {
    Statement::new(format!("UPDATE tenantctl.run SET finished_at = now() WHERE id = {run}"))
}

/// Marks the unfinished run as given up, so that the rest can be planned anew; answers its id.
pub fn abandon_run() -> Statement {
    Statement::new(
        "UPDATE tenantctl.run SET abandoned_at = now() WHERE finished_at IS NULL AND abandoned_at IS NULL RETURNING id",
    )
}

/// The steps that a run recorded as done.
pub fn done_steps(run: i64) -> Query {
    Query::new(format!("SELECT step_id FROM tenantctl.step WHERE run_id = {run}"))
}

/// The steps that all runs recorded as done, with their versions: these are never used twice, step ids may be.
pub fn recorded_steps() -> Query {
    Query::new("SELECT version, step_id FROM tenantctl.step")
}

/// Records a step as done.
pub fn finish_step(run: i64, version: i32, step: &str, elapsed_ms: u128) -> Statement {
    Statement::new(format!(
        "INSERT INTO tenantctl.step (run_id, step_id, version, elapsed_ms) VALUES ({run}, {}, {version}, {elapsed_ms}) ON \
         CONFLICT DO NOTHING",
        literal(step)
    ))
}

/// Notes where the log and the table's sizes are when a step begins; where it begins again, the first sizes stay.
pub fn begin_cost(run: i64, step: &str, table: Option<&QualifiedName>) -> Statement {
    Statement::new(format!(
        "INSERT INTO tenantctl.step_cost (run_id, step_id, wal_start, heap_bytes_before, index_bytes_before) SELECT {run}, \
         {}, pg_current_wal_insert_lsn(), now.heap, now.indexes FROM tenantctl.table_bytes({}) AS now ON CONFLICT (run_id, \
         step_id) DO UPDATE SET wal_start = excluded.wal_start",
        literal(step),
        relation(table)
    ))
}

/// Notes what a step cost, right before it is recorded as done. A step with a checkpoint counted its log batch by batch.
pub fn finish_cost(run: i64, step: &str, table: Option<&QualifiedName>) -> Statement {
    let step = literal(step);
    Statement::new(format!(
        "UPDATE tenantctl.step_cost AS c SET heap_bytes_after = now.heap, index_bytes_after = now.indexes, wal_bytes = \
         coalesce((SELECT p.wal_bytes FROM tenantctl.checkpoint AS p WHERE p.run_id = {run} AND p.step_id = {step}), \
         pg_wal_lsn_diff(pg_current_wal_insert_lsn(), c.wal_start)::bigint) FROM tenantctl.table_bytes({}) AS now WHERE \
         c.run_id = {run} AND c.step_id = {step}",
        relation(table)
    ))
}

fn relation(table: Option<&QualifiedName>) -> String {
    table.map_or_else(|| "NULL".to_owned(), |table| literal(&qualified(table)))
}

/// Remembers in a batch's transaction where the log and the count of HOT updates of the table are, for
/// [`record_range`].
pub fn mark_batch(table_oid: i64) -> Statement {
    Statement::new(format!(
        "SELECT set_config('tenantctl.batch_wal', pg_current_wal_insert_lsn()::text, true), \
         set_config('tenantctl.batch_hot', pg_stat_get_xact_tuples_hot_updated({table_oid}::oid)::text, true)"
    ))
}

/// Where a batch leaves the rows that it saw and wrote, for [`record_range`].
pub(super) const SEEN: &str = "tenantctl.batch_seen";
/// See [`SEEN`].
pub(super) const WRITTEN: &str = "tenantctl.batch_written";

/// Whether what steps cost is recorded here.
pub fn has_costs() -> Query {
    Query::new("SELECT to_regclass('tenantctl.step_cost') IS NOT NULL")
}

/// What the steps of a run cost: step, milliseconds, rows, batches, HOT rows, bytes of log, of heap and of indexes. Sizes
/// are those of all measured steps, rows and batches of those with a checkpoint.
pub fn costs(run: i64) -> Query {
    Query::new(format!(
        "SELECT c.step_id, s.elapsed_ms, p.rows_written, p.batches, p.hot_rows, c.wal_bytes, c.heap_bytes_after - \
         c.heap_bytes_before, c.index_bytes_after - c.index_bytes_before FROM tenantctl.step_cost AS c JOIN tenantctl.step \
         AS s USING (run_id, step_id) LEFT JOIN tenantctl.checkpoint AS p USING (run_id, step_id) WHERE c.run_id = {run} AND \
         c.wal_bytes IS NOT NULL"
    ))
}

/// A backfill's checkpoint: `$1` run, `$2` step; answers oid, file, timeline, next block, end block, rows, batches.
pub fn checkpoint() -> Query {
    Query::new(
        "SELECT table_oid, file_node, timeline, next_block, end_block, rows_written, batches FROM tenantctl.checkpoint \
         WHERE run_id = $1 AND step_id = $2",
    )
}

/// Begins a backfill, or begins it anew: `$1` run, `$2` step, `$3` oid, `$4` file, `$5` timeline, `$6` end block. What was
/// counted so far stays counted; answers the rows written.
pub fn start_checkpoint() -> Statement {
    Statement::new(format!(
        "WITH gone AS ({GATHER_RANGES}) INSERT INTO tenantctl.checkpoint AS c (run_id, step_id, table_oid, file_node, timeline, \
         next_block, end_block) VALUES ($1, $2, $3, $4, $5, 0, $6) ON CONFLICT (run_id, step_id) DO UPDATE SET table_oid = excluded.table_oid, file_node = \
         excluded.file_node, timeline = excluded.timeline, next_block = 0, end_block = excluded.end_block, {ADD_RANGES} \
         RETURNING rows_written"
    ))
}

/// Ends a backfill: its checkpoint is at the end and has all that its ranges counted. `$1` run, `$2` step; answers the
/// rows expected and written.
pub fn finish_checkpoint() -> Statement {
    Statement::new(format!(
        "WITH gone AS ({GATHER_RANGES}) UPDATE tenantctl.checkpoint AS c SET next_block = end_block, {ADD_RANGES} WHERE \
         run_id = $1 AND step_id = $2 RETURNING rows_expected, rows_written"
    ))
}

/// Takes a backfill's ranges away and answers what they counted.
const GATHER_RANGES: &str = "DELETE FROM tenantctl.backfill_range WHERE run_id = $1 AND step_id = $2 RETURNING \
                             rows_expected, rows_written, batches, wal_bytes, hot_rows";

/// Adds that to the checkpoint's own.
const ADD_RANGES: &str = "rows_expected = c.rows_expected + (SELECT coalesce(sum(rows_expected), 0) FROM gone), rows_written = \
                          c.rows_written + (SELECT coalesce(sum(rows_written), 0) FROM gone), batches = c.batches + (SELECT \
                          coalesce(sum(batches), 0) FROM gone), wal_bytes = c.wal_bytes + (SELECT coalesce(sum(wal_bytes), 0) \
                          FROM gone), hot_rows = c.hot_rows + (SELECT coalesce(sum(hot_rows), 0) FROM gone), updated_at = \
                          now()";

/// The ranges of a backfill that are begun: `$1` run, `$2` step; answers first block, end block, passes, passes done, rows
/// written.
pub fn ranges() -> Query {
    Query::new(
        "SELECT first_block, end_block, passes, passes_done, rows_written FROM tenantctl.backfill_range WHERE run_id = $1 \
         AND step_id = $2 ORDER BY first_block",
    )
}

/// Records a pass over a range in the batch's own transaction: `$1` run, `$2` step, `$3` first block, `$4` end block, `$5`
/// passes, `$6` passes done, `$7` the table's oid, `$8` how many sessions write the log that is counted since
/// [`mark_batch`], `$9` whether the range is gone over from its beginning: then all that was not written is seen again, and
/// is expected once. Answers the batch's bytes of log, HOT updates, and the heap's blocks by now.
pub fn record_range() -> Statement {
    Statement::new(format!(
        "WITH batch AS (SELECT current_setting('{SEEN}')::bigint AS seen, current_setting('{WRITTEN}')::bigint AS written, \
         (pg_wal_lsn_diff(pg_current_wal_insert_lsn(), current_setting('tenantctl.batch_wal')::pg_lsn) / $8::integer)::bigint \
         AS wal, pg_stat_get_xact_tuples_hot_updated($7::bigint::oid) - current_setting('tenantctl.batch_hot')::bigint AS \
         hot), recorded AS (INSERT INTO tenantctl.backfill_range AS r (run_id, step_id, first_block, end_block, passes, \
         passes_done, rows_expected, rows_written, batches, wal_bytes, hot_rows) SELECT $1, $2, $3, $4, $5, $6, seen, \
         written, 1, wal, hot FROM batch ON CONFLICT (run_id, step_id, first_block) DO UPDATE SET end_block = \
         excluded.end_block, passes = excluded.passes, passes_done = excluded.passes_done, rows_expected = CASE WHEN $9 \
         THEN r.rows_written ELSE r.rows_expected END + excluded.rows_expected, rows_written = r.rows_written + excluded.rows_written, batches = r.batches + 1, wal_bytes = \
         r.wal_bytes + excluded.wal_bytes, hot_rows = r.hot_rows + excluded.hot_rows, updated_at = now()) SELECT wal, hot, \
         pg_relation_size($7::bigint::oid) / current_setting('block_size')::bigint FROM batch"
    ))
}

/// The timeline that the server writes on; another one after a failover or a restore.
pub fn timeline() -> Query {
    Query::new("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")
}

/// Sessions that hold what a backend waits for: `$1` the backend's pid; answers pid, application, state, seconds open.
pub fn blockers() -> Query {
    Query::new(
        "SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.state, 'unknown'), \
         coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8 FROM pg_stat_activity AS a WHERE a.pid = \
         ANY (pg_blocking_pids($1)) ORDER BY a.xact_start",
    )
}

/// What the session's role may do and whether the server takes writes: in recovery, read-only setting and its source.
pub fn writability() -> Query {
    Query::new(
        "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on', coalesce((SELECT source FROM \
         pg_settings WHERE name = 'default_transaction_read_only'), '')",
    )
}

/// The newest run, for `status`: id, fingerprint, started, finished, abandoned (as text), tool version, starter, script,
/// kind.
pub fn newest_run() -> Query {
    Query::new(format!(
        "SELECT id, fingerprint, started_at::text, finished_at::text, abandoned_at::text, tool_version, started_by, script, \
         {KIND} FROM tenantctl.run AS r ORDER BY id DESC LIMIT 1"
    ))
}

/// The newest run for `diff`: id, started (as text), whether it is finished and went forth, the catalog that it was planned
/// from or goes back to. Runs of an earlier version, whose table may still lack the column, have no catalog.
pub fn newest_catalog() -> Query {
    Query::new(format!(
        "SELECT id, started_at::text, finished_at IS NOT NULL AND {KIND} = 'migrate', to_jsonb(r) ->> 'catalog' FROM \
         tenantctl.run AS r ORDER BY id DESC LIMIT 1"
    ))
}

/// Every checkpoint of a run, for `status`: step, blocks done (a pass of several is a part of them), end block, rows,
/// batches, last change (as text).
pub fn checkpoints(run: i64) -> Query {
    Query::new(format!(
        "SELECT c.step_id, c.next_block + coalesce(r.blocks, 0), c.end_block, c.rows_written + coalesce(r.rows, 0), c.batches \
         + coalesce(r.batches, 0), greatest(c.updated_at, r.updated_at)::text FROM tenantctl.checkpoint AS c LEFT JOIN \
         LATERAL (SELECT sum((end_block - first_block) * passes_done / passes)::bigint AS blocks, sum(rows_written)::bigint AS \
         rows, sum(batches)::bigint AS batches, max(updated_at) AS updated_at FROM tenantctl.backfill_range AS r WHERE r.run_id \
         = c.run_id AND r.step_id = c.step_id) AS r ON true WHERE c.run_id = {run} ORDER BY c.started_at, c.step_id"
    ))
}

impl Query {
    /// The session's own backend, and the server's major version.
    pub(crate) fn backend() -> Query {
        Query::new("SELECT pg_backend_pid(), current_setting('server_version_num')::integer / 10000")
    }

    /// The session's backend, whether it still has the session's settings, and the port that it was reached at.
    pub(crate) fn route() -> Query {
        Query::new(
            "SELECT pg_backend_pid(), current_setting('search_path') = 'pg_catalog' AND current_setting('row_security') = \
             'off', inet_server_port()",
        )
    }

    /// Whether the role may set `session_replication_role`.
    pub(crate) fn is_superuser() -> Query {
        Query::new("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    }
}
