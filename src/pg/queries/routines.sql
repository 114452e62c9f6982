-- Functions and procedures, in any schema of the application, whose text is kept as it was written, so that it is read
-- again when its tables have changed. One in standard SQL (BEGIN ATOMIC) has no text: its columns are settled.
SELECT json_build_object(
    'name', json_build_array(n.nspname, f.proname),
    'language', l.lanname,
    'variables', coalesce(array_remove(f.proargnames, ''), '{}'),
    'text', f.prosrc
)::text AS item
FROM pg_catalog.pg_proc AS f
JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = f.prolang
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'tenantctl') AND n.nspname !~ '^pg_(toast|temp)'
    AND l.lanname NOT IN ('internal', 'c') AND f.prosrc <> ''
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e'
    )
ORDER BY n.nspname, f.proname, pg_get_function_identity_arguments(f.oid)
