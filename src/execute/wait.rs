//! Waiting for work on the server: whom it waits for, and what ends it early.

use std::future::Future;
use std::time::{Duration, Instant};

use super::interrupt::{Interrupt, Urgency};
use super::watch::Watch;
use crate::catalog::LockHolder;
use crate::event::{Event, Observer};
use crate::pg::Refusal;
use crate::pg::connect::Canceller;

/// How often we look whom a statement waits for.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// How often we say that a statement without a limit still waits.
const SAY_EVERY: Duration = Duration::from_secs(2);

/// What is needed beside the session that works, which the work itself has.
pub(super) struct Wait<'a> {
    pub(super) step: String,
    pub(super) pid: i32,
    pub(super) canceller: Canceller,
    pub(super) watch: &'a Watch,
    pub(super) observer: &'a dyn Observer,
    pub(super) interrupt: Interrupt,
}

impl Wait<'_> {
    /// Waits for work on the server, and cancels it when somebody insists or the run's lock is lost. Answers also who
    /// held it up when we last looked.
    pub(super) async fn on<T>(
        mut self,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> (Result<T, Refusal>, Vec<LockHolder>) {
        let mut work = std::pin::pin!(work);
        let mut lock = self.watch.session().ending();
        let mut cancelled = false;
        let mut seen = Vec::new();
        let (started, mut said) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                outcome = &mut work => return (outcome, seen),
                () = self.interrupt.reached(Urgency::Cancel), if !cancelled => cancelled = self.cancel().await,
                _ = lock.wait(), if !cancelled => cancelled = self.cancel().await,
                () = tokio::time::sleep(LOOK_EVERY) => {
                    // Who holds the lock is for the message only: a question that fails says nothing new.
                    if let Ok(holders) = self.watch.holders(self.pid).await && !holders.is_empty() {
                        if said.elapsed() > SAY_EVERY {
                            said = Instant::now();
                            let (id, elapsed) = (self.step.clone(), started.elapsed());
                            self.observer.observe(&Event::StatementWaits { id, elapsed, holders: holders.clone() });
                        }
                        seen = holders;
                    }
                }
            }
        }
    }

    /// A cancel that does not get through leaves the statement as it is, and the third interrupt leaves.
    async fn cancel(&self) -> bool {
        self.canceller.cancel().await.ok();
        true
    }
}
