-- User triggers of the tables in the schemas $1.
--
-- On 14 the copy that a partition gets of a user's trigger is marked as internal, like the triggers of foreign keys;
-- from those it differs by having no constraint, or one of its own kind ('t').
SELECT g.tgrelid AS table_oid,
    json_build_object(
        'name', g.tgname,
        'function', json_build_array(fn.nspname, f.proname),
        'firing', CASE g.tgenabled
            WHEN 'O' THEN 'origin'
            WHEN 'R' THEN 'replica'
            WHEN 'A' THEN 'always'
            WHEN 'D' THEN 'disabled'
        END,
        'on_update', g.tgtype & 16 <> 0,
        'before_row', g.tgtype & 3 = 3
    )::text AS item
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS t ON t.relnamespace = n.oid AND t.relkind IN ('r', 'p', 'f')
JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.oid
JOIN pg_catalog.pg_proc AS f ON f.oid = g.tgfoid
JOIN pg_catalog.pg_namespace AS fn ON fn.oid = f.pronamespace
LEFT JOIN pg_catalog.pg_constraint AS c ON c.oid = g.tgconstraint
WHERE n.nspname = ANY ($1)
    AND (NOT g.tgisinternal OR (g.tgparentid <> 0 AND coalesce(c.contype = 't', true)))
ORDER BY g.tgrelid, g.tgname
