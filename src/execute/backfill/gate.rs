//! What a worker asks before every transaction.

use std::time::{Duration, Instant};

use crate::error::Failure;
use crate::execute::interrupt::Urgency;
use crate::execute::run::Driver;
use crate::execute::throttle::Rest;

impl Driver<'_> {
    /// Lets a worker on that was busy for so long, when nobody paused the run and the server bears it; not when somebody
    /// asked to stop or the lock is lost. What else is wanted meanwhile holds at once.
    pub(super) async fn admit(&self, busy: Duration) -> Result<(), Failure> {
        let mut wishes = self.hold.wishes();
        let mut rest = Rest::after(busy);
        loop {
            let max_lag = wishes.borrow_and_update().max_lag;
            let asked = Instant::now();
            self.may_begin().await?;
            rest.leave_out(asked.elapsed());
            self.throttle.allow_lag(max_lag);
            let (mut interrupt, mut lock) = (self.interrupt.clone(), self.watch.session().ending());
            tokio::select! {
                rested = self.throttle.rest(&mut rest) => return rested,
                Ok(()) = wishes.changed() => {}
                () = interrupt.reached(Urgency::Finish) => {}
                _ = lock.wait() => {}
            }
        }
    }
}
