-- What the throttle looks at every second, as one row. $1: the oids of the tables that are being filled.
--
-- Without pg_read_all_stats, the states of other roles' sessions and replicas are NULL here; slots and locks are seen all
-- the same. Sessions of ours are known by their name.
WITH here AS MATERIALIZED (
    SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()
),
position AS MATERIALIZED (
    SELECT pg_current_wal_lsn() AS lsn
),
sessions AS MATERIALIZED (
    SELECT a.*, a.datid = (SELECT h.oid FROM here AS h) AS local,
        (a.application_name = 'tenantctl' OR a.application_name LIKE 'tenantctl %')
            AND a.datid = (SELECT h.oid FROM here AS h) AS ours
    FROM pg_catalog.pg_stat_activity AS a
    WHERE a.pid <> pg_backend_pid()
),
-- Looked up in the table of locks alone where nobody waits, as it nearly always is.
waiters AS (
    SELECT w.pid, coalesce(nullif(s.application_name, ''), 'unknown') AS application
    FROM (SELECT DISTINCT l.pid FROM pg_catalog.pg_locks AS l WHERE NOT l.granted) AS w
    JOIN sessions AS s ON s.pid = w.pid AND NOT s.ours
    WHERE pg_blocking_pids(w.pid) && (SELECT array_agg(o.pid) FROM sessions AS o WHERE o.ours)
),
-- A backup is no replica, and neither is the first copy of a table for a subscriber: they end by themselves.
replicas AS (
    SELECT r.pid, r.application_name, r.state, r.reply_time, r.replay_lag, r.backend_xmin,
        coalesce(r.replay_lsn, r.flush_lsn, r.write_lsn) AS lsn
    FROM pg_catalog.pg_stat_replication AS r
    WHERE r.state IS NULL OR r.state IN ('catchup', 'streaming') AND r.application_name <> 'pg_basebackup'
        AND r.application_name !~ '^pg_[0-9]+_sync_[0-9]+_'
),
slots AS (
    SELECT s.slot_name, s.active, s.wal_status, s.xmin, s.restart_lsn,
        pg_wal_lsn_diff(p.lsn, s.restart_lsn) AS retained, s.safe_wal_size AS safe
    FROM pg_catalog.pg_replication_slots AS s, position AS p
    WHERE NOT s.temporary AND s.slot_name !~ '^pg_[0-9]+_sync_[0-9]+_'
),
-- The transaction alone may be old: what counts is that it has a snapshot or a number.
oldest AS (
    SELECT s.pid, coalesce(nullif(s.application_name, ''), s.backend_type, 'unknown') AS application,
        coalesce(s.state, 'unknown') AS state, extract(epoch FROM clock_timestamp() - s.xact_start) AS age
    FROM sessions AS s
    WHERE s.local AND s.xact_start IS NOT NULL AND (s.backend_xmin IS NOT NULL OR s.backend_xid IS NOT NULL)
        AND s.backend_type NOT IN ('autovacuum worker', 'walsender')
        -- VACUUM's own snapshot holds nobody up.
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum AS v WHERE v.pid = s.pid)
    UNION ALL
    SELECT 0, p.gid, 'prepared', extract(epoch FROM clock_timestamp() - p.prepared)
    FROM pg_catalog.pg_prepared_xacts AS p
    WHERE p.database = current_database()
    ORDER BY age DESC
    LIMIT 1
)
SELECT json_build_object(
    'sees_all', pg_has_role('pg_read_all_stats', 'USAGE'),
    'lists_archive', has_function_privilege('pg_catalog.pg_ls_archive_statusdir()', 'EXECUTE'),
    'role', quote_ident(current_user),
    'archives', current_setting('archive_mode') <> 'off',
    'position', (SELECT pg_wal_lsn_diff(p.lsn, '0/0')::bigint FROM position AS p),
    'hidden_replicas', EXISTS (SELECT FROM replicas AS r WHERE r.state IS NULL),
    'replicas', (
        SELECT coalesce(json_agg(json_build_object(
            'pid', r.pid,
            'name', r.application_name,
            'position', pg_wal_lsn_diff(r.lsn, '0/0')::bigint,
            'lag_seconds', extract(epoch FROM r.replay_lag),
            'reported', r.reply_time::text,
            'holds', CASE WHEN age(r.backend_xmin) > 0 THEN r.backend_xmin::text END
        ) ORDER BY r.application_name, r.pid), '[]')
        FROM replicas AS r WHERE r.state IS NOT NULL
    ),
    'slots', (
        SELECT coalesce(json_agg(json_build_object(
            'name', s.slot_name,
            'active', s.active,
            'retained', greatest(s.retained, 0)::bigint,
            'given_up_at', CASE WHEN s.safe IS NOT NULL THEN greatest(s.retained + s.safe, 1)::bigint END,
            'lost', s.wal_status IS NOT DISTINCT FROM 'lost',
            'holds', CASE WHEN age(s.xmin) > 0 THEN s.xmin::text END
        ) ORDER BY s.slot_name), '[]')
        FROM slots AS s
    ),
    'waiters', (
        SELECT json_build_object('count', count(*), 'first', (
            SELECT json_build_object('pid', f.pid, 'application', f.application) FROM waiters AS f ORDER BY f.pid LIMIT 1
        )) FROM waiters
    ),
    'active_sessions', (
        SELECT count(*) FROM sessions AS s
        WHERE s.state = 'active' AND s.backend_type = 'client backend' AND NOT s.ours
    ),
    'vacuums', (
        SELECT coalesce(json_agg(json_build_object(
            'table', v.relid::regclass::text,
            'automatic', s.backend_type = 'autovacuum worker',
            'pid', v.pid
        ) ORDER BY v.pid), '[]')
        FROM pg_catalog.pg_stat_progress_vacuum AS v
        JOIN sessions AS s ON s.pid = v.pid AND NOT s.ours
        WHERE s.local AND v.relid = ANY ($1)
    ),
    'oldest', (
        SELECT json_build_object(
            'pid', o.pid, 'application', o.application, 'state', o.state, 'open_for_seconds', greatest(o.age, 0)
        ) FROM oldest AS o
    )
)::text AS item
