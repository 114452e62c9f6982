-- What each step really cost, beside what the plan expected. Log that other sessions wrote meanwhile is in it: the server
-- numbers the bytes of its log, not who wrote them.
CREATE TABLE tenantctl.step_cost (
    run_id bigint NOT NULL REFERENCES tenantctl.run (id),
    step_id text NOT NULL,
    -- Where the log was when the step began, or began again after an interruption.
    wal_start pg_lsn NOT NULL,
    wal_bytes bigint,
    -- Nothing in these where the table was not there, or was held exclusively by somebody else.
    heap_bytes_before bigint,
    heap_bytes_after bigint,
    index_bytes_before bigint,
    index_bytes_after bigint,
    PRIMARY KEY (run_id, step_id)
);

-- Of a backfill, only what its batches wrote counts.
ALTER TABLE tenantctl.checkpoint ADD COLUMN wal_bytes bigint NOT NULL DEFAULT 0;
ALTER TABLE tenantctl.checkpoint ADD COLUMN hot_rows bigint NOT NULL DEFAULT 0;

-- The bytes of a table's heap and of its indexes. Whoever holds the table exclusively is not waited for: a size is no
-- reason to stop a run.
CREATE FUNCTION tenantctl.table_bytes(relation text, OUT heap bigint, OUT indexes bigint)
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
    AS $body$
BEGIN
    heap := pg_relation_size(to_regclass(relation));
    indexes := pg_indexes_size(to_regclass(relation));
EXCEPTION WHEN lock_not_available THEN
    NULL;
END
$body$;
REVOKE ALL ON FUNCTION tenantctl.table_bytes(text) FROM PUBLIC;
