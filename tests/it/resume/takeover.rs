//! One run at a time: who comes second is refused, and who lost the pen writes nothing more.

use std::sync::Mutex;

use tenantctl::commands::conversion::{Conversion, Order};
use tenantctl::error::Code;
use tenantctl::event::Event;

use super::{everything, picture};
use crate::support::run::{Run, config, starts};
use crate::support::{Database, now};

const TAKE_THE_PEN: &str = "UPDATE tenantctl.lease SET fence = fence + 1";
/// Waits until the session is gone, and until our side had the time to hear of it.
const END_THE_LOCK: &str = "SELECT pg_terminate_backend(pid, 5000), pg_sleep(0.1) FROM pg_stat_activity
    WHERE application_name = 'tenantctl lock' AND datname = current_database()";

#[tokio::test]
async fn a_second_run_is_refused_and_told_who_works() {
    let database = Database::saas25(100).await;
    let config = config("tenantctl.toml");
    let first = Conversion::open(&database.settings(), &config, &Order::default()).await.unwrap();
    let pid = database.number("SELECT pid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").await;

    let refused = Conversion::open(&database.settings(), &config, &Order::default()).await.err().unwrap();
    assert_eq!(refused.code, Code::RunActive);
    assert!(refused.message.contains(&format!("pid {pid} (tenantctl lock)")), "{refused}");
    assert_eq!(database.number("SELECT count(*) FROM pg_namespace WHERE nspname = 'tenantctl'").await, 0);

    drop(first);
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
}

/// One step of every kind, and a backfill in its middle.
const PLACES: [&str; 17] = [
    "prepare/create-tenants-table",
    "prepare/create-system-tenant",
    "expand/public.rules/add-owner-column",
    "expand/public.rules/pass-owner-down-from/public.workflows",
    "backfill/public.models/backfill",
    "backfill/public.kb_documents/follow-owner",
    "backfill/public.rules/reconcile",
    "backfill/public.kb_documents/settle-filler",
    "backfill/public.models/vacuum",
    "enforce/public.rules/build-key/rules_tenant_id_id_key",
    "enforce/public.rules/add-not-null",
    "enforce/public.rules/validate-not-null",
    "enforce/public.rules/set-not-null",
    "enforce/public.rules/add-foreign-key",
    "enforce/public.rules/validate-foreign-key",
    "enforce/public.org/analyze",
    "batch of backfill/public.kb_documents/backfill",
];

fn is_at(event: &Event, place: &str) -> bool {
    match place.strip_prefix("batch of ") {
        Some(step) => matches!(event, Event::BatchDone { id, .. } if id == step),
        None => starts(event, place),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_another_one_took_over_from_commits_nothing_more_whatever_it_does() {
    let (template, config) = (Database::saas25(600).await, config("tenantctl.toml"));
    for place in PLACES {
        let database = template.copy().await;
        let before = Mutex::new(None);
        let fenced = Run::doing_at(
            |event| is_at(event, place),
            || {
                database.run_now(TAKE_THE_PEN);
                *before.lock().unwrap() = Some(now(everything(&database)));
            },
        );
        let fenced = fenced.on(&database, &config).await;
        // Before 18 there is a step to set NOT NULL; there the step before it is enough.
        let Some(before) = before.into_inner().unwrap() else {
            assert!(place.ends_with("set-not-null") && fenced.is_finished(), "nothing happened at {place}");
            continue;
        };
        assert_eq!(fenced.code(), Some(Code::RunFenced), "{place}: {:?}", fenced.done);
        assert_eq!(everything(&database).await, before, "{place}");
        assert!(Run::to_the_end().on(&database, &config).await.is_finished(), "{place}");
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_lock_is_lost_commits_nothing_more() {
    let (template, config) = (Database::saas25(600).await, config("tenantctl.toml"));
    let whole = template.copy().await;
    assert!(Run::to_the_end().on(&whole, &config).await.is_finished());
    for place in ["batch of backfill/public.kb_documents/backfill", "enforce/public.rules/add-not-null"] {
        let database = template.copy().await;
        let before = Mutex::new(String::new());
        let stopped = Run::doing_at(
            |event| is_at(event, place),
            || {
                database.run_now(END_THE_LOCK);
                *before.lock().unwrap() = now(everything(&database));
            },
        );
        let stopped = stopped.on(&database, &config).await;
        assert_eq!(stopped.code(), Some(Code::ConnectionLost), "{place}: {:?}", stopped.done);
        assert!(stopped.done.unwrap_err().message.contains("the run's lock is lost"));
        assert_eq!(everything(&database).await, before.into_inner().unwrap(), "{place}");
        assert!(Run::to_the_end().on(&database, &config).await.is_finished());
        assert_eq!(picture(&database).await, picture(&whole).await);
    }
}

/// An index that is built CONCURRENTLY may wait for hours, and without the lock another run could begin meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_waits_when_the_lock_is_lost_is_cancelled() {
    let (database, config) = (Database::saas25(100).await, config("tenantctl.toml"));
    let reader = database.client("long report").await;
    let hold =
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM org; LOCK TABLE rules IN ROW EXCLUSIVE MODE";
    let run = Run::doing_at(
        |event| starts(event, "enforce/public.rules/build-key/rules_tenant_id_id_key"),
        || now(async { reader.batch_execute(hold).await.unwrap() }),
    );
    let end_the_lock = async {
        database.until("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'CREATE UNIQUE INDEX CONC%rules_tenant_id_id_key%' AND datname = current_database()").await;
        database.run(END_THE_LOCK).await;
    };
    let (stopped, ()) = tokio::join!(run.on(&database, &config), end_the_lock);
    assert_eq!(stopped.code(), Some(Code::ConnectionLost), "{:?}", stopped.done);
    drop(reader);
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
}
