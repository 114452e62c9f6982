//! Tables that a framework keeps for itself: histories of migrations, job queues, sessions, caches.

use crate::catalog::{QualifiedName, Table};

/// How a framework's table is recognised.
struct Known {
    /// The table's name; with a `*` at its end, how it begins.
    name: &'static str,
    /// Columns that it must have, where the name alone is a common word.
    columns: &'static [&'static str],
    /// What it is.
    what: &'static str,
}

const fn named(name: &'static str, what: &'static str) -> Known {
    Known { name, columns: &[], what }
}

const fn shaped(name: &'static str, columns: &'static [&'static str], what: &'static str) -> Known {
    Known { name, columns, what }
}

const TABLES: &[Known] = &[
    named("schema_migrations", "Rails' history of migrations (or dbmate's, golang-migrate's, Ecto's)"),
    named("ar_internal_metadata", "Rails' own notes"),
    named("alembic_version", "Alembic's history of migrations"),
    named("flyway_schema_history", "Flyway's history of migrations"),
    named("databasechangelog*", "Liquibase's history of migrations"),
    named("django_migrations", "Django's history of migrations"),
    named("django_content_type", "Django's list of its models"),
    named("django_session", "Django's sessions"),
    named("django_admin_log", "Django's log of the admin site"),
    named("django_site", "Django's list of sites"),
    named("_prisma_migrations", "Prisma's history of migrations"),
    named("knex_migrations*", "Knex' history of migrations"),
    named("__drizzle_migrations", "Drizzle's history of migrations"),
    named("refinery_schema_history", "refinery's history of migrations"),
    named("goose_db_version", "goose's history of migrations"),
    named("_sqlx_migrations", "sqlx' history of migrations"),
    named("__diesel_schema_migrations", "Diesel's history of migrations"),
    named("__efmigrationshistory", "Entity Framework's history of migrations"),
    named("sequelizemeta", "Sequelize's history of migrations"),
    named("mikro_orm_migrations", "MikroORM's history of migrations"),
    named("kysely_migration*", "Kysely's history of migrations"),
    named("typeorm_metadata", "TypeORM's own notes"),
    named("directus_migrations", "Directus' history of migrations"),
    named("pgmigrations", "node-pg-migrate's history of migrations"),
    named("gorp_migrations", "sql-migrate's history of migrations"),
    named("doctrine_migration_versions", "Doctrine's history of migrations"),
    named("phinxlog", "Phinx' history of migrations"),
    named("_yoyo_migration", "yoyo's history of migrations"),
    named("yoyo_*", "yoyo's history of migrations"),
    named("strapi_migrations*", "Strapi's history of migrations"),
    shaped("migrations", &["migration", "batch"], "Laravel's history of migrations"),
    shaped("migrations", &["timestamp", "name"], "TypeORM's history of migrations"),
    shaped("migrations", &["name", "batch", "migration_time"], "Knex' history of migrations"),
    named("solid_queue_*", "Solid Queue's jobs"),
    named("solid_cache_*", "Solid Cache's entries"),
    named("solid_cable_*", "Solid Cable's messages"),
    named("good_job*", "GoodJob's jobs"),
    named("que_*", "Que's jobs"),
    named("delayed_jobs", "Delayed Job's jobs"),
    named("oban_*", "Oban's jobs"),
    named("celery_*", "Celery's results"),
    named("django_celery_*", "Celery's schedules and results"),
    named("kombu_*", "Kombu's messages"),
    named("procrastinate_*", "Procrastinate's jobs"),
    named("river_*", "River's jobs"),
    named("qrtz_*", "Quartz' jobs"),
    named("spring_session*", "Spring's sessions"),
    named("apscheduler_jobs", "APScheduler's jobs"),
    shaped("jobs", &["queue", "payload", "attempts", "reserved_at"], "Laravel's jobs"),
    shaped("failed_jobs", &["connection", "queue", "payload", "exception"], "Laravel's failed jobs"),
    shaped("job_batches", &["total_jobs", "pending_jobs", "failed_job_ids"], "Laravel's batches of jobs"),
    shaped("cache", &["key", "value", "expiration"], "Laravel's cache"),
    shaped("cache_locks", &["key", "owner", "expiration"], "Laravel's cache"),
    shaped("sessions", &["payload", "last_activity"], "Laravel's sessions"),
    shaped("sessions", &["session_id", "data"], "Rails' sessions"),
    shaped("session", &["sid", "sess", "expire"], "Express' sessions"),
];

const SCHEMAS: &[(&str, &str)] = &[
    ("pgboss", "pg-boss' jobs"),
    ("graphile_worker", "Graphile Worker's jobs"),
    ("hdb_catalog", "Hasura's own notes"),
    ("drizzle", "Drizzle's history of migrations"),
    ("supabase_migrations", "Supabase's history of migrations"),
    ("_realtime", "Supabase Realtime's own notes"),
];

/// Whose table it is and what it holds, where a framework is known for it.
pub(super) fn recognise(name: &QualifiedName, table: &Table) -> Option<&'static str> {
    let by_schema = SCHEMAS.iter().find(|(schema, _)| *schema == name.schema.as_str()).map(|(_, what)| *what);
    by_schema.or_else(|| TABLES.iter().find(|known| known.fits(name, table)).map(|known| known.what))
}

impl Known {
    fn fits(&self, name: &QualifiedName, table: &Table) -> bool {
        let name = name.name.as_str().to_lowercase();
        let called = match self.name.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == self.name,
        };
        called && self.columns.iter().all(|wanted| table.columns.iter().any(|column| column.name.as_str() == *wanted))
    }
}
