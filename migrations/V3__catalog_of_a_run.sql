-- The database as it was when the run was planned, so that `tenantctl diff` can say what changed since. Runs of earlier
-- versions have none.
ALTER TABLE tenantctl.run ADD COLUMN catalog text;
