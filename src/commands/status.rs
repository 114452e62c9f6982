//! `tenantctl status`: what is done, what is running, and how to go on.

use super::{Context, print};
use crate::error::Exit;
use crate::execute::{account, status};
use crate::pg::{Access, Session};
use crate::report::Shape;
use crate::report::status as report;

/// Show what is done, what is running, and how to go on
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show what the newest run was expected to cost beside what it cost
    #[arg(long)]
    report: bool,
    /// How it is told
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Shape,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let settings = context.place()?.with_application_name("tenantctl");
    let session = Session::open(&settings, Access::Read).await?;
    let status = status::read(&session).await?;
    let account = if args.report { account::read(&session).await? } else { None };
    print("the status", |out| report::write(&status, account.as_ref(), args.format, out))?;
    Ok(Exit::Done)
}
