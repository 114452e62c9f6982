//! `tenantctl diff`: what changed in the schema since the last run.

use std::path::PathBuf;

use super::{Context, plan_file, print};
use crate::error::{Code, Exit, Failure};
use crate::execute::bookkeeping;
use crate::pg::Session;
use crate::report::{Shape, diff as report};
use crate::verify::{Baseline, Contract, drift};

/// Show what changed in the schema since the last run: a new table, a unique constraint, a lost trigger
///
/// Reads only. What the conversion itself made is left out. Exit code 1 where something changed that concerns it, 0 where
/// nothing or nothing that matters did.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Compare with the database of this plan, written by `plan --out`, instead of the last run's
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// How it is told
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Shape,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let given = args.plan.as_deref().map(plan_file::read).transpose()?;
    let session = context.reader(&config).await?;
    let baseline = match (given, &args.plan) {
        (Some(plan), Some(path)) => Baseline {
            name: path.display().to_string(),
            converted: plan.script.migrations.is_empty(),
            catalog: plan.catalog,
        },
        _ => last_run(&session).await?,
    };
    let now = session.catalog(&config.schemas).await?;
    let found = drift(&Contract::read(&config, &now), &baseline, &now);
    print("the differences", |out| report::write(&baseline.name, &found, args.format, out))?;
    let concerns = found.iter().any(|drift| drift.concern.is_some());
    Ok(if concerns { Exit::Findings } else { Exit::Done })
}

async fn last_run(session: &Session) -> Result<Baseline, Failure> {
    bookkeeping::baseline(session).await?.ok_or_else(|| {
        Failure::new(Code::UsageInvalid, "there is no run that kept the schema it was planned from")
            .hint("name a plan to compare with: `tenantctl plan --out plan.json` now, `tenantctl diff --plan plan.json` later")
    })
}
