-- Tables of the schemas $1, without those that belong to an extension.
--
-- Sizes are those of the files. pg_relation_size would wait behind a session that holds a table ACCESS EXCLUSIVE, or that
-- queues for it, and comes back empty-handed when it is dropped meanwhile: those sizes are relpages, as of the last VACUUM
-- or ANALYZE. Nothing else here opens a table.
WITH RECURSIVE locked AS MATERIALIZED (
    SELECT l.relation
    FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
),
wanted AS MATERIALIZED (
    SELECT c.oid, c.relname, c.relkind, c.relispartition, c.relpersistence, c.relowner, c.reltuples, c.relpages,
        c.reltoastrelid, c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relnamespace, c.reloftype, n.nspname,
        (SELECT m.amname FROM pg_catalog.pg_am AS m WHERE m.oid = c.relam AND m.amname <> 'heap') AS access_method,
        coalesce((
            SELECT o.option_value::integer FROM pg_options_to_table(c.reloptions) AS o WHERE o.option_name = 'fillfactor'
        ), 100) AS fillfactor
    FROM pg_catalog.pg_namespace AS n
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
    WHERE n.nspname = ANY ($1)
        AND c.relkind IN ('r', 'p', 'f')
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
        )
),
-- Each table, and for a partition every table above it: what is said about those holds for it, too.
line AS MATERIALIZED (
    SELECT oid AS table_oid, oid AS relid FROM wanted
    UNION
    SELECT w.oid, a.relid FROM wanted AS w CROSS JOIN LATERAL pg_partition_ancestors(w.oid) AS a
),
-- The heap and its TOAST table, then the indexes of both.
heaps AS (
    SELECT oid AS table_oid, unnest(ARRAY[oid, reltoastrelid]) AS relid FROM wanted
),
files AS (
    SELECT table_oid, relid, NULL::oid AS index_of FROM heaps
    UNION ALL
    SELECT h.table_oid, i.indexrelid, h.relid FROM heaps AS h JOIN pg_catalog.pg_index AS i ON i.indrelid = h.relid
),
sized AS MATERIALIZED (
    SELECT f.*, c.relname, c.relkind, c.reltuples, bytes.bytes
    FROM files AS f
    JOIN pg_catalog.pg_class AS c ON c.oid = f.relid
    -- An analyzed partitioned table has -1 here; elsewhere a negative number is a count above 2^31.
    CROSS JOIN LATERAL (
        SELECT (c.relpages::bigint & 4294967295) * current_setting('block_size')::bigint AS bytes
    ) AS known
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN c.relkind NOT IN ('r', 't', 'i') THEN 0
            WHEN c.oid IN (SELECT l.relation FROM locked AS l) THEN known.bytes
            ELSE coalesce(pg_relation_size(c.oid), known.bytes)
        END AS bytes
    ) AS bytes
),
sizes AS (
    SELECT table_oid,
        coalesce(sum(bytes) FILTER (WHERE relid = table_oid), 0) AS heap_bytes,
        coalesce(sum(bytes) FILTER (WHERE relkind = 't'), 0) AS toast_bytes,
        sum(bytes) AS total_bytes,
        coalesce(
            json_object_agg(relname, json_build_object(
                'index', relname,
                'bytes', bytes,
                'entries', CASE WHEN reltuples >= 0 THEN reltuples::bigint END
            )) FILTER (WHERE index_of = table_oid),
            '{}'
        ) AS indexes
    FROM sized
    GROUP BY table_oid
),
-- What a row takes by the types of its columns, for tables that were never analyzed: as the planner counts.
widths AS (
    SELECT a.attrelid AS table_oid,
        sum(CASE WHEN a.attlen > 0 THEN a.attlen ELSE 32 END) AS width
    FROM wanted AS w
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
    GROUP BY a.attrelid
),
published AS (
    SELECT l.table_oid, p.pubname
    FROM line AS l
    JOIN pg_catalog.pg_publication_rel AS r ON r.prrelid = l.relid
    JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid
    UNION
    SELECT w.oid, p.pubname
    FROM wanted AS w
    JOIN pg_catalog.pg_publication AS p ON p.puballtables
    WHERE w.relkind IN ('r', 'p') AND w.relpersistence = 'p'
),
publications AS (
    SELECT table_oid, json_agg(pubname ORDER BY pubname) AS names FROM published GROUP BY table_oid
),
-- Rows that a subscription writes at one level of a partition tree are rows of the levels above and below it.
subscribed AS (
    SELECT l.table_oid
    FROM line AS l
    JOIN pg_catalog.pg_subscription_rel AS s ON s.srrelid = l.relid
    UNION
    SELECT a.relid
    FROM pg_catalog.pg_subscription_rel AS s
    CROSS JOIN LATERAL pg_partition_ancestors(s.srrelid) AS a
),
-- The row type of each table and every type that is made of it: arrays, domains, ranges, rows of views and composite
-- types. It is how ALTER TABLE looks for columns that it would have to rewrite.
row_types AS (
    SELECT w.oid AS table_oid, c.reltype AS type
    FROM wanted AS w
    JOIN pg_catalog.pg_class AS c ON c.oid = w.oid
    UNION
    SELECT r.table_oid, CASE WHEN d.classid = 'pg_catalog.pg_type'::regclass THEN d.objid ELSE c.reltype END
    FROM row_types AS r
    JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid = r.type
    LEFT JOIN pg_catalog.pg_class AS c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_type'::regclass OR (d.objsubid > 0 AND c.relkind IN ('c', 'v', 'f'))
),
stored AS (
    SELECT table_oid, json_agg(json_build_array(nspname, relname) ORDER BY nspname, relname) AS names
    FROM (
        SELECT DISTINCT r.table_oid, n.nspname, c.relname
        FROM row_types AS r
        JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid = r.type
            AND d.classid = 'pg_catalog.pg_class'::regclass AND d.objsubid > 0
        JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND c.relkind IN ('r', 'p', 'm', 'i', 'I')
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    ) AS columns
    GROUP BY table_oid
)
SELECT json_build_object(
    'name', json_build_array(w.nspname, w.relname),
    'oid', w.oid::bigint,
    'kind', CASE
        WHEN w.relkind = 'f' THEN 'foreign'
        WHEN w.relkind = 'p' THEN 'partitioned'
        WHEN w.relispartition THEN 'partition'
        WHEN w.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits) THEN 'inherited'
        WHEN w.oid IN (SELECT inhparent FROM pg_catalog.pg_inherits) THEN 'inherited'
        WHEN w.reloftype <> 0 THEN 'typed'
        ELSE 'ordinary'
    END,
    'owner', pg_get_userbyid(w.relowner),
    -- The privilege functions answer NULL for what was dropped a moment ago.
    'may_alter', coalesce(pg_has_role(w.relowner, 'USAGE'), false),
    'may_read', coalesce(
        has_table_privilege(w.oid, 'SELECT') AND has_schema_privilege(w.relnamespace, 'USAGE'), false),
    'may_create', coalesce(has_schema_privilege(w.relnamespace, 'CREATE'), false),
    'rows', CASE
        WHEN w.relkind <> 'r' THEN CASE WHEN w.reltuples >= 0 THEN w.reltuples::bigint END
        WHEN w.relpages <> 0 AND w.reltuples >= 0 THEN (
            w.reltuples / (w.relpages::bigint & 4294967295)
                * (s.heap_bytes / current_setting('block_size')::bigint)::float8
        )::bigint
        WHEN s.heap_bytes = 0 AND w.oid IN (SELECT l.relation FROM locked AS l) THEN NULL
        -- 24 bytes of each page and of each row are headers; 4 more of a row point to it.
        ELSE (
            s.heap_bytes / current_setting('block_size')::bigint
                * floor((current_setting('block_size')::integer - 24) * w.fillfactor / 100.0
                    / (28 + coalesce(x.width, 0)))
        )::bigint
    END,
    'heap_bytes', s.heap_bytes,
    'total_bytes', s.total_bytes,
    'storage', json_build_object(
        'access_method', w.access_method, 'fillfactor', w.fillfactor, 'toast_bytes', s.toast_bytes, 'indexes', s.indexes
    ),
    'partitioning', json_build_object(
        'of', CASE WHEN w.relispartition THEN (
            SELECT json_build_array(pn.nspname, p.relname)
            FROM pg_catalog.pg_inherits AS i
            JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
            JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
            WHERE i.inhrelid = w.oid
        ) END,
        'parts', coalesce(CASE WHEN w.relkind = 'p' THEN (
            SELECT json_agg(json_build_array(pn.nspname, p.relname) ORDER BY pn.nspname, p.relname)
            FROM pg_catalog.pg_inherits AS i
            JOIN pg_catalog.pg_class AS p ON p.oid = i.inhrelid
            JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
            WHERE i.inhparent = w.oid
        ) END, '[]'),
        -- A column of the key depends on its table as a whole, those of its expressions too.
        'key', coalesce(CASE WHEN w.relkind = 'p' THEN (
            SELECT json_agg(a.attname ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = w.oid AND a.attnum > 0 AND EXISTS (
                SELECT FROM pg_catalog.pg_depend AS d
                WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = w.oid AND d.objsubid = a.attnum
                    AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = w.oid AND d.refobjsubid = 0
                    AND d.deptype = 'i'
            )
        ) END, '[]')
    ),
    'row_security', CASE
        WHEN NOT w.relrowsecurity THEN 'off'
        WHEN w.relforcerowsecurity THEN 'forced'
        ELSE 'enabled'
    END,
    'publications', coalesce(p.names, '[]'),
    'replica_identity', w.relreplident IN ('f', 'i'),
    'replica_index', CASE WHEN w.relreplident = 'i' THEN (
        SELECT x.relname
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
        WHERE i.indrelid = w.oid AND i.indisreplident
    ) END,
    'subscribed', w.oid IN (SELECT table_oid FROM subscribed),
    'stored_in', coalesce(t.names, '[]')
)::text AS item
FROM wanted AS w
JOIN sizes AS s ON s.table_oid = w.oid
LEFT JOIN widths AS x ON x.table_oid = w.oid
LEFT JOIN publications AS p ON p.table_oid = w.oid
LEFT JOIN stored AS t ON t.table_oid = w.oid
ORDER BY w.nspname, w.relname
