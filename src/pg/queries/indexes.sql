-- Indexes of the tables in the schemas $1, invalid ones and those of constraints too.
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
        'partial', i.indpred IS NOT NULL
    )::text AS item
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS t ON t.relnamespace = n.oid AND t.relkind IN ('r', 'p')
JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
WHERE n.nspname = ANY ($1)
ORDER BY i.indrelid, x.relname
