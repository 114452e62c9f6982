//! `tenantctl resume`: let a paused run go on, from any machine.

use super::Context;
use super::steer::steer;
use crate::error::Exit;
use crate::execute::control::Wish;
use crate::report::Shape;

/// Let a paused run go on, from any machine
///
/// Where its process is gone meanwhile, `tenantctl migrate` goes on with it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How it is told
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Shape,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    steer(Wish::Resume, args.format, context).await
}
