//! `tenantctl plan`: what would be done, with its locks, its costs and its SQL.

use std::path::PathBuf;

use super::calibrating::calibrated;
use super::planning::{self, Planned};
use super::{Context, offline, plan_file, print};
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::execute::bookkeeping::presence;
use crate::execute::status;
use crate::report::plan::{self as report, Detail, Page};
use crate::report::{Format, Shape};

/// Show every phase, migration and step with its lock, its cost and its SQL; nothing is written
///
/// Needs only the right to read, but for --calibrate. Exit code 1 where something must be mended before `migrate` can run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Say aloud that nothing is written (a plan never writes)
    #[arg(long)]
    dry_run: bool,
    /// Measure the costs of the dearest tables on copies of some of their pages, in the schema tenantctl; needs the right
    /// to write there. The tables themselves are only read, and the copies are dropped in the end
    #[arg(long, conflicts_with_all = ["dry_run", "schema_file"])]
    calibrate: bool,
    /// For a terminal, a machine, psql, a pull request or a browser
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Show the SQL of every step in the report
    #[arg(long)]
    verbose: bool,
    /// Write the plan into this file too, for review and for `migrate --plan`: the same JSON, with the database as it is
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Plan for a dump instead of a database: load it into a throw-away server. May be given several times
    #[arg(long, value_name = "FILE")]
    schema_file: Vec<PathBuf>,
}

impl Args {
    pub(super) fn shape(&self) -> Shape {
        if self.format == Format::Json { Shape::Json } else { Shape::Text }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let planned = match args.schema_file.as_slice() {
        [] => on_database(&config, context, args.calibrate).await?,
        files => offline::plan(files, &config).await?,
    };
    let plan = planned.into_document();
    if let Some(path) = &args.out {
        plan_file::write(&plan, path)?;
        context.ui.note(&format!("the plan is in {}", path.display()));
    }
    let detail = if args.verbose { Detail::Full } else { Detail::Brief };
    let columns = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    let page = Page::new(detail, columns);
    print("the plan", |out| report::write(&plan, args.format, page, out))?;
    if args.dry_run && args.format == Format::Text {
        context.ui.note("nothing was written");
    }
    Ok(if plan.script.blockers.is_empty() { Exit::Done } else { Exit::Findings })
}

async fn on_database(config: &Config, context: &Context, calibrate: bool) -> Result<Planned, Failure> {
    let session = context.reader(config).await?;
    let planned = planning::plan(&session, config).await?;
    if presence(&session).await?.runs
        && let Some(run) = status::read(&session).await?.run.filter(status::RunStatus::is_open)
    {
        context.ui.note(&format!(
            "run {} is unfinished: `migrate` goes on with its stored plan; this is what `migrate --replan` would do instead",
            run.id
        ));
    }
    if calibrate {
        return calibrated(&context.settings(config.database_url.as_deref())?, planned).await;
    }
    Ok(planned)
}
