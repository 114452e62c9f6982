//! `tenantctl migrate`: convert the database, or go on.

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::time::Duration;

use super::attended::{self, Attended};
use super::conversion::{Conversion, Order, Unfinished};
use super::expected::Expected;
use super::tally::Counts;
use super::{Context, plan_file, print};
use crate::config::Config;
use crate::error::{Code, Exit, Failure};
use crate::event::Start;
use crate::execute::bookkeeping::RunKind;
use crate::execute::control::Mark;
use crate::execute::{Target, account, filled};
use crate::plan::{Cost, Phase};
use crate::report::Shape;
use crate::report::human::counted;
use crate::report::outcome::{self, Backfills, Growth, Outcome, State};
use crate::report::plan as plan_report;
use crate::sql::Script;
use crate::ui::Answer;

/// Convert the database, or go on where an earlier run stopped
///
/// The conversion is planned, shown in short and, on a terminal, asked about. A run that was interrupted goes on with its
/// stored plan. Running it again on a converted database does nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Stop after this version
    #[arg(long, value_name = "VERSION", conflicts_with = "through")]
    to: Option<i32>,
    /// Stop after this phase: prepare, expand, backfill or enforce
    #[arg(long, value_name = "PHASE")]
    through: Option<Phase>,
    /// Run only the plan in this file, written by `plan --out`; what changed since is said
    #[arg(long, value_name = "FILE", conflicts_with = "expect")]
    plan: Option<PathBuf>,
    /// Run only the plan with this fingerprint
    #[arg(long, value_name = "FINGERPRINT")]
    expect: Option<String>,
    /// Give an unfinished run up and plan what is left anew
    #[arg(long)]
    replan: bool,
    /// Stop, to be resumed, once the server has kept a backfill waiting for so long, such as 30m; instead of
    /// throttle.max_pause
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    max_pause: Option<Duration>,
    /// How the outcome is told
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Shape,
}

impl Args {
    fn target(&self) -> Target {
        match (self.to, self.through) {
            (Some(version), _) => Target::Version(version),
            (None, Some(phase)) => Target::Phase(phase),
            (None, None) => Target::End,
        }
    }

    fn order(&self) -> Result<Order, Failure> {
        let expect = match &self.plan {
            Some(path) => Some(Expected::Document(Box::new(plan_file::read(path)?))),
            None => self.expect.clone().map(Expected::Fingerprint),
        };
        let unfinished = if self.replan { Unfinished::Replan } else { Unfinished::Resume };
        Ok(Order { expect, unfinished })
    }

    fn refuse_beyond(&self, script: &Script) -> Result<(), Failure> {
        let versions = || script.migrations.iter().map(|migration| migration.version);
        match (self.to, versions().min(), versions().max()) {
            (Some(to), Some(first), Some(last)) if !(first..=last).contains(&to) => {
                let message = format!("--to {to}: the plan has the versions {first} to {last}");
                Err(Failure::new(Code::UsageInvalid, message).hint("`tenantctl plan` shows what each one does"))
            }
            _ => Ok(()),
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let mut config = context.config()?;
    config.throttle.max_pause = args.max_pause.unwrap_or(config.throttle.max_pause);
    let order = args.order()?;
    let settings = context.settings(config.database_url.as_deref())?;
    let conversion = Conversion::open(&settings, &config, &order).await?;
    let script = conversion.script().clone();
    if conversion.is_nothing() {
        conversion.close().await?;
        let nothing = outcome(&script, RunKind::Migrate, Counts::default(), Duration::ZERO, State::NothingToDo);
        tell(args.format, context, &nothing)?;
        return Ok(Exit::Done);
    }
    args.refuse_beyond(&script)?;
    let control = conversion.control().await?;
    if let Some(Mark { by, at }) = &control.paused {
        context.ui.warn(&format!(
            "the run is PAUSED by {by} since {at}: nothing begins until `tenantctl resume`, from any machine"
        ));
    }
    ask(&args, context, &conversion, &settings.describe())?;
    let Attended { mut counts, took, state, exit } = attended::run(context, conversion, args.target()).await?;
    if let (State::Finished { .. }, Some(seen)) = (&state, counts.backfills.take()) {
        counts.backfills = Some(recorded(context, &config, &script, &seen).await.unwrap_or(seen));
    }
    tell(args.format, context, &outcome(&script, RunKind::Migrate, counts, took, state))?;
    Ok(exit)
}

/// What the run's backfills cost by its own record, earlier processes and growth included; nothing where that cannot be
/// had, since the outcome is good without it.
async fn recorded(context: &Context, config: &Config, script: &Script, seen: &Backfills) -> Option<Backfills> {
    let session = context.reader(config).await.ok()?;
    let account = account::read(&session).await.ok()??;
    let steps = account.steps.iter().filter_map(|step| step.actual.as_ref());
    let cost: Cost = steps.filter(|cost| cost.batches > 0).sum();
    let filled = filled::read(&session, script).await.ok();
    Some(Backfills {
        rows_written: cost.rows,
        rows_filled: filled.map(|tables| tables.iter().filter_map(|table| table.rows).sum()),
        hot_rows: cost.hot_rows,
        wal_bytes: cost.wal_bytes,
        growth: Some(Growth { heap_bytes: cost.heap_bytes, index_bytes: cost.index_bytes }),
        elapsed: cost.duration,
        ..seen.clone()
    })
}

pub(super) fn outcome(script: &Script, kind: RunKind, counts: Counts, elapsed: Duration, state: State) -> Outcome {
    Outcome {
        kind,
        run: counts.run,
        fingerprint: script.fingerprint.clone(),
        applied: counts.applied,
        rows_written: counts.rows,
        backfills: counts.backfills,
        elapsed,
        state,
    }
}

/// Shows in short what will be done, and asks whether it should.
fn ask(args: &Args, context: &Context, conversion: &Conversion, place: &str) -> anyhow::Result<()> {
    if args.yes {
        return Ok(());
    }
    let mut summary = Vec::new();
    plan_report::overview(conversion.script(), &mut summary)?;
    context.ui.note(&String::from_utf8_lossy(&summary));
    let notices = conversion.script().notices.len();
    if notices > 0 {
        let things = counted(notices, "thing", "things");
        context.ui.note(&format!("{things} to know before: `tenantctl plan` shows them\n"));
    }
    let question = match conversion.start() {
        Start::Fresh => format!("Convert {place}?"),
        Start::Resumed => format!("Go on with the unfinished run on {place}?"),
    };
    match context.ui.confirm(&question)? {
        Answer::Yes => Ok(()),
        Answer::No => Err(Failure::new(Code::Declined, "nothing was done: the answer was no").into()),
    }
}

/// Writes the outcome; quiet leaves a good one out where only people would read it.
pub(super) fn tell(format: Shape, context: &Context, outcome: &Outcome) -> anyhow::Result<()> {
    match &outcome.state {
        // On a terminal the outcome itself says it, and twice is too much.
        State::Stopped { failure, .. } if format == Shape::Json || !stdout().is_terminal() => {
            context.ui.failure(&failure.clone().into());
        }
        State::Finished { .. } | State::NothingToDo if context.global.quiet && format == Shape::Text => {
            return Ok(());
        }
        State::Stopped { .. } | State::Finished { .. } | State::NothingToDo => {}
    }
    print("the outcome", |out| outcome::write(outcome, format, out))
}
