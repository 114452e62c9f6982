//! Every kind of unique key.

use tenantctl::plan::{Kind, LockLevel, TxnMode};
use tenantctl::sql::Work;

use super::{config, plan, said, uniques, with};
use crate::support::run::Run;
use crate::support::{Database, server};

/// One table with one key.
struct Case {
    /// The first major version that has the kind.
    since: u32,
    /// The table, as it is written in SQL.
    table: &'static str,
    /// Its columns and constraints.
    columns: &'static str,
    /// What makes the key, where that is not a constraint.
    index: &'static str,
    /// The key.
    old: &'static str,
    /// What is there besides in the end; nothing where it is left alone.
    new: &'static str,
    /// Columns and values of a row that is refused the second time.
    row: (&'static str, &'static str),
}

const LONG: &str = "k2345678901234567890123456789012345678901234567890123456789_key";

const CASES: &[Case] = &[
    Case {
        since: 14,
        table: "users",
        columns: "email text UNIQUE",
        index: "",
        old: "users_email_key",
        new: "users_tenant_id_email_key: btree (tenant_id, email) = UNIQUE (tenant_id, email)",
        row: ("email", "'a'"),
    },
    Case {
        since: 14,
        table: "codes",
        columns: "code text",
        index: "CREATE UNIQUE INDEX codes_code_idx ON codes (code)",
        old: "codes_code_idx",
        new: "codes_tenant_id_code_idx: btree (tenant_id, code)",
        row: ("code", "'a'"),
    },
    Case {
        since: 14,
        table: "drafts",
        columns: "slug text, active boolean",
        index: "CREATE UNIQUE INDEX one_draft ON drafts (slug) WHERE active AND slug <> ')'",
        old: "one_draft",
        new: "one_draft_tenant_id: btree (tenant_id, slug) WHERE (active AND (slug <> ')'::text))",
        row: ("slug, active", "'a', true"),
    },
    Case {
        since: 14,
        table: "people",
        columns: "first text, last text",
        index: "CREATE UNIQUE INDEX people_names ON people (lower(first), (last || ', (' || first))",
        old: "people_names",
        new: "people_tenant_id_names: btree (tenant_id, lower(first), (((last || ', ('::text) || first)))",
        row: ("first, last", "'a', 'b'"),
    },
    Case {
        since: 14,
        table: "parcels",
        columns: "code text, body text, UNIQUE (code) INCLUDE (body)",
        index: "",
        old: "parcels_code_body_key",
        new: "parcels_tenant_id_code_body_key: btree (tenant_id, code) INCLUDE (body) = UNIQUE (tenant_id, code) INCLUDE (body)",
        row: ("code", "'a'"),
    },
    Case {
        since: 15,
        table: "nulls",
        columns: "code text, UNIQUE NULLS NOT DISTINCT (code)",
        index: "",
        old: "nulls_code_key",
        new: "nulls_tenant_id_code_key: btree (tenant_id, code) NULLS NOT DISTINCT = UNIQUE NULLS NOT DISTINCT (tenant_id, code)",
        row: ("code", "NULL"),
    },
    Case {
        since: 14,
        table: "sorted",
        columns: "code text, note text",
        index: "CREATE UNIQUE INDEX sorted_idx ON sorted (code text_pattern_ops DESC NULLS LAST, note COLLATE \"C\") WITH (fillfactor = 70)",
        old: "sorted_idx",
        new: "sorted_tenant_id_idx: btree (tenant_id, code text_pattern_ops DESC NULLS LAST, note COLLATE \"C\") WITH (fillfactor='70')",
        row: ("code, note", "'a', 'b'"),
    },
    Case {
        since: 14,
        table: "steps",
        columns: "place int UNIQUE DEFERRABLE INITIALLY DEFERRED",
        index: "",
        old: "steps_place_key",
        new: "steps_tenant_id_place_key: btree (tenant_id, place) = UNIQUE (tenant_id, place) DEFERRABLE INITIALLY DEFERRED",
        row: ("place", "1"),
    },
    Case {
        since: 14,
        table: "accounts",
        columns: "handle text UNIQUE",
        index: "CREATE TABLE logins (id bigint PRIMARY KEY, handle text REFERENCES accounts (handle) ON UPDATE CASCADE)",
        old: "accounts_handle_key",
        new: "accounts_tenant_id_handle_key: btree (tenant_id, handle) = UNIQUE (tenant_id, handle)",
        row: ("handle", "'a'"),
    },
    Case {
        since: 14,
        table: "countries",
        columns: "code text PRIMARY KEY",
        index: "",
        old: "countries_pkey",
        new: "countries_tenant_id_pkey: btree (tenant_id, code)",
        row: ("code", "'a'"),
    },
    Case {
        since: 14,
        table: "replicated",
        columns: "code text NOT NULL UNIQUE",
        index: "ALTER TABLE replicated REPLICA IDENTITY USING INDEX replicated_code_key",
        old: "replicated_code_key",
        new: "replicated_tenant_id_code_key: btree (tenant_id, code) = UNIQUE (tenant_id, code)",
        row: ("code", "'a'"),
    },
    // Its condition or what it carries along may name the owner: it counts for all tenants all the same. And an index over
    // more than the key is not the one that is wanted.
    Case {
        since: 14,
        table: "twins",
        columns: "tenant_id bigint, a text, b text, UNIQUE (b) INCLUDE (tenant_id), UNIQUE (tenant_id, a, b)",
        index: "",
        old: "twins_b_tenant_id_key",
        new: "twins_tenant_id_b_tenant_id_key: btree (tenant_id, b) INCLUDE (tenant_id) = UNIQUE (tenant_id, b) INCLUDE (tenant_id)",
        row: ("b", "'a'"),
    },
    Case {
        since: 14,
        table: "\"Odd \"\"Schema\"\"\".\"it's\"",
        columns: "\"Key \"\"1\"\"\" text, CONSTRAINT \"its \"\"key\"\"\" UNIQUE (\"Key \"\"1\"\"\")",
        index: "",
        old: "its \"key\"",
        new: "its \"key\"_tenant_id: btree (tenant_id, \"Key \"\"1\"\"\") = UNIQUE (tenant_id, \"Key \"\"1\"\"\")",
        row: ("\"Key \"\"1\"\"\"", "'a'"),
    },
    Case {
        since: 14,
        table: "long",
        columns: "code text, CONSTRAINT k2345678901234567890123456789012345678901234567890123456789_key UNIQUE (code)",
        index: "",
        old: LONG,
        new: "k23456789012345678901234567890123456789012345678901234: btree (tenant_id, code) = UNIQUE (tenant_id, code)",
        row: ("code", "'a'"),
    },
    Case {
        since: 14,
        table: "bookings",
        columns: "during tstzrange, CONSTRAINT one_at_a_time EXCLUDE USING gist (during WITH &&)",
        index: "",
        old: "one_at_a_time",
        new: "",
        row: ("during", "'[2020-01-01,2021-01-01)'"),
    },
    Case {
        since: 18,
        table: "stays",
        columns: "room int, during tstzrange, CONSTRAINT stays_key UNIQUE (room, during WITHOUT OVERLAPS)",
        index: "",
        old: "stays_key",
        new: "",
        row: ("room, during", "1, '[2020-01-01,2021-01-01)'"),
    },
];

fn cases() -> impl Iterator<Item = &'static Case> {
    CASES.iter().filter(|case| case.since <= server().major())
}

/// All tables, and one whose key nobody decided about.
async fn tables() -> Database<'static> {
    let database = with(
        "CREATE EXTENSION btree_gist; CREATE SCHEMA \"Odd \"\"Schema\"\"\";
        CREATE TABLE undecided (code text UNIQUE, other text UNIQUE)",
    )
    .await;
    for case in cases() {
        let id = if case.columns.contains("PRIMARY KEY") { "" } else { "id bigint GENERATED ALWAYS AS IDENTITY, " };
        database.run(&format!("CREATE TABLE {} ({id}{}); {}", case.table, case.columns, case.index)).await;
    }
    database
}

fn rules() -> tenantctl::config::Config {
    let mut text = "schemas = ['public', 'Odd \"Schema\"']\n[tables]\nlogins = { scope = \"tenant\" }\n".to_owned();
    text += "[tables.undecided]\nscope = \"tenant\"\n";
    text += "unique.undecided_other_key = { scope = \"global\", reason = \"as ever\" }\n";
    for case in cases() {
        let table = case.table.rsplit_once("\".\"").map_or(case.table, |(_, table)| table.trim_matches('"'));
        text += &format!("[tables.\"{table}\"]\nscope = \"tenant\"\nunique.'{}' = \"scoped\"\n", case.old);
    }
    config(&text)
}

#[tokio::test]
async fn every_kind_gets_its_like_within_each_tenant_beside_the_old_one() {
    let (database, config) = (tables().await, rules());
    let before = uniques(&database).await;
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    let after = uniques(&database).await;
    for old in &before {
        assert!(after.contains(old), "{old} is gone: {after:#?}");
    }
    let mut made: Vec<String> = after.into_iter().filter(|key| !before.contains(key)).collect();
    // Shortened names end in a hash.
    made.iter_mut().filter(|key| key.starts_with("k2345")).for_each(|key| {
        let (name, rest) = key.split_once(':').unwrap();
        assert_eq!(name.len(), 63);
        *key = format!("{}:{rest}", &name[..54]);
    });
    let mut expected: Vec<&str> = cases().map(|case| case.new).filter(|new| !new.is_empty()).collect();
    expected.sort_unstable();
    made.sort_unstable();
    assert_eq!(made, expected);
    let left = plan(&database, &config).await;
    assert_eq!(left.steps().map(|step| step.id.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());
    let identity =
        "SELECT count(*) FROM pg_index WHERE indisreplident AND indexrelid = 'replicated_code_key'::regclass";
    assert_eq!(database.number(identity).await, 1);
}

#[tokio::test]
async fn a_value_is_refused_the_second_time_within_one_tenant_only() {
    let (database, config) = (tables().await, rules());
    assert!(Run::to_the_end().on(&database, &config).await.is_finished());
    database.run("INSERT INTO tenants (id, name, slug) VALUES (2, 'Second', 'second')").await;
    let client = database.client("writer").await;
    client.batch_execute("ALTER TABLE logins DROP CONSTRAINT logins_handle_fkey").await.unwrap();
    for case in cases().filter(|case| !case.new.is_empty()) {
        let old = format!("\"{}\"", case.old.replace('"', "\"\""));
        let schema = case.table.split_once("\".").map_or(String::new(), |(schema, _)| format!("{schema}\"."));
        let drop = match case.index.contains("UNIQUE INDEX") {
            true => format!("DROP INDEX {schema}{old}"),
            false => format!("ALTER TABLE {} DROP CONSTRAINT {old}", case.table),
        };
        client.batch_execute(&drop).await.unwrap();
        let (columns, values) = case.row;
        let insert =
            |tenant: u32| format!("INSERT INTO {} ({columns}, tenant_id) VALUES ({values}, {tenant})", case.table);
        client.batch_execute(&insert(1)).await.unwrap();
        client.batch_execute(&insert(2)).await.unwrap();
        let error = client.batch_execute(&insert(1)).await.unwrap_err();
        let error = error.as_db_error().unwrap_or_else(|| panic!("{}: {error}", case.old));
        assert_eq!(error.code().code(), "23505", "{}: {error}", case.old);
        let name = case.new.split_once(": ").unwrap().0;
        assert!(error.constraint().unwrap().starts_with(name), "{error:?}");
    }
}

#[tokio::test]
async fn what_stays_unique_over_all_tenants_is_named_with_the_reason() {
    let (database, config) = (tables().await, rules());
    let script = plan(&database, &config).await;
    let mut expected = vec!["public.undecided: stays unique over all tenants: undecided_code_key".to_owned()];
    if server().major() >= 18 {
        expected.insert(0, "public.stays: stays unique over all tenants: stays_key, which has a period (WITHOUT OVERLAPS), which is not a unique index".to_owned());
    }
    assert_eq!(said(&script, Kind::UniqueGlobal), expected);
    assert_eq!(
        said(&script, Kind::UniqueKept),
        ["public.undecided: undecided_other_key stays unique over all tenants: as ever"]
    );
    let exclusions = said(&script, Kind::ExclusionGlobal);
    assert_eq!(exclusions[0], "public.bookings: excludes each other over all tenants: one_at_a_time");
    let late = said(&script, Kind::UniqueDeferrable);
    assert!(late[0].starts_with("public.steps: steps_place_key can be put off"), "{late:?}");
    let unmatched = said(&script, Kind::DecisionUnmatched);
    assert_eq!(unmatched.len(), 1, "an exclusion constraint is no unique key: {unmatched:?}");
}

/// The strongest lock on the application's tables that the session `pid` holds.
const STRONGEST: &str = "SELECT coalesce(max(array_position(ARRAY['RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
    'ShareRowExclusiveLock', 'AccessExclusiveLock'], l.mode)), 0)::bigint FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
    JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname NOT IN ('pg_catalog', 'tenantctl', 'pg_toast')
    WHERE l.locktype = 'relation' AND l.pid = $1 AND l.granted AND c.relkind IN ('r', 'p')
        AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')";

#[tokio::test]
async fn every_step_takes_the_lock_that_the_plan_tells_and_no_stronger_one() {
    let levels = [
        LockLevel::None,
        LockLevel::RowExclusive,
        LockLevel::ShareUpdateExclusive,
        LockLevel::Share,
        LockLevel::ShareRowExclusive,
        LockLevel::AccessExclusive,
    ];
    let (database, config) = (tables().await, rules());
    let script = plan(&database, &config).await;
    let (client, writer, watcher) =
        (database.client("run").await, database.client("writer").await, database.client("watcher").await);
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    client.batch_execute("CREATE SCHEMA tenantctl").await.unwrap();
    let (mut built, mut sealed) = (0, 0);
    for (migration, step) in script.migrations.iter().flat_map(|m| m.steps.iter().map(move |step| (m, step))) {
        let Work::Statements(statements) = &step.work else { continue };
        let is_build = step.id.contains("/build-key/");
        if is_build {
            // The build waits for this writer when it has all the locks that it ever has.
            let table = migration.table.as_ref().unwrap();
            let (schema, table) = (table.schema.as_str().replace('"', "\"\""), table.name.as_str());
            let hold = format!("BEGIN; LOCK TABLE \"{schema}\".\"{table}\" IN ROW EXCLUSIVE MODE");
            writer.batch_execute(&hold).await.unwrap();
            let build = client.batch_execute(statements[0].text());
            let watch = async {
                let waits = format!("SELECT count(*) FROM pg_locks WHERE pid = {pid} AND NOT granted");
                database.until(&waits).await;
                let taken: i64 = watcher.query_one(STRONGEST, &[&pid]).await.unwrap().get(0);
                writer.batch_execute("COMMIT").await.unwrap();
                taken
            };
            let (done, taken) = tokio::join!(build, watch);
            done.unwrap();
            assert_eq!(levels[usize::try_from(taken).unwrap()], step.lock, "{}", step.id);
            built += 1;
            continue;
        }
        if step.mode == TxnMode::Autocommit {
            for statement in statements {
                client.batch_execute(statement.text()).await.unwrap();
            }
            continue;
        }
        client.batch_execute("BEGIN").await.unwrap();
        for statement in statements {
            client.batch_execute(statement.text()).await.unwrap();
        }
        let taken: i64 = client.query_one(STRONGEST, &[&pid]).await.unwrap().get(0);
        client.batch_execute("COMMIT").await.unwrap();
        if step.id.contains("/seal-keys") {
            assert_eq!(levels[usize::try_from(taken).unwrap()], step.lock, "{}", step.id);
            sealed += 1;
        }
    }
    assert!(built >= 13 && sealed >= 8, "{built} {sealed}");
}
