-- A backfill in the order of a key keeps the last key that it passed, as text, until it is done.
ALTER TABLE tenantctl.checkpoint ADD COLUMN last_key text[];
