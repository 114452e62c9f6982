-- One moment, and one spelling: whatever the role's own settings are, types and expressions come out alike.
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL search_path = pg_catalog; -- So every name outside of it is printed with its schema.
SET LOCAL quote_all_identifiers = off;
SET LOCAL "DateStyle" = 'ISO, YMD'; -- Constants in expressions are printed by these.
SET LOCAL "IntervalStyle" = postgres;
SET LOCAL "TimeZone" = 'UTC';
SET LOCAL bytea_output = hex;
SET LOCAL extra_float_digits = 1;
SET LOCAL jit = off; -- The planner overrates these queries; compiling them takes longer than running them.
SET LOCAL lock_timeout = '2s'; -- A bound: see constraints.sql for the only lock that could be waited for.
