-- Keys, foreign keys, checks and (18) NOT NULL constraints of the tables in the schemas $1.
--
-- To print a CHECK, PostgreSQL opens its table, and so would wait for a session that holds it ACCESS EXCLUSIVE, or
-- that queues for it: those tables' checks come without their text. Nothing else here opens a table.
WITH RECURSIVE locked AS MATERIALIZED (
    SELECT l.relation
    FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
),
-- A foreign key with all that partitions on either side inherit from it.
family AS (
    SELECT c.oid AS top, c.confrelid AS parent, c.oid AS member
    FROM pg_catalog.pg_constraint AS c
    WHERE c.contype = 'f' AND c.conparentid = 0
    UNION ALL
    SELECT f.top, f.parent, c.oid
    FROM family AS f
    JOIN pg_catalog.pg_constraint AS c ON c.conparentid = f.member
),
-- The triggers of one key are spread over its family, so one that sleeps makes all of it doubtful.
doubtful AS (
    SELECT DISTINCT f.top
    FROM family AS f
    JOIN pg_catalog.pg_trigger AS t ON t.tgconstraint = f.member AND t.tgenabled IN ('D', 'R')
)
SELECT c.conrelid AS table_oid,
    CASE
        WHEN c.contype IN ('p', 'u') THEN json_build_object('key', json_build_object(
            'name', c.conname,
            'primary', c.contype = 'p',
            'columns', own.columns,
            'deferrable', c.condeferrable,
            'period', newer.period,
            'details', json_build_object('initially_deferred', c.condeferred, 'inherited', c.conparentid <> 0)
        ))
        WHEN c.contype = 'f' THEN json_build_object('foreign-key', json_build_object(
            'name', c.conname,
            'columns', own.columns,
            'parent', json_build_array(pn.nspname, p.relname),
            'parent_columns', ARRAY(
                SELECT a.attname
                FROM unnest(c.confkey) WITH ORDINALITY AS k (attnum, position)
                JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.attnum
                ORDER BY k.position
            ),
            'validated', c.convalidated,
            'enforced', newer.enforced,
            'triggers_enabled', f.top NOT IN (SELECT d.top FROM doubtful AS d),
            'deferrable', c.condeferrable,
            'period', newer.period,
            'details', json_build_object(
                'matching', CASE c.confmatchtype WHEN 'f' THEN 'full' ELSE 'simple' END,
                'on_update', action.on_update,
                'on_delete', action.on_delete,
                'set_columns', ARRAY(
                    SELECT a.attname
                    FROM jsonb_array_elements_text(newer.set_columns) WITH ORDINALITY AS k (attnum, position)
                    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.attnum::int2
                    ORDER BY k.position
                ),
                'initially_deferred', c.condeferred,
                'inherited', c.conparentid <> 0,
                'index', (SELECT x.relname FROM pg_catalog.pg_class AS x WHERE x.oid = c.conindid)
            )
        ))
        ELSE json_build_object('check', json_build_object(
            'name', c.conname,
            -- Whether it is validated is said below; two ways to say it would be two ways to compare.
            'definition', CASE
                WHEN c.contype = 'n' OR c.conrelid NOT IN (SELECT l.relation FROM locked AS l)
                THEN regexp_replace(pg_get_constraintdef(c.oid), ' NOT VALID$', '')
            END,
            'validated', c.convalidated
        ))
    END::text AS item
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS t ON t.relnamespace = n.oid AND t.relkind IN ('r', 'p', 'f')
JOIN pg_catalog.pg_constraint AS c ON c.conrelid = t.oid
LEFT JOIN family AS f ON f.member = c.oid
LEFT JOIN pg_catalog.pg_class AS p ON p.oid = c.confrelid
LEFT JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
CROSS JOIN LATERAL (
    SELECT ARRAY(
        SELECT a.attname
        FROM unnest(c.conkey) WITH ORDINALITY AS k (attnum, position)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
        ORDER BY k.position
    ) AS columns
) AS own
-- Columns that 18 has, or 15, and older servers have not.
CROSS JOIN LATERAL (
    SELECT coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true) AS enforced,
        coalesce((to_jsonb(c) ->> 'conperiod')::boolean, false) AS period,
        coalesce(nullif(to_jsonb(c) -> 'confdelsetcols', 'null'), '[]') AS set_columns
) AS newer
CROSS JOIN LATERAL (
    SELECT words.by_letter ->> c.confupdtype::text AS on_update, words.by_letter ->> c.confdeltype::text AS on_delete
    FROM (
        SELECT jsonb '{"a": "no-action", "r": "restrict", "c": "cascade", "n": "set-null", "d": "set-default"}'
    ) AS words (by_letter)
) AS action
WHERE n.nspname = ANY ($1)
    AND c.contype IN ('p', 'u', 'f', 'c', 'n')
    -- A key to a partitioned table has a twin for each partition there; they say nothing new.
    AND (c.contype <> 'f' OR c.confrelid = f.parent)
ORDER BY c.conrelid, c.contype = 'p' DESC, c.conname
