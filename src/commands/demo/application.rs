//! The old application of the demo: it writes all the time, knows nothing of tenants, and notes how long it waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::fixture::statements;
use crate::error::Failure;
use crate::pg::settings::Settings;
use crate::pg::{Access, Session};

/// How many sessions write at once.
pub(super) const SESSIONS: usize = 2;
/// What the application does between two statements.
const THINK: Duration = Duration::from_millis(2);

/// What the application met.
#[derive(Debug, Default, Clone)]
pub(super) struct Ledger {
    /// Statements that succeeded.
    pub statements: u64,
    /// The longest that one took.
    pub longest: Duration,
    /// Errors by message.
    pub errors: BTreeMap<String, u64>,
}

impl Ledger {
    fn add(mut self, other: Ledger) -> Ledger {
        self.statements += other.statements;
        self.longest = self.longest.max(other.longest);
        for (message, count) in other.errors {
            *self.errors.entry(message).or_default() += count;
        }
        self
    }
}

/// The running application.
pub(super) struct Application {
    stop: Arc<AtomicBool>,
    sessions: Vec<JoinHandle<Ledger>>,
}

impl Application {
    /// Connects its sessions and lets them write.
    pub async fn start(settings: &Settings, text: &'static str) -> Result<Application, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            let session =
                Session::open(&settings.with_application_name("old application"), Access::Application).await?;
            sessions.push(tokio::spawn(write(session, statements(text), Arc::clone(&stop))));
        }
        Ok(Application { stop, sessions })
    }

    /// Stops it and says what it met.
    pub async fn stop(self) -> Ledger {
        self.stop.store(true, Ordering::Relaxed);
        let mut ledger = Ledger::default();
        for session in self.sessions {
            match session.await {
                Ok(of_session) => ledger = ledger.add(of_session),
                Err(error) => *ledger.errors.entry(error.to_string()).or_default() += 1,
            }
        }
        ledger
    }
}

async fn write(session: Session, statements: Vec<&'static str>, stop: Arc<AtomicBool>) -> Ledger {
    let mut ledger = Ledger::default();
    while !stop.load(Ordering::Relaxed) {
        let Some(statement) = statements.get(fastrand::usize(..statements.len().max(1))) else { break };
        let started = Instant::now();
        match session.run_file(statement).await {
            Ok(()) => ledger.statements += 1,
            Err(refusal) => *ledger.errors.entry(refusal.message).or_default() += 1,
        }
        ledger.longest = ledger.longest.max(started.elapsed());
        tokio::time::sleep(THINK).await;
    }
    ledger
}
