-- The segments of log that wait for the archiver. Needs EXECUTE on the function, which pg_monitor has.
SELECT count(*) AS segments FROM pg_catalog.pg_ls_archive_statusdir() AS f WHERE f.name LIKE '%.ready'
