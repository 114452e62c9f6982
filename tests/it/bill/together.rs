//! The log of tables that are filled at the same time.

use std::collections::BTreeSet;

use tenantctl::config;
use tenantctl::event::Event;
use tenantctl::execute::Target;
use tenantctl::plan::Phase;

use super::durable;
use crate::execute::convert;
use crate::support::run::Run;

/// Two tables of a few ranges: one worker takes all of the first one, and the other goes on with the second one.
#[tokio::test]
async fn the_log_that_two_workers_write_for_two_tables_is_counted_once() {
    let server = durable();
    let database = server.database().await;
    let table = |name: &str| {
        format!(
            "CREATE TABLE {name} (id bigint PRIMARY KEY, shop_id bigint NOT NULL REFERENCES shop, body text);
             INSERT INTO {name} SELECT i, 1, repeat('x', 60) FROM generate_series(1, 30000) i;"
        )
    };
    database.run("CREATE TABLE shop (id bigint PRIMARY KEY); INSERT INTO shop VALUES (1)").await;
    database.run(&(table("a") + &table("b"))).await;
    database.run("VACUUM ANALYZE").await;
    let table = |name: &str| {
        format!("{name} = {{ scope = \"tenant\", source = \"parent\", parent = \"shop\", backfill = \"cascade\" }}\n")
    };
    let text = format!(
        "[backfill]\nworkers = 2\nmin_blocks = 110\nmax_blocks = 110\n[tables]\nshop = {{ scope = \"tenant\" }}\n{}{}",
        table("a"),
        table("b")
    );
    let config = config::parse(&text, "t.toml").unwrap();
    convert(&database, &config, Target::Phase(Phase::Expand)).await.unwrap();
    database.run("CHECKPOINT").await;
    let written = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";
    let before = database.number(written).await;
    let outcome = Run::to(Target::Phase(Phase::Backfill)).on(&database, &config).await;
    let written = database.number(written).await - before;
    let batches = outcome.events.iter().filter_map(|event| match event {
        Event::BatchDone { id, worker, .. } => Some((id.as_str(), *worker)),
        _ => None,
    });
    let (steps, workers): (BTreeSet<&str>, BTreeSet<u32>) = batches.unzip();
    assert!(steps.len() >= 2 && workers.len() == 2, "{steps:?} {workers:?}");
    let counted = database.number("SELECT sum(wal_bytes)::bigint FROM tenantctl.checkpoint").await;
    let share = counted as f64 / written as f64;
    assert!((0.4..1.1).contains(&share), "{counted} of {written}: {share}");
}
