//! A backfill in the order of a key, from its first row to its last, and on after a stop.

use tenantctl::commands::planning;
use tenantctl::config::{self, Config};
use tenantctl::event::Event;
use tenantctl::pg::{Access, Session};

use crate::recorder::{has_psql, printed, psql};
use crate::support::run::{Run, Stop, stop_at};
use crate::support::{Database, server};

const ROWS: i64 = 6_000;

/// Parents, and lines whose key is of four types, with names that need quotes; some lines have an owner by their filler.
const TABLES: &str = r#"
    CREATE TABLE parent (id bigint PRIMARY KEY, org_id bigint NOT NULL);
    CREATE TABLE org (id bigint PRIMARY KEY, name text NOT NULL, slug text NOT NULL UNIQUE);
    INSERT INTO org SELECT i, 'org ' || i, 'org-' || i FROM generate_series(1, 7) i;
    ALTER TABLE parent ADD FOREIGN KEY (org_id) REFERENCES org;
    INSERT INTO parent SELECT i, 1 + i % 7 FROM generate_series(1, 100) i;
    CREATE TABLE "Line ""x""" (
        "From" text, "Id" uuid, at timestamptz, n bigint, parent_id bigint NOT NULL REFERENCES parent, body text,
        PRIMARY KEY ("From", "Id", at, n));
    INSERT INTO "Line ""x""" SELECT CASE i % 3 WHEN 0 THEN '' WHEN 1 THEN 'se''cret, "{}\' ELSE 'sécret NULL' END,
        md5((i / 4)::text)::uuid, '2026-01-01 00:00:00.000001+02'::timestamptz + (i / 2) * interval '1.5 s', -i, 1 + i % 100,
        repeat('x', 150) FROM generate_series(1, 6000) i;"#;

const RIGHT: &str = r#"SELECT count(*) FROM "Line ""x""" AS l JOIN parent AS p ON p.id = l.parent_id JOIN tenants AS t
    ON t.org_id = p.org_id WHERE l.tenant_id = t.id"#;
const WRITTEN: &str = r#"SELECT count(*) FROM "Line ""x""" WHERE tenant_id IS NOT NULL"#;
const KEPT: &str = "SELECT count(*) FROM tenantctl.checkpoint WHERE last_key IS NOT NULL";

fn config(backfill: &str) -> Config {
    let text = format!(
        "[tenants.map]\ntable = 'org'\nkey = 'id'\nname = 'name'\nslug = 'slug'\n[backfill]\nbatch = '10s'\nmin_blocks = 1\n\
         max_blocks = 4\n[tables]\norg = {{ scope = 'ignored' }}\nparent = {{ scope = 'tenant', source = 'column', column = 'org_id' }}\n\
         '\"Line \"\"x\"\"\"' = {{ scope = 'tenant', source = 'parent', parent = 'parent', backfill = '{backfill}' }}\n"
    );
    config::parse(&text, "tenantctl.toml").unwrap_or_else(|failure| panic!("{failure}"))
}

async fn lines() -> Database<'static> {
    let database = server().database().await;
    database.run(TABLES).await;
    database.run("VACUUM ANALYZE").await;
    database
}

/// The step that fills the lines.
fn ours(id: &str) -> bool {
    id.contains("Line") && id.ends_with("/backfill")
}

fn batches(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::BatchDone { id, .. } if ours(id))).count()
}

fn written(events: &[Event]) -> u64 {
    let rows = events.iter().map(|event| match event {
        Event::BatchDone { id, rows, .. } if ours(id) => *rows,
        _ => 0,
    });
    rows.sum()
}

#[tokio::test]
async fn every_row_is_passed_once_by_a_key_of_several_columns_and_no_value_of_it_is_told() {
    let database = lines().await;
    let outcome = Run::to_the_end().on(&database, &config("keyset")).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert!(batches(&outcome.events) > 10, "{}", batches(&outcome.events));
    assert_eq!((written(&outcome.events), database.number(RIGHT).await), (ROWS as u64, ROWS));
    assert!(!format!("{:?}", outcome.events).contains("cret"));
    assert_eq!(database.number(KEPT).await, 0, "a key that is not needed any more is forgotten");
    let counted = "SELECT rows_written FROM tenantctl.checkpoint WHERE step_id LIKE '%Line%/backfill'";
    assert_eq!(database.number(counted).await, ROWS);
}

#[tokio::test]
async fn it_goes_on_after_the_last_key_that_was_kept() {
    let whole = batches(&Run::to_the_end().on(&lines().await, &config("keyset")).await.events);
    for stop in [Stop::Neat, Stop::Crash] {
        let database = lines().await;
        let here = |_, event: &Event| matches!(event, Event::BatchDone { id, rows_total, .. } if ours(id) && *rows_total > 3_000);
        assert!(stop_at(&database, &config("keyset"), stop, here).await);
        // A new file is no new table: keys stay what they are.
        database.run("VACUUM FULL \"Line \"\"x\"\"\"").await;
        let before = database.number(WRITTEN).await;
        assert!(3_000 < before && before < ROWS && database.number(KEPT).await == 1, "{before}");
        let outcome = Run::to_the_end().on(&database, &config("keyset")).await;
        assert!(outcome.is_finished(), "{:?}", outcome.done);
        assert_eq!((written(&outcome.events) as i64, database.number(RIGHT).await), (ROWS - before, ROWS), "{stop:?}");
        let again = batches(&outcome.events);
        assert!(again < whole * 3 / 4, "{again} of {whole}");
    }
}

#[tokio::test]
async fn rows_before_the_key_that_lost_their_owner_meanwhile_are_found_again() {
    let database = lines().await;
    let here =
        |_, event: &Event| matches!(event, Event::BatchDone { id, rows_total, .. } if ours(id) && *rows_total > 1_000);
    assert!(stop_at(&database, &config("keyset"), Stop::Neat, here).await);
    database.run("UPDATE \"Line \"\"x\"\"\" SET tenant_id = NULL").await;
    let outcome = Run::to_the_end().on(&database, &config("keyset")).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert_eq!(database.number(RIGHT).await, ROWS);
}

#[tokio::test]
async fn a_table_without_ranges_of_blocks_is_filled_by_its_key() {
    let database = server().database().await;
    database.run("CREATE ACCESS METHOD blockless TYPE TABLE HANDLER heap_tableam_handler").await;
    database
        .run(&TABLES.replace(
            "PRIMARY KEY (\"From\", \"Id\", at, n));",
            "PRIMARY KEY (\"From\", \"Id\", at, n)) USING blockless;",
        ))
        .await;
    let outcome = Run::to_the_end().on(&database, &config("auto")).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert_eq!(database.number(RIGHT).await, ROWS);
    let strategy = "SELECT count(*) FROM tenantctl.run AS r WHERE r.script::text LIKE '%its access method blockless%'";
    assert_eq!(database.number(strategy).await, 1);
}

#[tokio::test]
async fn psql_fills_it_by_itself_from_the_printed_script() {
    let database = lines().await;
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let script = planning::plan(&session, &config("keyset")).await.unwrap().script;
    if has_psql() {
        psql(&database, &printed(&script)).unwrap();
        assert_eq!(database.number(RIGHT).await, ROWS);
    }
}
