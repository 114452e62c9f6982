//! The program reshape, from the registry: `cargo install reshape --version 0.11.2`.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::super::process::{self, Ran};
use super::Place;

/// Adds the column and fills it; the column has another name until the end.
pub(super) async fn start(program: &Path, place: &Place<'_>) -> anyhow::Result<Ran> {
    run(program, place, "start").await
}

/// Gives the column its name.
pub(super) async fn complete(program: &Path, place: &Place<'_>) -> anyhow::Result<()> {
    run(program, place, "complete").await.map(|_| ())
}

async fn run(program: &Path, place: &Place<'_>, verb: &str) -> anyhow::Result<Ran> {
    let home = TempDir::new()?;
    let migrations = home.path().join("migrations");
    std::fs::create_dir(&migrations)?;
    std::fs::write(migrations.join("add_tenant_id.toml"), migration(place.scenario.key_type()))?;
    let mut command = Command::new(program);
    command.current_dir(home.path()).args(["migration", verb, "--url", &place.database.url]);
    process::run(&mut command).await
}

fn migration(key: &str) -> String {
    format!(
        "[[actions]]\ntype = \"add_column\"\ntable = \"task\"\n\n[actions.column]\nname = \"tenant_id\"\ntype = \"{key}\"\n\n\
         [actions.up]\ntable = \"project\"\nvalue = \"project.tenant_id\"\nwhere = \"task.project_id = project.id\"\n"
    )
}
