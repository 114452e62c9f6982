-- Functions, in any schema, that take or return rows of a table of the schemas $1, or arrays of them.
WITH row_types AS (
    SELECT unnest(ARRAY[t.oid, t.typarray]) AS type, n.nspname, c.relname
    FROM pg_catalog.pg_namespace AS n
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'f')
    JOIN pg_catalog.pg_type AS t ON t.oid = c.reltype
    WHERE n.nspname = ANY ($1)
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
        )
),
-- proallargtypes is NULL where all arguments are inputs.
used AS (
    SELECT DISTINCT f.oid AS function, r.nspname, r.relname
    FROM pg_catalog.pg_proc AS f
    CROSS JOIN LATERAL unnest(coalesce(f.proallargtypes, f.proargtypes::oid[]) || f.prorettype) AS u (type)
    JOIN row_types AS r ON r.type = u.type
)
SELECT json_build_object(
    'name', json_build_array(n.nspname, f.proname),
    'tables', json_agg(json_build_array(u.nspname, u.relname) ORDER BY u.nspname, u.relname)
)::text AS item
FROM used AS u
JOIN pg_catalog.pg_proc AS f ON f.oid = u.function
JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace
WHERE n.nspname <> 'tenantctl'
GROUP BY n.nspname, f.proname, f.oid
ORDER BY n.nspname, f.proname, pg_get_function_identity_arguments(f.oid)
