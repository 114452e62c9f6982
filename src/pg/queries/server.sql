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
        'may_create_schema', has_database_privilege(current_database(), 'CREATE'),
        'wal', json_build_object(
            'full_page_writes', current_setting('full_page_writes')::boolean,
            'compressed', current_setting('wal_compression') <> 'off',
            -- Before 15 there is one method, and only a superuser may choose.
            'methods', CASE WHEN r.rolsuper THEN json_build_array('pglz') ELSE json_build_array() END,
            'logs_hints', current_setting('data_checksums')::boolean OR current_setting('wal_log_hints')::boolean,
            'max_bytes', pg_size_bytes(current_setting('max_wal_size'))
        )
    )::text AS item
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = current_user
