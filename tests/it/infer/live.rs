//! Proposals for databases on a real server.

use tenantctl::catalog::Catalog;
use tenantctl::config;
use tenantctl::infer::{Choices, Proposal, infer};
use tenantctl::pg::{Access, Session};
use tenantctl::plan::resolve;
use tenantctl::report::proposal;
use tenantctl::sql::disagreement::disagreement;

use super::{qualified, resolved, said, verdict};
use crate::support::plan::ident;
use crate::support::{Database, server};

async fn read(database: &Database<'_>) -> (Session, Catalog) {
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let catalog = session.catalog(&session.schemas().await.unwrap()).await.unwrap();
    (session, catalog)
}

async fn proposal_for(database: &Database<'_>) -> Proposal {
    let (_, catalog) = read(database).await;
    infer(&catalog, &Choices::default())
}

/// The file that a person reviews; read it as one.
#[tokio::test]
async fn the_file_that_is_proposed_for_the_fixture() {
    let database = Database::saas25(2000).await;
    database.run("ANALYZE").await;
    let (_, catalog) = read(&database).await;
    let proposal = infer(&catalog, &Choices::default());
    resolved(&proposal, &catalog);
    insta::assert_snapshot!(proposal::file(&proposal, "shop"));
}

/// The fixture's own file was written by people; the proposal finds the same ways.
#[tokio::test]
async fn the_proposal_for_the_fixture_finds_the_ways_that_people_chose() {
    let database = Database::saas25(2000).await;
    let (_, catalog) = read(&database).await;
    let by_people = config::parse(&crate::support::fixture("tenantctl.org.toml"), "org.toml").unwrap();
    let by_people = resolve(&by_people, &catalog).unwrap();
    let ours = resolved(&infer(&catalog, &Choices::default()), &catalog);
    for table in &by_people.tables {
        assert_eq!(ours.get(&table.name).map(|ours| &ours.owner), Some(&table.owner), "{}", table.name);
    }
    assert_eq!(ours.shared, by_people.shared);
}

const TWO_WAYS: &str = r#"
CREATE TABLE "Orgs" ("Id" bigint PRIMARY KEY, code text NOT NULL UNIQUE, name text NOT NULL, slug text NOT NULL UNIQUE);
CREATE TABLE users (id bigint PRIMARY KEY);
CREATE TABLE "org users" (id bigint PRIMARY KEY, "Org Id" bigint NOT NULL REFERENCES "Orgs", user_id bigint NOT NULL REFERENCES users);
CREATE TABLE shops (id bigint PRIMARY KEY, org_code text REFERENCES "Orgs" (code));
CREATE TABLE "select" ("the ""key""" bigint PRIMARY KEY, "orgId" bigint NOT NULL REFERENCES "Orgs");
CREATE TABLE sales (id bigint PRIMARY KEY, shop_id bigint REFERENCES shops, "from" bigint NOT NULL REFERENCES "select");
INSERT INTO "Orgs" VALUES (1, 'one', 'One', 'one'), (2, 'two', 'Two', 'two');
INSERT INTO shops VALUES (1, 'one'), (2, 'two'), (3, NULL);
INSERT INTO "select" VALUES (1, 1), (2, 2);
-- 3 rows agree, 2 say different owners, 4 have an owner by only one of the ways.
INSERT INTO sales VALUES (1, 1, 1), (2, 2, 2), (3, 1, 1), (4, 1, 2), (5, 2, 1), (6, 3, 1), (7, 3, 2), (8, NULL, 1), (9, NULL, 2);"#;

#[tokio::test]
async fn the_rows_of_which_two_ways_say_different_owners_are_counted() {
    let database = server().database().await;
    database.run(TWO_WAYS).await;
    let (session, catalog) = read(&database).await;
    let proposal = infer(&catalog, &Choices::default());
    resolved(&proposal, &catalog);
    assert_eq!(said(&proposal, "sales"), "parent select");
    let ways = &verdict(&proposal, "sales").ways;
    let count = async |one: usize, other: usize| {
        let query = disagreement(&qualified("sales"), &ident("Id"), &ways[one], &ways[other]);
        let row = session.one(&query, &[]).await.unwrap();
        (row.get::<_, i64>("differ"), row.get::<_, i64>("only_the_other"), row.get::<_, i64>("only_the_chosen"))
    };
    assert_eq!(count(0, 1).await, (2, 0, 4));
    assert_eq!(count(1, 0).await, (2, 4, 0));
    assert_eq!(count(0, 0).await, (0, 0, 0));
    let file = proposal::file(&proposal, "shop");
    let asked = file.lines().find_map(|line| line.strip_prefix("#   SELECT ")).unwrap();
    let row = database.client("test").await.query_one(&format!("SELECT {asked}"), &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>("differ"), 2, "the text of the comment runs as it stands");
}

#[tokio::test]
async fn every_schema_of_users_is_read_and_none_of_the_systems() {
    let database = server().database().await;
    database
        .run(
            "CREATE TABLE a (id int); CREATE SCHEMA \"Odd one\"; CREATE TABLE \"Odd one\".b (id int);
            CREATE SCHEMA tenantctl; CREATE TABLE tenantctl.run (id int);
            CREATE SCHEMA empty; CREATE SCHEMA pgboss; CREATE TABLE pgboss.job (id int);
            CREATE SCHEMA views; CREATE VIEW views.v AS SELECT 1",
        )
        .await;
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let schemas = session.schemas().await.unwrap();
    assert_eq!(schemas, [ident("Odd one"), ident("pgboss"), ident("public")]);
    let proposal = proposal_for(&database).await;
    assert_eq!(proposal.schemas, [ident("public"), ident("Odd one"), ident("pgboss")]);
    assert_eq!(said(&proposal, "pgboss.job"), "ignored");
}
