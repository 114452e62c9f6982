//! Signals that the role may not look at, and what a plan tells of all of them.

use tenantctl::commands::conversion::{Conversion, Order};
use tenantctl::commands::planning;
use tenantctl::config;
use tenantctl::error::Code;
use tenantctl::pg::{Access, Session};
use tenantctl::plan::Kind;
use tenantctl::pressure::signals_table;

use super::{server, shop};
use crate::support::Database;
use crate::support::run::Run;

const TABLES: &str = "
[tables.customers]
scope = \"tenant\"
[tables.orders]
scope = \"tenant\"
source = \"parent\"
parent = \"customers\"
backfill = \"ranges\"
";

/// What the plan says of a kind, as a role sees it.
async fn said(database: &Database<'_>, role: &str, text: &str, kind: Kind) -> Vec<String> {
    let config = config::parse(&format!("{text}{TABLES}"), "t.toml").unwrap();
    let session = Session::open(&database.settings_as(role), Access::Read).await.unwrap();
    let script = planning::plan(&session, &config).await.unwrap().script;
    script.notices.into_iter().filter(|notice| notice.kind == kind).map(|notice| notice.text).collect()
}

/// The shop, owned by a role without a right to look around.
async fn owned(database: &Database<'_>) {
    database
        .run(&format!(
            "CREATE ROLE \"Team A\" LOGIN; GRANT CREATE ON DATABASE {} TO \"Team A\"; GRANT CREATE ON SCHEMA public TO \"Team A\";
             ALTER TABLE customers OWNER TO \"Team A\"; ALTER TABLE orders OWNER TO \"Team A\"",
            database.name
        ))
        .await;
}

#[test]
fn every_signal_is_explained_with_its_default() {
    let table = signals_table(&config::parse("", "t.toml").unwrap().throttle);
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/throttle.md")).unwrap();
    assert!(page.contains(&table), "put this into docs/throttle.md:\n{table}");
}

#[tokio::test]
async fn a_plan_tells_what_is_heeded_what_is_not_there_and_what_is_off() {
    let server = server(&[]);
    let database = shop(&server).await;
    assert_eq!(
        said(&database, "postgres", "", Kind::ThrottleWatches).await,
        [
            "the backfills give way to lock_waiters (4), autovacuum (50%), snapshot (5m), commit_latency (100ms); not there: \
             replica_lag, replica_bytes, slot_wal, archive_backlog; off: active_sessions"
        ]
    );
    let off =
        "[throttle]\nreplica_lag = \"off\"\nsnapshot = \"off\"\n[throttle.probe]\nsql = \"SELECT 1\"\nlimit = 2.5\n";
    let told = said(&database, "postgres", off, Kind::ThrottleWatches).await.concat();
    assert!(told.contains("probe (2.5)") && told.ends_with("off: replica_lag, active_sessions, snapshot"), "{told}");
    assert_eq!(said(&database, "postgres", "", Kind::SignalForbidden).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn signals_that_may_not_be_looked_at_are_refused_with_the_grant_or_turned_off() {
    let server = server(&[("archive_mode", "on"), ("archive_command", "true")]);
    let database = shop(&server).await;
    owned(&database).await;
    let role = "Team%20A";
    let told = said(&database, role, "", Kind::SignalForbidden).await.concat();
    let grant = "GRANT pg_monitor TO \"Team A\"";
    assert!(told.contains("archive_backlog, autovacuum, snapshot while it fills tables"), "{told}");
    assert!(told.contains(grant), "{told}");
    let config = |text: &str| config::parse(&format!("{text}{TABLES}"), "t.toml").unwrap();
    let settings = database.settings_as(role);
    let refused = Conversion::open(&settings, &config(""), &Order::default()).await.err().unwrap();
    assert_eq!(refused.code, Code::RightsMissing);
    assert!(refused.message.contains(grant), "{}", refused.message);

    let off = "[throttle]\narchive_backlog = \"off\"\nautovacuum = \"off\"\nsnapshot = \"off\"\n";
    assert_eq!(said(&database, role, off, Kind::SignalForbidden).await, [""; 0]);
    // A right that is taken away between two runs is noticed by the second, which plans no more.
    database.run(grant).await;
    let (stopper, interrupt) = tenantctl::execute::Interrupt::channel();
    let conversion = Conversion::open(&settings, &config(""), &Order::default()).await.unwrap();
    database.run("REVOKE pg_monitor FROM \"Team A\"").await;
    let refused =
        conversion.run(&crate::execute::Recorder::default(), interrupt, tenantctl::execute::Target::End).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, Code::RightsMissing);
    assert!(refused.message.contains(grant) && refused.hint.unwrap().contains("\"off\""), "{}", refused.message);
    drop(stopper);
    database.run(grant).await;
    assert!(Run::to_the_end().on(&database, &config(off)).await.is_finished());
}
