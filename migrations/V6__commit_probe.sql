-- One row that the throttle changes to measure how long a small commit takes: the disk, or a synchronous replica, is busy.
CREATE TABLE tenantctl.commit_probe (
    id integer PRIMARY KEY CHECK (id = 1),
    probed_at timestamptz NOT NULL
);
INSERT INTO tenantctl.commit_probe (id, probed_at) VALUES (1, now());
