-- What stands around the tables of the schemas $1, as one row: whatever may notice or hinder that they change.
WITH wanted AS MATERIALIZED (
    SELECT c.oid, c.relname, c.relkind, n.nspname
    FROM pg_catalog.pg_namespace AS n
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'f')
    WHERE n.nspname = ANY ($1)
),
-- A policy depends on every table that its expressions read, in any schema.
policy_reads AS (
    SELECT DISTINCT p.oid AS policy, w.nspname, w.relname
    FROM wanted AS w
    JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = w.oid
        AND d.classid = 'pg_catalog.pg_policy'::regclass
    JOIN pg_catalog.pg_policy AS p ON p.oid = d.objid
),
policies AS (
    SELECT json_agg(json_build_object(
        'name', p.polname,
        'table', json_build_array(n.nspname, c.relname),
        'reads', (
            SELECT json_agg(json_build_array(r.nspname, r.relname) ORDER BY r.nspname, r.relname)
            FROM policy_reads AS r WHERE r.policy = p.oid
        )
    ) ORDER BY n.nspname, c.relname, p.polname) AS items
    FROM pg_catalog.pg_policy AS p
    JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE p.oid IN (SELECT r.policy FROM policy_reads AS r)
),
rules AS (
    SELECT json_agg(json_build_object(
        'name', r.rulename,
        'table', json_build_array(w.nspname, w.relname),
        'event', CASE r.ev_type WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' ELSE 'DELETE' END
    ) ORDER BY w.nspname, w.relname, r.rulename) AS items
    FROM wanted AS w
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = w.oid AND r.ev_enabled <> 'D'
),
exclusions AS (
    SELECT json_agg(json_build_object(
        'name', json_build_array(w.nspname, k.conname),
        'table', json_build_array(w.nspname, w.relname)
    ) ORDER BY w.nspname, w.relname, k.conname) AS items
    FROM wanted AS w
    JOIN pg_catalog.pg_constraint AS k ON k.conrelid = w.oid AND k.contype = 'x'
),
-- PostgreSQL keeps the columns that a view's * stood for, not the star itself.
used AS (
    SELECT r.ev_class AS view, d.refobjid AS relation, count(DISTINCT d.refobjsubid) AS columns
    FROM wanted AS w
    JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = w.oid
        AND d.refobjsubid > 0 AND d.classid = 'pg_catalog.pg_rewrite'::regclass
    JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid AND r.ev_class <> w.oid
    GROUP BY r.ev_class, d.refobjid
),
whole_views AS (
    SELECT json_agg(json_build_object(
        'name', json_build_array(n.nspname, v.relname),
        'table', json_build_array(w.nspname, w.relname)
    ) ORDER BY n.nspname, v.relname, w.nspname, w.relname) AS items
    FROM used AS u
    JOIN wanted AS w ON w.oid = u.relation
    JOIN pg_catalog.pg_class AS v ON v.oid = u.view AND v.relkind IN ('v', 'm')
    JOIN pg_catalog.pg_namespace AS n ON n.oid = v.relnamespace AND n.nspname <> 'tenantctl'
    WHERE u.columns > 1 AND u.columns = (
        SELECT count(*) FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = u.relation AND a.attnum > 0 AND NOT a.attisdropped
    )
),
event_triggers AS (
    SELECT json_agg(json_build_object(
        'name', e.evtname,
        'event', e.evtevent,
        'tags', coalesce(e.evttags, '{}'),
        'function', json_build_array(n.nspname, f.proname)
    ) ORDER BY e.evtname) AS items
    FROM pg_catalog.pg_event_trigger AS e
    JOIN pg_catalog.pg_proc AS f ON f.oid = e.evtfoid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace
    WHERE e.evtenabled IN ('O', 'A')
),
-- Types of tables and arrays come with their tables; the others share the names of the relations, which have one too.
names AS (
    SELECT json_agg(json_build_object('name', json_build_array(nspname, name), 'kind', kind) ORDER BY nspname, name, kind)
        AS items
    FROM (
        SELECT n.nspname, c.relname AS name, CASE c.relkind
                WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE 'type'
            END AS kind
        FROM pg_catalog.pg_namespace AS n
        JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('v', 'm', 'S', 'c')
        WHERE n.nspname = ANY ($1)
        UNION ALL
        SELECT n.nspname, t.typname, 'type'
        FROM pg_catalog.pg_namespace AS n
        JOIN pg_catalog.pg_type AS t ON t.typnamespace = n.oid AND t.typrelid = 0 AND t.typcategory <> 'A'
        WHERE n.nspname = ANY ($1)
    ) AS taken
),
bookkeeping AS (
    SELECT json_build_object(
        'owner', pg_get_userbyid(n.nspowner),
        -- A script for psql makes fillers and their counters, and no bookkeeping.
        'ours', NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid
                AND NOT (c.relkind = 'S' AND c.relname ~ '^(filled|told)_'))
            OR EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid
                AND c.relname IN ('bookkeeping_history', 'run')),
        'usable', has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE')
    ) AS item
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname = 'tenantctl'
)
SELECT json_build_object(
    'policies', coalesce((SELECT items FROM policies), '[]'),
    'rules', coalesce((SELECT items FROM rules), '[]'),
    'exclusions', coalesce((SELECT items FROM exclusions), '[]'),
    'whole_views', coalesce((SELECT items FROM whole_views), '[]'),
    'event_triggers', coalesce((SELECT items FROM event_triggers), '[]'),
    'names', coalesce((SELECT items FROM names), '[]'),
    'bookkeeping', (SELECT item FROM bookkeeping)
)::text AS item
