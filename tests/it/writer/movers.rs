//! Rows and their parents move all the time, among few owners, while a role that may not skip triggers converts them: a parent
//! often goes to just the owner that a child of it has by mistake.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use tenantctl::config::{self, Config};
use tenantctl::execute::Target;
use tokio_postgres::Client;

use super::role::give_to_a_team;
use crate::execute::convert_with;

const SCHEMA: &str = "
CREATE TABLE org (id bigint PRIMARY KEY, name text NOT NULL, slug text NOT NULL UNIQUE);
CREATE TABLE project (id bigint PRIMARY KEY, org_id bigint NOT NULL REFERENCES org);
CREATE TABLE task (id bigint PRIMARY KEY, project_id bigint NOT NULL REFERENCES project, body text);
CREATE TABLE note (id bigint PRIMARY KEY, task_id bigint NOT NULL REFERENCES task);
INSERT INTO org SELECT i, 'Org', 'org-' || i FROM generate_series(1, 2) AS i;
INSERT INTO project SELECT i, 1 + i % 2 FROM generate_series(1, 10) AS i;
INSERT INTO task SELECT i, 1 + i % 10, repeat('x', 100) FROM generate_series(1, 1500) AS i;
INSERT INTO note SELECT i, i FROM generate_series(1, 1500) AS i;
CREATE INDEX ON task (project_id); CREATE INDEX ON note (task_id);
ANALYZE";

const STALE: &str =
    "SELECT count(*) FROM note AS n JOIN task AS t ON t.id = n.task_id JOIN project AS p ON p.id = t.project_id
    WHERE n.tenant_id IS DISTINCT FROM p.org_id OR t.tenant_id IS DISTINCT FROM p.org_id";

/// Batches of one block.
fn config(way: &str) -> Config {
    let text = format!(
        "tenants = {{ mode = 'adopt', table = 'org', id = 'bigserial' }}\nsystem_tenant = {{ name = 'System', slug = 'system' }}\n\
         backfill = {{ min_blocks = 1, max_blocks = 1, pause = '0s' }}\n[tables]\n\
         project = {{ scope = 'tenant', source = 'parent', parent = 'org' }}\n\
         task = {{ scope = 'tenant', source = 'parent', parent = 'project', backfill = '{way}' }}\n\
         note = {{ scope = 'tenant', source = 'parent', parent = 'task', backfill = '{way}' }}\n"
    );
    config::parse(&text, "tenantctl.toml").unwrap_or_else(|failure| panic!("{failure}"))
}

/// Writes until it is asked to stop; each statement succeeds.
async fn write(client: Client, seed: u64, stop: Arc<AtomicBool>) {
    let mut rng = Rng::with_seed(seed);
    while !stop.load(Ordering::Relaxed) {
        let (task, project, org) = (rng.u32(1..=1500), rng.u32(1..=10), rng.u32(1..=2));
        let sql = match rng.u32(..8) {
            0 => format!("UPDATE project SET org_id = {org} WHERE id = {project}"),
            1..=2 => format!("UPDATE task SET project_id = {project} WHERE id = {task}"),
            3 => format!("UPDATE note SET task_id = {task} WHERE id = {}", rng.u32(1..=1500)),
            4 => format!("UPDATE note SET id = id WHERE id = {task}"),
            _ => format!("UPDATE task SET body = repeat('y', {}) WHERE id = {task}", rng.u32(..200)),
        };
        client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordinary_owner_converts_while_rows_and_their_parents_move_all_the_time() {
    for way in ["ranges", "cascade", "keyset"] {
        let database = crate::support::server().database().await;
        database.run(SCHEMA).await;
        let role = give_to_a_team(&database).await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = Vec::new();
        for seed in 0..4 {
            let client = database.client("mover").await;
            writers.push(tokio::spawn(write(client, seed, Arc::clone(&stop))));
        }
        let done = convert_with(&database.settings_as(&role), &config(way), Target::End).await;
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        assert!(done.unwrap().finished, "{way}");
        assert_eq!(database.number(STALE).await, 0, "{way}");
    }
}
