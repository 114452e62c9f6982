-- Columns of the tables in the schemas $1, by position.
--
-- A default needs no look at its table. The expression of a generated column does: see constraints.sql.
WITH locked AS MATERIALIZED (
    SELECT l.relation
    FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
),
-- The sequence of an identity column depends on the column; a default depends on the sequence that it calls.
feeding AS (
    SELECT d.refobjid AS table_oid, d.refobjsubid AS attnum, d.objid AS sequence
    FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
        AND d.deptype = 'i' AND d.refobjsubid > 0
    UNION ALL
    SELECT x.adrelid, x.adnum, d.refobjid
    FROM pg_catalog.pg_attrdef AS x
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = x.oid
    WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> x.adrelid
),
sequences AS (
    SELECT DISTINCT ON (f.table_oid, f.attnum) f.table_oid, f.attnum, json_build_array(n.nspname, s.relname) AS name
    FROM feeding AS f
    JOIN pg_catalog.pg_class AS s ON s.oid = f.sequence AND s.relkind = 'S'
    JOIN pg_catalog.pg_namespace AS n ON n.oid = s.relnamespace
    ORDER BY f.table_oid, f.attnum, n.nspname, s.relname
)
SELECT a.attrelid AS table_oid,
    json_build_object(
        'name', a.attname,
        'data_type', format_type(a.atttypid, a.atttypmod),
        'not_null', a.attnotnull,
        'default', CASE
            WHEN a.attidentity <> '' THEN 'identity'
            WHEN a.attgenerated = '' THEN pg_get_expr(x.adbin, 0)
            WHEN a.attrelid NOT IN (SELECT l.relation FROM locked AS l) THEN pg_get_expr(x.adbin, x.adrelid)
        END,
        'generated', a.attgenerated <> '',
        'sequence', s.name
    )::text AS item
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'f')
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef AS x ON x.adrelid = a.attrelid AND x.adnum = a.attnum
LEFT JOIN sequences AS s ON s.table_oid = a.attrelid AND s.attnum = a.attnum
WHERE n.nspname = ANY ($1)
ORDER BY a.attrelid, a.attnum
