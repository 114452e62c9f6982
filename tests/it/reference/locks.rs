//! The locks that are really taken are those that the plan tells.

use tenantctl::commands::planning;
use tenantctl::config::Config;
use tenantctl::pg::{Access, Session};
use tenantctl::plan::{LockLevel, Phase, TxnMode};
use tenantctl::sql::Work;

use super::{loaded, parsed};
use crate::support::Database;

/// The strongest lock on the application's tables that the session holds, and on their indexes where those are asked for.
const STRONGEST: &str = "SELECT coalesce(max(array_position(ARRAY['RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
    'ShareRowExclusiveLock', 'AccessExclusiveLock'], l.mode)), 0)::bigint FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
    JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'public'
    WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
        AND (c.relkind IN ('r', 'p') OR $1)";

/// Does every step by hand, and compares the locks of those of phase `enforce` that are sent in a transaction.
pub(super) async fn compare(database: &Database<'_>, config: &Config) -> usize {
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let script = planning::plan(&session, config).await.unwrap().script;
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
    for (phase, step) in script.migrations.iter().flat_map(|it| it.steps.iter().map(|step| (it.phase, step))) {
        let Work::Statements(statements) = &step.work else { continue };
        let is_whole = step.mode == TxnMode::Transaction;
        if is_whole {
            client.batch_execute("BEGIN").await.unwrap();
        }
        for statement in statements {
            let done = client.batch_execute(statement.text()).await;
            done.unwrap_or_else(|error| panic!("{}: {error:?}", step.id));
        }
        if is_whole {
            let of_index = step.id.contains("/attach-");
            let taken: i64 = client.query_one(STRONGEST, &[&of_index]).await.unwrap().get(0);
            client.batch_execute("COMMIT").await.unwrap();
            if phase == Phase::Enforce {
                assert_eq!(levels[usize::try_from(taken).unwrap()], step.lock, "{}", step.id);
                compared += 1;
            }
        }
    }
    compared
}

#[tokio::test]
async fn every_step_takes_the_lock_that_the_plan_tells_and_no_stronger_one() {
    let database = loaded(
        "CREATE TABLE p (id bigint PRIMARY KEY); CREATE TABLE c (id bigint PRIMARY KEY, p bigint REFERENCES p ON DELETE SET NULL);
         CREATE TABLE n (id bigint PRIMARY KEY, n bigint REFERENCES n)",
    )
    .await;
    let rules = "p = { scope = \"tenant\" }\nc = { scope = \"tenant\" }\nn = { scope = \"tenant\" }\n";
    assert!(compare(&database, &parsed(rules)).await > 10);
}
