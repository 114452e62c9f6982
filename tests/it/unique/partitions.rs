//! Unique keys of partitioned tables: an index of the root, built leaf by leaf.

use tenantctl::plan::{Kind, LockLevel, Phase, TxnMode};
use tenantctl::sql::Work;

use super::{config, plan, said, uniques, with};
use crate::support::Database;
use crate::support::run::{Run, starts};

/// Range over list over hash, a leaf in another schema with its columns in another order; a deferrable and a primary key.
const TREE: &str = r#"
CREATE SCHEMA archive;
CREATE TABLE "Events" (id bigint, at date, kind int, code text, note text, CONSTRAINT "Events_code_key" UNIQUE (code, at, kind, id))
    PARTITION BY RANGE (at);
CREATE UNIQUE INDEX "Events_lower" ON "Events" (lower(code), at, kind, id) WHERE code <> '';
CREATE TABLE archive.old (note text, code text, kind int, at date, gone int, id bigint);
ALTER TABLE archive.old DROP COLUMN gone;
ALTER TABLE "Events" ATTACH PARTITION archive.old FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE "Events 2020" PARTITION OF "Events" FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') PARTITION BY LIST (kind);
CREATE TABLE events_1 PARTITION OF "Events 2020" FOR VALUES IN (1);
CREATE TABLE events_rest PARTITION OF "Events 2020" DEFAULT PARTITION BY HASH (id);
CREATE TABLE events_rest_0 PARTITION OF events_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE events_rest_1 PARTITION OF events_rest FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE UNIQUE INDEX only_here ON events_1 (note);
CREATE TABLE days (day date PRIMARY KEY, place int, UNIQUE (day, place) DEFERRABLE) PARTITION BY RANGE (day);
CREATE TABLE days_all PARTITION OF days DEFAULT;
INSERT INTO "Events" SELECT g, date '2019-06-01' + g % 500, g % 3, 'Code ' || g FROM generate_series(1, 200) AS g;
"#;
const RULES: &str = r#"
schemas = ["public", "archive"]
[tables.Events]
scope = "tenant"
unique.Events_code_key = "scoped"
unique.Events_lower = "scoped"
unique.only_here = "scoped"
[tables.days]
scope = "tenant"
unique.days_pkey = "scoped"
unique.days_day_place_key = "scoped"
"#;

/// Every unique index with the owner, and the one that it is a part of.
async fn scoped(database: &Database<'_>) -> Vec<String> {
    let sql = "SELECT format('%s %s < %s', x.oid::regclass, regexp_replace(pg_get_indexdef(x.oid), '^.* USING ', ''),
            (SELECT h.inhparent::regclass FROM pg_inherits AS h WHERE h.inhrelid = x.oid))
        FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
        WHERE i.indisunique AND i.indisvalid AND pg_get_indexdef(x.oid) LIKE '%(tenant_id, %' ORDER BY 1";
    database.client("test").await.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn the_key_of_a_tree_becomes_an_index_of_its_root_to_which_every_leaf_adds_its_part() {
    let (database, config) = (with(TREE).await, config(RULES));
    let before = uniques(&database).await;
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    let key = "btree (tenant_id, code, at, kind, id)";
    let lower = "btree (tenant_id, lower(code), at, kind, id) WHERE (code <> ''::text)";
    let expected = [
        format!("\"Events 2020_tenant_id_code_key\" {key} < \"Events_tenant_id_code_key\""),
        format!("\"Events 2020_tenant_id_lower\" {lower} < \"Events_tenant_id_lower\""),
        format!("\"Events_tenant_id_code_key\" {key} < "),
        format!("\"Events_tenant_id_lower\" {lower} < "),
        format!("archive.old_tenant_id_code_key {key} < \"Events_tenant_id_code_key\""),
        format!("archive.old_tenant_id_lower {lower} < \"Events_tenant_id_lower\""),
        format!("events_1_tenant_id_code_key {key} < \"Events 2020_tenant_id_code_key\""),
        format!("events_1_tenant_id_lower {lower} < \"Events 2020_tenant_id_lower\""),
        format!("events_rest_0_tenant_id_code_key {key} < events_rest_tenant_id_code_key"),
        format!("events_rest_0_tenant_id_lower {lower} < events_rest_tenant_id_lower"),
        format!("events_rest_1_tenant_id_code_key {key} < events_rest_tenant_id_code_key"),
        format!("events_rest_1_tenant_id_lower {lower} < events_rest_tenant_id_lower"),
        format!("events_rest_tenant_id_code_key {key} < \"Events 2020_tenant_id_code_key\""),
        format!("events_rest_tenant_id_lower {lower} < \"Events 2020_tenant_id_lower\""),
        "only_here_tenant_id btree (tenant_id, note) < ".to_owned(),
    ];
    let (mut made, mut expected) = (scoped(&database).await, expected.to_vec());
    made.sort_unstable();
    expected.sort_unstable();
    assert_eq!(made, expected);
    let after = uniques(&database).await;
    assert!(before.iter().all(|old| after.contains(old)), "{before:#?}\n{after:#?}");
    assert_eq!(plan(&database, &config).await.steps().count(), 0);
    // A partition that comes later has its part at once.
    database.run("CREATE TABLE later PARTITION OF \"Events\" FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')").await;
    assert_eq!(scoped(&database).await.len(), made.len() + 2);
    assert_eq!(plan(&database, &config).await.steps().count(), 0);
    database.run("ALTER TABLE \"Events\" DROP CONSTRAINT \"Events_code_key\"; DROP INDEX \"Events_lower\"").await;
    let again = "INSERT INTO \"Events\" (id, at, kind, code) SELECT id, at, kind, code FROM \"Events\" WHERE id = 7";
    let refused = database.client("writer").await.batch_execute(again).await.unwrap_err();
    assert_eq!(refused.as_db_error().unwrap().code().code(), "23505");
    database.run("INSERT INTO tenants (id, name, slug) VALUES (2, 'Second', 'second')").await;
    database.run(&again.replace("code)", "code, tenant_id)").replace("kind, code FROM", "kind, code, 2 FROM")).await;
}

#[tokio::test]
async fn what_a_partitioned_table_cannot_have_is_named_and_left() {
    let (database, config) = (with(TREE).await, config(RULES));
    let mut said = said(&plan(&database, &config).await, Kind::UniqueGlobal);
    said.sort_unstable();
    assert_eq!(
        said,
        [
            "public.days: stays unique over all tenants: days_day_place_key, which is deferrable, which the index of a partitioned table cannot be",
            "public.days: stays unique over all tenants: days_pkey, which is the primary key of a partitioned table, which cannot be exchanged",
        ]
    );
}

#[tokio::test]
async fn a_run_that_stops_between_two_leaves_is_finished_by_the_next_one() {
    let (database, config) = (with(TREE).await, config(RULES));
    let steps = [
        "enforce/public.Events/build-key/public.events_1/events_1_tenant_id_code_key",
        "enforce/public.Events/attach-key/public.events_rest_0/events_rest_0_tenant_id_lower",
    ];
    for step in steps {
        let stopped = Run::reacting(|_, event, stopper| {
            if starts(event, step) {
                stopper.ask();
            }
        });
        assert!(!stopped.on(&database, &config).await.is_finished(), "{step}");
        let outcome = Run::replanned().on(&database, &config).await;
        assert!(outcome.is_finished(), "{step}: {:?}", outcome.done);
        assert_eq!(scoped(&database).await.len(), 15, "{step}");
        database.run("DROP INDEX \"Events_tenant_id_code_key\"; DROP INDEX \"Events_tenant_id_lower\"").await;
    }
}

/// The strongest lock of the session on tables, and on their indexes where those are asked for.
const STRONGEST: &str = "SELECT coalesce(max(array_position(ARRAY['RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
    'ShareRowExclusiveLock', 'AccessExclusiveLock'], l.mode)), 0)::bigint FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
    JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname IN ('public', 'archive')
    WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
        AND (c.relkind IN ('r', 'p') OR $1)";

#[tokio::test]
async fn no_step_locks_the_tree_longer_or_more_than_the_plan_tells() {
    let (database, config) = (with(TREE).await, config(RULES));
    let script = plan(&database, &config).await;
    let client = database.client("run").await;
    client.batch_execute("CREATE SCHEMA tenantctl").await.unwrap();
    let levels = [
        LockLevel::None,
        LockLevel::RowExclusive,
        LockLevel::ShareUpdateExclusive,
        LockLevel::Share,
        LockLevel::ShareRowExclusive,
        LockLevel::AccessExclusive,
    ];
    let mut compared = 0;
    for step in script.migrations.iter().filter(|migration| migration.phase <= Phase::Enforce).flat_map(|m| &m.steps) {
        let Work::Statements(statements) = &step.work else { continue };
        let in_transaction = step.mode == TxnMode::Transaction;
        let (begin, end) = if in_transaction { ("BEGIN", "COMMIT") } else { ("", "") };
        client.batch_execute(begin).await.unwrap();
        for statement in statements {
            client.batch_execute(statement.text()).await.unwrap();
        }
        let attaches = step.id.contains("/attach-key/");
        let taken: i64 = client.query_one(STRONGEST, &[&attaches]).await.unwrap().get(0);
        client.batch_execute(end).await.unwrap();
        if attaches || step.id.contains("/create-parent-key/") {
            assert_eq!(levels[usize::try_from(taken).unwrap()], step.lock, "{}", step.id);
            compared += 1;
        }
    }
    assert_eq!(compared, 14);
}
