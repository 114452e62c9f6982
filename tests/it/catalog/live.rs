//! Beside other sessions' locks, and with many tables.

use tenantctl::error::Code;
use tenantctl::pg::introspect::introspect;

use super::{catalog, idents, names, server_with, table};

#[tokio::test]
async fn a_table_that_another_session_holds_exclusively_is_read_without_waiting() {
    let (server, client) = server_with(
        "CREATE TABLE held (id serial PRIMARY KEY, a int DEFAULT 7, b int GENERATED ALWAYS AS (a * 2) STORED, CHECK (a > 0));
         CREATE TABLE free (a int, b int GENERATED ALWAYS AS (a * 2) STORED, CHECK (a > 0)); CREATE VIEW v AS TABLE held",
    )
    .await;
    let holder = server.connect("postgres", "holder").await;
    let before = catalog(&client, &["public"]).await;
    holder.batch_execute("BEGIN; LOCK TABLE held, v IN ACCESS EXCLUSIVE MODE").await.unwrap();
    client.batch_execute("SET lock_timeout = '1ms'; SET statement_timeout = '10s'").await.unwrap();
    let during = catalog(&client, &["public"]).await;
    holder.batch_execute("ROLLBACK").await.unwrap();

    // Only its size and what PostgreSQL cannot print without opening the table are missing.
    let mut expected = before.clone();
    let held = expected.tables.values_mut().find(|held| held.columns.len() == 3).unwrap();
    assert_eq!(held.rows.take(), Some(0));
    assert_eq!(held.columns[2].default.take().as_deref(), Some("(a * 2)"));
    let check = held.checks.iter_mut().find(|check| check.name.as_str() == "held_a_check").unwrap();
    assert_eq!(check.definition.take().as_deref(), Some("CHECK ((a > 0))"));
    assert_eq!(held.indexes[0].definition.take().map(|definition| definition.tail).as_deref(), Some("id)"));
    assert_eq!(during, expected);
    assert_eq!(catalog(&client, &["public"]).await, before);
}

#[tokio::test]
async fn a_session_that_queues_for_a_table_does_not_make_us_queue_behind_it() {
    let (server, client) = server_with("CREATE TABLE t (a int, CHECK (a > 0))").await;
    let reader = server.connect("postgres", "reader").await;
    reader.batch_execute("BEGIN; SELECT FROM t").await.unwrap();
    let writer = server.connect("postgres", "writer").await;
    let queued =
        tokio::spawn(async move { writer.batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await });
    let waiting = "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP END LOOP; END $$";
    client.batch_execute(&format!("SET statement_timeout = '10s'; {waiting}")).await.unwrap();
    let catalog = catalog(&client, &["public"]).await;
    assert_eq!(table(&catalog, "public", "t").checks[0].definition, None);
    assert!(!queued.is_finished(), "it still waits for the reader");
    reader.batch_execute("ROLLBACK").await.unwrap();
    queued.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_locked_catalog_fails_soon_and_leaves_the_connection_usable() {
    let (server, client) = server_with("CREATE TABLE t (id int)").await;
    let holder = server.connect("postgres", "holder").await;
    holder.batch_execute("BEGIN; LOCK TABLE pg_catalog.pg_trigger IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let failure = introspect(&client, &idents(&["public"])).await.unwrap_err();
    assert_eq!(failure.code, Code::LockNotAcquired);
    holder.batch_execute("ROLLBACK").await.unwrap();
    client.batch_execute("VACUUM t").await.expect("no transaction is left open");
    assert_eq!(names(&catalog(&client, &["public"]).await), ["public.t"]);
}

#[tokio::test]
async fn three_hundred_tables_take_as_many_statements_as_three() {
    let (server, _client) = server_with(
        "DO $$ BEGIN
             FOR i IN 1..300 LOOP
                 EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', CASE WHEN i <= 3 THEN 'few' ELSE 'many' END);
                 EXECUTE format('CREATE TABLE %I.t%s (id serial PRIMARY KEY, a int CHECK (a > 0), b int REFERENCES few.t1)',
                     CASE WHEN i <= 3 THEN 'few' ELSE 'many' END, i);
             END LOOP;
         END $$",
    )
    .await;
    let mut counts = Vec::new();
    for (schemas, application) in [(&["few"][..], "small"), (&["few", "many"], "large")] {
        let session = server.connect("postgres", application).await;
        session.batch_execute("SET log_statement = 'all'").await.unwrap();
        let found = catalog(&session, schemas).await.tables.len();
        let log = server.log();
        let statements = log.lines().filter(|line| {
            let said = line.strip_prefix(application).and_then(|rest| rest.strip_prefix("|LOG:  "));
            said.is_some_and(|said| said.starts_with("statement: ") || said.starts_with("execute "))
        });
        counts.push((found, statements.count()));
    }
    let [(3, few), (300, many)] = counts[..] else { panic!("{counts:?}") };
    assert_eq!(few, many);
    assert!((10..=20).contains(&few), "{few} statements");
}
