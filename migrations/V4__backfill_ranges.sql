-- How far a backfill is, range of blocks by range of blocks: several are worked on at once, and each may be gone over in
-- several passes. A row is written in the batch's own transaction, by one session at a time. When the backfill is done,
-- what they counted is added to its checkpoint, and they go.
CREATE TABLE tenantctl.backfill_range (
    run_id bigint NOT NULL,
    step_id text NOT NULL,
    first_block bigint NOT NULL,
    -- The block after the last one.
    end_block bigint NOT NULL,
    passes integer NOT NULL,
    passes_done integer NOT NULL,
    -- Rows without an owner when the first pass saw them.
    rows_expected bigint NOT NULL,
    rows_written bigint NOT NULL,
    batches bigint NOT NULL,
    wal_bytes bigint NOT NULL,
    hot_rows bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, step_id, first_block),
    FOREIGN KEY (run_id) REFERENCES tenantctl.run (id)
);

-- The checkpoint keeps where a backfill works and what its finished ranges counted. Rows that were expected and not
-- written were taken over by a writer, whose statement filled them, or deleted.
ALTER TABLE tenantctl.checkpoint ADD COLUMN rows_expected bigint NOT NULL DEFAULT 0;
