//! What is planned is what is sent: the server's own log is the witness.

use std::process::Command;

use tenantctl::commands::planning;
use tenantctl::config::Config;
use tenantctl::event::Event;
use tenantctl::pg::{Access, Session};
use tenantctl::plan::{Blocker, Kind, TxnMode};
use tenantctl::report::Format;
use tenantctl::report::plan::{self, Detail, Page};
use tenantctl::sql::{Script, ScriptStep, Work};

use crate::support::run::{Outcome, Run, config};
use crate::support::{Database, Server, dump};

const CONFIGS: [&str; 2] = ["tenantctl.toml", "tenantctl.org.toml"];

async fn script(database: &Database<'_>, config: &Config) -> Script {
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    planning::plan(&session, config).await.unwrap().script
}

#[tokio::test]
async fn the_server_receives_the_statements_of_the_plan_in_its_order_and_no_others() {
    for file in CONFIGS {
        let server = Server::with(&[("log_statement", "all"), ("log_line_prefix", "%a|"), ("autovacuum", "off")]);
        let (database, mut config) = (server.saas25(300).await, config(file));
        // One session, so that what it sends has an order.
        config.backfill.workers = 1;
        let script = script(&database, &config).await;
        let outcome = Run::to_the_end().on(&database, &config).await;
        assert!(outcome.is_finished(), "{:?}", outcome.done);
        let sent = sent(&server.log(), &script);
        let planned = planned(&script, &outcome);
        assert!(planned.len() > 100, "{}", planned.len());
        for (number, (sent, planned)) in sent.iter().zip(&planned).enumerate() {
            assert_eq!(sent, planned, "{file}: text {number}");
        }
        assert_eq!(sent.len(), planned.len(), "{file}");
    }
}

/// What each step of the script should send: its statements as one text where they are one transaction, else one by one;
/// a backfill's as often as it committed a batch.
fn planned(script: &Script, outcome: &Outcome) -> Vec<String> {
    assert!(!outcome.events.iter().any(|event| matches!(event, Event::StepSkipped { .. } | Event::LockWaited { .. })));
    script.steps().flat_map(|step| planned_by_step(step, outcome)).collect()
}

fn planned_by_step(step: &ScriptStep, outcome: &Outcome) -> Vec<String> {
    match (&step.work, step.mode) {
        (Work::Condition(_), _) | (Work::Statements(_), TxnMode::Autocommit) => {
            step.texts().map(str::to_owned).collect()
        }
        (Work::Statements(_), TxnMode::Transaction | TxnMode::Batches) => {
            vec![step.texts().map(|text| format!("{text};\n")).collect()]
        }
        (Work::Backfill(backfill), _) => {
            let settings: String = backfill.settings.iter().map(|statement| format!("{statement};\n")).collect();
            let batch = [settings, backfill.batch.text().to_owned()];
            (0..outcome.batches(&step.id)).flat_map(|_| batch.clone()).collect()
        }
    }
}

/// What the session that does the work sent from the moment it had the pen, without the frame around it: the limits, the
/// fence, the records, and the questions.
fn sent(log: &str, script: &Script) -> Vec<String> {
    let texts = texts(log);
    let pen = texts.iter().position(|text| text.starts_with("UPDATE tenantctl.lease SET fence")).unwrap();
    texts[..pen].iter().for_each(|text| assert!(is_harmless(text), "sent before the run began: {text}"));
    let questions = questions(script);
    let framed = texts[pen..].iter().filter(|text| !questions.contains(&text.as_str()));
    framed.map(|text| unframed(text).to_owned()).filter(|text| !text.is_empty() && !is_bookkeeping(text)).collect()
}

/// The texts that reached the server, a simple query or one with parameters alike. In the log, a line that belongs to the
/// one before begins with a tab.
fn texts(log: &str) -> Vec<String> {
    let whole = log.replace("\n\t", "\r");
    let text = |line: &str| {
        let said = line.strip_prefix("tenantctl|LOG:  ")?;
        let (kind, text) = said.split_once(": ")?;
        (kind == "statement" || kind.starts_with("execute ")).then(|| text.replace('\r', "\n"))
    };
    whole.lines().filter_map(text).collect()
}

/// Before the run there are only questions, the session's own settings, and the bookkeeping's tables.
fn is_harmless(text: &str) -> bool {
    let text = unframed(text);
    let mut words = text.lines().filter(|line| !line.starts_with("--")).flat_map(str::split_whitespace);
    let first = words.next().unwrap_or_default();
    matches!(first, "" | "SELECT" | "WITH" | "SET" | "BEGIN" | "COMMIT" | "ROLLBACK")
        || text.starts_with("CREATE SCHEMA IF NOT EXISTS tenantctl")
        || text.lines().find(|line| !line.starts_with("--") && !line.is_empty()).is_some_and(|line| {
            line.starts_with("CREATE TABLE tenantctl.") || line.starts_with("ALTER TABLE tenantctl.")
        })
        || is_bookkeeping(text)
}

fn is_bookkeeping(text: &str) -> bool {
    let starts = [
        "INSERT INTO tenantctl.",
        "UPDATE tenantctl.",
        "CREATE TABLE IF NOT EXISTS tenantctl.",
        "WITH gone AS (DELETE FROM tenantctl.",
        "WITH batch AS (SELECT current_setting('tenantctl.",
    ];
    starts.iter().any(|start| text.starts_with(start))
        || (text.starts_with("SELECT ")
            && (text.contains(" FROM tenantctl.") || text.contains("n.nspname = 'tenantctl'")))
        || text.starts_with("SELECT substr(pg_walfile_name(")
        || text.starts_with("SELECT pg_backend_pid()")
}

fn questions(script: &Script) -> Vec<&str> {
    let guards = script.migrations.iter().filter_map(|migration| migration.guard.as_ref());
    let probes = script.steps().filter_map(|step| step.probe.as_ref());
    let counts = script.steps().filter_map(|step| match &step.work {
        Work::Backfill(backfill) => Some(backfill),
        Work::Statements(_) | Work::Condition(_) => None,
    });
    let counts = counts.flat_map(|backfill| std::iter::once(&backfill.extent).chain(&backfill.left));
    guards.chain(probes).chain(counts).map(|query| query.text()).collect()
}

/// A transaction's own part: after its limits and the fence, before the records and the end.
fn unframed(text: &str) -> &str {
    if matches!(text, "BEGIN" | "START TRANSACTION" | "COMMIT") {
        return "";
    }
    let text = text.strip_prefix("BEGIN; ").unwrap_or(text);
    // From 17 on one more limit comes first.
    let text = match text.strip_prefix("SET LOCAL transaction_timeout = ") {
        Some(rest) => rest.split_once("; ").map_or(rest, |(_, rest)| rest),
        None => text,
    };
    // A batch notes where the log is, for the actual cost.
    let text = text.split_once("SELECT set_config('tenantctl.batch_wal', ").map_or(text, |(own, _)| own);
    let Some(text) = text.strip_prefix("SET LOCAL lock_timeout = ") else { return text };
    let (limits, text) = text.split_once(";\n").unwrap();
    assert!(limits.split("; ").skip(1).all(|limit| limit.starts_with("SET LOCAL statement_timeout = ")), "{limits}");
    let text = match text.strip_prefix("SELECT tenantctl.assert_fence(") {
        Some(rest) => rest.split_once(";\n").map_or("", |(_, rest)| rest),
        None => text,
    };
    let text = match text.strip_prefix("INSERT INTO tenantctl.step_cost ") {
        Some(rest) => rest.split_once(";\n").unwrap().1,
        None => text,
    };
    let text = text.strip_suffix("COMMIT").unwrap_or(text);
    match text.rfind("UPDATE tenantctl.step_cost ") {
        Some(at) => {
            let (own, records) = text.split_at(at);
            let mut records = records.split_terminator(";\n").skip(1);
            assert!(records.all(|record| record.starts_with("INSERT INTO tenantctl.")), "{text}");
            own
        }
        None => text,
    }
}

/// The printed script, run by psql: the same objects as `migrate` leaves, whoever sends the statements.
#[tokio::test]
async fn the_printed_script_makes_the_same_database_as_the_run() {
    for file in CONFIGS.into_iter().filter(|_| has_psql()) {
        let config = config(file);
        let by_hand = Database::saas25(2000).await;
        let by_run = by_hand.copy().await;
        let script = script(&by_hand, &config).await;
        psql(&by_hand, &printed(&script)).unwrap();
        assert!(Run::to_the_end().on(&by_run, &config).await.is_finished());
        by_hand.run("CREATE TABLE tenantctl.schema_history (version int, name text)").await;
        assert_eq!(objects(&by_hand).await, objects(&by_run).await, "{file}");
        for table in ["node_runs", "rules", "models", "kb_documents"] {
            let owners = format!("SELECT coalesce(sum(tenant_id * id), -1)::bigint FROM {table}");
            assert_eq!(by_hand.number(&owners).await, by_run.number(&owners).await, "{file}: {table}");
        }
    }
}

#[tokio::test]
async fn psql_stops_at_the_first_error_of_the_printed_script() {
    if !has_psql() {
        return;
    }
    let database = Database::saas25(2000).await;
    let script = script(&database, &config(CONFIGS[0])).await;
    database.run("CREATE TABLE tenants (id text)").await;
    let said = psql(&database, &printed(&script)).unwrap_err();
    assert!(said.contains("relation \"tenants\" already exists"), "{said}");
    let columns =
        "SELECT count(*) FROM information_schema.columns WHERE column_name = 'tenant_id' AND table_name = 'rules'";
    assert_eq!(database.number(columns).await, 0);
}

#[tokio::test]
async fn psql_does_nothing_with_a_script_that_is_blocked() {
    if !has_psql() {
        return;
    }
    let database = Database::saas25(2000).await;
    let mut script = script(&database, &config(CONFIGS[0])).await;
    script.blockers.push(Blocker {
        kind: Kind::NameTaken,
        table: None,
        text: "odd".to_owned(),
        remedy: "mend".to_owned(),
    });
    let said = psql(&database, &printed(&script)).unwrap_err();
    assert!(said.contains("this plan is blocked"), "{said}");
    assert_eq!(database.number("SELECT count(*) FROM pg_tables WHERE tablename = 'tenants'").await, 0);
}

pub fn printed(script: &Script) -> String {
    let mut text = Vec::new();
    plan::write(&crate::support::plan::document(script), Format::Sql, Page::new(Detail::Brief, None), &mut text)
        .unwrap();
    String::from_utf8(text).unwrap()
}

/// Whether there is a psql: not everywhere a server is.
pub fn has_psql() -> bool {
    Command::new("psql").arg("--version").output().is_ok()
}

/// Runs a script as a person would; what psql said where it failed.
pub fn psql(database: &Database<'_>, script: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.sql");
    std::fs::write(&file, script).unwrap();
    let output = Command::new("psql").arg("-X").arg("-f").arg(&file).arg(database.url()).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
}

/// Everything but what the bookkeeping has for itself.
async fn objects(database: &Database<'_>) -> String {
    let all = dump::schema(&database.client("test").await).await;
    let objects = all.lines().filter(|line| !line.starts_with("history "));
    objects.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}
