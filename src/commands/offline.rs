//! `tenantctl plan --schema-file`: a dump is loaded into a throw-away server, and planned there.

mod complaints;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::planning::{self, Planned};
use super::signals;
use crate::catalog::Ident;
use crate::config::Config;
use crate::embedded::{Options, Server};
use crate::error::{Code, Failure};
use crate::pg::settings::{Environment, Settings};
use crate::pg::{Access, Session};
use crate::plan::{Kind, Notice};
use crate::sql::Statement;
use crate::sql::offline::{DATABASE, LOADER, create_loader, create_role, renew_database};
use complaints::{Loaded, Source};

/// Plans for the schema in the files, loaded in their order. No database is needed, and nothing is left behind.
///
/// # Errors
/// A file cannot be read, or nothing of it can be loaded; there is no PostgreSQL; the configuration does not fit.
pub(super) async fn plan(files: &[PathBuf], config: &Config) -> anyhow::Result<Planned> {
    let sources = files.iter().map(|file| Source::read(file)).collect::<Result<Vec<_>, _>>()?;
    let server =
        tokio::task::spawn_blocking(|| Server::start(&Options::default())).await.context("starting a server")??;
    let planned = tokio::select! {
        planned = load_and_plan(&server, &sources, config) => planned,
        asked = signals::first() => asked.context("listening for signals").and(Err(interrupted().into())),
    };
    tokio::task::spawn_blocking(move || server.stop()).await.context("stopping the server")??;
    planned
}

fn interrupted() -> Failure {
    Failure::new(Code::Interrupted, "planning offline was interrupted").hint("run it again; it always starts anew")
}

async fn load_and_plan(server: &Server, sources: &[Source], config: &Config) -> anyhow::Result<Planned> {
    let loaded = load(server, sources).await?;
    let session = session(server, DATABASE, Access::Read).await?;
    let catalog = session.catalog(&config.schemas).await?;
    if catalog.tables.is_empty() {
        return Err(loaded.nothing(sources, &config.schemas).into());
    }
    let planned = planning::plan_for(&session, config, catalog).await;
    let mut planned = planned.map_err(|failure| loaded.explain(failure))?;
    let notice = |text: String| Notice { kind: Kind::FileRemark, table: None, text };
    let mut known = std::mem::take(&mut planned.script.notices);
    // What the throw-away server lacks says nothing of the one that the plan is for.
    known.retain(|notice| notice.kind != Kind::ThrottleWatches);
    let own = complaints::about(sources, server.version() / 10_000).into_iter().chain(loaded.texts());
    planned.script.notices = own.map(notice).chain(known).collect();
    Ok(planned)
}

/// Loads until no role is missing any more: whom a table belongs to matters little, but a statement that names nobody
/// fails as a whole.
async fn load(server: &Server, sources: &[Source]) -> anyhow::Result<Loaded> {
    let admin = session(server, "postgres", Access::Write).await?;
    send(&admin, &[create_loader()]).await?;
    let mut known: BTreeSet<Ident> = BTreeSet::new();
    loop {
        send(&admin, &renew_database()).await?;
        let mut loaded = Loaded::default();
        for source in sources {
            let psql = server.psql(LOADER, DATABASE)?;
            let script = source.open()?;
            let complaints =
                tokio::task::spawn_blocking(move || psql.load(script)).await.context("loading the file")??;
            loaded.add(source, complaints);
        }
        let missing: BTreeSet<Ident> = loaded.missing_roles().difference(&known).cloned().collect();
        if missing.is_empty() {
            return Ok(loaded);
        }
        for role in &missing {
            send(&admin, &create_role(role)).await?;
        }
        known.extend(missing);
    }
}

async fn session(server: &Server, database: &str, access: Access) -> Result<Session, Failure> {
    let settings = Settings::resolve(Some(&server.url(database)), &Environment::from_process())?;
    Session::open(&settings, access).await
}

async fn send(session: &Session, statements: &[Statement]) -> Result<(), Failure> {
    for statement in statements {
        let sent = session.send(statement, &[]).await;
        sent.map_err(|refusal| refusal.failure("preparing the throw-away server"))?;
    }
    Ok(())
}

impl Source {
    /// Reads a file of SQL.
    fn read(path: &Path) -> Result<Source, Failure> {
        let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
        if bytes.starts_with(b"PGDMP") {
            let message = format!("reading {}: it is a dump in pg_dump's custom format", path.display());
            return Err(Failure::new(Code::FileFailed, message)
                .hint("turn it into SQL: `pg_restore --schema-only -f schema.sql DUMP`"));
        }
        Ok(Source { path: path.to_owned(), text: String::from_utf8_lossy(&bytes).into_owned() })
    }

    fn open(&self) -> Result<File, Failure> {
        File::open(&self.path).map_err(|error| unreadable(&self.path, &error))
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::FileFailed, format!("reading {}: {error}", path.display()))
        .hint("write one with `pg_dump --schema-only > schema.sql`")
}
