//! `tenantctl rollback`: take the conversion back, or a part of it.

use std::io::Write as _;
use std::str::FromStr;
use std::time::Duration;

use super::attended::{self, Attended};
use super::conversion::Conversion;
use super::migrate::{outcome, tell};
use super::tally::Counts;
use super::way_back::Back;
use super::{Context, print};
use crate::error::{Code, Exit, Failure};
use crate::event::Start;
use crate::execute::bookkeeping::RunKind;
use crate::execute::{Target, lost};
use crate::plan::Phase;
use crate::report::outcome::State;
use crate::report::plan::{self as report, Page};
use crate::report::{Format, Shape};
use crate::sql::Document;
use crate::sql::rollback::Keep;
use crate::ui::Answer;

/// Take the conversion back, or a part of it, while the application goes on
///
/// Everything that `migrate` did is taken back in reverse, the newest version first, by steps that were stored with its plan;
/// what was there before stays. Refused while rows belong to tenants that nothing else names. One that was interrupted goes
/// on when it is run again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep this version, or this phase, and what came before it; without it nothing is kept
    #[arg(long, value_name = "VERSION|PHASE")]
    to: Option<To>,
    /// Show every step with its lock and its SQL; nothing is written
    #[arg(long)]
    dry_run: bool,
    /// Forget whose rows are that belong to tenants that nothing else names
    #[arg(long)]
    discard_ownership: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// How it is told
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Shape,
}

/// What stays.
#[derive(Debug, Clone, Copy)]
struct To(Keep);

impl FromStr for To {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word.parse::<i32>() {
            Ok(version) if version >= 0 => Ok(To(Keep::Version(version))),
            _ => word
                .parse::<Phase>()
                .map(|phase| To(Keep::Phase(phase)))
                .map_err(|error| format!("{error}, or a version")),
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let back = Back { keep: args.to.map(|To(keep)| keep), discard_ownership: args.discard_ownership };
    if args.dry_run {
        return show(back, &args, context).await;
    }
    let settings = context.settings(config.database_url.as_deref())?;
    let way_back = back.open(&settings, &config).await?;
    let script = way_back.script().clone();
    if way_back.is_nothing() {
        let nothing = outcome(&script, RunKind::Rollback, Counts::default(), Duration::ZERO, State::NothingToDo);
        way_back.close().await?;
        tell(args.format, context, &nothing)?;
        return Ok(Exit::Done);
    }
    ask(&args, context, &way_back, &settings.describe())?;
    let Attended { counts, took, state, exit } = attended::run(context, way_back, Target::End).await?;
    tell(args.format, context, &outcome(&script, RunKind::Rollback, counts, took, state))?;
    Ok(exit)
}

/// Shows what would be sent, and what stands in its way.
async fn show(back: Back, args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let session = context.reader(&config).await?;
    let (script, catalog) = back.made(&session, &config).await?;
    let refused = lost::refuse(&session, &script).await;
    let plan = Document { script, catalog };
    let format = if args.format == Shape::Json { Format::Json } else { Format::Text };
    let columns = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    let page = Page::new(report::Detail::Full, columns);
    print("the way back", |out| match (format, plan.script.migrations.as_slice()) {
        (Format::Text, []) => writeln!(out, "Nothing to do: nothing is left to be taken back."),
        _ => report::write(&plan, format, page, out),
    })?;
    if args.format == Shape::Text {
        context.ui.note("nothing was written");
    }
    match refused {
        Ok(()) => Ok(Exit::Done),
        Err(failure) if failure.code == Code::OwnershipLost => {
            let exit = failure.code.exit();
            context.ui.failure(&failure.into());
            Ok(exit)
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Shows in short what will be done, and asks whether it should.
fn ask(args: &Args, context: &Context, way_back: &Conversion, place: &str) -> anyhow::Result<()> {
    if args.yes {
        return Ok(());
    }
    let mut summary = Vec::new();
    report::summary(way_back.script(), &mut summary)?;
    context.ui.note(&String::from_utf8_lossy(&summary));
    let question = match way_back.start() {
        Start::Fresh => format!("Take this back on {place}?"),
        Start::Resumed => format!("Go on with the unfinished way back on {place}?"),
    };
    match context.ui.confirm(&question)? {
        Answer::Yes => Ok(()),
        Answer::No => Err(Failure::new(Code::Declined, "nothing was done: the answer was no").into()),
    }
}
