//! Sessions in lock-step: a test goes on when the server says that a session waits for another, not after a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error};

use super::Database;

/// Longer than any wait here can take; a test that comes to it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// One session.
pub struct Session {
    client: Arc<Client>,
    observer: Client,
    pid: i32,
}

/// A statement that was sent and waits.
#[must_use]
pub struct Waiting(JoinHandle<Result<(), Error>>);

impl Session {
    pub async fn open(database: &Database<'_>) -> Self {
        let client = database.client("lockstep").await;
        let pid = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        Session { client: Arc::new(client), observer: database.client("observer").await, pid }
    }

    /// Sends statements that do not have to wait.
    pub async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    /// Sends a statement that waits for another session, and returns once it does.
    pub async fn waits(&self, sql: &str) -> Waiting {
        let pending = self.send(sql);
        let started = Instant::now();
        loop {
            let blocked = self.observer.query_one("SELECT cardinality(pg_blocking_pids($1)) > 0", &[&self.pid]).await;
            if blocked.unwrap().get(0) {
                return pending;
            }
            assert!(!pending.0.is_finished(), "{sql}: did not wait");
            assert!(started.elapsed() < PATIENCE, "{sql}: neither waits nor ends");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Sends statements and returns at once.
    pub fn send(&self, sql: &str) -> Waiting {
        let (client, sql) = (Arc::clone(&self.client), sql.to_owned());
        Waiting(tokio::spawn(async move { client.batch_execute(&sql).await }))
    }
}

impl Waiting {
    /// Its end, which is a good one.
    pub async fn succeeds(self) {
        self.ends().await.unwrap();
    }

    /// Its end.
    pub async fn ends(self) -> Result<(), Error> {
        tokio::time::timeout(PATIENCE, self.0).await.expect("it still waits").unwrap()
    }
}
