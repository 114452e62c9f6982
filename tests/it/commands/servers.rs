//! Servers that cannot be reached, refuse the login, or let too little be done.

use tempfile::TempDir;

use super::{RIGHT, Refusal, SHOP, shop};
use crate::support::Server;
use crate::support::cli::Cli;
use crate::support::tls_server::Servers;

/// `plan`, `migrate` and `status` are all refused.
fn refused(url: &str, code: &str, words: &[&str]) {
    let cli = Cli::to(url).config(RIGHT);
    for arguments in ["plan", "migrate --yes", "status"] {
        Refusal { exit: 3, code, words }.seen_in(&cli, arguments);
    }
}

#[test]
fn nobody_listens() {
    let nobody = TempDir::new().unwrap();
    let path = nobody.path().to_str().unwrap();
    let url = format!("postgresql://postgres@{}/shop", path.replace('/', "%2F"));
    refused(&url, "connection-failed", &[path, "check that the server runs"]);
}

#[test]
fn a_database_that_is_not_there() {
    let url = crate::support::server().url("missing_shop");
    refused(&url, "connection-failed", &["\"missing_shop\" does not exist", "createdb"]);
}

#[test]
fn a_wrong_password() {
    let servers = Servers::shared();
    let url = format!("postgresql://alice@localhost:{}/alice", servers.primary.port);
    refused(&url, "login-refused", &["password authentication failed for user \"alice\"", "PGPASSWORD"]);
}

#[test]
fn encryption_that_the_server_does_not_have() {
    let servers = Servers::shared();
    let url = format!("postgresql://open@localhost:{}/postgres?sslmode=require", servers.standby.port);
    refused(&url, "tls-failed", &["localhost", "sslmode"]);
}

#[test]
fn a_connection_string_that_cannot_be_read() {
    let refusal = Refusal { exit: 2, code: "config-invalid", words: &["sslmode from DATABASE_URL"] };
    refusal.seen_in(&Cli::to("postgresql://open@localhost/postgres?sslmode=perhaps").config(RIGHT), "plan");
}

#[test]
fn a_standby() {
    let servers = Servers::shared();
    let url = format!("postgresql://open@localhost:{}/postgres", servers.standby.port);
    let refusal = Refusal { exit: 3, code: "server-read-only", words: &["it is a standby", "connect to the primary"] };
    refusal.seen_in(&Cli::to(&url).config("schemas = [\"public\"]"), "migrate --yes");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_can_be_planned_and_not_migrated() {
    let server = Server::with(&[("shared_buffers", "16MB"), ("default_transaction_read_only", "on")]);
    let client = server.connect("postgres", "test").await;
    client.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    client.batch_execute(SHOP).await.unwrap();
    let cli = Cli::to(&server.url("postgres")).config(RIGHT);
    cli.run("plan").exits(0);
    let words = ["default_transaction_read_only is on", "find out who made it read-only"];
    Refusal { exit: 3, code: "server-read-only", words: &words }.seen_in(&cli, "migrate --yes");
    let made = client.query_one("SELECT to_regnamespace('tenantctl') IS NULL", &[]).await.unwrap();
    assert!(made.get::<_, bool>(0));
}

#[tokio::test]
async fn a_role_that_may_only_read_can_plan_and_is_told_what_it_lacks() {
    let database = shop().await;
    database.run("CREATE ROLE reader LOGIN; GRANT SELECT ON customers, orders TO reader; REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    let cli = Cli::to(&database.url().replace("postgres@", "reader@")).config(RIGHT);
    let plan = cli.run("plan --dry-run").exits(0);
    assert!(plan.stdout.contains("Plan for PostgreSQL") && plan.stderr.contains("nothing was written"), "{plan:?}");
    let on_database = format!("CREATE on database {} (for the schema tenantctl)", database.name);
    let words = [
        "the role reader lacks",
        &on_database,
        "ownership of public.customers (its owner is postgres)",
        "ownership of public.orders (its owner is postgres)",
        "run as the owner of the tables",
    ];
    Refusal { exit: 3, code: "rights-missing", words: &words }.of(&cli, "migrate --yes", &database).await;
}

#[tokio::test]
async fn a_role_that_may_not_even_read_is_told_which_table() {
    let database = shop().await;
    database.run("CREATE ROLE stranger LOGIN").await;
    let cli = Cli::to(&database.url().replace("postgres@", "stranger@")).config(RIGHT);
    Refusal { exit: 3, code: "rights-missing", words: &["orders"] }.of(&cli, "plan", &database).await;
}
