//! The fixture `story12`: mixed-case names, text ids with a prefix, uniqueness and references within each tenant.

use tenantctl::commands::planning;
use tenantctl::config::{self, Config};
use tenantctl::execute::{Target, checks};
use tenantctl::pg::{Access, Session};
use tenantctl::verify::Contract;

use crate::execute::convert;
use crate::support::{Database, server};

fn file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/fixtures/story12/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn config() -> Config {
    config::parse(&file("tenantctl.toml"), "tenantctl.toml").unwrap()
}

async fn converted() -> Database<'static> {
    let database = server().database().await;
    database.run(&file("schema.sql")).await;
    database.run(&format!("SET seed.rows = 2000; {}", file("seed.sql"))).await;
    convert(&database, &config(), Target::End).await.unwrap();
    database
}

/// A second tenant with a user and a process of its own, as the new application writes them.
const SECOND: &str = r#"
INSERT INTO "Tenant" (name, slug) VALUES ('Second', 'second');
INSERT INTO "User" ("id", "email", "updatedAt", "tenantId")
SELECT 'usr_second', 'second@example.com', now(), id FROM "Tenant" WHERE slug = 'second';
INSERT INTO "Process" ("id", "slug", "name", "createdById", "updatedAt", "tenantId")
SELECT 'proc_second', 'second', 'Second', 'usr_second', now(), id FROM "Tenant" WHERE slug = 'second';
"#;

async fn refused(database: &Database<'_>, sql: &str) -> String {
    let error = database.client("writer").await.batch_execute(sql).await.unwrap_err();
    error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error}")).constraint().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn every_row_gets_the_owner_and_nothing_is_left_to_do_or_to_find() {
    let database = converted().await;
    for table in
        ["User", "Account", "Session", "Process", "ProcessVersion", "ApiKey", "CallLog", "ResponseCache", "RateLimit"]
    {
        let sql = format!("SELECT count(*) FROM \"{table}\" WHERE \"tenantId\" IS DISTINCT FROM 'ten_system'");
        assert_eq!(database.number(&sql).await, 0, "{table}");
    }
    let (config, session) = (config(), Session::open(&database.settings(), Access::Read).await.unwrap());
    let catalog = session.catalog(&config.schemas).await.unwrap();
    let report = checks::run(&session, &Contract::read(&config, &catalog), &catalog).await.unwrap();
    let findings: Vec<String> =
        report.findings().iter().map(|found| format!("{} {}: {}", found.check.id, found.object, found.what)).collect();
    assert_eq!((findings, report.is_complete()), (Vec::new(), true));
    let planned = planning::plan(&session, &config).await.unwrap();
    let left: Vec<&str> = planned.script.steps().map(|step| step.id.as_str()).collect();
    assert_eq!(left, Vec::<&str>::new());
}

#[tokio::test]
async fn every_table_says_when_its_rows_came_to_be_and_when_they_changed() {
    let database = converted().await;
    let timed = "SELECT count(DISTINCT table_name) FROM information_schema.columns WHERE column_name = '%' AND is_nullable = 'NO'
        AND table_name IN (SELECT table_name FROM information_schema.columns WHERE column_name = 'tenantId')";
    for column in ["createdAt", "updatedAt"] {
        assert_eq!(database.number(&timed.replace('%', column)).await, 9, "{column}");
    }
    database.run(r#"INSERT INTO "RateLimit" ("apiKeyId", "windowStart") SELECT "id", now() + interval '1 day' FROM "ApiKey""#).await;
    assert_eq!(
        database.number(r#"SELECT count(*) FROM "RateLimit" WHERE "createdAt" IS NULL OR "updatedAt" > now()"#).await,
        0
    );
    let own = r#"SELECT count(*) FROM information_schema.columns WHERE table_name = 'User' AND column_name = 'createdAt'
        AND data_type = 'timestamp without time zone'"#;
    assert_eq!(database.number(own).await, 1, "what is there stays as it is");
}

#[tokio::test]
async fn a_row_refers_only_to_rows_of_its_own_tenant() {
    let database = converted().await;
    database.run(SECOND).await;
    let crossing = [
        (
            r#"UPDATE "Process" SET "createdById" = 'usr_second' WHERE "slug" = 'process-1'"#,
            "Process_tenantId_createdById_fkey",
        ),
        (
            r#"INSERT INTO "CallLog" ("apiKeyId", "processId", "inputHash", "status")
               SELECT "id", 'proc_second', '', 'OK' FROM "ApiKey" LIMIT 1"#,
            "CallLog_tenantId_apiKeyId_fkey",
        ),
        (
            r#"INSERT INTO "CallLog" ("processId", "versionId", "inputHash", "status")
               SELECT 'proc_second', "id", '', 'OK' FROM "ProcessVersion" LIMIT 1"#,
            "CallLog_tenantId_versionId_fkey",
        ),
    ];
    for (sql, key) in crossing {
        assert_eq!(refused(&database, sql).await, key, "{sql}");
    }
}

#[tokio::test]
async fn a_parent_that_goes_takes_the_reference_along_and_leaves_the_owner() {
    let database = converted().await;
    let orphans = r#"SELECT count(*) FROM "CallLog" WHERE "apiKeyId" IS NULL AND "tenantId" = 'ten_system'"#;
    let before = database.number(orphans).await;
    database.run(r#"DELETE FROM "ApiKey" WHERE "id" = (SELECT "apiKeyId" FROM "CallLog" WHERE "apiKeyId" IS NOT NULL LIMIT 1)"#).await;
    assert!(database.number(orphans).await > before);
    database.run(r#"DELETE FROM "Process" WHERE "id" = (SELECT "processId" FROM "CallLog" LIMIT 1)"#).await;
    database.run(r#"UPDATE "User" SET "id" = 'usr_renamed' WHERE "email" = 'user2@example.com'"#).await;
    assert!(database.number(r#"SELECT count(*) FROM "Session" WHERE "userId" = 'usr_renamed'"#).await > 0);
}

#[tokio::test]
async fn a_slug_is_unique_within_each_tenant_once_the_old_index_is_gone() {
    let database = converted().await;
    database.run(SECOND).await;
    let twin = r#"UPDATE "Process" SET "slug" = 'PROCESS-1' WHERE "id" = 'proc_second'"#;
    assert_eq!(refused(&database, twin).await, "Process_slug_key");
    database.run(r#"DROP INDEX "Process_slug_key""#).await;
    database.run(twin).await;
    let again =
        r#"INSERT INTO "Process" ("id", "slug", "name", "updatedAt") VALUES ('proc_again', 'Process-1', '', now())"#;
    assert_eq!(refused(&database, again).await, "Process_tenantId_slug_key");
}
