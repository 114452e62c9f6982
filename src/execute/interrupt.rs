//! How a run is asked to stop: first neatly, then at once.

use tokio::sync::watch;

/// How urgently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Nobody asked.
    None,
    /// Finish the batch or step in flight, then stop.
    Finish,
    /// Cancel the statement in flight.
    Cancel,
}

/// The side that asks; a signal handler, or a test.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Urgency>);

impl Stopper {
    /// Asks once more: the first time to finish, the second to cancel. Answers what it now is.
    pub fn ask(&self) -> Urgency {
        let next = match *self.0.borrow() {
            Urgency::None => Urgency::Finish,
            Urgency::Finish | Urgency::Cancel => Urgency::Cancel,
        };
        self.0.send_replace(next);
        next
    }
}

/// The side that listens.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<Urgency>);

impl Interrupt {
    /// Both sides.
    pub fn channel() -> (Stopper, Interrupt) {
        let (sender, receiver) = watch::channel(Urgency::None);
        (Stopper(sender), Interrupt(receiver))
    }

    /// Whether somebody asked at all.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow() > Urgency::None
    }

    /// Waits until somebody asks that urgently; for ever, if nobody can any more.
    pub async fn reached(&mut self, urgency: Urgency) {
        if self.0.wait_for(|now| *now >= urgency).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
