//! The way back of a conversion, made ready to run.

use super::conversion::{Begun, Conversion, Ground, refuse_elsewhere};
use crate::catalog::Catalog;
use crate::config::Config;
use crate::error::Failure;
use crate::execute::bookkeeping::{self, RunKind};
use crate::execute::lost;
use crate::pg::Session;
use crate::pg::settings::Settings;
use crate::sql::Script;
use crate::sql::rollback::{Keep, Past, Wanted};

/// What the operator asks for.
#[derive(Debug, Clone, Copy)]
pub struct Back {
    /// What stays; an unfinished way back goes on where nothing is said.
    pub keep: Option<Keep>,
    /// Owners that nothing else names may be forgotten.
    pub discard_ownership: bool,
}

impl Back {
    /// Takes the lock, and finds the unfinished way back or makes a new one. Nothing is written yet.
    ///
    /// # Errors
    /// Another run holds the lock; what was done cannot be taken back, or owners would be lost by it.
    pub async fn open(self, settings: &Settings, config: &Config) -> Result<Conversion, Failure> {
        let ground = Ground::take(settings).await?;
        let open = match bookkeeping::presence(&ground.worker).await?.runs {
            true => bookkeeping::open_run(&ground.worker).await?,
            false => None,
        };
        if let Some(run) = open.filter(|run| run.kind == RunKind::Rollback)
            && self.keep.is_none()
            && !self.discard_ownership
        {
            refuse_elsewhere(&run, &ground.worker).await?;
            lost::refuse(&ground.worker, &run.script).await?;
            return Ok(ground.resume(config, run));
        }
        let (script, catalog) = self.made(&ground.worker, config).await?;
        lost::refuse(&ground.worker, &script).await?;
        Ok(ground.begin(config, Begun { kind: RunKind::Rollback, script, catalog }))
    }

    /// The script of a new way back, and the catalog that it leads to. Reads only.
    ///
    /// # Errors
    /// What was done cannot be taken back; a question failed.
    pub async fn made(self, session: &Session, config: &Config) -> Result<(Script, Catalog), Failure> {
        let now = session.catalog(&config.schemas).await?;
        let past = bookkeeping::past(session).await?;
        let keep = self.keep.unwrap_or(Keep::Nothing);
        let major = now.server.major();
        let wanted = Wanted { keep, discard_ownership: self.discard_ownership, locks: &config.locks, major };
        let script = past.way_back(&wanted)?;
        let goal = match oldest(&past, &script) {
            Some(place) => bookkeeping::catalog_of_run(session, place).await?,
            None => None,
        };
        Ok((script, Catalog { server: now.server.clone(), ..goal.unwrap_or(now) }))
    }
}

/// The place of the run that made the oldest of the versions that are taken back.
fn oldest(past: &Past, script: &Script) -> Option<usize> {
    let version = script.migrations.iter().filter_map(|migration| migration.undoes).min()?;
    past.scripts.iter().position(|script| script.migrations.iter().any(|migration| migration.version == version))
}
