//! A tenant for each row of the mapped table: for those that are there in batches, for those to come by a trigger.
//!
//! No foreign key leads from a tenant to its row. The application deletes and truncates its table as before; the tenant
//! stays and keeps the key, and with it whatever rows it owns.

use super::batch::{Backfill, Scan, answer, durability, extent, range};
use super::filler::named;
use super::quote::{dollar, ident, literal, qualified};
use super::{Query, Statement};
use crate::config::{Config, IdStyle, TenantsTable};
use crate::plan::{Mapping, Plan, TENANT_TRIGGER};

/// The id of a tenant that does not exist yet.
pub(super) fn new_id(plan: &Plan) -> String {
    let tenants = &plan.tenants;
    match &tenants.id {
        IdStyle::Bigserial => format!(
            "pg_catalog.nextval(pg_catalog.pg_get_serial_sequence({}, {}))",
            literal(&qualified(&tenants.table)),
            literal(tenants.columns.id.as_str())
        ),
        IdStyle::Uuid => "pg_catalog.gen_random_uuid()".to_owned(),
        IdStyle::Text { prefix } => random_text(prefix),
    }
}

/// A text id: the prefix and what a UUID has of randomness.
pub(super) fn random_text(prefix: &str) -> String {
    format!("{} || replace(gen_random_uuid()::text, '-', '')", literal(prefix))
}

/// The function and the trigger that make the tenant of a new row, and follow a key that changes.
pub(super) fn trigger(plan: &Plan, mapping: &Mapping) -> Vec<Statement> {
    let (name, trigger) = (qualified(&mapping.table), format!("\"{TENANT_TRIGGER}\""));
    let (function, key) = (named("tenant", &mapping.table), ident(&mapping.key));
    vec![
        Statement::new(format!(
            "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger\n  LANGUAGE plpgsql SECURITY DEFINER\n  \
             SET search_path = pg_catalog, pg_temp\n  AS {}",
            dollar(&body(plan, mapping))
        )),
        Statement::new(format!("REVOKE ALL ON FUNCTION {function}() FROM PUBLIC")),
        Statement::new(format!(
            "CREATE OR REPLACE TRIGGER {trigger}\n  AFTER INSERT OR UPDATE OF {key} ON {name}\n  FOR EACH ROW\n  EXECUTE \
             FUNCTION {function}()"
        )),
        Statement::new(format!("ALTER TABLE {name} ENABLE ALWAYS TRIGGER {trigger}")),
    ]
}

/// The name of the trigger's function and what it does, for the probe.
pub(super) fn function_body(plan: &Plan, mapping: &Mapping) -> (String, String) {
    (named("tenant", &mapping.table), body(plan, mapping))
}

/// It never fails for a slug that is taken or a name that is missing: the application knows nothing of tenants. Where
/// the row has an owner column, its filler drew the tenant's id before.
fn body(plan: &Plan, mapping: &Mapping) -> String {
    let names = &plan.tenants.columns;
    let tenants = qualified(&plan.tenants.table);
    let (id, name, slug) = (ident(&names.id), ident(&names.name), ident(&names.slug));
    let (map, key, from_slug) = (ident(&mapping.column), ident(&mapping.key), ident(&mapping.slug));
    let (drawn, columns, value) = match plan.own_tenants() {
        None => (String::new(), String::new(), String::new()),
        Some(_) => (
            // The row may have no such column yet.
            format!(
                "  drawn {0} := CAST(to_jsonb(NEW) ->> {1} AS {0});\n",
                plan.tenants.id_type,
                literal(plan.owner_column.as_str())
            ),
            format!("{id}, "),
            format!("coalesce(CASE WHEN attempt < 3 THEN drawn END, {}), ", new_id(plan)),
        ),
    };
    format!(
        "
DECLARE
  wanted text := coalesce(NEW.{from_slug}::text, NEW.{key}::text);
{drawn}BEGIN
  IF TG_OP = 'UPDATE' THEN
    UPDATE {tenants} AS t SET {map} = NEW.{key}
      WHERE t.{map} = OLD.{key} AND NOT EXISTS (SELECT 1 FROM {tenants} AS o WHERE o.{map} = NEW.{key});
  END IF;
  FOR attempt IN 1..3 LOOP
    EXIT WHEN EXISTS (SELECT 1 FROM {tenants} AS t WHERE t.{map} = NEW.{key});
    INSERT INTO {tenants} ({columns}{name}, {slug}, {map})
      VALUES ({value}coalesce(NEW.{}::text, wanted),
        CASE attempt
          WHEN 1 THEN wanted
          WHEN 2 THEN wanted || '-' || NEW.{key}::text
          ELSE wanted || '-' || gen_random_uuid()::text
        END,
        NEW.{key})
      ON CONFLICT DO NOTHING;
  END LOOP;
  RETURN NULL;
END
",
        ident(&mapping.name)
    )
}

/// The batches over the mapped table that make a tenant for each of its rows.
pub(super) fn batches(plan: &Plan, mapping: &Mapping) -> Backfill {
    let names = &plan.tenants.columns;
    let (table, tenants) = (qualified(&mapping.table), qualified(&plan.tenants.table));
    let slug = ident(&names.slug);
    let without = without_tenant(&tenants, mapping);
    let range = range("c");
    let batch = format!(
        "WITH seen AS MATERIALIZED (\n  SELECT c.{} AS key, c.{}::text AS name, c.{}::text AS slug\n  FROM {table} AS c\n  \
         WHERE {range}\n    AND {without}\n), done AS (\n  INSERT INTO \
         {tenants} ({}, {slug}, {})\n  SELECT coalesce(seen.name, seen.slug, seen.key::text),\n    CASE WHEN EXISTS \
         (SELECT 1 FROM {tenants} AS t WHERE t.{slug} = seen.slug)\n      THEN seen.slug || '-' || seen.key::text\n      \
         ELSE coalesce(seen.slug, seen.key::text) END,\n    seen.key\n  FROM seen\n  ON CONFLICT DO NOTHING\n  RETURNING \
         1\n)\n{}",
        ident(&mapping.key),
        ident(&mapping.name),
        ident(&mapping.slug),
        ident(&names.name),
        ident(&mapping.column),
        answer("(SELECT count(*) FROM seen)", "(SELECT count(*) FROM done)", "0::bigint"),
    );
    Backfill {
        settings: durability(plan),
        batch: Statement::new(batch),
        // Two that insert at once would wait for each other's slugs.
        scan: Scan::Ranges { at_once: false },
        lists: None,
        after: None,
        extent: extent(&mapping.table),
        left: Some(Query::new(format!("SELECT count(*) FROM {table} AS c WHERE {range} AND {without}"))),
        vacuum: None,
        rows: mapping.rows,
        pace: plan.backfill.clone(),
    }
}

fn without_tenant(tenants: &str, mapping: &Mapping) -> String {
    format!("NOT EXISTS (SELECT 1 FROM {tenants} AS t WHERE t.{} = c.{})", ident(&mapping.column), ident(&mapping.key))
}

/// Counts the rows without a tenant, and among them those without a name, without a slug, with a slug that is taken, and
/// with the System Tenant's; `there` tells whether there are tenants yet.
pub(super) fn facts(config: &Config, mapping: &Mapping, there: bool) -> Query {
    let tenants = qualified(&config.tenants.table);
    let (name, slug) = (ident(&mapping.name), ident(&mapping.slug));
    let system = literal(&config.system_tenant.slug);
    let (without, taken) = match there {
        false => ("true".to_owned(), "false".to_owned()),
        true => (
            without_tenant(&tenants, mapping),
            format!("EXISTS (SELECT 1 FROM {tenants} AS t WHERE t.{} = r.slug)", ident(&config.tenants.columns.slug)),
        ),
    };
    Query::new(format!(
        "SELECT count(*), count(*) FILTER (WHERE r.name IS NULL), count(*) FILTER (WHERE r.slug IS NULL), count(*) FILTER \
         (WHERE r.slug <> {system} AND (r.same > 1 OR {taken})), count(*) FILTER (WHERE r.slug = {system}) FROM (SELECT \
         c.{name}::text AS name, c.{slug}::text AS slug, count(*) OVER (PARTITION BY c.{slug}::text) AS same FROM {} AS \
         c WHERE {without}) AS r",
        qualified(&mapping.table)
    ))
}

/// Counts the rows of the mapped table that have no tenant.
pub(crate) fn unmapped(tenants: &TenantsTable, mapping: &Mapping) -> Query {
    let without = without_tenant(&qualified(&tenants.table), mapping);
    Query::new(format!("SELECT count(*) FROM {} AS c WHERE {without}", qualified(&mapping.table)))
}
