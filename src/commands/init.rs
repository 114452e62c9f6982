//! `tenantctl init`: a configuration for a database, proposed for review.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use super::{Context, print};
use crate::catalog::{Catalog, Ident};
use crate::config::{self, Config};
use crate::error::{Code, Exit, Failure};
use crate::infer::{self, Choices, Proposal};
use crate::pg::{Access, Session};
use crate::report::proposal;

/// Propose a configuration: every table with the reason, for review
///
/// Reads the catalog, never a row, and writes the file that --config names. Where that is there already it stays as it
/// is, and what is new in the database is shown. Exit code 1 where tables have no rule yet, or rules no table.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A schema to convert; all that hold tables where none is named
    #[arg(long = "schema", value_name = "NAME")]
    schemas: Vec<String>,
    /// Ask where it is not certain
    #[arg(long, short)]
    interactive: bool,
    /// Write the whole proposal to standard output and no file
    #[arg(long, conflicts_with = "append")]
    stdout: bool,
    /// Append what is new to the file
    #[arg(long)]
    append: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    if args.interactive {
        context.ui.refuse_without_operator()?;
    }
    let path = &context.global.config;
    match path.try_exists() {
        Ok(true) if !args.stdout => again(&args, context).await,
        Ok(_) => first(&args, context).await,
        Err(error) => Err(failed("reading", path, &error).into()),
    }
}

/// A new file, or the text of one.
async fn first(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let url = if context.global.config.exists() { context.config()?.database_url } else { None };
    let session = open(context, url.as_deref()).await?;
    let wanted: Vec<Ident> = args.schemas.iter().map(|name| schema(name)).collect::<Result<_, _>>()?;
    let schemas = if wanted.is_empty() { session.schemas().await? } else { wanted };
    let catalog = session.catalog(&schemas).await?;
    refuse_empty(&catalog, &schemas)?;
    let proposal = settle(args, context, &catalog, Choices::default())?;
    let text = proposal::file(&proposal, &catalog.server.database);
    if args.stdout {
        print("the proposal", |out| out.write_all(text.as_bytes()))?;
        return Ok(Exit::Done);
    }
    let path = &context.global.config;
    // Never over a file that somebody else has made meanwhile.
    let file = File::create_new(path).map_err(|error| failed("writing", path, &error))?;
    write(file, &text).map_err(|error| failed("writing", path, &error))?;
    print("the summary", |out| {
        writeln!(out, "wrote {}", path.display())?;
        writeln!(out, "{}", proposal::summary(&proposal))?;
        writeln!(out, "review it, every \"guess:\" and \"unsure:\" first; then run `tenantctl plan --dry-run`")
    })?;
    Ok(Exit::Done)
}

/// What is new since the file was written.
async fn again(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let config = context.config()?;
    refuse_other_schemas(args, &config)?;
    let session = open(context, config.database_url.as_deref()).await?;
    let catalog = session.catalog(&config.schemas).await?;
    let proposal = settle(args, context, &catalog, infer::choices(&config, &catalog))?;
    let changes = infer::changes(&config, &catalog, &proposal);
    for schema in session.schemas().await?.iter().filter(|schema| !config.schemas.contains(schema)) {
        context.ui.note(&format!("schema {schema} holds tables too, but schemas in {} leaves it out", config.path));
    }
    let with_schema = config.schemas.len() > 1;
    if args.append && !changes.new.is_empty() {
        append(context, &proposal::sections(&proposal, &changes.new, with_schema))?;
    }
    let is_new = !changes.new.is_empty() && !args.append;
    let shown = infer::Changes { new: if is_new { changes.new.clone() } else { Vec::new() }, ..changes.clone() };
    print("what is new", |out| {
        if args.append && !changes.new.is_empty() {
            writeln!(out, "# appended to {}: {}", config.path, proposal::added(changes.new.len()))?;
        } else if shown == infer::Changes::default() {
            writeln!(out, "# {} names every table; nothing is new", config.path)?;
        }
        out.write_all(proposal::changes(&shown, &proposal, &config.path, with_schema).as_bytes())
    })?;
    if is_new {
        context.ui.note("review them, then add them with `tenantctl init --append`");
    }
    Ok(if shown == infer::Changes::default() { Exit::Done } else { Exit::Findings })
}

/// Adds to the end of the file and changes nothing else in it.
fn append(context: &Context, sections: &str) -> Result<(), Failure> {
    let path = &context.global.config;
    let failed = |error: io::Error| failed("writing", path, &error);
    let before = std::fs::read_to_string(path).map_err(failed)?;
    let gap = if before.ends_with('\n') { "\n" } else { "\n\n" };
    let added = format!("{gap}{sections}");
    config::parse(&format!("{before}{added}"), &path.display().to_string()).map_err(|failure| {
        let message = format!("nothing was appended, for the file would not be valid any more: {}", failure.message);
        Failure::new(Code::ConfigInvalid, message).hint("write the tables as sections, [tables.name], instead")
    })?;
    let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
    write(file, &added).map_err(failed)
}

fn write(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

async fn open(context: &Context, url: Option<&str>) -> Result<Session, Failure> {
    let settings = context.settings(url)?;
    Session::open(&settings.with_application_name("tenantctl"), Access::Read).await
}

fn settle(args: &Args, context: &Context, catalog: &Catalog, choices: Choices) -> Result<Proposal, Failure> {
    if args.interactive {
        return infer::settle(catalog, choices, |question| context.ui.choose(&question.text, &question.answers));
    }
    Ok(infer::infer(catalog, &choices))
}

fn schema(name: &str) -> Result<Ident, Failure> {
    Ident::new(name).map_err(|error| {
        Failure::new(Code::UsageInvalid, format!("--schema {name:?}: {error}")).hint("name a schema of the database")
    })
}

fn refuse_empty(catalog: &Catalog, schemas: &[Ident]) -> Result<(), Failure> {
    if !catalog.tables.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = schemas.iter().map(Ident::as_str).collect();
    let place = if names.is_empty() { String::new() } else { format!(" in {}", names.join(", ")) };
    let message = format!("the database {} holds no table{place}", catalog.server.database);
    Err(Failure::new(Code::UsageInvalid, message)
        .hint("connect to the application's database, or name its schemas with --schema"))
}

fn refuse_other_schemas(args: &Args, config: &Config) -> Result<(), Failure> {
    match args.schemas.iter().find(|name| !config.schemas.iter().any(|schema| schema.as_str() == name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Failure::new(Code::UsageInvalid, format!("--schema {name}: {} leaves it out", config.path))
            .hint("add it to `schemas` in the file")),
    }
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        ErrorKind::AlreadyExists => "it appeared meanwhile; run the same command again to see what is new",
        _ => "name another file with --config, or see the text with --stdout",
    };
    Failure::new(Code::FileFailed, format!("{doing} the configuration {}: {error}", path.display())).hint(hint)
}
