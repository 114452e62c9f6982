//! `tenantctl demo`: the whole way on a throw-away server, while an old application keeps writing.

mod application;
mod fixture;
mod phases;

use std::collections::BTreeMap;
use std::io::{StdoutLock, Write};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::conversion::{Conversion, Order};
use super::planning::{self, Planned};
use super::{Context, print, signals, verify};
use crate::config::{self, Config};
use crate::embedded::{Options, Server};
use crate::error::{Code, Exit, Failure};
use crate::event::Observer;
use crate::execute::{Interrupt, Target};
use crate::pg::settings::{Environment, Settings};
use crate::pg::{Access, Session, get};
use crate::plan::Plan;
use crate::report::demo::{self as report, Change, Demo, Patience, TableChange};
use crate::report::{human, plan as plan_report};
use crate::sql::census::{Owners, census};
use application::{Application, Ledger};
use fixture::{Fixture, Name};
use phases::Phases;

/// How long the application writes alone, before and after, so that its usual speed can be seen.
const ALONE: Duration = Duration::from_millis(500);

/// Convert a throw-away database while an application writes to it, and show what happened
///
/// Starts a private PostgreSQL from the installed programs, loads a legacy database, converts it while its application
/// writes, verifies it, compares before and after, and removes everything again. Exit code 1 where the application met an
/// error or the verification a finding.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many rows the legacy database has, over all its tables
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    rows: u32,
    /// Which legacy database
    #[arg(long, value_enum, value_name = "NAME", default_value = "saas25")]
    fixture: Name,
    /// Leave the server running, to look around
    #[arg(long)]
    keep: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    say(report::title)?;
    let server =
        tokio::task::spawn_blocking(|| Server::start(&Options::default())).await.context("starting a server")??;
    let (version, place) = (server.version(), server.host().display());
    let what = format!("A throw-away PostgreSQL {}.{}, in {place}", version / 10_000, version % 100);
    say(|out| report::stage(1, &what, out))?;
    let settings = Settings::resolve(Some(&server.url("postgres")), &Environment::from_process())?;
    let outcome = tokio::select! {
        outcome = convert(&args, context, &settings) => outcome,
        asked = signals::first() => asked.context("listening for signals").and(Err(interrupted().into())),
    };
    context.ui.settle();
    if args.keep {
        let url = server.url("postgres");
        let stop = tokio::task::spawn_blocking(move || server.keep()).await.context("keeping the server")??;
        say(|out| report::keep(&url, &stop, out))?;
    } else {
        tokio::task::spawn_blocking(move || server.stop()).await.context("stopping the server")??;
        if outcome.is_ok() {
            say(report::next)?;
        }
    }
    outcome
}

fn interrupted() -> Failure {
    Failure::new(Code::Interrupted, "the demo was interrupted").hint("run it again; it always starts anew")
}

/// The way from the legacy database to the converted one.
async fn convert(args: &Args, context: &Context, settings: &Settings) -> anyhow::Result<Exit> {
    let fixture = args.fixture.fixture();
    let config = config::parse(fixture.config, "the fixture's tenantctl.toml")?;
    let before = load(settings, &fixture, &config, args.rows).await?;

    say(|out| {
        report::stage(3, "The plan in short; `tenantctl plan --verbose` shows every statement", out)?;
        writeln!(out)?;
        plan_report::summary(&before.planned.script, out)
    })?;
    let sessions = application::SESSIONS;
    let what = format!("Its application: {sessions} sessions write all the time, and know nothing of tenants");
    say(|out| report::stage(4, &what, out))?;
    let application = Application::start(settings, fixture.application).await?;
    tokio::time::sleep(ALONE).await;
    say(|out| report::stage(5, "The conversion, as `tenantctl migrate` does it", out))?;
    let live: Option<&dyn Observer> = if context.ui.is_live() { Some(context.ui.as_ref()) } else { None };
    let phases = Phases::new(live);
    let began = Instant::now();
    let conversion = Conversion::open(settings, &config, &Order::default()).await?;
    let (_stopper, interrupt) = Interrupt::channel();
    conversion.run(&phases, interrupt, Target::End).await?;
    let elapsed = began.elapsed();
    tokio::time::sleep(ALONE).await;
    let ledger = application.stop().await;
    context.ui.settle();

    let proof = verify::check(&before.reader, &config).await?;
    let exit = if ledger.errors.is_empty() { verify::exit(&proof) } else { Exit::Findings };
    let (tables, change) = before.compare(&config, &fixture).await?;
    let Ledger { statements, longest, errors } = ledger;
    let patience = Patience { statements, longest, errors };
    let shown = Demo { phases: phases.done(), tables, change, elapsed, patience };
    say(|out| {
        report::write(&shown, out)?;
        report::stage(6, "The proof, as `tenantctl verify` gives it", out)?;
        writeln!(out)?;
        verify::summary(&proof, out)
    })?;
    Ok(exit)
}

fn say(write: impl FnOnce(&mut StdoutLock<'static>) -> std::io::Result<()>) -> anyhow::Result<()> {
    print("the demo", write)
}

/// Makes the legacy database, and looks at it.
async fn load(settings: &Settings, fixture: &Fixture, config: &Config, rows: u32) -> anyhow::Result<Before> {
    let what = format!("A legacy database: {}, some {} rows", fixture.story, human::count(rows.into()));
    say(|out| report::stage(2, &what, out))?;
    let session = Session::open(settings, Access::Application).await?;
    let refused = |what: &'static str| {
        move |refusal: crate::pg::Refusal| refusal.failure(&format!("loading the fixture's {what}"))
    };
    session.run_file(fixture.schema).await.map_err(refused("schema"))?;
    session.run_file(&format!("SET seed.rows = {rows}; {}", fixture.seed)).await.map_err(refused("rows"))?;
    let reader = Session::open(settings, Access::Read).await?;
    let planned = planning::plan(&reader, config).await?;
    let rows = count(&reader, &planned.plan, Owners::NotYet).await?;
    Ok(Before { reader, planned, rows })
}

/// Rows and owners by table.
type Census = BTreeMap<String, (i64, i64)>;

async fn count(session: &Session, plan: &Plan, owners: Owners) -> Result<Census, Failure> {
    let rows = session.rows(&census(plan, owners)).await?;
    rows.iter().map(|row| Ok((get(row, 0)?, (get(row, 1)?, get(row, 2)?)))).collect()
}

/// The legacy database as it was.
struct Before {
    reader: Session,
    planned: Planned,
    rows: Census,
}

impl Before {
    /// What is different now, for every table in short and for the fixture's example in detail.
    async fn compare(&self, config: &Config, fixture: &Fixture) -> Result<(Vec<TableChange>, Change), Failure> {
        let catalog = self.reader.catalog(&config.schemas).await?;
        let plan = &self.planned.plan;
        let rows = count(&self.reader, plan, Owners::Counted).await?;
        let of = |census: &Census, name: &str| census.get(name).copied().unwrap_or_default();
        let tables = plan.tables.values().map(|table| {
            let name = table.owned.name.name.to_string();
            let ((rows_before, _), (rows_after, owners)) = (of(&self.rows, &name), of(&rows, &name));
            TableChange { name, strategy: table.strategy, rows_before, rows_after, owners }
        });
        let shown = plan.tables.keys().find(|name| name.name.as_str() == fixture.shown).ok_or_else(|| {
            Failure::new(Code::EmbeddedFailed, format!("the fixture has no table {}", fixture.shown))
                .hint("report this as a defect")
        })?;
        let [was, is] = [&self.planned.catalog, &catalog].map(|catalog| catalog.tables.get(shown));
        Ok((tables.collect(), Change::between(shown, was, is)))
    }
}
