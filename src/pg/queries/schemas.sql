-- The schemas of the database's users that hold tables of their own, and not only tables of an extension.
SELECT n.nspname::text AS item
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname !~ '^pg_'
    AND n.nspname NOT IN ('information_schema', 'tenantctl')
    AND EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = n.oid
            AND c.relkind IN ('r', 'p', 'f')
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_depend AS d
                WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
            )
    )
ORDER BY n.nspname
