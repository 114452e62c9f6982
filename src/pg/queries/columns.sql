-- Columns of the tables in the schemas $1, by position.
--
-- A default needs no look at its table. The expression of a generated column does: see constraints.sql.
WITH locked AS MATERIALIZED (
    SELECT l.relation
    FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
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
        -- The sequence of an identity column depends on the column; a default depends on the sequence that it calls.
        -- Looked up for each column: as a join, without statistics (after a restore), this took half a minute.
        'sequence', CASE
            WHEN a.attidentity <> '' THEN (
                SELECT json_build_array(sn.nspname, s.relname)
                FROM pg_catalog.pg_depend AS d
                JOIN pg_catalog.pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
                JOIN pg_catalog.pg_namespace AS sn ON sn.oid = s.relnamespace
                WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = a.attrelid
                    AND d.refobjsubid = a.attnum AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'i'
            )
            WHEN a.atthasdef THEN (
                SELECT json_build_array(sn.nspname, s.relname)
                FROM pg_catalog.pg_depend AS d
                JOIN pg_catalog.pg_class AS s ON s.oid = d.refobjid AND s.relkind = 'S'
                JOIN pg_catalog.pg_namespace AS sn ON sn.oid = s.relnamespace
                WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = x.oid
                    AND d.refclassid = 'pg_catalog.pg_class'::regclass
                ORDER BY sn.nspname, s.relname
                LIMIT 1
            )
        END
    )::text AS item
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'f')
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef AS x ON x.adrelid = a.attrelid AND x.adnum = a.attnum
WHERE n.nspname = ANY ($1)
ORDER BY a.attrelid, a.attnum
