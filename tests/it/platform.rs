//! The fixture `platform`: another schema than public, uuids, a junction, a tree, a circle, and a table by month.

use tenantctl::commands::planning;
use tenantctl::config::{self, Config};
use tenantctl::execute::{Target, checks};
use tenantctl::pg::{Access, Session};
use tenantctl::verify::Contract;
use tokio_postgres::error::SqlState;

use crate::execute::convert;
use crate::support::{Database, server};

fn file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/fixtures/platform/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
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

/// A second tenant with a project of its own, as the new application writes them.
const SECOND: &str = "
INSERT INTO app.tenants (id, name, slug) VALUES (md5('second')::uuid, 'Second', 'second');
INSERT INTO app.projects (id, slug, name, tenant_id) VALUES (md5('its project')::uuid, 'its-project', 'Its', md5('second')::uuid);
INSERT INTO app.documents (id, project_id, number, title) VALUES (md5('its document')::uuid, md5('its project')::uuid, -1, 'Its')";

#[tokio::test]
async fn every_row_gets_the_owner_and_nothing_is_left_to_do_or_to_find() {
    let database = converted().await;
    for table in ["projects", "folders", "documents", "tags", "document_tags", "events"] {
        let owner = "(SELECT id FROM app.tenants WHERE slug = 'platform')";
        let sql = format!("SELECT count(*) FROM app.{table} WHERE tenant_id IS DISTINCT FROM {owner}");
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
async fn a_row_refers_only_to_rows_of_its_own_tenant_along_circles_and_trees_too() {
    let database = converted().await;
    database.run(SECOND).await;
    let crossing = [
        (
            "UPDATE app.projects SET main_document = md5('its document')::uuid WHERE slug = 'project-1'",
            "projects_tenant_id_main_document_fkey",
        ),
        (
            "UPDATE app.documents SET folder_id = md5('root' || md5('project1')::uuid)::uuid WHERE number = -1",
            "documents_tenant_id_folder_id_fkey",
        ),
        (
            "INSERT INTO app.document_tags VALUES (md5('its document')::uuid, md5('tag1')::uuid)",
            "document_tags_tenant_id_tag_id_fkey",
        ),
        (
            "INSERT INTO app.folders (project_id, parent_id, name) VALUES (md5('its project')::uuid, md5('root' || md5('project1')::uuid)::uuid, 'x')",
            "folders_tenant_id_parent_id_fkey",
        ),
    ];
    for (sql, key) in crossing {
        let error = database.client("writer").await.batch_execute(sql).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!((error.code(), error.constraint()), (&SqlState::FOREIGN_KEY_VIOLATION, Some(key)), "{sql}");
    }
}

#[tokio::test]
async fn a_project_that_moves_to_another_tenant_takes_everything_along() {
    let database = converted().await;
    database.run(SECOND).await;
    database.run("DELETE FROM app.document_tags; UPDATE app.projects SET tenant_id = md5('second')::uuid WHERE slug = 'project-1'").await;
    for table in ["folders", "documents"] {
        let moved = format!(
            "SELECT count(*) FROM app.{table} WHERE project_id = md5('project1')::uuid AND tenant_id <> md5('second')::uuid"
        );
        assert_eq!(database.number(&moved).await, 0, "{table}");
    }
    let events = "SELECT count(*) FROM app.events AS e JOIN app.documents AS d ON d.id = e.document_id WHERE e.tenant_id <> d.tenant_id";
    assert_eq!(database.number(events).await, 0);
}

#[tokio::test]
async fn a_deferrable_key_stays_one_within_each_tenant() {
    let database = converted().await;
    let swap = "BEGIN; UPDATE app.documents SET number = 2 WHERE number = 1; UPDATE app.documents SET number = 1 WHERE number = 2 AND id = md5('document2')::uuid; COMMIT";
    database.run(swap).await;
    let twin =
        database.client("writer").await.batch_execute("UPDATE app.documents SET number = 3 WHERE number = 4").await;
    assert_eq!(twin.unwrap_err().code(), Some(&SqlState::UNIQUE_VIOLATION));
}
