//! One tenant for each row of an existing table, and what becomes of it when that table's rows come, change and go.

use tenantctl::config::{self, Config};
use tenantctl::execute::Target;
use tenantctl::plan::Phase;

use super::{blockers, convert, owners};
use crate::support::{Database, server};

const SCHEMA: &str = r#"
CREATE TABLE "Firm" ("Key" text PRIMARY KEY, name text, slug text);
CREATE TABLE item (id bigint PRIMARY KEY, firm text REFERENCES "Firm" ("Key") ON UPDATE CASCADE);
INSERT INTO "Firm" VALUES ('a', 'Firm A', 'firm-a'), ('b', 'Firm B', 'firm-b');
INSERT INTO item VALUES (1, 'a'), (2, 'b')"#;

/// The firms are mapped to tenants of that style, and are tenant-scoped themselves.
fn config(id: &str) -> Config {
    let text = format!(
        r#"
tenants = {{ table = "Tenant", id = "{id}", map = {{ table = "Firm", key = "Key" }} }}
[tables]
Firm = {{ scope = "tenant", source = "column", column = "Key" }}
item = {{ scope = "tenant", source = "parent", parent = "Firm", unowned = "system" }}
"#
    );
    config::parse(&text, "t.toml").unwrap()
}

async fn firms() -> Database<'static> {
    let database = server().database().await;
    database.run(SCHEMA).await;
    database
}

/// Every tenant but the System Tenant: key, slug, name.
async fn tenants(database: &Database<'_>) -> String {
    let text = r#"SELECT string_agg(concat_ws(' ', coalesce("Firm_Key", '-'), slug, '"' || name || '"'), ', ' ORDER BY slug)
                  FROM "Tenant" WHERE slug <> 'system'"#;
    database.client("test").await.query_one(text, &[]).await.unwrap().get(0)
}

const UNLIKE: &str = r#"SELECT count(*) FROM "Firm" AS f LEFT JOIN "Tenant" AS t ON t."Firm_Key" = f."Key"
                        WHERE f.tenant_id IS DISTINCT FROM t.id OR t.id IS NULL"#;

#[tokio::test]
async fn each_row_gets_a_tenant_whatever_the_tenants_ids_look_like() {
    for id in ["bigserial", "uuid", "text"] {
        let database = firms().await;
        convert(&database, &config(id), Target::End).await.unwrap();
        database.run("INSERT INTO \"Firm\" VALUES ('c', 'Firm C', 'firm-c'); INSERT INTO item VALUES (3, 'c')").await;
        assert_eq!(tenants(&database).await, "a firm-a \"Firm A\", b firm-b \"Firm B\", c firm-c \"Firm C\"", "{id}");
        assert_eq!(database.number(UNLIKE).await, 0, "{id}");
        let lost =
            "SELECT count(*) FROM item AS i JOIN \"Firm\" AS f ON f.\"Key\" = i.firm WHERE f.tenant_id <> i.tenant_id";
        assert_eq!(database.number(lost).await, 0, "{id}");
    }
}

#[tokio::test]
async fn a_row_comes_whatever_its_name_and_slug_are() {
    let database = firms().await;
    convert(&database, &config("bigserial"), Target::End).await.unwrap();
    database
        .run(
            r#"INSERT INTO "Firm" VALUES ('c', NULL, NULL), ('d', 'D', 'firm-a'), ('e', NULL, 'system'), ('f', 'F', 'd');
               INSERT INTO "Firm" VALUES ('g', 'G', 'system'), ('a', 'again', 'x') ON CONFLICT DO NOTHING"#,
        )
        .await;
    let expected = "a firm-a \"Firm A\", b firm-b \"Firm B\", c c \"c\", d firm-a-d \"D\", e system-e \"system\", \
                    f d \"F\", g system-g \"G\"";
    let mut found: Vec<String> = tenants(&database).await.split(", ").map(str::to_owned).collect();
    found.sort();
    assert_eq!(found.join(", "), expected);
    assert_eq!(database.number(UNLIKE).await, 0);
}

#[tokio::test]
async fn a_statement_that_adds_a_row_and_its_child_at_once_gives_both_their_owner() {
    let database = firms().await;
    convert(&database, &config("bigserial"), Target::End).await.unwrap();
    let both = "WITH firm AS (INSERT INTO \"Firm\" VALUES ('c', 'C', 'c') RETURNING \"Key\")
                INSERT INTO item SELECT 3, \"Key\" FROM firm";
    database.run(both).await;
    let same = "SELECT count(*) FROM item AS i JOIN \"Firm\" AS f ON f.\"Key\" = i.firm AND f.tenant_id = i.tenant_id WHERE i.id = 3";
    assert_eq!((database.number(same).await, database.number(UNLIKE).await), (1, 0));
}

#[tokio::test]
async fn a_tenant_follows_its_rows_key_and_outlives_the_row() {
    let database = firms().await;
    convert(&database, &config("bigserial"), Target::End).await.unwrap();
    let before = owners(&database, "item").await;
    database.run("UPDATE \"Firm\" SET \"Key\" = 'z', name = 'Renamed' WHERE \"Key\" = 'a'").await;
    assert_eq!(tenants(&database).await, "z firm-a \"Firm A\", b firm-b \"Firm B\"");
    assert_eq!((owners(&database, "item").await, database.number(UNLIKE).await), (before, 0));
    database.run("DELETE FROM item WHERE firm = 'b'; DELETE FROM \"Firm\" WHERE \"Key\" = 'b'").await;
    database.run("TRUNCATE item, \"Firm\"").await;
    assert_eq!(tenants(&database).await, "z firm-a \"Firm A\", b firm-b \"Firm B\"");
    database.run("INSERT INTO \"Firm\" VALUES ('b', 'Back', 'firm-b')").await;
    assert_eq!(database.number(UNLIKE).await, 0, "the row that is back has its tenant again");
}

#[tokio::test]
async fn rows_that_no_tenant_can_be_made_of_are_counted_before_anything_runs() {
    let database = firms().await;
    database
        .run(
            "INSERT INTO \"Firm\" VALUES ('c', NULL, 'c'), ('d', 'D', NULL), ('e', 'E', NULL), ('f', 'F', 'firm-a'),
             ('g', 'G', 'system')",
        )
        .await;
    assert_eq!(
        blockers(&database, &config("uuid")).await,
        [
            "public.Firm: 1 rows have no name, which a tenant needs",
            "public.Firm: 2 rows have no slug, which a tenant needs",
            "public.Firm: 2 rows have a slug that another row or tenant has too",
            "public.Firm: 1 rows have the slug of the System Tenant, \"system\"",
        ]
    );
}

/// In batches, of which some are already done.
#[tokio::test]
async fn rows_that_come_while_tenants_are_made_get_theirs_too() {
    let database = firms().await;
    database.run("INSERT INTO \"Firm\" SELECT 'f' || i, 'F', 'f' || i FROM generate_series(1, 5000) AS i").await;
    let mut config = config("text");
    (config.backfill.min_blocks, config.backfill.max_blocks) = (1, 1);
    convert(&database, &config, Target::Phase(Phase::Prepare)).await.unwrap();
    database.run("INSERT INTO \"Firm\" VALUES ('new', 'New', 'new')").await;
    assert_eq!(database.number("SELECT count(*) FROM \"Tenant\"").await, 5004);
    convert(&database, &config, Target::End).await.unwrap();
    assert_eq!(database.number(UNLIKE).await, 0);
    assert_eq!(database.number("SELECT count(*) FROM \"Tenant\" WHERE id NOT LIKE 'ten\\_%'").await, 0);
}
