//! The fixture `aicd`: organizations become tenants one to one, and rows name theirs by a key, a column without a foreign
//! key, a login or a payload, while the old application writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use fastrand::Rng;
use tenantctl::commands::planning;
use tenantctl::config::{self, Config};
use tenantctl::event::Event;
use tenantctl::execute::{Target, checks};
use tenantctl::pg::{Access, Session};
use tenantctl::verify::Contract;

use crate::execute::convert;
use crate::support::run::{Run, Stop, stop_at};
use crate::support::{Database, server};

fn file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/fixtures/aicd/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Batches of one block, so that the conversion lasts.
pub(crate) fn config(name: &str) -> Config {
    let mut config = config::parse(&file(name), name).unwrap();
    (config.backfill.min_blocks, config.backfill.max_blocks) = (1, 2);
    config
}

pub(crate) async fn aicd(rows: u32) -> Database<'static> {
    let database = server().database().await;
    database.run(&file("schema.sql")).await;
    database.run(&format!("SET seed.rows = {rows}; {}", file("seed.sql"))).await;
    database
}

/// Each table with the tenant that its rows must have, by a query that knows nothing of tenantctl's. `{tenant of}` is the
/// tenant of the organization `o`.
const OWNERS: [(&str, &str); 7] = [
    ("users", "(SELECT {tenant of} FROM organizations AS o WHERE o.id = r.organization_id)"),
    (
        "repositories",
        "coalesce((SELECT {tenant of} FROM organizations AS o WHERE o.\"installationId\" = r.installation_id), {system})",
    ),
    ("jobs", "(SELECT p.tenant_id FROM repositories AS p WHERE p.id = r.repository_id)"),
    ("\"jobLogs\"", "(SELECT p.tenant_id FROM jobs AS p WHERE p.id = r.\"jobId\")"),
    ("api_tokens", "(SELECT {tenant of} FROM organizations AS o WHERE o.login = r.org_login)"),
    (
        "webhook_events",
        "coalesce((SELECT {tenant of} FROM organizations AS o WHERE o.\"installationId\"::text = \
         r.payload -> 'installation' ->> 'id'), {system})",
    ),
    ("organizations", "(SELECT {tenant of} FROM organizations AS o WHERE o.id = r.id)"),
];

/// No row has another owner than its source says.
async fn every_owner_is_right(database: &Database<'_>, tenant_of: &str, system: &str, tables: &[(&str, &str)]) {
    for (table, owner) in tables {
        let owner = owner.replace("{tenant of}", tenant_of).replace("{system}", system);
        let wrong = format!("SELECT count(*) FROM {table} AS r WHERE r.tenant_id IS DISTINCT FROM {owner}");
        assert_eq!(database.number(&wrong).await, 0, "{table} has wrong owners");
    }
}

const MAPPED: &str = "(SELECT t.id FROM tenants AS t WHERE t.organization_id = o.id)";
const SYSTEM: &str = "(SELECT id FROM tenants WHERE slug = 'system')";
const ADOPTED_SYSTEM: &str = "(SELECT id FROM organizations WHERE login = 'system')";

/// What the old application sends; `%` stands for a number that no other statement has.
const WRITES: [(&str, &str, i64); 12] = [
    (
        "organizations",
        "INSERT INTO organizations (\"installationId\", login, name, account_type, plan_id)
         VALUES (50000000 + %, 'new-%', 'New', 'User', 1)",
        1,
    ),
    (
        // The tenant of a row that ON CONFLICT turns down must not come to be.
        "organizations",
        "INSERT INTO organizations (\"installationId\", login, name, account_type, plan_id)
         VALUES (60000000 + %, 'Org-1', 'Organization 1', 'Organization', 1) ON CONFLICT (login) DO UPDATE SET status = 'active'",
        0,
    ),
    (
        "organizations",
        "WITH gone AS (INSERT INTO organizations (\"installationId\", login, name, account_type, plan_id)
                       VALUES (70000000 + %, 'gone-%', 'Gone', 'User', 1) RETURNING id) SELECT id FROM gone;
         DELETE FROM organizations WHERE login = 'gone-%'",
        0,
    ),
    (
        "users",
        "INSERT INTO users (organization_id, email)
         SELECT id, 'new-%@example.com' FROM organizations WHERE login LIKE 'Org-%' ORDER BY random() LIMIT 1",
        1,
    ),
    (
        "repositories",
        "INSERT INTO organizations (\"installationId\", login, name, account_type, plan_id)
         VALUES (80000000 + %, 'with-%', 'With a repository', 'User', 2);
         DELETE FROM repositories WHERE github_id = %;
         INSERT INTO repositories (github_id, installation_id, owner, name, full_name)
         VALUES (5000000 + %, 80000000 + %, 'with-%', 'first', 'with-%/first')",
        1,
    ),
    (
        "repositories",
        "INSERT INTO repositories (github_id, installation_id, owner, name, full_name) VALUES (6000000 + %, %, 'x', 'x', 'x/x')",
        1,
    ),
    (
        "repositories",
        "UPDATE repositories SET installation_id = (SELECT \"installationId\" FROM organizations
             WHERE login LIKE 'Org-%' ORDER BY random() LIMIT 1)
         WHERE id = (SELECT id FROM repositories ORDER BY random() LIMIT 1)",
        0,
    ),
    ("jobs", "INSERT INTO jobs (repository_id, kind) SELECT id, 'review' FROM repositories ORDER BY random() LIMIT 1", 1),
    (
        "\"jobLogs\"",
        "INSERT INTO \"jobLogs\" (\"jobId\", line) SELECT id, 'new' FROM jobs ORDER BY random() LIMIT 1",
        1,
    ),
    ("api_tokens", "INSERT INTO api_tokens (org_login, hash) VALUES ('Org-3', 'new-%')", 1),
    (
        "webhook_events",
        "INSERT INTO webhook_events (\"eventName\", payload)
         SELECT 'push', json_build_object('installation', json_build_object('id', \"installationId\"))
         FROM organizations ORDER BY random() LIMIT 1",
        1,
    ),
    ("webhook_events", "UPDATE webhook_events SET payload = '{\"installation\": {\"id\": 40000021}}' WHERE id = 1 + % % 50", 0),
];

/// Sessions that write until they are told to stop; each answers the rows that it added, by place in [`WRITES`].
async fn write(database: &Database<'_>, stop: Arc<AtomicBool>, numbers: Arc<AtomicI64>, seed: u64) -> Vec<i64> {
    let client = database.client("old application").await;
    let (mut rng, mut sent) = (Rng::with_seed(seed), vec![0; WRITES.len()]);
    while !stop.load(Ordering::Relaxed) {
        let place = rng.usize(..WRITES.len());
        let number = numbers.fetch_add(1, Ordering::Relaxed).to_string();
        let text = WRITES[place].1.replace("'Org-%'", "'Org-@'").replace(" % 50", " @ 50");
        let text = text.replace('%', &number).replace('@', "%");
        match client.batch_execute(&text).await {
            Ok(()) => sent[place] += 1,
            Err(error) => assert_eq!(error.code().map(|code| code.code()), Some("40P01"), "{text}: {error:?}"),
        }
    }
    sent
}

/// Converts while three sessions write, broken off once in the middle.
async fn convert_while_writing(database: &Database<'_>, config: &Config) {
    let mut before = Vec::new();
    for (table, ..) in WRITES {
        before.push(database.number(&format!("SELECT count(*) FROM {table}")).await);
    }
    let (stop, numbers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(1)));
    let writer = |seed| write(database, Arc::clone(&stop), Arc::clone(&numbers), seed);
    let conversion = async {
        let batch =
            |_: usize, event: &Event| matches!(event, Event::BatchDone { id, .. } if id.ends_with("jobs/backfill"));
        assert!(stop_at(database, config, Stop::Crash, batch).await);
        let outcome = Run::to_the_end().on(database, config).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        stop.store(true, Ordering::Relaxed);
        assert!(outcome.is_finished(), "{:?}", outcome.done);
    };
    let (first, second, third, ()) = tokio::join!(writer(1), writer(2), writer(3), conversion);
    let sent = [first, second, third];
    let done = |place: usize| sent.iter().map(|session| session[place]).sum::<i64>();
    assert!((0..WRITES.len()).all(|place| done(place) > 0), "it hardly wrote: {sent:?}");
    for ((table, ..), before) in WRITES.iter().zip(before) {
        let added: i64 =
            (0..WRITES.len()).filter(|place| WRITES[*place].0 == *table).map(|p| done(p) * WRITES[p].2).sum();
        // An organization comes with each of the repositories that brings its own; the adopted one is the System Tenant.
        let own = if *table == "organizations" { done(4) + i64::from(config.tenants.map.is_none()) } else { 0 };
        let now = database.number(&format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(now, before + added + own, "{table}");
    }
}

/// Nothing is broken, and nothing is left to do.
async fn is_converted(database: &Database<'_>, config: &Config) {
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let catalog = session.catalog(&config.schemas).await.unwrap();
    let report = checks::run(&session, &Contract::read(config, &catalog), &catalog).await.unwrap();
    let findings: Vec<String> =
        report.findings().iter().map(|found| format!("{} {}: {}", found.check.id, found.object, found.what)).collect();
    assert_eq!((findings, report.is_complete()), (Vec::new(), true));
    let planned = planning::plan(&session, config).await.unwrap();
    let left: Vec<&str> = planned.script.steps().map(|step| step.id.as_str()).collect();
    assert_eq!(left, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_writes_on_while_each_organization_gets_a_tenant() {
    let (database, config) = (aicd(3000).await, config("tenantctl.toml"));
    convert_while_writing(&database, &config).await;
    every_owner_is_right(&database, MAPPED, SYSTEM, &OWNERS).await;
    let unlike = "SELECT count(*) FROM organizations AS o FULL JOIN (SELECT * FROM tenants WHERE slug <> 'system' AND slug \
                  NOT LIKE 'gone-%') AS t ON t.organization_id = o.id WHERE t.id IS NULL OR o.id IS NULL OR t.slug <> o.login";
    assert_eq!(database.number(unlike).await, 0, "organizations and tenants are not one to one");
    is_converted(&database, &config).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_writes_on_while_the_organizations_become_tenants_themselves() {
    let (database, config) = (aicd(3000).await, config("tenantctl.adopt.toml"));
    convert_while_writing(&database, &config).await;
    every_owner_is_right(&database, "o.id", ADOPTED_SYSTEM, &OWNERS[..6]).await;
    is_converted(&database, &config).await;
}

#[tokio::test]
async fn rows_that_name_no_tenant_are_counted_and_go_to_the_system_tenant() {
    let (database, config) = (aicd(2000).await, config("tenantctl.toml"));
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    let planned = planning::plan(&session, &config).await.unwrap();
    let counted = |table: &str| {
        let notices = planned.script.notices.iter().filter(|notice| {
            notice.table.as_ref().is_some_and(|name| name.name.as_str() == table) && notice.text.contains("become")
        });
        notices.map(|notice| notice.text.rsplit(' ').next().unwrap().parse::<i64>().unwrap()).sum::<i64>()
    };
    let expected = [
        ("repositories", "installation_id IS NULL OR installation_id < 40000000"),
        ("webhook_events", "payload -> 'installation' ->> 'id' IS NULL"),
        ("api_tokens", "false"),
    ];
    convert(&database, &config, Target::End).await.unwrap();
    for (table, without) in expected {
        let rows = database.number(&format!("SELECT count(*) FROM {table} WHERE {without}")).await;
        let system = database.number(&format!("SELECT count(*) FROM {table} WHERE tenant_id = {SYSTEM}")).await;
        assert_eq!((counted(table), system), (rows, rows), "{table}");
    }
    let tenants = database.number("SELECT count(DISTINCT tenant_id) FROM repositories").await;
    assert_eq!(tenants, 14, "thirteen organizations and the System Tenant");
}
