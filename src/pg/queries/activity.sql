-- What happens on the server right now, as one row. $1: the oids of the tables that the plan works on.
--
-- Without pg_read_all_stats, what other roles' sessions do is NULL here; their locks and slots are seen all the same.
WITH here AS MATERIALIZED (
    SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()
),
wanted AS MATERIALIZED (
    -- A partitioned table has no rows to freeze.
    SELECT c.oid, c.reltablespace, c.reltoastrelid,
        CASE WHEN c.relkind <> 'p' THEN age(c.relfrozenxid) ELSE 0 END AS age,
        json_build_array(n.nspname, c.relname) AS name
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = ANY ($1)
),
sessions AS MATERIALIZED (
    SELECT a.pid, a.backend_type, a.xact_start, a.backend_xmin, a.backend_xid, a.query, json_build_object(
        'pid', a.pid,
        'application', coalesce(nullif(a.application_name, ''), a.backend_type, 'unknown'),
        'state', coalesce(a.state, 'unknown'),
        'open_for_seconds', greatest(coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0), 0)
    ) AS item
    FROM pg_catalog.pg_stat_activity AS a
    WHERE a.datid = (SELECT h.oid FROM here AS h) AND a.pid <> pg_backend_pid()
),
prepared AS MATERIALIZED (
    SELECT p.transaction::text AS transaction, p.gid,
        greatest(extract(epoch FROM clock_timestamp() - p.prepared), 0) AS age
    FROM pg_catalog.pg_prepared_xacts AS p
    WHERE p.database = current_database()
),
-- A prepared transaction's lock has no process; the lock on its own number tells which one it is.
locks AS (
    SELECT DISTINCT ON (w.oid, l.mode, coalesce(l.pid, 0), p.gid)
        json_build_object(
            'table', w.name,
            'mode', l.mode,
            'holder', coalesce(s.item, json_build_object(
                'pid', 0, 'application', p.gid, 'state', 'prepared', 'open_for_seconds', p.age
            ))
        ) AS item
    FROM wanted AS w
    JOIN pg_catalog.pg_locks AS l ON l.locktype = 'relation' AND l.relation = w.oid AND l.granted
        AND l.database = (SELECT h.oid FROM here AS h) AND l.mode <> 'SIReadLock'
    LEFT JOIN sessions AS s ON s.pid = l.pid
    LEFT JOIN pg_catalog.pg_locks AS x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
        AND x.virtualtransaction = l.virtualtransaction
    LEFT JOIN prepared AS p ON p.transaction = x.transactionid::text
    WHERE s.pid IS NOT NULL OR p.gid IS NOT NULL
),
vacuums AS (
    SELECT json_build_object(
        'table', json_build_array(n.nspname, c.relname),
        'automatic', coalesce(s.backend_type = 'autovacuum worker', false),
        'wraparound', coalesce(s.query LIKE '%(to prevent wraparound)', false)
    ) AS item
    FROM pg_catalog.pg_stat_progress_vacuum AS v
    JOIN pg_catalog.pg_class AS c ON c.oid = v.relid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN sessions AS s ON s.pid = v.pid
    WHERE v.datid = (SELECT h.oid FROM here AS h) AND v.relid = ANY ($1)
),
position AS MATERIALIZED (
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn
),
slots AS (
    SELECT json_build_object(
        'name', s.slot_name,
        'logical', s.slot_type = 'logical',
        'active', s.active,
        'retained_bytes', greatest(coalesce(pg_wal_lsn_diff(p.lsn, s.restart_lsn), 0), 0)::bigint,
        'holds_rows', s.xmin IS NOT NULL
    ) AS item
    FROM pg_catalog.pg_replication_slots AS s, position AS p
    WHERE NOT s.temporary
    ORDER BY s.slot_name
),
replicas AS (
    SELECT json_build_object(
        'name', r.application_name,
        'synchronous', r.sync_state IN ('sync', 'quorum'),
        'lag_bytes', greatest(coalesce(pg_wal_lsn_diff(p.lsn, r.replay_lsn), 0), 0)::bigint,
        'lag_seconds', coalesce(extract(epoch FROM r.replay_lag), 0),
        'holds_rows', r.backend_xmin IS NOT NULL
    ) AS item
    FROM pg_catalog.pg_stat_replication AS r, position AS p
    WHERE r.state = 'streaming'
    ORDER BY r.application_name
),
tablespaces AS (
    SELECT DISTINCT t.spcname
    FROM wanted AS w
    LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = w.oid
    LEFT JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
    JOIN pg_catalog.pg_tablespace AS t ON t.oid IN (w.reltablespace, x.reltablespace)
)
SELECT json_build_object(
    'sees_all', pg_has_role('pg_read_all_stats', 'USAGE'),
    'today', current_date::text,
    'in_recovery', pg_is_in_recovery(),
    'transactions', (
        SELECT coalesce(json_agg(
            s.item::jsonb || jsonb_build_object('snapshot', s.backend_xmin IS NOT NULL OR s.backend_xid IS NOT NULL)
            ORDER BY s.xact_start
        ), '[]')
        FROM sessions AS s WHERE s.xact_start IS NOT NULL AND s.backend_type = 'client backend'
    ),
    'prepared', (
        SELECT coalesce(json_agg(json_build_object('name', p.gid, 'open_for_seconds', p.age) ORDER BY p.gid), '[]')
        FROM prepared AS p
    ),
    'locks', (SELECT coalesce(json_agg(item), '[]') FROM locks),
    'vacuums', (SELECT coalesce(json_agg(item), '[]') FROM vacuums),
    'aged', (
        SELECT coalesce(json_agg(w.name), '[]') FROM wanted AS w
        WHERE w.age >= current_setting('autovacuum_freeze_max_age')::integer
    ),
    'slots', (SELECT coalesce(json_agg(item), '[]') FROM slots),
    'replicas', (SELECT coalesce(json_agg(item), '[]') FROM replicas),
    'archiver_failing', current_setting('archive_mode') <> 'off' AND (
        SELECT coalesce(a.last_failed_time > coalesce(a.last_archived_time, '-infinity'), false)
        FROM pg_catalog.pg_stat_archiver AS a
    ),
    'tablespaces', (SELECT coalesce(json_agg(spcname ORDER BY spcname), '[]') FROM tablespaces),
    -- What a session starts with, not what ours set.
    'settings', (SELECT json_object_agg(s.name, s.reset_val) FROM pg_catalog.pg_settings AS s WHERE s.name IN (
        'default_transaction_read_only', 'max_connections', 'max_locks_per_transaction', 'max_prepared_transactions',
        'max_slot_wal_keep_size', 'max_wal_size', 'wal_level'
    )),
    'statements', (
        SELECT n.nspname FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
        WHERE e.extname = 'pg_stat_statements'
    )
)::text AS item
