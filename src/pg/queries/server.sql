-- The database and the role that looks at it. 14 knows no more than this; identity.sql and since_15.sql add to it.
SELECT
    has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may_identify,
    json_build_object(
        'version', current_setting('server_version_num')::integer,
        'database', current_database(),
        'system_identifier', '',
        'role', r.rolname,
        'superuser', r.rolsuper,
        'bypass_rls', r.rolsuper OR r.rolbypassrls,
        'may_skip_triggers', r.rolsuper,
        'may_create_schema', has_database_privilege(current_database(), 'CREATE')
    )::text AS item
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = current_user
