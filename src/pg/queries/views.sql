-- Views, in any schema, that read a table of the schemas $1: directly, or through other views.
WITH RECURSIVE reads AS MATERIALIZED (
    SELECT DISTINCT r.ev_class AS view, d.refobjid AS relation
    FROM pg_catalog.pg_rewrite AS r
    JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
    JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
    WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
),
wanted AS (
    SELECT r.view
    FROM reads AS r
    JOIN pg_catalog.pg_class AS c ON c.oid = r.relation AND c.relkind IN ('r', 'p', 'f')
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY ($1)
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
        )
    UNION
    SELECT r.view FROM wanted AS w JOIN reads AS r ON r.relation = w.view
)
SELECT json_build_object(
    'name', json_build_array(vn.nspname, v.relname),
    'materialized', v.relkind = 'm',
    'reads', (
        SELECT json_agg(json_build_array(n.nspname, c.relname) ORDER BY n.nspname, c.relname)
        FROM reads AS r
        JOIN pg_catalog.pg_class AS c ON c.oid = r.relation
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE r.view = v.oid
    )
)::text AS item
FROM wanted AS w
JOIN pg_catalog.pg_class AS v ON v.oid = w.view
JOIN pg_catalog.pg_namespace AS vn ON vn.oid = v.relnamespace
WHERE vn.nspname <> 'tenantctl'
ORDER BY vn.nspname, v.relname
