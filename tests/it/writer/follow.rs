//! Writers meet a table while its rows are filled, when the filler looks at new rows only: in the end each row has the owner
//! of the parent that it has then.

use std::sync::Mutex;

use tenantctl::config::{self, Config};
use tenantctl::event::Event;
use tenantctl::execute::Target;
use tenantctl::plan::Phase;

use crate::support::Database;
use crate::support::run::{Run, Stop, starts, stop_at};

const SCHEMA: &str = "
CREATE TABLE org (id bigint PRIMARY KEY, name text NOT NULL, slug text NOT NULL UNIQUE);
CREATE TABLE project (id bigint PRIMARY KEY, org_id bigint NOT NULL REFERENCES org);
CREATE TABLE task (id bigint PRIMARY KEY, project_id bigint NOT NULL REFERENCES project, payer_id bigint NOT NULL REFERENCES org,
                   body text);
INSERT INTO org SELECT i, 'Org', 'org-' || i FROM generate_series(1, 5) AS i;
INSERT INTO project SELECT i, 1 + i % 5 FROM generate_series(1, 50) AS i;
INSERT INTO task SELECT i, 1 + i % 50, 1 + i % 3, repeat('x', 100) FROM generate_series(1, 2000) AS i;
ANALYZE";

const BY_PROJECT: &str = "{ scope = 'tenant', source = 'parent', parent = 'project', backfill = 'batched' }";
/// Projects are another's than their tasks then.
const BY_PAYER: &str = "{ scope = 'tenant', source = 'parent', parent = 'org', backfill = 'batched',
    references.task_project_id_fkey = { scope = 'global', reason = 'who pays is not who plans' } }";
const BY_NOBODY: &str = "{ scope = 'tenant', source = 'system', backfill = 'batched',
    references.task_project_id_fkey = { scope = 'global', reason = 'tasks are for all' } }";

const FILL: &str = "backfill/public.task/backfill";
const FOLLOW: &str = "backfill/public.task/follow-owner";
const RECONCILE: &str = "backfill/public.task/reconcile";
const SETTLE: &str = "backfill/public.task/settle-filler";

const FOLLOWED: &str =
    "SELECT count(*) FROM pg_trigger WHERE tgname = '~tenantctl_fill_update' AND tgrelid = 'task'::regclass";
const STALE: &str = "SELECT count(*) FROM task AS t JOIN project AS p ON p.id = t.project_id
    WHERE t.tenant_id IS DISTINCT FROM p.org_id OR p.tenant_id IS DISTINCT FROM p.org_id";
/// Every row goes elsewhere, most of them behind the end that the table had before.
const MOVE_ALL: &str = "UPDATE task SET body = repeat('y', 300)";

/// Events after which nobody writes any more: with a move after each batch of one block the table would outgrow them.
const MOVES: usize = 100;

/// Batches of one block.
fn config(task: &str) -> Config {
    let text = format!(
        "tenants = {{ mode = 'adopt', table = 'org', id = 'bigserial' }}\nsystem_tenant = {{ name = 'System', slug = 'system' }}\n\
         backfill = {{ min_blocks = 1, max_blocks = 1, pause = '0s' }}\n[tables]\n\
         project = {{ scope = 'tenant', source = 'parent', parent = 'org' }}\ntask = {task}\n"
    );
    config::parse(&text, "tenantctl.toml").unwrap_or_else(|failure| panic!("{failure}"))
}

async fn tasks() -> Database<'static> {
    let database = crate::support::server().database().await;
    database.run(SCHEMA).await;
    database
}

/// Rows, filled or not, go to parents of others; others change without moving; a parent goes to another organization.
fn write(number: usize) -> String {
    format!(
        "UPDATE task SET project_id = 1 + (project_id + 3) % 50 WHERE id % 13 = {number} % 13;
         UPDATE task SET body = body || repeat('z', {number} % 40) WHERE id % 17 = {number} % 17;
         UPDATE project SET org_id = 1 + (org_id + 1) % 5 WHERE id = 1 + {number} % 50"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_move_while_their_table_is_filled_have_their_parents_owners_in_the_end() {
    let database = tasks().await;
    let seen = Mutex::new(Vec::new());
    let at = |what: &'static str, sql: &str| {
        let found = crate::support::now(database.number(sql));
        seen.lock().unwrap().push((what, found));
    };
    let run = Run::reacting(|number, event, _| match event {
        Event::BatchDone { id, .. } if id == FILL || id == "backfill/public.project/backfill" => {
            if number < MOVES {
                database.run_now(&write(number));
            }
            at("followed in the fill", FOLLOWED);
        }
        Event::StepStarted { id, .. } if id == FOLLOW => {
            database.run_now("UPDATE task SET tenant_id = NULL WHERE id = 7");
            at("stale", STALE);
        }
        Event::StepStarted { id, .. } if id == RECONCILE => at("followed", FOLLOWED),
        // The comparison has come to a first block; what is stale in others must not get away from it.
        Event::BatchDone { id, block: 1, .. } if id == RECONCILE => {
            at("stale in the comparison", STALE);
            database.run_now(MOVE_ALL);
        }
        _ => {}
    });
    let outcome = run.on(&database, &config(BY_PROJECT)).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    let seen = seen.into_inner().unwrap();
    let of = |what: &str| seen.iter().filter(|(about, _)| *about == what).map(|(_, found)| *found).collect::<Vec<_>>();
    assert!(of("followed in the fill").len() > 10, "{seen:?}");
    assert!(of("followed in the fill").iter().all(|found| *found == 0), "{seen:?}");
    assert_eq!(of("followed"), [1]);
    assert!(of("stale")[0] > 100, "nothing was stale: {seen:?}");
    assert!(of("stale in the comparison").iter().any(|found| *found > 100), "{seen:?}");
    assert_eq!(database.number(STALE).await, 0);
    assert_eq!(database.number(&format!("{FOLLOWED} AND tgnargs = 0 AND tgenabled = 'A'")).await, 1, "it has settled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_killed_around_the_fill_goes_on_and_leaves_no_owner_of_an_old_parent() {
    let config = config(BY_PROJECT);
    for place in [FILL, FOLLOW, RECONCILE, SETTLE] {
        for begins in [true, false] {
            let database = tasks().await;
            let is_here = |_, event: &Event| match event {
                Event::StepDone { id, .. } => !begins && id == place,
                _ => begins && starts(event, place),
            };
            assert!(stop_at(&database, &config, Stop::Crash, is_here).await, "{place}");
            for number in 0..9 {
                database.run(&write(number)).await;
            }
            assert!(Run::to_the_end().on(&database, &config).await.is_finished(), "{place}");
            assert_eq!(database.number(STALE).await, 0, "{place} {begins}");
            database.remove().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_one_owner_that_move_or_lose_it_while_they_are_filled_get_it_in_the_end() {
    let database = tasks().await;
    let run = Run::reacting(|number, event, _| match event {
        Event::BatchDone { id, .. } if id == FILL && number < MOVES => database.run_now(&write(number)),
        event if starts(event, FOLLOW) => {
            database.run_now(
                "UPDATE task SET tenant_id = NULL WHERE id % 10 = 7; UPDATE task SET tenant_id = 3 WHERE id = 8",
            );
        }
        _ => {}
    });
    let outcome = run.on(&database, &config(BY_NOBODY)).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    let system = "(SELECT id FROM org WHERE slug = 'system')";
    assert_eq!(database.number(&format!("SELECT count(*) FROM task WHERE tenant_id = {system}")).await, 1999);
    assert_eq!(database.number("SELECT tenant_id FROM task WHERE id = 8").await, 3, "what a writer names is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_planned_anew_with_another_source_follows_that_one() {
    let database = tasks().await;
    let backfilled = Run::to(Target::Phase(Phase::Backfill)).on(&database, &config(BY_PROJECT)).await;
    assert!(backfilled.done.is_ok(), "{:?}", backfilled.done);
    assert_eq!((database.number(FOLLOWED).await, database.number(STALE).await), (1, 0));
    let outcome = Run::replanned().on(&database, &config(BY_PAYER)).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    let wrong = "SELECT count(*) FROM task WHERE tenant_id IS DISTINCT FROM payer_id";
    assert_eq!(database.number(wrong).await, 0);
    database.run("UPDATE task SET payer_id = 4 WHERE id < 100").await;
    assert_eq!(database.number(wrong).await, 0, "a changed row follows its new source");
}
