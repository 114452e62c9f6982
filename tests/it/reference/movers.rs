//! Rows and whole families that change their owner while all keys compare owners.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tenantctl::config;
use tokio_postgres::Client;

use super::{is_settled, loaded, parsed, refused};
use crate::support::run::Run;
use crate::support::{Database, server};

/// A diamond: a row at the bottom has two parents, which have one.
const SCHEMA: &str = "
CREATE TABLE family (id bigint PRIMARY KEY, org_id bigint NOT NULL REFERENCES org);
CREATE TABLE a_left (id bigint PRIMARY KEY, family_id bigint NOT NULL REFERENCES family);
CREATE TABLE a_right (id bigint PRIMARY KEY, family_id bigint NOT NULL REFERENCES family ON DELETE CASCADE);
CREATE TABLE bottom (id bigserial PRIMARY KEY, left_id bigint NOT NULL REFERENCES a_left, right_id bigint NOT NULL REFERENCES a_right,
    twin bigint REFERENCES bottom ON DELETE SET NULL, body text);
INSERT INTO family SELECT i, 1 + i % 2 FROM generate_series(1, 8) AS i;
INSERT INTO a_left SELECT id, id FROM family; INSERT INTO a_right SELECT id, id FROM family;
INSERT INTO bottom (left_id, right_id) SELECT 1 + i % 8, 1 + i % 8 FROM generate_series(1, 400) AS i;
UPDATE bottom SET twin = id;
CREATE INDEX ON bottom (left_id);
";

const TABLES: &str = "family = { scope = \"tenant\", source = \"parent\", parent = \"org\" }\n\
a_left = { scope = \"tenant\", source = \"parent\", parent = \"family\" }\n\
a_right = { scope = \"tenant\", source = \"parent\", parent = \"family\" }\n\
bottom = { scope = \"tenant\", source = \"parent\", parent = \"a_left\" }\n";

/// Rows whose owner is not that of their family.
const STALE: &str = "SELECT count(*) FROM bottom AS b JOIN a_left AS l ON l.id = b.left_id JOIN a_right AS r ON r.id = b.right_id
    JOIN family AS f ON f.id = l.family_id
    WHERE NOT (f.org_id = f.tenant_id AND f.org_id = l.tenant_id AND f.org_id = r.tenant_id AND f.org_id = b.tenant_id)";

async fn converted() -> Database<'static> {
    let database = loaded(SCHEMA).await;
    let outcome = Run::to_the_end().on(&database, &parsed(TABLES)).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    database
}

#[tokio::test]
async fn a_parent_that_changes_its_owner_takes_a_whole_diamond_along() {
    let database = converted().await;
    database.run("UPDATE family SET org_id = 2 WHERE id = 2").await;
    let moved = "SELECT count(*) FROM bottom WHERE left_id = 2 AND tenant_id = 2";
    assert_eq!((database.number(moved).await, database.number(STALE).await), (50, 0));
    let client = database.client("application").await;
    // Family 4 is of tenant 1. One parent alone would leave the row between two tenants; both together take it along.
    let half = refused(&client, "UPDATE bottom SET left_id = 4 WHERE id = 1").await;
    assert_eq!(half, ("23503".to_owned(), "bottom_tenant_id_right_id_fkey".to_owned()));
    client.batch_execute("UPDATE bottom SET left_id = 4, right_id = 4 WHERE id = 1").await.unwrap();
    let parents = "UPDATE a_left SET family_id = 4 WHERE id = 3";
    assert_eq!(refused(&client, parents).await, ("23503".to_owned(), "bottom_tenant_id_right_id_fkey".to_owned()));
    client
        .batch_execute(&format!("BEGIN; {parents}; UPDATE a_right SET family_id = 4 WHERE id = 3; COMMIT"))
        .await
        .unwrap();
    assert_eq!(database.number(STALE).await, 0);
    is_settled(&database, TABLES);
}

#[tokio::test]
async fn a_migration_of_the_team_checks_what_it_wrote_before_it_alters_the_table() {
    let database = converted().await;
    let client = database.client("deploy").await;
    let write = "UPDATE bottom SET right_id = 3 WHERE right_id = 3";
    let write = format!("{write}; INSERT INTO bottom (left_id, right_id) VALUES (1, 1)");
    let alter = "ALTER TABLE bottom ADD COLUMN more text";
    assert_eq!(refused(&client, &format!("{write}; {alter}")).await.0, "55006");
    assert_eq!(refused(&client, &format!("{write}; SET CONSTRAINTS ALL IMMEDIATE; {alter}")).await.0, "");
}

/// Statements of an application that never crosses tenants by itself; each succeeds.
async fn write(client: Client, seed: u64, stop: Arc<AtomicBool>) -> u32 {
    let mut rng = Rng::with_seed(seed);
    let mut writes = 0;
    while !stop.load(Ordering::Relaxed) {
        let (family, row) = (rng.u32(1..=8), rng.u32(1..=400));
        let sql = match rng.u32(..6) {
            0 => format!("UPDATE family SET org_id = {} WHERE id = {family}", rng.u32(1..=2)),
            1 => format!("INSERT INTO bottom (left_id, right_id) VALUES ({family}, {family})"),
            2 => format!("UPDATE bottom SET left_id = {family}, right_id = {family} WHERE id = {row} AND twin IS NULL"),
            3 => format!("DELETE FROM bottom WHERE id = {row}"),
            _ => format!("UPDATE bottom SET body = repeat('y', {}) WHERE id = {row}", rng.u32(..200)),
        };
        client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        writes += 1;
    }
    writes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn families_that_move_all_the_time_stay_together_and_no_statement_fails() {
    let database = converted().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for seed in 0..4 {
        writers.push(tokio::spawn(write(database.client("mover").await, seed, Arc::clone(&stop))));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 10);
    }
    assert_eq!(database.number(STALE).await, 0);
}

#[tokio::test]
async fn a_new_organization_and_its_users_come_in_one_transaction() {
    let database = server().database().await;
    database
        .run(
            "CREATE TABLE organization (id bigint PRIMARY KEY, name text NOT NULL, slug text NOT NULL UNIQUE);
             CREATE TABLE member (id bigint PRIMARY KEY, organization_id bigint NOT NULL REFERENCES organization);
             INSERT INTO organization VALUES (1, 'One', 'one'); INSERT INTO member VALUES (1, 1)",
        )
        .await;
    let text = "[tenants]\ntable = \"tenants\"\n[tenants.map]\ntable = \"organization\"\ncolumn = \"organization_id\"\n[tables]\n\
        organization = { scope = \"tenant\", source = \"column\", column = \"id\" }\n\
        member = { scope = \"tenant\", source = \"parent\", parent = \"organization\" }\n";
    let config = config::parse(text, "tenantctl.toml").unwrap_or_else(|failure| panic!("{failure}"));
    let outcome = Run::to_the_end().on(&database, &config).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    let client = database.client("application").await;
    client
        .batch_execute("BEGIN; INSERT INTO organization VALUES (2, 'Two', 'two'); INSERT INTO member VALUES (2, 2), (3, 2); COMMIT")
        .await
        .unwrap();
    client
        .batch_execute(
            "WITH made AS (INSERT INTO organization VALUES (3, 'Three', 'three') RETURNING id) SELECT FROM made",
        )
        .await
        .unwrap();
    let together = "SELECT count(*) FROM member AS m JOIN organization AS o ON o.id = m.organization_id AND o.tenant_id = m.tenant_id";
    assert_eq!(database.number(together).await, 3);
    assert_eq!(
        database
            .number("SELECT count(*) FROM pg_constraint WHERE conname = 'member_tenant_id_organization_id_fkey'")
            .await,
        1
    );
    assert_eq!(database.number("SELECT count(*) FROM organization AS o JOIN tenants AS t ON t.id = o.tenant_id AND t.organization_id = o.id").await, 3);
}
