-- What the operator wants of the unfinished run, from any machine; a run that goes on in another process goes on with it.
-- Nothing in a column: as configured. Whoever shall steer a run and not own it needs USAGE on the schema, SELECT on run,
-- control and pulse, and UPDATE on control.
CREATE TABLE tenantctl.control (
    id integer PRIMARY KEY CHECK (id = 1),
    -- Grows with every change, so that the pulse can answer which one the run knows.
    revision bigint NOT NULL DEFAULT 0,
    changed_at timestamptz,
    changed_by text,
    paused_at timestamptz,
    paused_by text,
    workers integer CHECK (workers > 0),
    batch_ms bigint CHECK (batch_ms > 0),
    max_lag_ms bigint CHECK (max_lag_ms > 0)
);
INSERT INTO tenantctl.control (id) VALUES (1);
REVOKE ALL ON TABLE tenantctl.control FROM PUBLIC;

-- What a run says of itself once a second, for who looks at it from elsewhere; logged, so that a standby shows it too.
CREATE TABLE tenantctl.pulse (
    run_id bigint PRIMARY KEY REFERENCES tenantctl.run (id),
    fence bigint NOT NULL,
    beat_at timestamptz NOT NULL,
    -- working, pausing, paused or ended; how it ended is the code of the failure, or done.
    state text NOT NULL,
    ended text,
    -- The change of the control that it knows.
    revision bigint NOT NULL,
    step text,
    workers integer NOT NULL,
    batch_ms bigint,
    rows_written bigint,
    rows_expected bigint,
    rows_per_second double precision,
    last_batch_rows bigint,
    last_batch_ms bigint,
    pressure double precision NOT NULL,
    reason text
);
REVOKE ALL ON TABLE tenantctl.pulse FROM PUBLIC;
