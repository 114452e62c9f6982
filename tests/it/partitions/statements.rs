//! What a plan for partitions says and sends: its locks are those that it takes, and its lines are few.

use tenantctl::commands::planning;
use tenantctl::config::Config;
use tenantctl::pg::{Access, Session};
use tenantctl::plan::{LockLevel, Phase, TxnMode};
use tenantctl::report::Format;
use tenantctl::report::plan::{self, Detail, Page};
use tenantctl::sql::{Script, Work};

use super::{CONFIG, SCHEMA, loaded, parsed};
use crate::support::run::Run;
use crate::support::{Database, Server, server};

async fn script(database: &Database<'_>, config: &Config) -> Script {
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    planning::plan(&session, config).await.unwrap().script
}

/// The strongest lock on the application's tables that the session holds, and on their indexes where those are asked for.
const STRONGEST: &str = "SELECT coalesce(max(array_position(ARRAY['RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
    'ShareRowExclusiveLock', 'AccessExclusiveLock'], l.mode)), 0)::bigint FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
    JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname IN ('public', 'archive')
    WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
        AND (c.relkind IN ('r', 'p') OR $1)";

#[tokio::test]
async fn every_step_takes_the_lock_that_the_plan_tells_and_no_stronger_one() {
    let database = loaded().await;
    let config = parsed(&CONFIG.replace(super::BY_ORG, super::BY_SYSTEM));
    let script = script(&database, &config).await;
    let client = database.client("test").await;
    client.batch_execute("CREATE SCHEMA IF NOT EXISTS tenantctl").await.unwrap();
    let levels = [
        LockLevel::None,
        LockLevel::RowExclusive,
        LockLevel::ShareUpdateExclusive,
        LockLevel::Share,
        LockLevel::ShareRowExclusive,
        LockLevel::AccessExclusive,
    ];
    let mut compared = 0;
    for migration in &script.migrations {
        let is_tree = migration.table.as_ref().is_some_and(|table| table.name.as_str() == "Events");
        let is_touched = is_tree || migration.phase < Phase::Enforce;
        for step in migration.steps.iter().filter(|_| is_touched) {
            let Work::Statements(statements) = &step.work else { continue };
            if step.mode == TxnMode::Autocommit {
                for statement in statements {
                    client.batch_execute(statement.text()).await.unwrap();
                }
                continue;
            }
            client.batch_execute("BEGIN").await.unwrap();
            for statement in statements {
                client.batch_execute(statement.text()).await.unwrap();
            }
            let taken: i64 = client.query_one(STRONGEST, &[&step.id.contains("/attach-")]).await.unwrap().get(0);
            client.batch_execute("COMMIT").await.unwrap();
            if is_tree || step.id.ends_with("/pass-owner-down-from/public.Events") {
                compared += 1;
                assert_eq!(levels[usize::try_from(taken).unwrap()], step.lock, "{}", step.id);
            }
        }
    }
    assert!(compared > 15, "{compared}");
}

#[tokio::test]
async fn the_key_of_the_root_adopts_those_of_its_leaves_without_a_scan() {
    let server = Server::with(&[("log_min_messages", "debug1"), ("log_line_prefix", "%a|"), ("autovacuum", "off")]);
    let database = server.database().await;
    database.run(SCHEMA).await;
    let before = scans(&server);
    assert!(Run::to_the_end().on(&database, &parsed(CONFIG)).await.is_finished());
    // One for each leaf that holds rows; the root's is the sum of them.
    assert_eq!(scans(&server) - before, super::LEAVES.len());
    assert_eq!(
        server.log().matches("ADD CONSTRAINT \"Events_tenant_id_fkey\"").count(),
        0,
        "statements are not logged"
    );
}

fn scans(server: &Server) -> usize {
    server.log().matches("validating foreign key constraint \"Events_tenant_id_fkey\"").count()
}

/// A plan for a table with so many partitions.
async fn brief(leaves: u32) -> String {
    let database = server().database().await;
    database.run("CREATE TABLE events (id int, body text) PARTITION BY LIST (id)").await;
    database
        .run(&format!(
            "DO $$ BEGIN FOR n IN 1..{leaves} LOOP EXECUTE format('CREATE TABLE events_%s PARTITION OF events FOR VALUES IN (%s)', n, n);
             END LOOP; END $$"
        ))
        .await;
    let config = parsed("[tables]\nevents = { scope = \"tenant\", backfill = \"batched\" }");
    let script = script(&database, &config).await;
    assert!(script.steps().count() > 6 * leaves as usize);
    let mut text = Vec::new();
    let document = crate::support::plan::document(&script);
    plan::write(&document, Format::Text, Page::new(Detail::Brief, None), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_hundred_leaves_do_not_drown_the_plan() {
    let text = brief(100).await;
    assert!(text.lines().count() < 100, "{text}");
    for line in [
        "give every row of each of 100 partitions its owner",
        "vacuum and analyze each of 100 partitions",
        "build the index on each of 100 partitions (tenant_id)",
        "in 100 partitions",
    ] {
        assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(line), "{line}: {text}");
    }
    let text = brief(2).await;
    assert!(text.contains("public.events_2 "), "{text}");
}
