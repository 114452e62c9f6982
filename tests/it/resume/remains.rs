//! What a broken run leaves behind is found and finished, or removed and made again.

use tenantctl::error::Code;
use tenantctl::event::Event;

use super::picture;
use crate::support::run::{Run, Stop, config, starts, stop_at};
use crate::support::{Database, Server, now};

const END_THE_WORKER: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE application_name = 'tenantctl' AND datname = current_database()";
const BUILDS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE 'CREATE UNIQUE INDEX CONC%rules_tenant_id_id_key%' AND datname = current_database()";
const BUILD_RULES: &str = "enforce/public.rules/build-key/rules_tenant_id_id_key";
const SECOND_BATCH: &str = "the second batch";
const INVALID: &str = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";

/// What an undisturbed run makes of the template.
async fn expected(template: &Database<'_>) -> String {
    let database = template.copy().await;
    assert!(Run::to_the_end().on(&database, &config("tenantctl.toml")).await.is_finished());
    picture(&database).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_terminated_between_two_statements_is_resumable() {
    let (template, config) = (Database::saas25(600).await, config("tenantctl.toml"));
    let expected = expected(&template).await;
    for place in ["expand/public.rules/add-owner-column", "backfill/public.models/vacuum", BUILD_RULES] {
        let database = template.copy().await;
        let run = Run::doing_at(|event| starts(event, place), || database.run_now(END_THE_WORKER));
        let stopped = run.on(&database, &config).await;
        assert_eq!(stopped.code(), Some(Code::ConnectionLost), "{place}: {:?}", stopped.done);
        assert!(Run::to_the_end().on(&database, &config).await.is_finished(), "{place}");
        assert_eq!(picture(&database).await, expected, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_index_of_a_broken_build_is_dropped_and_built_again() {
    let (template, config) = (Database::saas25(600).await, config("tenantctl.toml"));
    let expected = expected(&template).await;
    let endings = [
        (END_THE_WORKER, Code::ConnectionLost),
        (&END_THE_WORKER.replace("pg_terminate_backend(pid, 5000)", "pg_cancel_backend(pid)"), Code::StatementFailed),
    ];
    for (ending, code) in endings {
        let database = template.copy().await;
        let writer = database.client("writer").await;
        let hold = "BEGIN; LOCK TABLE rules IN ROW EXCLUSIVE MODE";
        let run = Run::doing_at(
            |event| starts(event, BUILD_RULES),
            || now(async { writer.batch_execute(hold).await.unwrap() }),
        );
        let break_it = async {
            database.until(BUILDS).await;
            database.run(ending).await;
        };
        let (stopped, ()) = tokio::join!(run.on(&database, &config), break_it);
        assert_eq!(stopped.code(), Some(code), "{:?}", stopped.done);
        assert_eq!(database.number(INVALID).await, 1);
        let broken = database.number("SELECT indexrelid::bigint FROM pg_index WHERE NOT indisvalid").await;

        writer.batch_execute("ROLLBACK").await.unwrap();
        assert!(Run::to_the_end().on(&database, &config).await.is_finished());
        assert_eq!(database.number(INVALID).await, 0);
        let there = database.number(&format!("SELECT count(*) FROM pg_class WHERE oid = {broken}")).await;
        assert_eq!(there, 0, "the broken index was kept");
        assert_eq!(picture(&database).await, expected);
    }
}

/// The build of a killed run goes on at the server until it notices; the next run waits for it, names it, and goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_a_killed_run_still_builds_does_not_stop_the_next_one() {
    let (template, config) = (Database::saas25(600).await, config("tenantctl.toml"));
    let expected = expected(&template).await;
    let database = template.copy().await;
    let writer = database.client("writer").await;
    let hold = "BEGIN; LOCK TABLE rules IN ROW EXCLUSIVE MODE";
    let killed = stop_at(&database, &config, Stop::Crash, |_, event| {
        if starts(event, BUILD_RULES) {
            now(async { writer.batch_execute(hold).await.unwrap() });
        }
        matches!(event, Event::StatementWaits { .. })
    });
    assert!(killed.await);
    assert_eq!(database.number(BUILDS).await, 1, "the build ended with the run");

    let resumed = Run::reacting(|_, event, _| {
        if let Event::StatementWaits { holders, .. } = event {
            assert!(holders.iter().any(|who| who.application == "tenantctl"), "{holders:?}");
            now(async { writer.batch_execute("ROLLBACK").await.unwrap() });
        }
    });
    let resumed = resumed.on(&database, &config).await;
    assert!(resumed.is_finished(), "{:?}", resumed.done);
    assert!(resumed.events.iter().any(|event| matches!(event, Event::StatementWaits { .. })));
    assert_eq!(picture(&database).await, expected);
}

#[tokio::test]
async fn another_tables_index_of_our_indexs_name_is_neither_taken_for_it_nor_dropped() {
    let (database, config) = (Database::saas25(100).await, config("tenantctl.toml"));
    database.run("CREATE INDEX rules_tenant_id_id_key ON roles (id)").await;
    database.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'rules_tenant_id_id_key'::regclass").await;
    let run = Run::to_the_end().on(&database, &config).await;
    assert!(run.is_finished(), "{:?}", run.done);
    assert_eq!(database.number(INVALID).await, 1);
    let built = "SELECT count(*) FROM pg_indexes WHERE tablename = 'rules' AND indexdef LIKE '%(tenant_id, id)'";
    assert_eq!(database.number(built).await, 1);
}

#[tokio::test]
async fn a_constraint_that_is_not_yet_proven_is_proven_by_the_next_run_or_plan() {
    let (template, config) = (Database::saas25(600).await, config("tenantctl.toml"));
    for step in ["enforce/public.rules/add-foreign-key", "enforce/public.rules/add-not-null"] {
        for again in [Run::to_the_end(), Run::replanned()] {
            let database = template.copy().await;
            let added = |_, event: &Event| matches!(event, Event::StepDone { id, .. } if id == step);
            assert!(stop_at(&database, &config, Stop::Neat, added).await);
            let unproven = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'rules'::regclass AND NOT convalidated";
            assert_eq!(database.number(unproven).await, 1, "{step}");
            let resumed = again.on(&database, &config).await;
            assert!(resumed.is_finished(), "{:?}", resumed.done);
            assert!(!resumed.events.iter().any(|event| starts(event, step)), "{step} ran again");
            assert_eq!(database.number("SELECT count(*) FROM pg_constraint WHERE NOT convalidated").await, 0);
        }
    }
}

/// One backend that dies takes the server's memory with it: every session ends, and the server recovers from its log.
/// Batches commit without waiting for it (`synchronous_commit = off`), so the last ones may be gone, each with its
/// checkpoint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_the_server_is_resumable() {
    let server = Server::with(&[("autovacuum", "off"), ("wal_writer_delay", "10s")]);
    let (template, config) = (server.saas25(600).await, config("tenantctl.toml"));
    let expected = expected(&template).await;
    let is_at = |event: &Event, place: &str| match event {
        Event::BatchDone { id, block, .. } => {
            place == SECOND_BATCH && id == "backfill/public.kb_documents/backfill" && *block == 2
        }
        event => starts(event, place),
    };
    for place in [SECOND_BATCH, "expand/public.rules/add-owner-column", BUILD_RULES] {
        let database = template.copy().await;
        let crash = || {
            now(async {
                let victim = database.client("victim").await;
                let pid: i32 = victim.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
                let kill = format!("COPY (SELECT 1) TO PROGRAM 'kill -9 {pid}'");
                // The answer is the end of the connection.
                victim.batch_execute(&kill).await.unwrap_err();
            });
        };
        let stopped = Run::doing_at(|event| is_at(event, place), crash).on(&database, &config).await;
        assert_eq!(stopped.code(), Some(Code::ConnectionLost), "{place}: {:?}", stopped.done);
        database.answers().await;
        let resumed = Run::to_the_end().on(&database, &config).await;
        assert!(resumed.is_finished(), "{place}: {:?}", resumed.done);
        assert_eq!(picture(&database).await, expected, "{place}");
    }
}
