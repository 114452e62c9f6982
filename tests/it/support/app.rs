//! The old application: several sessions that write all day and know nothing of tenants.
//!
//! They send the statements of `app.sql` as text, as statements prepared before the conversion, in transactions and by
//! COPY. A transaction adds rows first and changes at most one row that was there, at its end; so without tenantctl no
//! two of them can deadlock. Workflows change organization in statements of their own, never in a transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use futures_util::SinkExt;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, SimpleQueryMessage, Statement};

use super::{Database, fixture};

/// What a session may do in a transaction before its last statement: rows are added, none is changed.
const ADDS: [&str; 9] = [
    "insert_workflow",
    "insert_workflow_with_node",
    "insert_workflow_node",
    "insert_node_runs",
    "insert_rule",
    "insert_model",
    "insert_kb_document",
    "insert_decision_table_row",
    "call_record_node_run",
];

/// What a transaction ends with.
const CHANGES: [&str; 6] = [
    "finish_node_run",
    "update_knowledge_base",
    "update_rule_star",
    "move_node_run",
    "move_workflow_node",
    "delete_node_run",
];

/// Beside `app.sql`: an old writer that names the abandoned column, and says NULL.
const NULLS: &str = "
-- name: insert_model_null
INSERT INTO models (name, provider, org_id, tenant_id) SELECT 'No owner', 'hosted', max(id), NULL FROM org WHERE slug <> 'system';
-- name: update_model_null
UPDATE models SET tenant_id = NULL, parameters = '{}'
WHERE id = (SELECT id FROM models WHERE id >= (SELECT ceil(random() * max(id))::bigint FROM models) ORDER BY id LIMIT 1);
";

/// What the sessions did, by their own account.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Statements that succeeded, transactions' own ones included.
    pub successes: u64,
    /// Prepared stars whose table got a column: PostgreSQL imposes this error.
    pub cached_plans: u64,
    /// Every other error, by its SQLSTATE, message and statement.
    pub errors: BTreeMap<String, u64>,
    /// Rows added less rows removed, by table.
    pub rows: BTreeMap<&'static str, i64>,
    /// The versions of rules that it wrote, by id.
    pub versions: BTreeSet<i64>,
    /// The statement that took longest.
    pub longest: (Duration, String),
}

impl Ledger {
    fn add(&mut self, other: Ledger) {
        self.successes += other.successes;
        self.cached_plans += other.cached_plans;
        other.errors.into_iter().for_each(|(error, count)| *self.errors.entry(error).or_default() += count);
        other.rows.into_iter().for_each(|(table, count)| *self.rows.entry(table).or_default() += count);
        self.versions.extend(other.versions);
        self.longest = std::mem::take(&mut self.longest).max(other.longest);
    }
}

/// The running application.
pub struct Application {
    stop: Arc<AtomicBool>,
    sessions: Vec<JoinHandle<Ledger>>,
}

impl Application {
    /// Starts so many sessions, as a role that owns nothing; each has prepared its statements when this returns.
    pub async fn start(database: &Database<'_>, sessions: u64) -> Self {
        let role = format!("app_{}", database.name);
        let grants = format!(
            "CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}"
        );
        database.run(&grants).await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut application = Application { stop: Arc::clone(&stop), sessions: Vec::new() };
        for seed in 0..sessions {
            let session = Session::prepare(database.client_as(&role, "old application").await, seed).await;
            application.sessions.push(tokio::spawn(session.work(Arc::clone(&stop))));
        }
        application
    }

    /// Ends it, and adds up.
    pub async fn stop(self) -> Ledger {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Ledger::default();
        for session in self.sessions {
            all.add(session.await.unwrap());
        }
        all
    }
}

struct Session {
    client: Client,
    texts: BTreeMap<String, String>,
    prepared: BTreeMap<String, Statement>,
    rng: Rng,
    ledger: Ledger,
}

/// What one statement, or one transaction, did; it counts once it is committed.
type Effect = Ledger;

impl Session {
    async fn prepare(client: Client, seed: u64) -> Self {
        let texts: BTreeMap<String, String> = (fixture("app.sql") + NULLS)
            .split("-- name: ")
            .skip(1)
            .map(|section| section.split_once('\n').unwrap())
            .map(|(name, text)| (name.to_owned(), text.trim().trim_end_matches(';').to_owned()))
            .collect();
        let mut prepared = BTreeMap::new();
        for (name, text) in &texts {
            prepared.insert(name.clone(), client.prepare(text).await.unwrap());
        }
        Session { client, texts, prepared, rng: Rng::with_seed(seed), ledger: Ledger::default() }
    }

    async fn work(mut self, stop: Arc<AtomicBool>) -> Ledger {
        let names: Vec<String> = self.texts.keys().cloned().collect();
        while !stop.load(Ordering::Relaxed) {
            match self.rng.u32(..10) {
                0 => self.alone("copy").await,
                1..=2 => self.transaction().await,
                _ => {
                    let name = names[self.rng.usize(..names.len())].clone();
                    self.alone(&name).await;
                }
            }
        }
        self.ledger
    }

    async fn alone(&mut self, name: &str) {
        if let Some(effect) = self.send(name).await {
            self.ledger.add(effect);
        }
    }

    /// Some additions, perhaps a change, and the commit; or, sometimes, a change of mind.
    async fn transaction(&mut self) {
        let mut names: Vec<&str> = (0..self.rng.usize(1..4)).map(|_| ADDS[self.rng.usize(..ADDS.len())]).collect();
        names.extend(self.rng.bool().then(|| CHANGES[self.rng.usize(..CHANGES.len())]));
        let mut effects = Effect::default();
        self.client.batch_execute("BEGIN").await.unwrap();
        for name in names {
            match self.send(name).await {
                Some(effect) => effects.add(effect),
                None => return self.client.batch_execute("ROLLBACK").await.unwrap(),
            }
        }
        match self.rng.u32(..8) {
            0 => self.client.batch_execute("ROLLBACK").await.unwrap(),
            _ => {
                self.client.batch_execute("COMMIT").await.unwrap();
                self.ledger.add(effects);
            }
        }
    }

    /// Sends a statement in one of its forms; an error is counted at once.
    async fn send(&mut self, name: &str) -> Option<Effect> {
        let started = Instant::now();
        let is_prepared = self.rng.bool() || name.starts_with("upsert");
        let sent = match name {
            "copy" => self.copy().await,
            "upsert_rule_version" => self.upsert().await,
            _ if is_prepared => self.client.execute(&self.prepared[name], &[]).await.map(|count| effect(name, count)),
            _ => self.client.simple_query(&self.texts[name]).await.map(|answer| effect(name, counted(&answer))),
        };
        self.ledger.longest = std::mem::take(&mut self.ledger.longest).max((started.elapsed(), name.to_owned()));
        match sent {
            Ok(effect) => Some(Effect { successes: 1, ..effect }),
            Err(error) => {
                self.count(name, is_prepared, &error).await;
                None
            }
        }
    }

    async fn count(&mut self, name: &str, is_prepared: bool, error: &Error) {
        let error = error.as_db_error().unwrap_or_else(|| panic!("{name}: {error}"));
        let (code, message) = (error.code().code(), error.message());
        if is_prepared
            && name.ends_with("_star")
            && (code, message) == ("0A000", "cached plan must not change result type")
        {
            self.ledger.cached_plans += 1;
            // What a driver does with a fresh connection. In a broken transaction it has to wait for the next time.
            if let Ok(again) = self.client.prepare(&self.texts[name]).await {
                self.prepared.insert(name.to_owned(), again);
            }
            return;
        }
        let detail = error.detail().unwrap_or_default();
        let place = error.where_().unwrap_or_default();
        *self.ledger.errors.entry(format!("{code} {message} ({name}) {detail} {place}")).or_default() += 1;
    }

    async fn copy(&self) -> Result<Effect, Error> {
        let base = self.client.query_one("SELECT min(id), max(id) FROM knowledge_bases", &[]).await?;
        let (low, high): (i64, i64) = (base.get(0), base.get(1));
        let lines: String = (0..5).map(|n| format!("{}\tCopied {n}\tText\n", low + n % (high - low + 1))).collect();
        let text = "COPY kb_documents (knowledge_base_id, title, content) FROM STDIN";
        let mut sink = std::pin::pin!(self.client.copy_in(text).await?);
        sink.send(Bytes::from(lines)).await?;
        Ok(Effect {
            rows: BTreeMap::from([("kb_documents", i64::try_from(sink.finish().await?).unwrap())]),
            ..Effect::default()
        })
    }

    async fn upsert(&self) -> Result<Effect, Error> {
        let rows = self.client.query(&self.prepared["upsert_rule_version"], &[]).await?;
        Ok(Effect { versions: rows.iter().map(|row| row.get(0)).collect(), ..Effect::default() })
    }
}

fn counted(answer: &[SimpleQueryMessage]) -> u64 {
    let tag = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::CommandComplete(count) => *count,
        _ => 0,
    };
    answer.iter().map(tag).sum()
}

fn effect(name: &str, count: u64) -> Effect {
    let count = i64::try_from(count).unwrap();
    let rows: &[(&'static str, i64)] = match name {
        "insert_workflow" => &[("workflows", count)],
        "insert_workflow_with_node" => &[("workflows", count), ("workflow_nodes", count)],
        "insert_workflow_node" => &[("workflow_nodes", count)],
        "insert_node_runs" | "call_record_node_run" => &[("node_runs", count)],
        "insert_rule" => &[("rules", count)],
        "insert_model" | "insert_model_null" => &[("models", count)],
        "insert_kb_document" => &[("kb_documents", count)],
        "insert_decision_table_row" => &[("\"decisionTableRows\"", count)],
        "delete_node_run" => &[("node_runs", -count)],
        "delete_decision_table_row" => &[("\"decisionTableRows\"", -count)],
        _ => &[],
    };
    Effect { rows: rows.iter().copied().collect(), ..Effect::default() }
}
