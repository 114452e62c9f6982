//! How far a backfill is: believed where it still means something, and not a batch further.

use tenantctl::event::Event;
use tenantctl::execute::Target;
use tenantctl::plan::Phase;

use super::picture;
use crate::support::Database;
use crate::support::run::{Run, Stop, config, stop_at};

const BACKFILL: &str = "backfill/public.kb_documents/backfill";
const BLOCKS: &str = "SELECT pg_relation_size('kb_documents') / current_setting('block_size')::bigint";
const APPLIED: &str = "SELECT coalesce(max(version), 0)::bigint FROM tenantctl.schema_history";

/// A table whose backfill stopped after some batches of one block; answers its length when the backfill began.
async fn stopped_after(batches: usize) -> (Database<'static>, usize) {
    let database = Database::saas25(4000).await;
    let blocks = usize::try_from(database.number(BLOCKS).await).unwrap();
    assert!(blocks > 2 * batches, "{blocks} blocks");
    let here = move |_, event: &Event| matches!(event, Event::BatchDone { id, block, .. } if id == BACKFILL && *block == batches as u64);
    assert!(stop_at(&database, &config("tenantctl.toml"), Stop::Neat, here).await);
    (database, blocks)
}

async fn left(database: &Database<'_>) -> i64 {
    database.number("SELECT count(*) FROM kb_documents WHERE tenant_id IS NULL").await
}

#[tokio::test]
async fn a_resumed_backfill_does_not_look_again_at_blocks_that_are_done() {
    let (database, blocks) = stopped_after(3).await;
    assert!(left(&database).await > 0);
    // Another worker finished a batch of its own before the run stopped.
    let done = database.number("SELECT count(*) FROM tenantctl.backfill_range").await.unsigned_abs() as usize;
    assert!((3..=4).contains(&done), "{done}");
    let resumed = Run::to_the_end().on(&database, &config("tenantctl.toml")).await;
    assert!(resumed.is_finished(), "{:?}", resumed.done);
    assert_eq!(resumed.batches(BACKFILL), blocks - done);
    assert_eq!(left(&database).await, 0);
}

#[tokio::test]
async fn a_table_that_was_rewritten_meanwhile_is_begun_anew() {
    for rewrite in ["VACUUM FULL kb_documents", "CLUSTER kb_documents USING kb_documents_pkey"] {
        let (database, _) = stopped_after(3).await;
        let filled = database.number("SELECT count(tenant_id) FROM kb_documents").await.unsigned_abs();
        database.run(rewrite).await;
        let blocks = usize::try_from(database.number(BLOCKS).await).unwrap();
        let resumed = Run::to_the_end().on(&database, &config("tenantctl.toml")).await;
        assert!(resumed.is_finished(), "{rewrite}: {:?}", resumed.done);
        assert_eq!(resumed.batches(BACKFILL), blocks, "{rewrite}");
        assert_eq!(left(&database).await, 0);
        // Rows that were filled before stay counted.
        let totals = resumed.events.iter().filter_map(|event| match event {
            Event::BatchDone { id, rows_total, .. } if id == BACKFILL => Some(*rows_total),
            _ => None,
        });
        let all = database.number("SELECT count(*) FROM kb_documents").await.unsigned_abs();
        assert_eq!(totals.max(), Some(all), "{rewrite}, {filled} before");
    }
}

#[tokio::test]
async fn a_position_from_another_timeline_or_of_a_table_that_shrank_is_not_believed() {
    for change in ["timeline = 'FFFFFFFF'", "end_block = end_block + 1000", "table_oid = 1"] {
        let (database, blocks) = stopped_after(3).await;
        database.run(&format!("UPDATE tenantctl.checkpoint SET {change} WHERE step_id = '{BACKFILL}'")).await;
        let resumed = Run::to_the_end().on(&database, &config("tenantctl.toml")).await;
        assert!(resumed.is_finished(), "{change}: {:?}", resumed.done);
        // The rows of the first batches have their new versions at the end of the table.
        assert!(resumed.batches(BACKFILL) >= blocks, "{change}");
    }
}

#[tokio::test]
async fn a_run_stops_at_its_target_and_goes_on_later() {
    let (template, config) = (Database::saas25(600).await, config("tenantctl.toml"));
    let whole = template.copy().await;
    assert!(Run::to_the_end().on(&whole, &config).await.is_finished());

    let database = template.copy().await;
    let third = Run::to(Target::Version(3)).on(&database, &config).await;
    let done = third.done.unwrap();
    assert_eq!((done.versions, done.finished), (vec![1, 2, 3], false));
    assert_eq!(database.number(APPLIED).await, 3);

    let nothing = Run::to(Target::Version(2)).on(&database, &config).await.done.unwrap();
    assert_eq!((nothing.versions, nothing.finished), (Vec::new(), false));

    let expanded = Run::to(Target::Phase(Phase::Expand)).on(&database, &config).await;
    assert!(!expanded.done.unwrap().finished);
    let phases = |phase: &str| format!("SELECT count(*) FROM tenantctl.schema_history WHERE name LIKE '{phase}%'");
    assert!(database.number(&phases("expand")).await > 10);
    assert_eq!(database.number(&phases("backfill")).await, 0);
    let columns =
        "SELECT count(*) FROM pg_attribute WHERE attname = 'tenant_id' AND attnotnull AND attrelid = 'rules'::regclass";
    assert_eq!(database.number(columns).await, 0);

    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    assert_eq!(picture(&database).await, picture(&whole).await);
}
