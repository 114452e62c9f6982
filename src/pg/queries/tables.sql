-- Tables of the schemas $1, without those that belong to an extension.
--
-- Nothing here opens a table. Sizes are relpages, as of its last VACUUM or ANALYZE: pg_relation_size would wait behind
-- whoever holds the table ACCESS EXCLUSIVE, and comes back empty-handed when it is dropped meanwhile.
WITH wanted AS MATERIALIZED (
    SELECT c.oid, c.relname, c.relkind, c.relispartition, c.relpersistence, c.relowner, c.reltuples, c.reltoastrelid,
        c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relnamespace, n.nspname
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
    SELECT table_oid, relid FROM heaps
    UNION ALL
    SELECT h.table_oid, i.indexrelid FROM heaps AS h JOIN pg_catalog.pg_index AS i ON i.indrelid = h.relid
),
sizes AS (
    SELECT f.table_oid,
        sum(bytes.bytes) FILTER (WHERE f.relid = f.table_oid) AS heap_bytes,
        sum(bytes.bytes) AS total_bytes
    FROM files AS f
    JOIN pg_catalog.pg_class AS c ON c.oid = f.relid
    -- An analyzed partitioned table has -1 here; elsewhere a negative number is a count above 2^31.
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.relkind IN ('p', 'I') THEN 0 ELSE c.relpages::bigint & 4294967295 END
            * current_setting('block_size')::bigint AS bytes
    ) AS bytes
    GROUP BY f.table_oid
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
        ELSE 'ordinary'
    END,
    'owner', pg_get_userbyid(w.relowner),
    -- The privilege functions answer NULL for what was dropped a moment ago.
    'may_alter', coalesce(pg_has_role(w.relowner, 'USAGE'), false),
    'may_read', coalesce(
        has_table_privilege(w.oid, 'SELECT') AND has_schema_privilege(w.relnamespace, 'USAGE'), false),
    'may_create', coalesce(has_schema_privilege(w.relnamespace, 'CREATE'), false),
    'rows', CASE WHEN w.reltuples >= 0 THEN w.reltuples::bigint END,
    'heap_bytes', s.heap_bytes,
    'total_bytes', s.total_bytes,
    'row_security', CASE
        WHEN NOT w.relrowsecurity THEN 'off'
        WHEN w.relforcerowsecurity THEN 'forced'
        ELSE 'enabled'
    END,
    'publications', coalesce(p.names, '[]'),
    'replica_identity', w.relreplident IN ('f', 'i'),
    'subscribed', w.oid IN (SELECT table_oid FROM subscribed)
)::text AS item
FROM wanted AS w
JOIN sizes AS s ON s.table_oid = w.oid
LEFT JOIN publications AS p ON p.table_oid = w.oid
ORDER BY w.nspname, w.relname
