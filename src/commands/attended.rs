//! A run with somebody at it: its events are shown and counted, and a signal stops it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::conversion::Conversion;
use super::tally::{Counts, Tally};
use super::{Context, signals};
use crate::error::Exit;
use crate::execute::{Interrupt, Target};
use crate::report::outcome::State;

/// What came of it.
pub(super) struct Attended {
    pub(super) counts: Counts,
    pub(super) took: Duration,
    pub(super) state: State,
    pub(super) exit: Exit,
}

/// Runs up to the target, or until it is stopped.
///
/// # Errors
/// It could not begin to listen or to read; what stopped the run itself is in its state.
pub(super) async fn run(context: &Context, conversion: Conversion, target: Target) -> anyhow::Result<Attended> {
    let (stopper, interrupt) = Interrupt::channel();
    signals::listen(stopper, Arc::clone(&context.ui)).context("listening for signals")?;
    let before = conversion.applied().await?;
    let migrations = conversion.script().migrations.len();
    let tally = Tally::new(context.ui.as_ref());
    let began = Instant::now();
    let done = tokio::select! {
        done = conversion.run(&tally, interrupt, target) => done,
        never = context.ui.beat() => match never {},
    };
    context.ui.settle();
    let counts = tally.counts();
    let left = migrations.saturating_sub(before + counts.applied.len());
    let (state, exit) = match done {
        Ok(_) => (State::Finished { left }, Exit::Done),
        Err(failure) => {
            let exit = failure.code.exit();
            (State::Stopped { at: counts.at.clone(), left, failure }, exit)
        }
    };
    Ok(Attended { counts, took: began.elapsed(), state, exit })
}
