//! An application beside the backfill, as `pgbench` with a rate is one: half its transactions update a row by its key,
//! half insert one.
//!
//! Its transactions are due at fixed times, whether or not the earlier ones are done, and a latency counts from the time
//! when the transaction was due. So a pause of a second is in the latencies of everything that was due in that second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Statement};

use super::results::Latency;
use super::rivals::Span;
use super::scenario::Scenario;
use super::server::Database;
use super::statistics::percentile;

/// Connections of the application.
const SESSIONS: usize = 8;

/// A running application.
pub struct Writer {
    sessions: JoinSet<anyhow::Result<Vec<Transaction>>>,
    end: watch::Sender<Option<Instant>>,
}

/// One transaction that was due.
struct Transaction {
    due: Instant,
    took: Duration,
    failed: bool,
}

impl Writer {
    /// Starts it with so many transactions a second.
    pub async fn start(database: &Database<'_>, scenario: &Scenario, rate: u32) -> anyhow::Result<Self> {
        let (end, ending) = watch::channel(None);
        let schedule = Arc::new(Schedule { start: Instant::now(), rate, next: AtomicU32::new(0) });
        let mut sessions = JoinSet::new();
        for _ in 0..SESSIONS {
            let session = Session::open(database, scenario).await?;
            sessions.spawn(session.work(Arc::clone(&schedule), ending.clone()));
        }
        Ok(Writer { sessions, end })
    }

    /// Stops it when everything is done that was due before the end of `span`; tells what was due within it.
    pub async fn stop(mut self, span: Span) -> anyhow::Result<Option<Latency>> {
        self.end.send_replace(Some(span.ended));
        let mut transactions = Vec::new();
        while let Some(session) = self.sessions.join_next().await {
            transactions.extend(session??);
        }
        transactions.retain(|transaction| transaction.due >= span.began && transaction.due <= span.ended);
        Ok(summary(&transactions))
    }
}

fn summary(transactions: &[Transaction]) -> Option<Latency> {
    let took: Vec<f64> = transactions.iter().map(|transaction| transaction.took.as_secs_f64() * 1000.0).collect();
    Some(Latency {
        transactions: transactions.len(),
        failed: transactions.iter().filter(|transaction| transaction.failed).count(),
        p50: percentile(&took, 50.0)?,
        p95: percentile(&took, 95.0)?,
        p99: percentile(&took, 99.0)?,
        worst: percentile(&took, 100.0)?,
    })
}

/// When which transaction is due.
struct Schedule {
    start: Instant,
    rate: u32,
    next: AtomicU32,
}

impl Schedule {
    fn take(&self) -> (u32, Instant) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number, self.start + Duration::from_secs_f64(f64::from(number) / f64::from(self.rate)))
    }
}

/// One connection of the application.
struct Session {
    client: Client,
    update: Statement,
    insert: Statement,
    rows: i64,
    projects: i64,
    spare: i64,
}

impl Session {
    async fn open(database: &Database<'_>, scenario: &Scenario) -> anyhow::Result<Self> {
        let client = database.client().await?;
        let columns = scenario.columns().get(1..).unwrap_or_default().join(", ");
        let (task, project) = (scenario.key("task", "$1::bigint"), scenario.key("project", "$1::bigint"));
        let update = format!("UPDATE task SET {} WHERE id = {task}", scenario.change());
        let insert = format!("INSERT INTO task ({columns}) VALUES ({})", scenario.new_task(&project));
        Ok(Session {
            update: client.prepare(&update).await?,
            insert: client.prepare(&insert).await?,
            client,
            rows: i64::try_from(scenario.rows)?,
            projects: i64::try_from(scenario.projects())?,
            spare: i64::try_from(scenario.spare_projects())?,
        })
    }

    async fn work(
        self,
        schedule: Arc<Schedule>,
        mut ending: watch::Receiver<Option<Instant>>,
    ) -> anyhow::Result<Vec<Transaction>> {
        let mut done = Vec::new();
        loop {
            let (number, due) = schedule.take();
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => {}
                _ = ending.wait_for(|end| end.is_some_and(|end| end < due)) => return Ok(done),
            }
            if ending.borrow().is_some_and(|end| end < due) {
                return Ok(done);
            }
            let outcome = match number % 2 {
                0 => self.client.execute(&self.update, &[&fastrand::i64(1..=self.rows)]).await,
                _ => {
                    let project = self.projects + fastrand::i64(1..=self.spare);
                    self.client.execute(&self.insert, &[&project]).await
                }
            };
            done.push(Transaction { due, took: due.elapsed(), failed: outcome.is_err() });
        }
    }
}
