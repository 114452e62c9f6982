//! A parent goes to just the owner that a child of it has by mistake, while somebody writes the child: the child looks as if
//! nobody had touched it.

use super::*;
use crate::support::run::{Stop, starts, stop_at};

/// As a row is left that changes while its table is filled.
const MISTAKE: &str =
    "SET tenantctl.backfill = 'on'; UPDATE task SET tenant_id = 3 WHERE id = 11; RESET tenantctl.backfill";

/// Everything is filled, one task has the owner of another project; and the batch that compares all tasks.
async fn mistaken(way: &str) -> (Database<'static>, Session, Session, String) {
    let config = tasks_by(way);
    let (database, a, b) = converted_by(&config, Target::Phase(Phase::Expand)).await;
    let compare = batch(&work_by(&database, &config, "backfill/public.task/reconcile").await);
    convert(&database, &config, Target::Phase(Phase::Backfill)).await.unwrap();
    a.run(MISTAKE).await;
    assert_eq!(owner(&database, "task", 11).await, 3);
    (database, a, b, compare)
}

#[tokio::test]
async fn a_comparison_waits_for_a_parent_that_moves_and_takes_the_owner_that_it_has_then() {
    for way in ["ranges", "keyset"] {
        for (end, expected) in [("COMMIT", 3), ("ROLLBACK", 1)] {
            let (database, a, b, compare) = mistaken(way).await;
            a.run(&format!("BEGIN; {MOVE}")).await;
            let compared = b.waits(&compare).await;
            a.run(end).await;
            compared.succeeds().await;
            b.run("COMMIT").await;
            let owners = (owner(&database, "task", 11).await, owner(&database, "task", 12).await);
            assert_eq!(owners, (expected, expected), "{way} {end}");
        }
    }
}

#[tokio::test]
async fn a_parent_that_moves_waits_for_a_comparison_and_passes_its_owner_on_afterwards() {
    for way in ["ranges", "keyset"] {
        let (database, a, b, compare) = mistaken(way).await;
        b.run(&compare).await;
        let moved = a.waits(MOVE).await;
        commit(&b, moved).await;
        assert_eq!((owner(&database, "task", 11).await, owner(&database, "task", 12).await), (3, 3), "{way}");
    }
}

#[tokio::test]
async fn a_comparison_holds_the_parents_of_rows_that_disagree_and_no_others() {
    for way in ["ranges", "keyset"] {
        let (database, a, b, compare) = mistaken(way).await;
        b.run(&compare).await;
        assert_eq!(database.number("SELECT count(*) FROM project").await, 3, "readers never wait");
        a.run("BEGIN; SELECT FROM project WHERE id <> 1 FOR UPDATE NOWAIT; ROLLBACK").await;
        let held = a.send("SELECT FROM project WHERE id = 1 FOR UPDATE NOWAIT").ends().await.unwrap_err();
        assert_eq!(held.code(), Some(&SqlState::LOCK_NOT_AVAILABLE), "{way}");
        b.run("COMMIT").await;
        assert_eq!(owner(&database, "task", 11).await, 1, "{way}");
    }
}

#[tokio::test]
async fn a_comparison_that_finds_nothing_reads_no_parent_to_lock_it() {
    for way in ["ranges", "keyset"] {
        let (database, a, _b, compare) = mistaken(way).await;
        a.run(&format!("{compare}; COMMIT")).await;
        let client = database.client("explain").await;
        let lines = explained(&client, &compare, "ANALYZE, COSTS OFF, TIMING OFF").await;
        let locks: Vec<&String> = lines.iter().filter(|line| line.contains("LockRows")).collect();
        assert!(matches!(locks.as_slice(), [one] if one.contains("never executed")), "{way}: {lines:#?}");
    }
}

/// Its snapshot cannot see what the comparison wrote, so it could not pass its owner on.
#[tokio::test]
async fn a_repeatable_read_parent_that_moves_after_a_comparison_is_refused_and_leaves_the_owner() {
    for way in ["ranges", "keyset"] {
        let (database, a, b, compare) = mistaken(way).await;
        a.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM org").await;
        b.run(&format!("{compare}; COMMIT")).await;
        let moved = a.send(MOVE).ends().await.unwrap_err();
        assert_eq!(moved.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{way}");
        a.run("ROLLBACK").await;
        assert_eq!(owner(&database, "task", 11).await, 1, "{way}");
    }
}

#[tokio::test]
async fn a_parent_that_moves_waits_for_a_writer_who_mends_a_childs_owner_by_touching_it() {
    let (database, a, b) = converted(Target::Phase(Phase::Expand)).await;
    let is_here = |_, event: &_| starts(event, "backfill/public.task/reconcile");
    assert!(stop_at(&database, &config(), Stop::Crash, is_here).await);
    a.run(MISTAKE).await;
    b.run("BEGIN; UPDATE task SET title = 'x' WHERE id = 11").await;
    let moved = a.waits(MOVE).await;
    commit(&b, moved).await;
    assert_eq!(owner(&database, "task", 11).await, 3);
    convert(&database, &config(), Target::End).await.unwrap();
    assert_eq!((owner(&database, "task", 11).await, owner(&database, "task", 12).await), (3, 3));
}
