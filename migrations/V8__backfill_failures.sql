-- Rows that a backfill could not fill: a constraint or a trigger refuses their update. A row goes when its blocks have been
-- gone over without a refusal.
CREATE TABLE tenantctl.backfill_failure (
    run_id bigint NOT NULL REFERENCES tenantctl.run (id),
    step_id text NOT NULL,
    -- Where the row was, in the file that the checkpoint knows.
    block bigint NOT NULL,
    line integer NOT NULL,
    -- Its primary key as a condition, or its position where there is none; never its other values.
    row_name text NOT NULL,
    -- The constraint or the function of a trigger, and the SQLSTATE.
    reason text NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, step_id, block, line)
);
REVOKE ALL ON TABLE tenantctl.backfill_failure FROM PUBLIC;
