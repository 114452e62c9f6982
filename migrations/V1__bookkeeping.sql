-- tenantctl's own bookkeeping, in the schema tenantctl. These are never the user's migrations: those are planned, stored
-- in tenantctl.run, and listed in tenantctl.schema_history.

-- Who may write. A run raises the number when it starts; a transaction of an older run finds another one and fails.
CREATE TABLE tenantctl.lease (
    id integer PRIMARY KEY CHECK (id = 1),
    fence bigint NOT NULL
);
INSERT INTO tenantctl.lease (id, fence) VALUES (1, 0);

CREATE FUNCTION tenantctl.assert_fence(expected bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $body$
BEGIN
    PERFORM 1 FROM tenantctl.lease WHERE id = 1 AND fence = expected FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another run of tenantctl took over' USING ERRCODE = 'TN001';
    END IF;
END
$body$;
REVOKE ALL ON FUNCTION tenantctl.assert_fence(bigint) FROM PUBLIC;

-- One row for every run, with the script that it executes; a resumed run goes on with the stored one.
CREATE TABLE tenantctl.run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tool_version text NOT NULL,
    fingerprint text NOT NULL,
    script text NOT NULL,
    system_identifier text NOT NULL,
    started_by text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    abandoned_at timestamptz
);
-- At most one run is unfinished.
CREATE UNIQUE INDEX run_open ON tenantctl.run ((true)) WHERE finished_at IS NULL AND abandoned_at IS NULL;

-- What is done of it.
CREATE TABLE tenantctl.step (
    run_id bigint NOT NULL REFERENCES tenantctl.run (id),
    step_id text NOT NULL,
    version integer NOT NULL,
    elapsed_ms bigint NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, step_id)
);

-- How far a backfill is. The row is written in the batch's own transaction.
CREATE TABLE tenantctl.checkpoint (
    run_id bigint NOT NULL REFERENCES tenantctl.run (id),
    step_id text NOT NULL,
    -- Where this position means something: another table, file, timeline or length, and it is started anew.
    table_oid bigint NOT NULL,
    file_node bigint NOT NULL,
    timeline text NOT NULL,
    next_block bigint NOT NULL,
    end_block bigint NOT NULL,
    rows_written bigint NOT NULL DEFAULT 0,
    batches bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, step_id)
);
