//! One file a subcommand: its arguments, and the wiring.

mod attended;
pub mod calibrating;
pub mod conversion;
mod demo;
mod diff;
pub mod expected;
mod init;
mod migrate;
mod offline;
mod pause;
mod plan;
mod plan_file;
pub mod planning;
mod resume;
mod rollback;
mod signals;
mod status;
mod steer;
mod tally;
mod tune;
mod verify;
pub mod way_back;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use crate::config::{self, Config};
use crate::error::{Code, Exit, Failure};
use crate::pg::settings::{Environment, Settings};
use crate::pg::{Access, Session};
use crate::report::{Shape, failure};
use crate::ui::{LogFormat, Ui, Verbosity};

/// The configuration file where none is named.
const CONFIG: &str = "tenantctl.toml";

/// Makes a live, single-customer PostgreSQL database serve many customers, without downtime
///
/// Start with `tenantctl demo`, which shows the whole way on a throw-away server. On your own database, let
/// `tenantctl init` propose a tenantctl.toml, review it, look at `tenantctl plan --dry-run`, run `tenantctl migrate`, and let CI run
/// `tenantctl verify`.
#[derive(Debug, Parser)]
#[command(name = "tenantctl", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
struct Global {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// Where to connect: a URL or key=value; else DATABASE_URL, the file's connection.url, PG* and ~/.pgpass, as psql does
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// Say only what went wrong
    #[arg(long, short, global = true)]
    quiet: bool,
    /// How progress is told on standard error
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Propose a configuration: every table with the reason, for review
    Init(init::Args),
    /// Show every phase, migration and step with its lock and its SQL; nothing is written
    Plan(plan::Args),
    /// Convert the database, or go on where an earlier run stopped
    Migrate(migrate::Args),
    /// Show what is done, what is running, and how to go on
    Status(status::Args),
    /// Take the conversion back, or a part of it, while the application goes on
    Rollback(rollback::Args),
    /// Let the run rest after the batch or step in flight, from any machine
    Pause(pause::Args),
    /// Let a paused run go on, from any machine
    Resume(resume::Args),
    /// Change how fast the run works, from any machine
    Tune(tune::Args),
    /// Show what changed in the schema since the last run: a new table, a unique constraint, a lost trigger
    Diff(diff::Args),
    /// Prove that every row has its right owner and that the database enforces it
    Verify(verify::Args),
    /// Convert a throw-away database while an application writes to it, and show what happened
    Demo(demo::Args),
}

impl Cli {
    /// Runs the command and tells how it went.
    pub async fn run(self) -> Exit {
        let verbosity = if self.global.quiet { Verbosity::Quiet } else { Verbosity::Normal };
        let ui = Arc::new(Ui::stderr(verbosity, self.global.log_format));
        let shape = self.shape();
        let error = match self.dispatch(Arc::clone(&ui)).await {
            Ok(exit) => return exit,
            Err(error) => error,
        };
        ui.failure(&error);
        if shape == Shape::Json {
            // Nobody may be left to read it; the words on standard error are said already.
            failure::json(&error, &mut io::stdout().lock()).ok();
        }
        error.downcast_ref::<Failure>().map_or(Exit::Stopped, |failure| failure.code.exit())
    }

    /// How the command's result is written; a failure is written in the same way.
    fn shape(&self) -> Shape {
        match &self.command {
            Command::Plan(args) => args.shape(),
            Command::Migrate(args) => args.format,
            Command::Rollback(args) => args.format,
            Command::Status(args) => args.format,
            Command::Pause(args) => args.format,
            Command::Resume(args) => args.format,
            Command::Tune(args) => args.format,
            Command::Diff(args) => args.format,
            Command::Verify(args) => args.format,
            Command::Init(_) | Command::Demo(_) => Shape::Text,
        }
    }

    async fn dispatch(self, ui: Arc<Ui>) -> anyhow::Result<Exit> {
        let context = Context { global: self.global, ui };
        match self.command {
            Command::Init(args) => init::run(args, &context).await,
            Command::Plan(args) => plan::run(args, &context).await,
            Command::Migrate(args) => migrate::run(args, &context).await,
            Command::Rollback(args) => rollback::run(args, &context).await,
            Command::Status(args) => status::run(args, &context).await,
            Command::Pause(args) => pause::run(args, &context).await,
            Command::Resume(args) => resume::run(args, &context).await,
            Command::Tune(args) => tune::run(args, &context).await,
            Command::Diff(args) => diff::run(args, &context).await,
            Command::Verify(args) => verify::run(args, &context).await,
            Command::Demo(args) => demo::run(args, &context).await,
        }
    }
}

/// What every command gets: the global arguments and the terminal.
struct Context {
    global: Global,
    ui: Arc<Ui>,
}

/// Writes a command's result to standard output. A reader that left (`| head`) is no failure, and changes no exit status.
fn print(what: &str, write: impl FnOnce(&mut io::StdoutLock<'static>) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.with_context(|| format!("writing {what}")),
    }
}

/// Tells what is wrong with the arguments, or shows the help that they ask for.
pub fn usage(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // Nobody may be left to read it.
        error.print().ok();
        return Exit::Done;
    }
    let text = error.to_string();
    let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let failure = Failure::new(Code::UsageInvalid, message).hint("`tenantctl --help` shows every command and option");
    let failure = anyhow::Error::from(failure);
    let arguments: Vec<String> = std::env::args().collect();
    if wants_json(&arguments, "--log-format") {
        Ui::stderr(Verbosity::Normal, LogFormat::Json).failure(&failure);
    } else {
        error.print().ok();
    }
    if wants_json(&arguments, "--format") {
        failure::json(&failure, &mut io::stdout().lock()).ok();
    }
    Exit::Usage
}

/// Whether the arguments, which clap refused, ask for JSON with this option.
fn wants_json(arguments: &[String], option: &str) -> bool {
    let joined = format!("{option}=json");
    arguments.contains(&joined) || arguments.windows(2).any(|pair| pair == [option, "json"])
}

impl Context {
    /// The configuration file.
    fn config(&self) -> Result<Config, Failure> {
        let path = self.global.config.display().to_string();
        let text = fs::read_to_string(&self.global.config).map_err(|error| {
            Failure::new(Code::FileFailed, format!("reading the configuration {path}: {error}"))
                .hint("write one with `tenantctl init`, or name another file with --config")
        })?;
        config::parse(&text, &path)
    }

    /// Where to connect, for a command that needs nothing else of the file and may be run where there is none.
    fn place(&self) -> Result<Settings, Failure> {
        let absent = self.global.config == Path::new(CONFIG) && !self.global.config.exists();
        let in_file = if absent { None } else { self.config()?.database_url };
        self.settings(in_file.as_deref())
    }

    /// Where to connect; the file's URL stands behind the command line's and the environment's.
    fn settings(&self, in_file: Option<&str>) -> Result<Settings, Failure> {
        let environment = Environment::from_process();
        let in_environment = environment.get("DATABASE_URL").is_some_and(|url| !url.is_empty());
        let url = self.global.database_url.as_deref().or(if in_environment { None } else { in_file });
        let settings = Settings::resolve(url, &environment)?;
        settings.warnings().iter().for_each(|warning| self.ui.warn(warning));
        Ok(settings)
    }

    /// A session that reads.
    async fn reader(&self, config: &Config) -> Result<Session, Failure> {
        let settings = self.settings(config.database_url.as_deref())?;
        Session::open(&settings.with_application_name("tenantctl"), Access::Read).await
    }
}
