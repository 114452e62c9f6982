-- What 14 has no catalog for: the right to set a parameter, and publications of whole schemas ($1: the schemas).
-- A partition is published with the schema of any table above it, too.
WITH published AS (
    SELECT c.oid::bigint AS table_oid, p.pubname
    FROM pg_catalog.pg_namespace AS n
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
    CROSS JOIN LATERAL (SELECT c.oid AS relid UNION SELECT a.relid FROM pg_partition_ancestors(c.oid) AS a) AS line
    JOIN pg_catalog.pg_class AS above ON above.oid = line.relid
    JOIN pg_catalog.pg_publication_namespace AS pn ON pn.pnnspid = above.relnamespace
    JOIN pg_catalog.pg_publication AS p ON p.oid = pn.pnpubid
    WHERE n.nspname = ANY ($1)
)
SELECT json_build_object(
    'may_skip_triggers', has_parameter_privilege('session_replication_role', 'SET'),
    'wal_methods', (
        SELECT coalesce(json_agg(method), '[]')
        FROM pg_catalog.pg_settings AS s, unnest(s.enumvals) AS method
        WHERE s.name = 'wal_compression' AND has_parameter_privilege(s.name, 'SET') AND method IN ('pglz', 'lz4', 'zstd')
    ),
    'publications', (
        SELECT coalesce(json_agg(json_build_array(table_oid, pubname)), '[]') FROM published
    )
)::text AS item
