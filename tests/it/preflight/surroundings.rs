//! What surrounds the database: slots, replicas, the archiver, the version.

use std::time::Duration;

use tenantctl::catalog::{Activity, Replica};
use tenantctl::plan::{Facts, Kind};
use tenantctl::sql::Script;

use super::{only, plan, said};
use crate::support::Server;
use crate::support::plan::{SMALL, script, small_catalog};

#[tokio::test]
async fn slots_that_nobody_reads_and_a_failing_archiver_are_named() {
    let server = Server::with(&[
        ("shared_buffers", "16MB"),
        ("wal_level", "logical"),
        ("archive_mode", "on"),
        ("archive_command", "false"),
    ]);
    let database = server.database().await;
    database.run(super::SHOP).await;
    database
        .run(
            "SELECT pg_create_physical_replication_slot('gone_standby', true);
             SELECT pg_create_logical_replication_slot('warehouse', 'pgoutput');
             SELECT pg_switch_wal()",
        )
        .await;
    database.until("SELECT failed_count FROM pg_stat_archiver").await;
    let script = plan(&database).await;
    let inactive = said(&script, Kind::SlotInactive);
    assert!(inactive[0].starts_with("nobody reads the slot \"gone_standby\": it keeps "), "{inactive:?}");
    assert!(inactive[1].starts_with("nobody reads the logical slot \"warehouse\""), "{inactive:?}");
    assert!(only(&script, Kind::SlotUnlimited).contains("max_slot_wal_keep_size"));
    assert!(only(&script, Kind::ArchiverFailing).contains("piles up"));
}

/// A plan of a server that is in this state.
fn planned(version: u32, activity: Activity) -> Script {
    let mut catalog = small_catalog();
    catalog.server.version = version;
    script(SMALL, &catalog, &Facts { activity, ..Facts::default() })
}

fn replica(name: &str, lag: u64, lag_bytes: u64, holds_rows: bool) -> Replica {
    Replica { name: name.to_owned(), synchronous: true, lag_bytes, lag: Duration::from_secs(lag), holds_rows }
}

#[test]
fn replicas_that_are_behind_or_hold_rows_back_are_named() {
    let replicas = vec![replica("near", 1, 1, true), replica("slow", 95, 0, false), replica("far", 0, 1 << 30, false)];
    let script = planned(170_006, Activity { replicas, ..Activity::default() });
    let expected = [
        "the replica \"slow\" is 1m 35s and 0 B behind already; commits wait for it",
        "the replica \"far\" is 0s and 1.0 GiB behind already; commits wait for it",
    ];
    assert_eq!(said(&script, Kind::ReplicaLags), expected);
    assert!(only(&script, Kind::HorizonHeld).contains("\"near\""));
}

#[test]
fn versions_without_support_and_with_defects_are_named() {
    let on = |version, today: &str| {
        planned(version, Activity { today: today.to_owned(), sees_all: true, ..Activity::default() })
    };
    let old = on(140_003, "2026-11-13");
    assert!(only(&old, Kind::VersionUnsupported).contains("no support since 2026-11-12"));
    assert_eq!(said(&old, Kind::VersionDefect).len(), 2);
    assert!(said(&old, Kind::VersionDefect)[0].contains("14.4 mends it"));
    let last_day = on(140_020, "2026-11-12");
    assert_eq!(said(&last_day, Kind::VersionUnsupported), [""; 0]);
    assert_eq!(said(&last_day, Kind::VersionDefect), [""; 0]);
    assert!(only(&on(170_005, "2026-01-01"), Kind::VersionDefect).contains("17.6 mends it"));
    assert_eq!(said(&on(180_000, "2026-01-01"), Kind::VersionDefect), [""; 0]);
}

#[test]
fn a_standby_and_a_read_only_server_are_named() {
    let standby = planned(170_006, Activity { in_recovery: true, ..Activity::default() });
    assert!(only(&standby, Kind::Standby).contains("needs the primary"));
    let settings = [("default_transaction_read_only".to_owned(), "on".to_owned())].into();
    assert!(only(&planned(170_006, Activity { settings, ..Activity::default() }), Kind::ReadOnly).contains("is on"));
}
