//! `tenantctl verify`: prove that every row has its right owner and that the database enforces it.

use std::io::{self, Write};

use super::{Context, print};
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::execute::checks;
use crate::pg::Session;
use crate::report::findings::{self, Detail};
use crate::report::{Shape, checks as catalogue};
use crate::verify::{self, Contract, Report, Severity};

/// Prove that every row has its right owner and that the database enforces it
///
/// Reads only. Exit code 0 where everything holds, 1 where something is broken, 3 where a check could not be completed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How the findings are told
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Shape,
    /// Show what holds too, and how that is known
    #[arg(long)]
    verbose: bool,
    /// List the checks
    #[arg(long, conflicts_with = "explain")]
    list: bool,
    /// Explain one check
    #[arg(long, value_name = "ID")]
    explain: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    if args.list {
        print("the checks", catalogue::list)?;
        return Ok(Exit::Done);
    }
    if let Some(id) = &args.explain {
        let check = verify::named(id)?;
        print("the check", |out| catalogue::explain(check, out))?;
        return Ok(Exit::Done);
    }
    let config = context.config()?;
    let session = context.reader(&config).await?;
    let report = check(&session, &config).await?;
    let detail = if args.verbose { Detail::Evidence } else { Detail::Findings };
    print("the findings", |out| match args.format {
        Shape::Text => findings::text(&report, detail, out),
        Shape::Json => findings::json(&report, out),
    })?;
    Ok(exit(&report))
}

/// Asks every check.
pub(super) async fn check(session: &Session, config: &Config) -> Result<Report, Failure> {
    let catalog = session.catalog(&config.schemas).await?;
    checks::run(session, &Contract::read(config, &catalog), &catalog).await
}

/// Writes the findings in short.
pub(super) fn summary(report: &Report, out: &mut impl Write) -> io::Result<()> {
    findings::text(report, Detail::Findings, out)
}

/// Warnings do not fail a build.
pub(super) fn exit(report: &Report) -> Exit {
    report.exit(Severity::Error)
}
