//! tenantctl itself, through the library: the same plan, script and run as those of `tenantctl migrate`.

use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, anyhow};
use tempfile::TempDir;
use tenantctl::commands::conversion::{Conversion, Order};
use tenantctl::config::{self, Config};
use tenantctl::error::Code;
use tenantctl::event::{Event, Observer};
use tenantctl::execute::{Interrupt, Stopper, Target};
use tenantctl::plan::Phase;
use tenantctl::sql::MigrationScript;

use super::super::process::{self, Ran};
use super::{Place, Span};

/// The strategies, each as one configures it.
pub(super) const VARIANTS: [Variant; 4] = [
    Variant {
        name: "tenantctl",
        title: "tenantctl, cascade, 2 workers",
        owner: Owner::Project,
        rule: "backfill = \"cascade\"",
        limits: "workers = 2",
    },
    Variant {
        name: "tenantctl-1",
        title: "tenantctl, cascade, 1 worker",
        owner: Owner::Project,
        rule: "backfill = \"cascade\"",
        limits: "workers = 1",
    },
    Variant {
        name: "tenantctl-ranges",
        title: "tenantctl, ranges, 2 workers",
        owner: Owner::Project,
        rule: "backfill = \"ranges\"",
        limits: "workers = 2",
    },
    Variant {
        name: "tenantctl-instant",
        title: "tenantctl, all rows to one tenant (instant)",
        owner: Owner::SystemTenant,
        rule: "backfill = \"instant\"",
        limits: "workers = 1",
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
    /// A line in the section `[backfill]`.
    limits: &'static str,
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
        let before = self.migration(&conversion)?.version - 1;
        let (stopper, interrupt) = Interrupt::channel();
        let clock = Clock { step: String::new(), stopper, times: Mutex::default() };
        conversion.run(&clock, interrupt, Target::Version(before)).await?;
        place.database.run(&["VACUUM (ANALYZE) project".to_owned()]).await
    }

    /// Runs that migration's first step, which fills the table. What follows, a comparison of the owners with their
    /// source and VACUUM, no other way does; it is left out.
    pub(super) async fn fill(&self, place: &Place<'_>) -> anyhow::Result<Span> {
        let conversion = self.open(place).await?;
        let migration = self.migration(&conversion)?;
        let step = migration.steps.first().context("the migration has no step")?.id.clone();
        let version = migration.version;
        let (stopper, interrupt) = Interrupt::channel();
        let clock = Clock { step, stopper, times: Mutex::default() };
        match conversion.run(&clock, interrupt, Target::Version(version)).await {
            Err(failure) if failure.code != Code::Interrupted => return Err(failure.into()),
            Ok(_) | Err(_) => {}
        }
        clock.span().context("the step did not run")
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

    /// The migration that fills the large table.
    fn migration<'c>(&self, conversion: &'c Conversion) -> anyhow::Result<&'c MigrationScript> {
        let phase = match self.owner {
            Owner::Project => Phase::Backfill,
            Owner::SystemTenant => Phase::Expand,
        };
        let migrations = &conversion.script().migrations;
        let is_it = |table: &tenantctl::catalog::QualifiedName| table.name.as_str() == "task";
        let found = migrations.iter().find(|step| step.phase == phase && step.table.as_ref().is_some_and(is_it));
        found.ok_or_else(|| anyhow!("the plan does not fill the table"))
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
             [tables.task]\nscope = \"tenant\"\n{source}\n{}\n\n[backfill]\n{}\n{}\n",
            self.rule,
            self.limits,
            place.backfill.join("\n")
        )
    }
}

/// Notes when a step begins and ends, and stops the run then.
struct Clock {
    step: String,
    stopper: Stopper,
    times: Mutex<Vec<Instant>>,
}

impl Clock {
    fn span(&self) -> Option<Span> {
        let times = self.times.lock().ok()?;
        Some(Span { began: *times.first()?, ended: *times.get(1)? })
    }
}

impl Observer for Clock {
    fn observe(&self, event: &Event) {
        let (Event::StepStarted { id, .. } | Event::StepDone { id, .. }) = event else { return };
        if let (true, Ok(mut times)) = (*id == self.step, self.times.lock()) {
            times.push(Instant::now());
            if times.len() == 2 {
                self.stopper.ask();
            }
        }
    }
}
