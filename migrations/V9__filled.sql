-- Whose rows the fillers fill: a row says that an application left a table's owner out in these five minutes. Rows are only
-- added, so no writer ever waits for another here; the rows themselves are counted by a sequence for each table.
CREATE TABLE tenantctl.filled_for (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_name text NOT NULL,
    application text NOT NULL,
    told_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX filled_for_last ON tenantctl.filled_for (table_name, application, told_at);
REVOKE ALL ON TABLE tenantctl.filled_for FROM PUBLIC;

-- Notes the session's application. A filler asks once in five minutes for each session, table and name; whatever goes wrong
-- here is caught there. A table has at most as many rows as `tells` may count to.
CREATE FUNCTION tenantctl.tell_filled(of_table text, tells regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '10ms'
    AS $body$
DECLARE
    teller text := current_setting('application_name');
    since timestamptz := to_timestamp(floor(date_part('epoch', now()) / 300) * 300);
BEGIN
    -- A serializable writer that reads here could fail because another one writes here.
    IF current_setting('transaction_isolation') <> 'serializable' AND EXISTS (
        SELECT FROM tenantctl.filled_for AS f WHERE f.table_name = of_table AND f.application = teller AND f.told_at >= since
    ) THEN
        RETURN;
    END IF;
    IF nextval(tells) <= 10000 THEN
        INSERT INTO tenantctl.filled_for (table_name, application) VALUES (of_table, teller);
    END IF;
END
$body$;
REVOKE ALL ON FUNCTION tenantctl.tell_filled(text, regclass) FROM PUBLIC;
