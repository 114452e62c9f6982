//! `tenantctl demo`: the whole way on a throw-away server, while an old application keeps writing.

mod application;
mod fixture;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::conversion::{Conversion, Order};
use super::planning::{self, Planned};
use super::{Context, signals, verify};
use crate::catalog::QualifiedName;
use crate::config::{self, Config};
use crate::embedded::{Options, Server};
use crate::error::{Code, Exit, Failure};
use crate::execute::{Done, Interrupt, Target};
use crate::pg::settings::{Environment, Settings};
use crate::pg::{Access, Session, get};
use crate::plan::Plan;
use crate::report::demo::{self as report, Change, Demo, Patience, TableChange};
use crate::report::plan as plan_report;
use crate::sql::census::{Owners, census};
use application::{Application, Ledger};
use fixture::{Fixture, Name};

/// How long the application writes alone, before and after, so that its usual speed can be seen.
const ALONE: Duration = Duration::from_millis(500);

/// Convert a throw-away database while an application writes to it, and show what happened
///
/// Starts a private PostgreSQL from the installed programs, loads a legacy database, converts it under fire, verifies it,
/// and removes everything again.
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
    let server =
        tokio::task::spawn_blocking(|| Server::start(&Options::default())).await.context("starting a server")??;
    let settings = Settings::resolve(Some(&server.url("postgres")), &Environment::from_process())?;
    let version = server.version();
    context.ui.note(&format!(
        "PostgreSQL {}.{} started in {}",
        version / 10_000,
        version % 100,
        server.host().display()
    ));
    let outcome = convert(&args, context, &settings).await;
    match outcome {
        Ok(verified) if args.keep => {
            let url = server.url("postgres");
            let stop = tokio::task::spawn_blocking(move || server.keep()).await.context("keeping the server")??;
            let mut out = std::io::stdout().lock();
            report::keep(&url, &stop, &mut out).and_then(|()| out.flush()).context("writing how to look around")?;
            Ok(verified)
        }
        Ok(verified) => {
            tokio::task::spawn_blocking(move || server.stop()).await.context("stopping the server")??;
            Ok(verified)
        }
        Err(error) => Err(error),
    }
}

/// The way from the legacy database to the verified one.
async fn convert(args: &Args, context: &Context, settings: &Settings) -> anyhow::Result<Exit> {
    let fixture = args.fixture.fixture();
    let config = config::parse(fixture.config, "the fixture's tenantctl.toml")?;
    let (stopper, interrupt) = Interrupt::channel();
    signals::listen(stopper, Arc::clone(&context.ui)).context("listening for signals")?;
    load(settings, &fixture, args.rows, context).await?;
    let reader = Session::open(settings, Access::Read).await?;
    let before = planning::plan(&reader, &config).await?;
    let mut out = std::io::stdout().lock();
    plan_report::overview(&before.script, &mut out)?;
    out.flush()?;
    drop(out);
    let rows_before = count(&reader, &before.plan, Owners::NotYet).await?;

    let application = Application::start(settings, fixture.application).await?;
    tokio::time::sleep(ALONE).await;
    let began = Instant::now();
    let conversion = Conversion::open(settings, &config, &Order::default()).await?;
    let done = conversion.run(context.ui.as_ref(), interrupt, Target::End, false).await;
    let elapsed = began.elapsed();
    tokio::time::sleep(ALONE).await;
    let ledger = application.stop().await;

    let done = done?;
    let shown = describe(&reader, &config, &fixture, before, rows_before, done, elapsed, ledger).await?;
    let findings = verify::check(&reader, &config).await?;
    let mut out = std::io::stdout().lock();
    report::write(&shown, &mut out)?;
    verify::summary(&findings, &mut out)?;
    out.flush()?;
    Ok(verify::exit(&findings))
}

async fn load(settings: &Settings, fixture: &Fixture, rows: u32, context: &Context) -> Result<(), Failure> {
    context.ui.note(&format!("loading the legacy database with {rows} rows"));
    let session = Session::open(settings, Access::Application).await?;
    let refused = |what: &'static str| {
        move |refusal: crate::pg::Refusal| refusal.failure(&format!("loading the fixture's {what}"))
    };
    session.run_file(fixture.schema).await.map_err(refused("schema"))?;
    session.run_file(&format!("SET seed.rows = {rows}; {}", fixture.seed)).await.map_err(refused("rows"))
}

/// Rows and owners by table.
type Census = BTreeMap<String, (i64, i64)>;

async fn count(session: &Session, plan: &Plan, owners: Owners) -> Result<Census, Failure> {
    let rows = session.rows(&census(plan, owners)).await?;
    rows.iter().map(|row| Ok((get(row, 0)?, (get(row, 1)?, get(row, 2)?)))).collect()
}

/// What changed, for the report.
#[expect(clippy::too_many_arguments, reason = "the two sides of the comparison")]
async fn describe(
    session: &Session,
    config: &Config,
    fixture: &Fixture,
    before: Planned,
    rows_before: Census,
    done: Done,
    elapsed: Duration,
    ledger: Ledger,
) -> Result<Demo, Failure> {
    let after = session.catalog(&config.schemas).await?;
    let rows_after = count(session, &before.plan, Owners::Counted).await?;
    let of = |census: &Census, name: &str| census.get(name).copied().unwrap_or_default();
    let tables = before.plan.tables.values().map(|table| {
        let name = table.owned.name.name.to_string();
        let ((rows_before, _), (rows_after, owners)) = (of(&rows_before, &name), of(&rows_after, &name));
        TableChange { name, strategy: table.strategy, rows_before, rows_after, owners }
    });
    let name = before.plan.tables.keys().find(|name| name.name.as_str() == fixture.shown);
    let (Some(name), false) = (name, ledger.statements == 0) else {
        return Err(Failure::new(Code::EmbeddedFailed, "the demo's application did not write")
            .hint("its first error is in the server's log; run again with --keep"));
    };
    let change = Change::between(name, table(&before.catalog, name), table(&after, name));
    Ok(Demo {
        tables: tables.collect(),
        change,
        rows_written: done.rows,
        migrations: done.versions.len(),
        elapsed,
        patience: Patience { statements: ledger.statements, longest: ledger.longest, errors: ledger.errors },
    })
}

fn table<'a>(catalog: &'a crate::catalog::Catalog, name: &QualifiedName) -> Option<&'a crate::catalog::Table> {
    catalog.tables.get(name)
}
