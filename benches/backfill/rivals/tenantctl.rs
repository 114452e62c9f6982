//! tenantctl itself, through the library: the same plan, script and run as those of `tenantctl migrate`.

use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, anyhow};
use tempfile::TempDir;
use tenantctl::commands::conversion::{Conversion, Order};
use tenantctl::config::{self, Config};
use tenantctl::event::{Event, Observer};
use tenantctl::execute::{Interrupt, Target};
use tenantctl::plan::Phase;

use super::super::process::{self, Ran};
use super::{Place, Span};

/// The strategies, each as one configures it.
pub(super) const VARIANTS: [Variant; 2] = [
    Variant { name: "tenantctl", title: "tenantctl", owner: Owner::Project, rule: "backfill = \"auto\"" },
    Variant {
        name: "tenantctl-instant",
        title: "tenantctl, all rows to one tenant (instant)",
        owner: Owner::SystemTenant,
        rule: "backfill = \"instant\"",
    },
];

/// One configuration of tenantctl.
#[derive(Debug, PartialEq)]
pub struct Variant {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its name in a report.
    pub title: &'static str,
    owner: Owner,
    /// Lines in the section of the table.
    rule: &'static str,
}

/// Who gets the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The owner of their project.
    Project,
    /// One for all.
    SystemTenant,
}

impl Variant {
    /// Whether one tenant gets every row.
    pub fn gives_all_to_the_system_tenant(&self) -> bool {
        self.owner == Owner::SystemTenant
    }

    /// Runs everything up to the migration that fills the large table.
    pub(super) async fn prepare(&self, place: &Place<'_>) -> anyhow::Result<()> {
        let conversion = self.open(place).await?;
        let before = self.version(&conversion)? - 1;
        let observer = Clock::new(before);
        self.run(conversion, &observer, before).await?;
        place.database.run(&["VACUUM (ANALYZE) project".to_owned()]).await
    }

    /// Runs that migration.
    pub(super) async fn fill(&self, place: &Place<'_>) -> anyhow::Result<Span> {
        let conversion = self.open(place).await?;
        let version = self.version(&conversion)?;
        let clock = Clock::new(version);
        self.run(conversion, &clock, version).await?;
        clock.span().context("the migration did not run")
    }

    /// Converts everything with the program.
    pub(super) async fn run_program(&self, place: &Place<'_>) -> anyhow::Result<Ran> {
        let home = TempDir::new()?;
        std::fs::write(home.path().join("tenantctl.toml"), self.config_text(place))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantctl"));
        command.current_dir(home.path()).env("HOME", home.path()).env("DATABASE_URL", &place.database.url);
        process::run(command.args(["migrate", "--yes"])).await
    }

    async fn open(&self, place: &Place<'_>) -> anyhow::Result<Conversion> {
        Ok(Conversion::open(&place.database.settings()?, &self.config(place)?, &Order::default()).await?)
    }

    async fn run(&self, conversion: Conversion, observer: &Clock, version: i32) -> anyhow::Result<()> {
        let (_stopper, interrupt) = Interrupt::channel();
        conversion.run(observer, interrupt, Target::Version(version)).await?;
        Ok(())
    }

    /// The version of the migration that fills the large table.
    fn version(&self, conversion: &Conversion) -> anyhow::Result<i32> {
        let phase = match self.owner {
            Owner::Project => Phase::Backfill,
            Owner::SystemTenant => Phase::Expand,
        };
        let migrations = &conversion.script().migrations;
        let is_it = |table: &tenantctl::catalog::QualifiedName| table.name.as_str() == "task";
        let found = migrations.iter().find(|step| step.phase == phase && step.table.as_ref().is_some_and(is_it));
        found.map(|migration| migration.version).ok_or_else(|| anyhow!("the plan does not fill the table"))
    }

    fn config(&self, place: &Place<'_>) -> anyhow::Result<Config> {
        Ok(config::parse(&self.config_text(place), self.name)?)
    }

    fn config_text(&self, place: &Place<'_>) -> String {
        let source = match self.owner {
            Owner::Project => "source = \"parent\"\nparent = \"project\"",
            Owner::SystemTenant => "source = \"system\"",
        };
        format!(
            "schemas = [\"public\"]\n\n[tenants]\nmode = \"adopt\"\ntable = \"org\"\n\n\
             [system_tenant]\nslug = \"system\"\n\n\
             [tables.project]\nscope = \"tenant\"\nsource = \"parent\"\nparent = \"org\"\n\n\
             [tables.task]\nscope = \"tenant\"\n{source}\n{}\n\n[backfill]\n{}\n",
            self.rule,
            place.backfill.join("\n")
        )
    }
}

/// Notes when a migration begins and ends.
struct Clock {
    version: i32,
    times: Mutex<Vec<Instant>>,
}

impl Clock {
    fn new(version: i32) -> Self {
        Clock { version, times: Mutex::default() }
    }

    fn span(&self) -> Option<Span> {
        let times = self.times.lock().ok()?;
        Some(Span { began: *times.first()?, ended: *times.get(1)? })
    }
}

impl Observer for Clock {
    fn observe(&self, event: &Event) {
        let (Event::MigrationStarted { version, .. } | Event::MigrationDone { version }) = event else { return };
        if let (true, Ok(mut times)) = (*version == self.version, self.times.lock()) {
            times.push(Instant::now());
        }
    }
}
