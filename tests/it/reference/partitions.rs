//! Partitioned tables at either end of a reference.

use super::locks::compare;
use super::{composite, is_settled, loaded, parsed, refused};
use crate::support::Database;
use crate::support::run::{Run, Stop, is_progress, stop_at};

/// Parents and children: plain, and in trees of two levels.
const SCHEMA: &str = "
CREATE TABLE top (id bigint PRIMARY KEY);
CREATE TABLE up (id bigint, k int, top bigint REFERENCES top, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE up_1 PARTITION OF up FOR VALUES IN (1);
CREATE TABLE up_rest PARTITION OF up DEFAULT PARTITION BY HASH (id);
CREATE TABLE up_rest_0 PARTITION OF up_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE up_rest_1 PARTITION OF up_rest FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE plain (id bigint PRIMARY KEY, up bigint, k int, FOREIGN KEY (up, k) REFERENCES up ON DELETE CASCADE);
CREATE TABLE down (id bigint, up bigint, k int, top bigint, CONSTRAINT down_up FOREIGN KEY (up, k) REFERENCES up,
    CONSTRAINT down_top FOREIGN KEY (top) REFERENCES top ON DELETE CASCADE) PARTITION BY RANGE (id);
CREATE TABLE down_low (gone text, top bigint, k int, up bigint, id bigint);
ALTER TABLE down_low DROP COLUMN gone;
ALTER TABLE down ATTACH PARTITION down_low FOR VALUES FROM (0) TO (100);
CREATE TABLE down_high PARTITION OF down FOR VALUES FROM (100) TO (1000) PARTITION BY LIST (k);
CREATE TABLE down_high_1 PARTITION OF down_high FOR VALUES IN (1);
CREATE TABLE down_high_rest PARTITION OF down_high DEFAULT;
INSERT INTO top SELECT i FROM generate_series(1, 5) AS i;
INSERT INTO up SELECT i, i % 3, 1 + i % 5 FROM generate_series(1, 30) AS i;
INSERT INTO plain SELECT i, i, i % 3 FROM generate_series(1, 30) AS i;
INSERT INTO down SELECT i * 9, 1 + i % 30, (1 + i % 30) % 3, 1 + i % 5 FROM generate_series(1, 100) AS i;
";

const TABLES: &str = "top = { scope = \"tenant\" }\nup = { scope = \"tenant\" }\nplain = { scope = \"tenant\" }\ndown = { scope = \"tenant\" }\n";

const KEYS: [&str; 4] = [
    "down.down_tenant_id_top FOREIGN KEY (tenant_id, top) REFERENCES top(tenant_id, id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
    "down.down_tenant_id_up FOREIGN KEY (tenant_id, up, k) REFERENCES up(tenant_id, id, k) DEFERRABLE INITIALLY DEFERRED",
    "plain.plain_tenant_id_up_k_fkey FOREIGN KEY (tenant_id, up, k) REFERENCES up(tenant_id, id, k) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
    "up.up_tenant_id_top_fkey FOREIGN KEY (tenant_id, top) REFERENCES top(tenant_id, id) DEFERRABLE INITIALLY DEFERRED",
];

/// Every key is there, everywhere, and every one of them holds.
async fn holds(database: &Database<'_>) {
    assert_eq!(composite(database).await, KEYS);
    let loose = "SELECT count(*) FROM pg_class AS c CROSS JOIN (VALUES ('down_tenant_id_top'), ('down_tenant_id_up')) AS n (name)
        WHERE c.relname LIKE 'down\\_%' AND c.relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_constraint AS k
            WHERE k.conrelid = c.oid AND k.conname = n.name AND k.conparentid <> 0 AND k.convalidated)";
    assert_eq!(database.number(loose).await, 0, "parts without their part of the root's key");
    assert_eq!(database.number("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, 0);
    let client = database.client("application").await;
    database.run("INSERT INTO top (id, tenant_id) VALUES (50, 2); INSERT INTO up (id, k, tenant_id) VALUES (50, 1, 2), (51, 2, 2)").await;
    // A partition that came later has them, too.
    database.run("CREATE TABLE down_new PARTITION OF down FOR VALUES FROM (1000) TO (2000)").await;
    for (write, key) in [
        ("INSERT INTO plain (id, up, k) VALUES (99, 50, 1)", "plain_tenant_id_up_k_fkey"),
        ("UPDATE plain SET up = 51, k = 2 WHERE id = 1", "plain_tenant_id_up_k_fkey"),
        ("UPDATE down SET up = 50, k = 1 WHERE id = 9", "down_tenant_id_up"),
        ("UPDATE down SET top = 50 WHERE id = 900", "down_tenant_id_top"),
        ("INSERT INTO down (id, top) VALUES (1500, 50)", "down_tenant_id_top"),
        ("INSERT INTO down_new (id, up, k) VALUES (1500, 51, 2)", "down_tenant_id_up"),
        ("UPDATE up SET top = 50 WHERE id = 3", "up_tenant_id_top_fkey"),
    ] {
        assert_eq!(refused(&client, write).await, ("23503".to_owned(), key.to_owned()), "{write}");
    }
    // From the other end, the key goes by the names of its parts.
    for write in ["UPDATE up SET tenant_id = 2 WHERE id = 3", "UPDATE top SET tenant_id = 2 WHERE id = 1"] {
        assert_eq!(refused(&client, write).await.0, "23503", "{write}");
    }
    assert_eq!(refused(&client, "DELETE FROM up WHERE id = 3").await.0, "23503");
    database.run("DELETE FROM top WHERE id = 50; DELETE FROM up WHERE id IN (50, 51); DROP TABLE down_new").await;
}

#[tokio::test]
async fn keys_at_either_end_compare_owners_in_every_part() {
    let database = loaded(SCHEMA).await;
    let outcome = Run::to_the_end().on(&database, &parsed(TABLES)).await;
    assert!(outcome.is_finished(), "{:?}", outcome.done);
    holds(&database).await;
    is_settled(&database, TABLES);
    database.run("DELETE FROM plain; DELETE FROM down; DELETE FROM up; DELETE FROM top").await;
}

#[tokio::test]
async fn every_step_on_a_tree_takes_the_lock_that_the_plan_tells() {
    let database = loaded(SCHEMA).await;
    assert!(compare(&database, &parsed(TABLES)).await > 30);
}

#[tokio::test]
async fn rows_of_a_tree_that_disagree_are_named_with_their_partition() {
    let sql = SCHEMA.replace(
        "CREATE TABLE top (id bigint PRIMARY KEY)",
        "CREATE TABLE top (id bigint PRIMARY KEY, tenant_id bigint)",
    );
    let database = loaded(&format!("{sql} UPDATE top SET tenant_id = 1 + (id = 2)::int")).await;
    let failure = Run::to_the_end().on(&database, &parsed(TABLES)).await.done.unwrap_err();
    assert!(failure.message.contains("20 rows of public.down refer by down_top to rows of public.top"), "{failure}");
    assert!(failure.message.contains("tableoid = 'public.down_low'::regclass AND ctid = '"), "{failure}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_breaks_off_anywhere_ends_the_same() {
    let database = loaded(SCHEMA).await;
    let config = parsed(TABLES);
    let is_here = |_, event: &tenantctl::event::Event| is_progress(event) && format!("{event:?}").contains("enforce/");
    let mut stops = 0;
    while stop_at(&database, &config, if stops % 2 == 0 { Stop::Crash } else { Stop::Neat }, is_here).await {
        stops += 1;
        assert!(stops < 200, "a run began without getting further");
    }
    assert!(stops > 30, "{stops}");
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    holds(&database).await;
}
