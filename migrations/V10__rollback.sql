-- Runs that go back. A run of kind `rollback` has migrations of its own, with versions of their own; each takes one earlier
-- version back, and says so here. A version is never used twice.
ALTER TABLE tenantctl.run ADD COLUMN kind text NOT NULL DEFAULT 'migrate';

CREATE TABLE tenantctl.undone (
    version integer PRIMARY KEY,
    run_id bigint NOT NULL REFERENCES tenantctl.run (id),
    by_version integer NOT NULL,
    undone_at timestamptz NOT NULL DEFAULT now()
);
REVOKE ALL ON TABLE tenantctl.undone FROM PUBLIC;
