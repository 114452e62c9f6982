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
