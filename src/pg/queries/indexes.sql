-- Indexes of the tables in the schemas $1, invalid ones and those of constraints too.
--
-- To print an index with expressions, PostgreSQL opens its table, and so would wait for a session that holds it ACCESS
-- EXCLUSIVE, or that queues for it: those tables' indexes come without their text. Nothing else here opens a table.
WITH locked AS MATERIALIZED (
    SELECT l.relation
    FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
)
SELECT i.indrelid AS table_oid,
    json_build_object(
        'name', x.relname,
        'method', m.amname,
        -- An expression has column number 0; INCLUDE columns come after the key columns.
        'columns', ARRAY(
            SELECT a.attname
            FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, position)
            LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE k.position <= i.indnkeyatts
            ORDER BY k.position
        ),
        -- Expressions and conditions depend on their columns; constraints hold the dependencies of bare columns.
        'other_columns', ARRAY(
            SELECT a.attname
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = i.indrelid
                AND a.attnum > 0
                AND NOT a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
                AND (
                    a.attnum = ANY (i.indkey)
                    OR EXISTS (
                        SELECT FROM pg_catalog.pg_depend AS d
                        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid AND d.objsubid = 0
                            AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = i.indrelid
                            AND d.refobjsubid = a.attnum
                    )
                )
            ORDER BY a.attnum
        ),
        'unique', i.indisunique,
        'valid', i.indisvalid,
        'partial', i.indpred IS NOT NULL,
        'part_of', (
            SELECT json_build_array(un.nspname, u.relname)
            FROM pg_catalog.pg_inherits AS h
            JOIN pg_catalog.pg_class AS u ON u.oid = h.inhparent
            JOIN pg_catalog.pg_namespace AS un ON un.oid = u.relnamespace
            WHERE h.inhrelid = x.oid
        ),
        'definition', CASE WHEN starts_with(printed.text, printed.head) THEN json_build_object(
            'tail', substr(printed.text, length(printed.head) + 1),
            'included', ARRAY(
                SELECT a.attname
                FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, position)
                JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                WHERE k.position > i.indnkeyatts
                ORDER BY k.position
            ),
            'nulls_not_distinct', coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false), -- Since 15.
            'expressions', i.indexprs IS NOT NULL,
            'clustered', i.indisclustered,
            'tablespace', (SELECT s.spcname FROM pg_catalog.pg_tablespace AS s WHERE s.oid = x.reltablespace)
        ) END
    )::text AS item
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS t ON t.relnamespace = n.oid AND t.relkind IN ('r', 'p')
JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
-- Unique ones may be built anew with the owner in front of their columns.
CROSS JOIN LATERAL (
    SELECT CASE WHEN i.indisunique AND i.indrelid NOT IN (SELECT l.relation FROM locked AS l)
            THEN pg_get_indexdef(i.indexrelid) END AS text,
        format('CREATE UNIQUE INDEX %I ON %s%I.%I USING %I (', x.relname,
            CASE WHEN x.relkind = 'I' THEN 'ONLY ' ELSE '' END, n.nspname, t.relname, m.amname) AS head
) AS printed
WHERE n.nspname = ANY ($1)
ORDER BY i.indrelid, x.relname
