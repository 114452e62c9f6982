//! Doing it: every loop that talks to the server. No SQL is written here; the script says what is sent.

pub mod account;
mod ahead;
mod backfill;
pub mod bookkeeping;
pub mod calibrate;
pub mod checks;
mod condition;
pub mod control;
mod expressions;
pub mod facts;
pub mod filled;
mod interrupt;
pub mod lost;
pub mod pulse;
mod run;
pub mod status;
mod step;
pub mod throttle;
mod wait;
mod watch;

pub use interrupt::{Interrupt, Stopper, Urgency};
pub use run::{Done, Target, Tools, run};
pub use throttle::Throttle;
pub use watch::Watch;
