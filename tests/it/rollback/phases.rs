//! From the end of each phase back to the beginning, and from the end back to each phase.

use tenantctl::execute::Target;
use tenantctl::plan::Phase;
use tenantctl::sql::rollback::Keep;

use super::{ALL, FIXTURES, back, keeping, loaded, rows, same, schema};
use crate::support::run::Run;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_phase_of_every_fixture_is_taken_back_and_can_be_done_again() {
    for name in FIXTURES {
        let (template, config) = loaded(name).await;
        for phase in Phase::ALL {
            let what = format!("{name}, {phase}");
            let database = template.copy().await;
            let before = (schema(&database).await, rows(&database).await);
            let forth = Run::to(Target::Phase(phase)).on(&database, &config).await;
            assert!(forth.done.is_ok(), "{what}: {:?}", forth.done);

            let done = back(&database, &config, ALL).await;
            assert!(done.is_finished(), "{what}: {:?}", done.done);
            same(&schema(&database).await, &before.0, &what);
            same(&rows(&database).await, &before.1, &what);

            let again = Run::to_the_end().on(&database, &config).await;
            assert!(again.is_finished(), "{what}: {:?}", again.done);
            database.remove().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_is_taken_back_phase_by_phase() {
    for name in FIXTURES {
        let (template, config) = loaded(name).await;
        let (forth, database) = (template.copy().await, template.copy().await);
        let mut after = vec![(None, schema(&forth).await)];
        for phase in [Phase::Prepare, Phase::Expand, Phase::Backfill] {
            assert!(Run::to(Target::Phase(phase)).on(&forth, &config).await.done.is_ok());
            after.push((Some(phase), schema(&forth).await));
        }
        forth.remove().await;
        assert!(Run::to_the_end().on(&database, &config).await.is_finished());
        for (phase, expected) in after.iter().rev() {
            let what = format!("{name}, back to {phase:?}");
            let done = back(&database, &config, phase.map_or(ALL, |phase| keeping(Keep::Phase(phase)))).await;
            assert!(done.is_finished(), "{what}: {:?}", done.done);
            same(&schema(&database).await, expected, &what);
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_never_used_again_and_each_way_back_is_recorded() {
    let (database, config) = loaded("saas25").await;
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    let last = database.number("SELECT max(version)::bigint FROM tenantctl.schema_history").await;
    assert!(back(&database, &config, keeping(Keep::Version(i32::try_from(last).unwrap() - 2))).await.is_finished());
    let undone =
        format!("SELECT count(*) FROM tenantctl.undone WHERE version IN ({last}, {last} - 1) AND by_version > {last}");
    assert_eq!(database.number(&undone).await, 2);
    assert_eq!(database.number("SELECT count(*) FROM tenantctl.undone").await, 2);

    let again = Run::to_the_end().on(&database, &config).await;
    let versions = again.done.unwrap().versions;
    assert!(versions.iter().all(|version| i64::from(*version) > last + 2), "{versions:?} after {last}");
    assert!(back(&database, &config, ALL).await.is_finished());
    let left = "SELECT count(*) FROM tenantctl.schema_history AS h WHERE h.name NOT LIKE 'undo_%'
        AND NOT EXISTS (SELECT FROM tenantctl.undone AS u WHERE u.version = h.version)";
    assert_eq!(database.number(left).await, 0);
    let nothing = back(&database, &config, ALL).await;
    assert!(nothing.is_finished() && nothing.events.is_empty(), "{:?}", nothing.done);
}
