-- Which cluster this is. Open to every role by default, but it can be revoked, and PostgreSQL checks that even where
-- the call is never reached: so it is a query of its own, sent only if server.sql found it permitted.
SELECT system_identifier::text AS system_identifier
FROM pg_catalog.pg_control_system()
