-- A small database as `tenantctl migrate` leaves it: the System Tenant owns all, and everything is proven.

CREATE TABLE tenants (
    id BIGSERIAL PRIMARY KEY,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    partner_id BIGINT UNIQUE
);
INSERT INTO tenants (name, slug) VALUES ('System', 'system');

-- Mapped to the tenants, one to one: there is no partner yet.
CREATE TABLE partners (id BIGINT PRIMARY KEY, name TEXT NOT NULL, slug TEXT NOT NULL UNIQUE);

CREATE TABLE roles (id BIGSERIAL PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE audit (at TIMESTAMPTZ NOT NULL);

-- Refers to itself, and is a parent.
CREATE TABLE workflows (
    id BIGSERIAL PRIMARY KEY,
    name TEXT NOT NULL,
    "copiedFrom" BIGINT REFERENCES workflows (id),
    tenant_id BIGINT NOT NULL CONSTRAINT workflows_tenant_id_fkey REFERENCES tenants (id),
    UNIQUE (tenant_id, id),
    CONSTRAINT "workflows_tenant_id_copiedFrom_fkey" FOREIGN KEY (tenant_id, "copiedFrom") REFERENCES workflows (tenant_id, id)
        DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX workflows_tenant_id_idx ON workflows (tenant_id);
INSERT INTO workflows (name, "copiedFrom", tenant_id) VALUES ('one', NULL, 1), ('two', 1, 1);

-- A nullable parent over a simple key, with the one that compares owners beside it.
CREATE TABLE rules (
    id BIGSERIAL PRIMARY KEY,
    name TEXT NOT NULL,
    "workflowId" BIGINT REFERENCES workflows (id),
    tenant_id BIGINT NOT NULL CONSTRAINT rules_tenant_id_fkey REFERENCES tenants (id),
    UNIQUE (tenant_id, id),
    CONSTRAINT "rules_tenant_id_workflowId_fkey" FOREIGN KEY (tenant_id, "workflowId") REFERENCES workflows (tenant_id, id)
        DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO rules (name, "workflowId", tenant_id) VALUES ('a', 1, 1), ('b', 2, 1), ('library', NULL, 1);

-- Names that need quotes, and a key over the owner that proves that the owners agree.
CREATE TABLE "Rule Rows" (
    "rowId" BIGSERIAL PRIMARY KEY,
    "ruleId" BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL CONSTRAINT "Rule Rows_tenant_id_fkey" REFERENCES tenants (id),
    CONSTRAINT "Rule Rows_of_rule" FOREIGN KEY ("ruleId", tenant_id) REFERENCES rules (id, tenant_id)
);
CREATE INDEX "Rule Rows_tenant_id_idx" ON "Rule Rows" (tenant_id);
INSERT INTO "Rule Rows" ("ruleId", tenant_id) VALUES (2, 1), (3, 1);

CREATE TABLE templates (
    id BIGSERIAL PRIMARY KEY,
    name TEXT NOT NULL,
    code TEXT UNIQUE,
    tenant_id BIGINT NOT NULL CONSTRAINT templates_tenant_id_fkey REFERENCES tenants (id)
);
CREATE INDEX templates_tenant_id_idx ON templates (tenant_id);
INSERT INTO templates (name, tenant_id) VALUES ('t', 1), ('u', 1);

-- Names a partner without a foreign key; what names none is the System Tenant's.
CREATE TABLE licenses (
    id BIGSERIAL PRIMARY KEY,
    partner INTEGER,
    tenant_id BIGINT NOT NULL CONSTRAINT licenses_tenant_id_fkey REFERENCES tenants (id)
);
CREATE INDEX licenses_tenant_id_idx ON licenses (tenant_id);
INSERT INTO licenses (partner, tenant_id) VALUES (NULL, 1), (99, 1);

-- The bookkeeping, with a run that came to its end.
CREATE SCHEMA tenantctl;
CREATE TABLE tenantctl.run (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tool_version TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    script TEXT NOT NULL,
    system_identifier TEXT NOT NULL,
    started_by TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    finished_at TIMESTAMPTZ,
    abandoned_at TIMESTAMPTZ
);
INSERT INTO tenantctl.run (tool_version, fingerprint, script, system_identifier, started_by, finished_at, abandoned_at)
VALUES ('0.1.0', '', '', '', '', now(), NULL), ('0.1.0', '', '', '', '', NULL, now());
