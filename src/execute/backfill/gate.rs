//! What a worker asks before every transaction.

use std::time::Duration;

use crate::error::Failure;
use crate::execute::interrupt::Urgency;
use crate::execute::run::Driver;

impl Driver<'_> {
    /// Lets a worker on that was busy for so long, when the server bears it; not when somebody asked to stop or the lock is
    /// lost.
    pub(super) async fn admit(&self, busy: Duration) -> Result<(), Failure> {
        self.may_begin().await?;
        let (mut interrupt, mut lock) = (self.interrupt.clone(), self.watch.session().ending());
        tokio::select! {
            rested = self.throttle.rest(busy) => rested,
            () = interrupt.reached(Urgency::Finish) => self.may_go_on(),
            _ = lock.wait() => self.may_go_on(),
        }
    }
}
