//! The legacy databases that the demo converts; they are part of the program, so that it runs anywhere.

use clap::ValueEnum;

/// A database, its rows, its application and the decisions about it.
pub(super) struct Fixture {
    /// What it is, for people.
    pub story: &'static str,
    pub schema: &'static str,
    pub seed: &'static str,
    pub application: &'static str,
    pub config: &'static str,
    /// The table whose before and after is shown.
    pub shown: &'static str,
}

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Name {
    /// A rules engine's database: everything becomes the System Tenant's
    Saas25,
    /// The same database: each organization becomes a tenant, and most owners are derived
    Saas25Org,
}

impl Name {
    pub fn fixture(self) -> Fixture {
        let (story, config, shown) = match self {
            Name::Saas25 => (
                "a rules engine that one customer uses",
                include_str!("../../../fixtures/saas25/tenantctl.toml"),
                "models",
            ),
            Name::Saas25Org => (
                "a rules engine whose organizations share everything",
                include_str!("../../../fixtures/saas25/tenantctl.org.toml"),
                "node_runs",
            ),
        };
        Fixture {
            story,
            schema: include_str!("../../../fixtures/saas25/schema.sql"),
            seed: include_str!("../../../fixtures/saas25/seed.sql"),
            application: include_str!("../../../fixtures/saas25/app.sql"),
            config,
            shown,
        }
    }
}

/// The statements of an application's file: each stands below a line `-- name: something`.
pub(super) fn statements(text: &str) -> Vec<&str> {
    let sections = text.split("-- name: ").skip(1);
    sections.filter_map(|section| section.split_once('\n')).map(|(_, statement)| statement.trim()).collect()
}
