-- Range, list and hash, three levels, a default, a leaf in another schema, names that need quotes, an empty root.
CREATE TABLE accounts (id bigint PRIMARY KEY, name text NOT NULL, slug text NOT NULL UNIQUE);
CREATE TABLE orgs (id bigint PRIMARY KEY, name text, account_id bigint NOT NULL REFERENCES accounts);
CREATE SCHEMA archive;
CREATE TABLE "Events" (
    id bigint, "At" date, kind int, org_id bigint NOT NULL REFERENCES orgs, body text, touched int NOT NULL DEFAULT 0,
    PRIMARY KEY (id, "At", kind)
) PARTITION BY RANGE ("At");
CREATE TABLE archive.events_2019 PARTITION OF "Events" FOR VALUES FROM ('2019-01-01') TO ('2020-01-01');
-- Made apart, with its columns in another order and a dropped one, and attached.
CREATE TABLE "Events 2020" (
    kind int NOT NULL, gone text, "At" date NOT NULL, id bigint NOT NULL, body text, touched int NOT NULL DEFAULT 0,
    org_id bigint NOT NULL
);
ALTER TABLE "Events 2020" DROP COLUMN gone;
ALTER TABLE "Events" ATTACH PARTITION "Events 2020" FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE events_2021 PARTITION OF "Events" FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (kind);
CREATE TABLE events_2021_1 PARTITION OF events_2021 FOR VALUES IN (1);
CREATE TABLE "Events_rest" PARTITION OF events_2021 DEFAULT PARTITION BY HASH (id);
CREATE TABLE "Events_rest_0" PARTITION OF "Events_rest" FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE "Events_rest_1" PARTITION OF "Events_rest" FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE events_default PARTITION OF "Events" DEFAULT;
CREATE INDEX ON "Events" (org_id);

-- An expression names the owner and the root by its name; without any key.
CREATE TABLE counters (id bigint, k int, n int NOT NULL) PARTITION BY HASH (k);
CREATE TABLE counters_0 PARTITION OF counters FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE counters_1 PARTITION OF counters FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE empty_root (id int, k int) PARTITION BY LIST (k);
CREATE TABLE plain (id bigint, k int) PARTITION BY LIST (k);
CREATE TABLE plain_rest PARTITION OF plain DEFAULT;
CREATE TABLE notes (
    id bigint PRIMARY KEY, event_id bigint NOT NULL, event_at date NOT NULL, event_kind int NOT NULL,
    FOREIGN KEY (event_id, event_at, event_kind) REFERENCES "Events"
);

INSERT INTO accounts SELECT g, 'Account ' || g, CASE g WHEN 1 THEN 'system' ELSE 'account-' || g END FROM generate_series(1, 3) AS g;
INSERT INTO orgs SELECT g, 'Org ' || g, 1 + g % 3 FROM generate_series(1, 20) AS g;
INSERT INTO "Events" (id, "At", kind, org_id, body)
SELECT g, date '2019-06-01' + g % 1100, g % 3, 1 + g % 20, repeat('x', 40) FROM generate_series(1, 1500) AS g;
INSERT INTO counters SELECT g, g, g FROM generate_series(1, 300) AS g;
INSERT INTO plain SELECT g, g FROM generate_series(1, 300) AS g;
INSERT INTO notes SELECT id, id, "At", kind FROM "Events" WHERE id % 5 = 0;
ANALYZE;
