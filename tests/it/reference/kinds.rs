//! Every kind of foreign key, by the definition of the one that compares owners.

use tenantctl::plan::Kind;

use super::{RULES as RULES_OF_TENANTS, composite, is_settled, loaded, parsed, refused};
use crate::support::cli::Cli;
use crate::support::run::Run;
use crate::support::{Database, server};

const LONG: &str = "references_that_are_called_by_a_name_of_sixty_three_bytes_exact";

const SCHEMA: &str = r#"
CREATE TABLE country (id bigint PRIMARY KEY, capital bigint);
CREATE TABLE "user" (id bigint PRIMARY KEY, "Email" text UNIQUE, code int, part int, UNIQUE (code, part));
ALTER TABLE country ADD CONSTRAINT country_capital FOREIGN KEY (capital) REFERENCES "user";
CREATE TABLE "Session" (
    "select" bigint PRIMARY KEY,
    "userId" bigint REFERENCES "user",
    email text CONSTRAINT by_email REFERENCES "user" ("Email") ON UPDATE CASCADE,
    home bigint REFERENCES country,
    code int, part int,
    CONSTRAINT pair FOREIGN KEY (part, code) REFERENCES "user" (part, code),
    CONSTRAINT full_pair FOREIGN KEY (code, part) REFERENCES "user" (code, part) MATCH FULL ON DELETE CASCADE,
    later bigint CONSTRAINT later REFERENCES "user" DEFERRABLE INITIALLY DEFERRED,
    sooner bigint CONSTRAINT sooner REFERENCES "user" DEFERRABLE,
    long bigint CONSTRAINT LONG REFERENCES "user",
    twin bigint CONSTRAINT twin_1 REFERENCES "user" CONSTRAINT twin_2 REFERENCES "user" ON DELETE CASCADE
);
CREATE TABLE node (id bigint PRIMARY KEY, parent bigint REFERENCES node ON DELETE CASCADE, node_fkey bigint CONSTRAINT node_fkey REFERENCES node);
CREATE TABLE hen (id bigint PRIMARY KEY, egg bigint);
CREATE TABLE egg (id bigint PRIMARY KEY, hen bigint REFERENCES hen);
ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg;
CREATE TABLE top (id bigint PRIMARY KEY);
CREATE TABLE a_left (id bigint PRIMARY KEY, top_id bigint NOT NULL REFERENCES top);
CREATE TABLE a_right (id bigint PRIMARY KEY, top_id bigint NOT NULL REFERENCES top);
CREATE TABLE bottom (id bigint PRIMARY KEY, left_id bigint NOT NULL REFERENCES a_left, right_id bigint NOT NULL REFERENCES a_right);
CREATE TABLE outside (id bigint PRIMARY KEY, "user" bigint REFERENCES "user");

INSERT INTO "user" VALUES (1, 'a', 1, 1), (2, 'b', 2, 2);
INSERT INTO country VALUES (1, 1);
INSERT INTO "Session" VALUES (1, 1, 'a', 1, 1, 1, 1, 1, 1, 1); INSERT INTO "Session" VALUES (2);
INSERT INTO node VALUES (1, NULL, 1), (2, 1, 1);
INSERT INTO hen VALUES (1, NULL); INSERT INTO egg VALUES (1, 1); UPDATE hen SET egg = 1;
INSERT INTO top VALUES (1); INSERT INTO a_left VALUES (1, 1); INSERT INTO a_right VALUES (1, 1); INSERT INTO bottom VALUES (1, 1, 1);
"#;

const RULES: &str = "country = { scope = \"shared\" }\noutside = { scope = \"ignored\" }\n'\"user\"' = { scope = \"tenant\", unique = { \
    user_Email_key = { scope = \"global\", reason = \"mail addresses are people's\" }, \
    user_code_part_key = { scope = \"global\", reason = \"codes are everybody's\" } } }\nSession = { scope = \"tenant\" }\n\
node = { scope = \"tenant\" }\nhen = { scope = \"tenant\" }\negg = { scope = \"tenant\", source = \"parent\", parent = \"hen\" }\n\
top = { scope = \"tenant\" }\na_left = { scope = \"tenant\", source = \"parent\", parent = \"top\" }\n\
a_right = { scope = \"tenant\", source = \"parent\", parent = \"top\" }\n\
bottom = { scope = \"tenant\", source = \"parent\", parent = \"a_left\" }\n";

#[tokio::test]
async fn each_key_gets_one_beside_it_that_leads_to_the_same_rows_of_the_same_tenant() {
    let database = loaded(&SCHEMA.replace("LONG", LONG)).await;
    let outcome = Run::to_the_end().on(&database, &parsed(RULES)).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    let deferred = "DEFERRABLE INITIALLY DEFERRED";
    let expected = [
        format!(
            "\"Session\".Session_tenant_id_userId_fkey FOREIGN KEY (tenant_id, \"userId\") REFERENCES \"user\"(tenant_id, id) {deferred}"
        ),
        format!(
            "\"Session\".by_email_tenant_id FOREIGN KEY (tenant_id, email) REFERENCES \"user\"(tenant_id, \"Email\") {deferred}"
        ),
        // It refuses no row that names only a part: the old key does, and goes on to.
        format!(
            "\"Session\".full_pair_tenant_id FOREIGN KEY (tenant_id, code, part) REFERENCES \"user\"(tenant_id, code, part) ON DELETE CASCADE {deferred}"
        ),
        format!(
            "\"Session\".later_tenant_id FOREIGN KEY (tenant_id, later) REFERENCES \"user\"(tenant_id, id) {deferred}"
        ),
        format!(
            "\"Session\".{} FOREIGN KEY (tenant_id, long) REFERENCES \"user\"(tenant_id, id) {deferred}",
            shortened(&database).await
        ),
        format!(
            "\"Session\".pair_tenant_id FOREIGN KEY (tenant_id, part, code) REFERENCES \"user\"(tenant_id, part, code) {deferred}"
        ),
        format!(
            "\"Session\".sooner_tenant_id FOREIGN KEY (tenant_id, sooner) REFERENCES \"user\"(tenant_id, id) {deferred}"
        ),
        // Two keys that say the same need one.
        format!(
            "\"Session\".twin_1_tenant_id FOREIGN KEY (tenant_id, twin) REFERENCES \"user\"(tenant_id, id) {deferred}"
        ),
        format!(
            "a_left.a_left_tenant_id_top_id_fkey FOREIGN KEY (tenant_id, top_id) REFERENCES top(tenant_id, id) {deferred}"
        ),
        format!(
            "a_right.a_right_tenant_id_top_id_fkey FOREIGN KEY (tenant_id, top_id) REFERENCES top(tenant_id, id) {deferred}"
        ),
        format!(
            "bottom.bottom_tenant_id_left_id_fkey FOREIGN KEY (tenant_id, left_id) REFERENCES a_left(tenant_id, id) {deferred}"
        ),
        format!(
            "bottom.bottom_tenant_id_right_id_fkey FOREIGN KEY (tenant_id, right_id) REFERENCES a_right(tenant_id, id) {deferred}"
        ),
        format!("egg.egg_tenant_id_hen_fkey FOREIGN KEY (tenant_id, hen) REFERENCES hen(tenant_id, id) {deferred}"),
        format!("hen.hen_tenant_id_egg_fkey FOREIGN KEY (tenant_id, egg) REFERENCES egg(tenant_id, id) {deferred}"),
        format!(
            "node.node_tenant_id_fkey_2 FOREIGN KEY (tenant_id, node_fkey) REFERENCES node(tenant_id, id) {deferred}"
        ),
        format!(
            "node.node_tenant_id_parent_fkey FOREIGN KEY (tenant_id, parent) REFERENCES node(tenant_id, id) ON DELETE CASCADE {deferred}"
        ),
    ];
    let mut expected = expected.to_vec();
    expected.sort();
    let mut found = composite(&database).await;
    found.sort();
    assert_eq!(found, expected);
    is_settled(&database, RULES);
}

/// The name of the key beside the one whose name leaves no room.
async fn shortened(database: &Database<'_>) -> String {
    let client = database.client("test").await;
    let name: String = client
        .query_one(
            "SELECT conname::text FROM pg_constraint WHERE conname LIKE 'references%' AND cardinality(conkey) = 2",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert!(name.len() <= 63 && name != LONG, "{name}");
    name
}

#[tokio::test]
async fn a_list_of_columns_that_are_set_to_null_is_kept_from_15_on() {
    if server().major() < 15 {
        return;
    }
    let database = loaded(
        "CREATE TABLE p (a bigint, b bigint, PRIMARY KEY (a, b)); INSERT INTO p VALUES (1, 1);
         CREATE TABLE c (id bigint PRIMARY KEY, a bigint NOT NULL, b bigint, CONSTRAINT listed FOREIGN KEY (a, b) REFERENCES p ON DELETE SET NULL (b));
         INSERT INTO c VALUES (1, 1, 1)",
    )
    .await;
    let rules = "p = { scope = \"tenant\" }\nc = { scope = \"tenant\" }\n";
    assert!(Run::to_the_end().on(&database, &parsed(rules)).await.is_finished());
    assert_eq!(
        composite(&database).await,
        [
            "c.listed_tenant_id FOREIGN KEY (tenant_id, a, b) REFERENCES p(tenant_id, a, b) ON DELETE SET NULL (b) DEFERRABLE INITIALLY DEFERRED"
        ]
    );
    database.run("DELETE FROM p").await;
    assert_eq!(database.number("SELECT count(*) FROM c WHERE (tenant_id, a) = (1, 1) AND b IS NULL").await, 1);
    is_settled(&database, rules);
}

#[tokio::test]
async fn a_key_that_was_never_proven_stays_so_with_the_owner_in_it() {
    let database = loaded(
        "CREATE TABLE p (id bigint PRIMARY KEY); CREATE TABLE c (id bigint PRIMARY KEY, p bigint);
         INSERT INTO c VALUES (1, 7); ALTER TABLE c ADD CONSTRAINT c_p_fkey FOREIGN KEY (p) REFERENCES p NOT VALID",
    )
    .await;
    let rules = "p = { scope = \"tenant\" }\nc = { scope = \"tenant\" }\n";
    assert!(Run::to_the_end().on(&database, &parsed(rules)).await.is_finished());
    assert_eq!(
        composite(&database).await,
        [
            "c.c_tenant_id_p_fkey FOREIGN KEY (tenant_id, p) REFERENCES p(tenant_id, id) DEFERRABLE INITIALLY DEFERRED NOT VALID"
        ]
    );
    let client = database.client("application").await;
    database.run("INSERT INTO p (id, tenant_id) VALUES (8, 2)").await;
    assert_eq!(refused(&client, "INSERT INTO c (id, p) VALUES (2, 8)").await.1, "c_tenant_id_p_fkey");
    let again = Run::to_the_end().on(&database, &parsed(rules)).await;
    assert!(again.is_finished() && again.events.is_empty(), "{:?}", again.events);
}

#[tokio::test]
async fn keys_that_cannot_compare_owners_are_left_alone_and_named() {
    let newest = "CREATE EXTENSION btree_gist;
         CREATE TABLE era (id bigint, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
         CREATE TABLE event (id bigint PRIMARY KEY, era bigint, during daterange, CONSTRAINT in_era FOREIGN KEY (era, PERIOD during) REFERENCES era,
             lax bigint CONSTRAINT lax REFERENCES p NOT ENFORCED);";
    let is_newest = server().major() >= 18;
    let database = loaded(&format!(
        "CREATE TABLE p (id bigint PRIMARY KEY); CREATE TABLE off (id bigint PRIMARY KEY, p bigint CONSTRAINT off REFERENCES p);
         ALTER TABLE off DISABLE TRIGGER ALL; {}",
        if is_newest { newest } else { "" }
    ))
    .await;
    let mut rules = "p = { scope = \"tenant\" }\noff = { scope = \"tenant\" }\n".to_owned();
    if is_newest {
        rules += "era = { scope = \"tenant\" }\nevent = { scope = \"tenant\" }\n";
    }
    let session = tenantctl::pg::Session::open(&database.settings(), tenantctl::pg::Access::Read).await.unwrap();
    let script = tenantctl::commands::planning::plan(&session, &parsed(&rules)).await.unwrap().script;
    let named = script.notices.iter().filter(|notice| notice.kind == Kind::ReferenceUncompared);
    let named: Vec<&str> = named.map(|notice| notice.text.as_str()).collect();
    let mut expected = vec!["off may lead to another tenant's row: its triggers are disabled"];
    if is_newest {
        expected.insert(0, "lax may lead to another tenant's row: it is NOT ENFORCED");
        expected.insert(0, "in_era may lead to another tenant's row: it compares periods (PERIOD)");
    }
    assert_eq!(named, expected);
    assert!(Run::to_the_end().on(&database, &parsed(&rules)).await.is_finished());
    assert_eq!(composite(&database).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_key_that_is_dropped_later_is_a_loss_and_made_again() {
    let database = loaded(
        "CREATE TABLE p (id bigint PRIMARY KEY); CREATE TABLE c (id bigint PRIMARY KEY, p bigint REFERENCES p, q bigint);
         INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1, 1)",
    )
    .await;
    let rules = "p = { scope = \"tenant\" }\nc = { scope = \"tenant\" }\n";
    let cli = Cli::to(&database.url()).config(&format!("{RULES_OF_TENANTS}{rules}"));
    cli.run("migrate --yes").exits(0);
    is_settled(&database, rules);
    database.run("ALTER TABLE c DROP CONSTRAINT c_tenant_id_p_fkey").await;
    let lost = cli.run("diff").exits(1);
    assert!(lost.stdout.contains("public.c: no foreign key beside c_p_fkey compares the owners"), "{lost:?}");
    // And a deploy makes a reference that nobody knows yet.
    database.run("ALTER TABLE c ADD FOREIGN KEY (q) REFERENCES p").await;
    let found = cli.run("verify").exits(1).stdout;
    assert_eq!(found.matches("xref-fk-unscoped").count(), 2, "{found}");
    cli.run("migrate --yes").exits(0);
    assert_eq!(composite(&database).await.len(), 2);
    is_settled(&database, rules);
}
