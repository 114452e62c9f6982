//! The ways to fill the owner column of a large table: tenantctl's, those of others, and those that one would try first.
//!
//! What others do is their own program where it can be had, else the statements that it sends, written again from its
//! sources for these tables.

mod citus;
mod copy;
mod gitlab;
mod keyset;
mod one_update;
mod pgroll;
mod reshape;
mod tenantctl;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use self::tenantctl::Variant;
use super::scenario::Scenario;
use super::server::Database;

/// When the filling began and ended; what comes before and after it is not counted.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The beginning.
    pub began: Instant,
    /// The end.
    pub ended: Instant,
}

impl Span {
    /// The time between.
    pub fn duration(self) -> Duration {
        self.ended - self.began
    }
}

/// What is filled.
pub struct Place<'a> {
    /// Where.
    pub database: &'a Database<'a>,
    /// The tables in it.
    pub scenario: &'a Scenario,
    /// More lines for the section `[backfill]` of tenantctl's configuration.
    pub backfill: &'a [String],
}

/// A way to fill the owner column.
#[derive(Debug, Clone, PartialEq)]
pub enum Rival {
    /// tenantctl itself.
    Tenantctl(&'static Variant),
    /// All rows in one statement.
    OneUpdate,
    /// Batches of 1,000 rows by the primary key.
    Keyset,
    /// What pgroll does.
    Pgroll,
    /// What GitLab's background migrations do.
    Gitlab(gitlab::Pauses),
    /// What the documentation of Citus shows.
    Citus,
    /// The program reshape.
    Reshape(PathBuf),
    /// A new table; readers and writers of the old one would have to wait.
    Copy,
}

impl Rival {
    /// All of them. Those that take for ever, or answer another question, have to be asked for by name.
    pub fn all(reshape: Option<PathBuf>) -> Vec<Rival> {
        let mut all: Vec<Rival> = tenantctl::VARIANTS.iter().map(Rival::Tenantctl).collect();
        all.extend([
            Rival::OneUpdate,
            Rival::Keyset,
            Rival::Pgroll,
            Rival::Gitlab(gitlab::Pauses::Without),
            Rival::Gitlab(gitlab::Pauses::With),
            Rival::Citus,
            Rival::Copy,
        ]);
        all.extend(reshape.map(Rival::Reshape));
        all
    }

    /// What it is called on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Rival::Tenantctl(variant) => variant.name,
            Rival::OneUpdate => "one-update",
            Rival::Keyset => "keyset",
            Rival::Pgroll => "pgroll",
            Rival::Gitlab(gitlab::Pauses::Without) => "gitlab",
            Rival::Gitlab(gitlab::Pauses::With) => "gitlab-paused",
            Rival::Citus => "citus",
            Rival::Reshape(_) => "reshape",
            Rival::Copy => "copy",
        }
    }

    /// What it is called in a report.
    pub fn title(&self) -> &'static str {
        match self {
            Rival::Tenantctl(variant) => variant.title,
            Rival::OneUpdate => "one UPDATE of the whole table",
            Rival::Keyset => "primary-key batches of 1,000",
            Rival::Pgroll => "pgroll's statements",
            Rival::Gitlab(gitlab::Pauses::Without) => "GitLab's job statements, without pauses",
            Rival::Gitlab(gitlab::Pauses::With) => "GitLab's job statements, with pauses",
            Rival::Citus => "the recipe of Citus, without pauses",
            Rival::Reshape(_) => "reshape, the program",
            Rival::Copy => "copy into a new table (a floor; not online)",
        }
    }

    /// Whether it runs when nobody asked for it by name: the pauses make an hour of a million rows.
    pub fn is_usual(&self) -> bool {
        *self != Rival::Gitlab(gitlab::Pauses::With)
    }

    /// Whether an application can go on writing.
    pub fn is_online(&self) -> bool {
        *self != Rival::Copy
    }

    /// Whether it sees to the owner of rows that are inserted meanwhile.
    pub fn fills_new_rows(&self) -> bool {
        matches!(self, Rival::Tenantctl(_) | Rival::Pgroll | Rival::Reshape(_))
    }

    /// Whether one tenant gets every row, and not each its own.
    pub fn gives_all_to_the_system_tenant(&self) -> bool {
        matches!(self, Rival::Tenantctl(variant) if variant.gives_all_to_the_system_tenant())
    }

    /// Does all that comes before the filling.
    ///
    /// # Errors
    /// A statement failed.
    pub async fn prepare(&self, place: &Place<'_>) -> anyhow::Result<()> {
        if let Rival::Tenantctl(variant) = self {
            return variant.prepare(place).await;
        }
        let key = place.scenario.key_type();
        let mut statements = vec![
            format!("ALTER TABLE project ADD tenant_id {key} REFERENCES org"),
            "UPDATE project SET tenant_id = org_id".to_owned(),
            "VACUUM (ANALYZE) project".to_owned(),
        ];
        match self {
            Rival::Reshape(_) => {}
            Rival::Pgroll => statements.extend(pgroll::preparation(place.scenario)),
            _ => statements.push(format!("ALTER TABLE task ADD tenant_id {key}")),
        }
        place.database.run(&statements).await
    }

    /// Fills.
    ///
    /// # Errors
    /// A statement or the program failed.
    pub async fn fill(&self, place: &Place<'_>) -> anyhow::Result<Span> {
        let client = place.database.client().await?;
        let began = Instant::now();
        match self {
            Rival::Tenantctl(variant) => {
                drop(client);
                return variant.fill(place).await;
            }
            Rival::Reshape(program) => {
                drop(client);
                return Ok(reshape::start(program, place).await?.span);
            }
            Rival::OneUpdate => one_update::fill(&client).await?,
            Rival::Keyset => keyset::fill(&client, place.scenario).await?,
            Rival::Pgroll => pgroll::fill(&client).await?,
            Rival::Gitlab(pauses) => gitlab::fill(&client, *pauses).await?,
            Rival::Citus => citus::fill(&client).await?,
            Rival::Copy => copy::fill(&client, place.scenario).await?,
        }
        Ok(Span { began, ended: Instant::now() })
    }

    /// Does what must follow before the owner can be looked at.
    ///
    /// # Errors
    /// The program failed.
    pub async fn finish(&self, place: &Place<'_>) -> anyhow::Result<()> {
        match self {
            Rival::Reshape(program) => reshape::complete(program, place).await,
            _ => Ok(()),
        }
    }

    /// Whether it is a program of its own, with memory of its own; the others are mere statements.
    pub fn is_program(&self) -> bool {
        matches!(self, Rival::Tenantctl(_) | Rival::Reshape(_))
    }

    /// Fills as a program of its own, from the beginning, and tells the most memory that it held, in bytes.
    ///
    /// # Errors
    /// The program failed, or memory cannot be looked at.
    pub async fn peak_memory(&self, place: &Place<'_>) -> anyhow::Result<u64> {
        let ran = match self {
            Rival::Tenantctl(variant) => variant.run_program(place).await?,
            Rival::Reshape(program) => {
                self.prepare(place).await?;
                reshape::start(program, place).await?
            }
            _ => bail!("{} is no program", self.title()),
        };
        ran.peak_memory.context("this system does not tell how much memory a process held")
    }
}
