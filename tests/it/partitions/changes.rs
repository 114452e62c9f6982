//! Partitions that come and go while a conversion is under way: none is missed.

use tenantctl::error::Code;
use tenantctl::event::Event;
use tenantctl::execute::Target;
use tenantctl::plan::Phase;

use super::{CONFIG, config, is_converted, loaded};
use crate::support::Database;
use crate::support::cli::Cli;
use crate::support::run::{Run, starts};

const CREATED: &str = "CREATE TABLE \"Events 2023\" PARTITION OF \"Events\" FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
    INSERT INTO \"Events\" (id, \"At\", kind, org_id) SELECT g, '2023-02-02', 1, 1 + g % 20 FROM generate_series(50000, 50100) AS g";
/// Its rows have no owner.
const ATTACHED: &str = "CREATE TABLE apart (LIKE \"Events\" INCLUDING DEFAULTS);
    ALTER TABLE apart ALTER COLUMN tenant_id DROP NOT NULL;
    INSERT INTO apart (id, \"At\", kind, org_id) SELECT g, '2024-02-02', 1, 1 + g % 20 FROM generate_series(60000, 60100) AS g;
    ALTER TABLE \"Events\" ATTACH PARTITION apart FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')";

const DROPPED: &str = "ALTER TABLE \"Events\" DETACH PARTITION archive.events_2019; DROP TABLE archive.events_2019";

/// The run stops, names what it did not plan, and goes on with a new plan.
async fn is_found(database: &Database<'_>, named: &str) {
    let stopped = Run::to_the_end().on(database, &config()).await;
    let failure = stopped.done.unwrap_err();
    assert_eq!(failure.code, Code::SchemaDrifted, "{failure}");
    assert!(failure.message.contains(named), "{failure}");
    assert!(failure.hint.unwrap().contains("--replan"));
    let outcome = Run::replanned().on(database, &config()).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    is_converted(database).await;
    Cli::to(&database.url()).config(CONFIG).run("verify").exits(0);
}

#[tokio::test]
async fn a_partition_that_came_after_the_plan_is_found_before_the_next_migration() {
    for (phase, change, named) in [
        (Phase::Prepare, CREATED, "has a partition that was not planned: public.\"Events 2023\""),
        (Phase::Expand, CREATED, "has a partition that was not planned: public.\"Events 2023\""),
        (Phase::Expand, ATTACHED, "has a partition that was not planned: public.apart"),
        (Phase::Backfill, CREATED, "has a partition that was not planned: public.\"Events 2023\""),
        (Phase::Backfill, ATTACHED, "has a partition that was not planned: public.apart"),
        (Phase::Expand, DROPPED, "has lost a partition that was planned: archive.events_2019"),
        (Phase::Backfill, DROPPED, "has lost a partition that was planned: archive.events_2019"),
    ] {
        let database = loaded().await;
        database.run("DELETE FROM notes").await;
        assert!(!Run::to(Target::Phase(phase)).on(&database, &config()).await.done.unwrap().finished);
        database.run(change).await;
        is_found(&database, named).await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_comes_in_the_middle_of_a_migration_is_not_missed_either() {
    // Neither the backfill's guard nor enforce's own has seen it.
    let places = [
        "backfill/public.Events/vacuum/public.events_default",
        "enforce/public.Events/create-parent-key/Events_tenant_id_id_At_kind_key",
    ];
    for (place, change) in [(places[0], ATTACHED), (places[1], CREATED), (places[1], ATTACHED)] {
        let database = loaded().await;
        let run = Run::doing_at(|event: &Event| starts(event, place), || database.run_now(change));
        let stopped = run.on(&database, &config()).await;
        let failure = stopped.done.unwrap_err();
        assert_eq!(failure.code, Code::SchemaDrifted, "{failure}");
        assert!(failure.message.contains("partition that was not planned"), "{failure}");
        is_found(&database, "partition that was not planned").await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_is_made_once_the_root_has_its_index_needs_a_new_plan_for_the_references_only() {
    let database = loaded().await;
    let place = "enforce/public.Events/add-not-null";
    let run = Run::doing_at(|event: &Event| starts(event, place), || database.run_now(CREATED));
    let stopped = run.on(&database, &config()).await;
    assert_eq!(stopped.code(), Some(Code::SchemaDrifted), "{:?}", stopped.done);
    let outcome = Run::replanned().on(&database, &config()).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    let again = |event: &Event| matches!(event, Event::StepDone { id, .. } if id.starts_with("enforce/public.Events/") && !id.contains("reference"));
    assert!(!outcome.events.iter().any(again), "{:?}", outcome.events);
    is_converted(&database).await;
}

#[tokio::test]
async fn a_filler_that_sleeps_in_one_leaf_is_lost_protection_and_a_daily_partition_is_none() {
    let database = loaded().await;
    assert!(Run::to_the_end().on(&database, &config()).await.is_finished());
    let cli = Cli::to(&database.url()).config(CONFIG);
    database.run(CREATED).await;
    database.run("DELETE FROM notes").await;
    database.run(DROPPED).await;
    cli.run("diff").exits(0);
    database.run("ALTER TABLE events_default DISABLE TRIGGER \"~tenantctl_fill_insert\"").await;
    let said = cli.run("diff").exits(1).stdout;
    assert!(said.contains("events_default") && said.contains("~tenantctl_fill_insert"), "{said}");
}
