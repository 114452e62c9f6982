-- What ANALYZE found in the columns of the tables in the schemas $1, where the role may read them.
SELECT c.oid AS table_oid,
    json_build_object(
        'column', s.attname,
        'width', s.avg_width,
        'null_share', s.null_frac,
        'correlation', s.correlation
    )::text AS item
FROM pg_catalog.pg_stats AS s
JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.schemaname
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = s.tablename
WHERE s.schemaname = ANY ($1) AND NOT s.inherited
