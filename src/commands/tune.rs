//! `tenantctl tune`: change how fast a run works, from any machine.

use std::time::Duration;

use clap::value_parser;

use super::Context;
use super::steer::steer;
use crate::config::MOST_WORKERS;
use crate::error::Exit;
use crate::execute::control::{Tuning, Wish};
use crate::report::Shape;

/// Change how fast the run works, from any machine
///
/// What is not named stays as it is. It holds until the run is finished, also when it is interrupted or killed and goes on
/// in another process; `--reset` brings the configured values back.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(super) struct Args {
    /// How many batches run at once
    #[arg(long, value_name = "N", group = "what", value_parser = value_parser!(u32).range(1..=i64::from(MOST_WORKERS)))]
    workers: Option<u32>,
    /// How long a batch should take, in milliseconds
    #[arg(long, value_name = "N", group = "what", value_parser = value_parser!(u64).range(1..=600_000))]
    batch_ms: Option<u64>,
    /// How far a replica may be behind, such as 5s
    #[arg(long, value_name = "TIME", group = "what", value_parser = lag)]
    max_lag: Option<Duration>,
    /// What is not named becomes as configured
    #[arg(long, group = "what")]
    reset: bool,
    /// How it is told
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Shape,
}

/// A time with its unit that is at least a millisecond.
fn lag(text: &str) -> Result<Duration, String> {
    let lag = humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 5s or 500ms"))?;
    if (1..=86_400_000).contains(&lag.as_millis()) { Ok(lag) } else { Err("from 1ms to 1day makes sense".to_owned()) }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let tuning = Tuning {
        reset: args.reset,
        workers: args.workers,
        batch: args.batch_ms.map(Duration::from_millis),
        max_lag: args.max_lag,
    };
    steer(Wish::Tune(tuning), args.format, context).await
}
