//! The build beside writers, and what a broken one leaves behind.

use tenantctl::error::Code;

use super::{config, uniques, with};
use crate::support::now;
use crate::support::run::{Run, starts};

const USERS: &str = "CREATE TABLE users (id bigint PRIMARY KEY, email text UNIQUE); INSERT INTO users VALUES (1, 'a')";
const RULES: &str = "[tables.users]\nscope = \"tenant\"\nunique.users_email_key = \"scoped\"";
const BUILD: &str = "enforce/public.users/build-key/users_tenant_id_email_key";
const BUILDS: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
    AND query LIKE 'CREATE UNIQUE INDEX CONC%' AND datname = current_database()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_index_of_a_broken_build_is_dropped_and_built_again() {
    let (database, config) = (with(USERS).await, config(RULES));
    let writer = database.client("writer").await;
    let hold = "BEGIN; LOCK TABLE users IN ROW EXCLUSIVE MODE";
    let run = Run::doing_at(|event| starts(event, BUILD), || now(async { writer.batch_execute(hold).await.unwrap() }));
    let break_it = async {
        database.until(BUILDS).await;
        let ending = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE application_name = 'tenantctl' AND datname = current_database()";
        database.run(ending).await;
    };
    let (stopped, ()) = tokio::join!(run.on(&database, &config), break_it);
    assert_eq!(stopped.code(), Some(Code::ConnectionLost), "{:?}", stopped.done);
    writer.batch_execute("COMMIT").await.unwrap();
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(database.number(invalid).await, 1);
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    assert_eq!(database.number(invalid).await, 0);
    let made = "users_tenant_id_email_key: btree (tenant_id, email) = UNIQUE (tenant_id, email)";
    assert!(uniques(&database).await.iter().any(|key| key == made));
}

/// The old key is the stricter one: what it refuses never reaches the new one, so no build fails for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_that_comes_during_the_build_is_refused_by_the_old_key_and_the_build_goes_on() {
    let (database, config) = (with(USERS).await, config(RULES));
    let (writer, rival) = (database.client("writer").await, database.client("rival").await);
    let hold = "BEGIN; INSERT INTO users VALUES (2, 'b')";
    let run = Run::doing_at(|event| starts(event, BUILD), || now(async { writer.batch_execute(hold).await.unwrap() }));
    let write = async {
        database.until(BUILDS).await;
        let sent = rival.batch_execute("INSERT INTO users VALUES (3, 'b')");
        let end = async {
            database.until("SELECT count(*) - 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()").await;
            writer.batch_execute("COMMIT").await.unwrap();
        };
        let (refused, ()) = tokio::join!(sent, end);
        refused.unwrap_err()
    };
    let (outcome, refused) = tokio::join!(run.on(&database, &config), write);
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    assert_eq!(refused.as_db_error().unwrap().constraint(), Some("users_email_key"));
    assert_eq!(database.number("SELECT count(*) FROM users WHERE tenant_id = 1").await, 2);
}

/// An old application that swaps values of a key that is checked late goes on once the run is over.
#[tokio::test]
async fn rows_of_a_deferrable_key_may_swap_their_values_after_the_run() {
    let database = with(
        "CREATE TABLE steps (id int PRIMARY KEY, place int UNIQUE DEFERRABLE); INSERT INTO steps VALUES (1, 1), (2, 2)",
    )
    .await;
    let config = config("[tables.steps]\nscope = \"tenant\"\nunique.steps_place_key = \"scoped\"");
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    database.run("UPDATE steps SET place = 3 - place").await;
    assert_eq!(database.number("SELECT place::bigint FROM steps WHERE id = 1").await, 2);
}

#[tokio::test]
async fn a_table_whose_key_finds_a_tenants_rows_gets_no_index_besides() {
    let database = with(
        "CREATE TABLE users (id int, email text UNIQUE); CREATE TABLE notes (id int, text text);
         CREATE UNIQUE INDEX ON notes (text) WHERE id > 1",
    )
    .await;
    let config = config(
        "[tables.users]\nscope = \"tenant\"\nunique.users_email_key = \"scoped\"\n[tables.notes]\nscope = \"tenant\"\nunique.notes_text_idx = \"scoped\"",
    );
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    let leading = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE '%(tenant_id)'";
    assert_eq!(database.number(leading).await, 1, "the partial one does not find all rows");
}
