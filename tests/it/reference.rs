//! Foreign keys that compare owners: what they do to rows of one tenant, and to those of several.

mod actions;
mod disagree;
mod kinds;
mod locks;
mod movers;
mod partitions;

use tenantctl::config::{self, Config};
use tokio_postgres::Client;

use crate::support::cli::Cli;
use crate::support::{Database, server};

/// A table for two tenants, which is adopted.
const TENANTS: &str = "CREATE TABLE org (id bigint PRIMARY KEY, name text NOT NULL, slug text NOT NULL UNIQUE);
INSERT INTO org VALUES (1, 'One', 'system'), (2, 'Two', 'two');\n";

/// The configuration for [`TENANTS`]; the tables' rules follow.
const RULES: &str = "[tenants]\nmode = \"adopt\"\ntable = \"org\"\n\n[system_tenant]\nid = 1\n\n[tables]\n";

fn parsed(rules: &str) -> Config {
    config::parse(&format!("{RULES}{rules}"), "tenantctl.toml").unwrap_or_else(|failure| panic!("{failure}"))
}

/// A database with the tenants and whatever else.
async fn loaded(sql: &str) -> Database<'static> {
    let database = server().database().await;
    database.run(&format!("{TENANTS}{sql}")).await;
    database
}

/// The definitions of all foreign keys that compare owners, as `table.name definition`, with their state.
async fn composite(database: &Database<'_>) -> Vec<String> {
    let sql = "SELECT format('%s.%s %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid)) FROM pg_constraint AS c
        WHERE c.contype = 'f' AND cardinality(c.conkey) > 1 AND c.conparentid = 0
            AND (SELECT attname FROM pg_attribute WHERE attrelid = c.conrelid AND attnum = c.conkey[1]) = 'tenant_id' ORDER BY 1";
    texts(&database.client("test").await, sql).await
}

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Nothing is left to do, to find or to say.
fn is_settled(database: &Database<'_>, rules: &str) {
    let cli = Cli::to(&database.url()).config(&format!("{RULES}{rules}"));
    let plan = cli.run("plan --format json").exits(0).json();
    assert_eq!(plan["migrations"].as_array().unwrap().len(), 0, "{plan}");
    cli.run("verify").exits(0);
    cli.run("init").exits(0);
    let diff = cli.run("diff").exits(0);
    assert!(!diff.stdout.contains("tenant_id"), "{diff:?}");
    cli.run("migrate --yes").exits(0);
}

/// The SQLSTATE that a transaction ends with, and the constraint that it names.
async fn refused(client: &Client, sql: &str) -> (String, String) {
    let error = client.batch_execute(&format!("BEGIN; {sql}; COMMIT")).await.err();
    client.batch_execute("ROLLBACK").await.unwrap();
    let error = error.as_ref().and_then(tokio_postgres::Error::as_db_error);
    let of = |error: &tokio_postgres::error::DbError| {
        (error.code().code().to_owned(), error.constraint().unwrap_or_default().to_owned())
    };
    error.map(of).unwrap_or_default()
}
