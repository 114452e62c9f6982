//! Uniqueness within each tenant, on a real server: what is built for every kind of key, how, and what is left alone.

mod build;
mod conflict;
mod forced;
mod kinds;
mod partitions;
mod proposal;

use tenantctl::commands::planning;
use tenantctl::config::{self, Config};
use tenantctl::pg::{Access, Session};
use tenantctl::plan::Kind;
use tenantctl::sql::Script;

use crate::support::{Database, server};

/// A new database with these tables.
async fn with(sql: &str) -> Database<'static> {
    let database = server().database().await;
    database.run(sql).await;
    database
}

fn config(text: &str) -> Config {
    config::parse(text, "tenantctl.toml").unwrap_or_else(|failure| panic!("{failure}\n{text}"))
}

async fn plan(database: &Database<'_>, config: &Config) -> Script {
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    planning::plan(&session, config).await.unwrap_or_else(|failure| panic!("{failure}")).script
}

/// What a plan says of a kind.
fn said(script: &Script, kind: Kind) -> Vec<String> {
    let notices = script.notices.iter().filter(|notice| notice.kind == kind);
    let line = |notice: &tenantctl::plan::Notice| match &notice.table {
        Some(table) => format!("{table}: {}", notice.text),
        None => notice.text.clone(),
    };
    notices.map(line).collect()
}

/// Every unique index of schemas of users, with its constraint: `name: definition = constraint`.
async fn uniques(database: &Database<'_>) -> Vec<String> {
    let sql = "SELECT format('%s: %s%s', x.relname, regexp_replace(pg_get_indexdef(x.oid), '^.* USING ', ''),
            ' = ' || (SELECT pg_get_constraintdef(k.oid) FROM pg_constraint AS k WHERE k.conindid = x.oid AND k.contype IN ('p', 'u')))
        FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = x.relnamespace
        WHERE i.indisunique AND i.indisvalid AND n.nspname NOT IN ('tenantctl', 'pg_catalog', 'pg_toast')
            AND i.indrelid IS DISTINCT FROM to_regclass('tenants') ORDER BY 1";
    database.client("test").await.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}
