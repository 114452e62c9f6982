//! `tenantctl pause`: let a run rest, from any machine.

use super::Context;
use super::steer::steer;
use crate::error::Exit;
use crate::execute::control::Wish;
use crate::report::Shape;

/// Let the run rest after the batch or step in flight, from any machine
///
/// It stays paused, also when it is interrupted or killed and goes on in another process, until `tenantctl resume`, or
/// until it is finished. A statement in flight, such as the building of an index, is finished first.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How it is told
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Shape,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    steer(Wish::Pause, args.format, context).await
}
