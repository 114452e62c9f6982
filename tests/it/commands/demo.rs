//! The demo: what it shows, and that it leaves nothing behind.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;

use crate::support::cli::{Cli, Ran, eventually, signal};

/// A place where nothing else makes directories; the server's account may.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), Permissions::from_mode(0o777)).unwrap();
        Place(place)
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn cli(&self) -> Cli {
        Cli::nowhere().variable("TMPDIR", self.path())
    }

    /// The directories in it, and the processes that were started with one.
    fn left(&self) -> Vec<String> {
        let directories = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path().display().to_string());
        let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let line = fs::read(entry.unwrap().path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(self.path()).then_some(line)
        });
        directories.chain(processes).collect()
    }

    fn is_empty(&self) -> bool {
        self.left().is_empty()
    }
}

/// Answers how many owners the rows of `node_runs` have.
fn converts_without_an_error(arguments: &str) -> u32 {
    let place = Place::new();
    let Ran { stdout, stderr, .. } = place.cli().run(arguments).exits(0);
    assert_eq!(stderr, "", "the story is all there is to say");
    assert!(stdout.contains("statements went through, none failed"), "{stdout}");
    assert!(!stdout.contains(" 0 statements"), "{stdout}");
    for phase in ["prepare", "expand", "backfill", "enforce"] {
        assert!(stdout.contains(&format!("\n   {phase} ")), "{stdout}");
    }
    let table = stdout.lines().find(|line| line.trim_start().starts_with("node_runs ")).unwrap();
    assert!(stdout.contains("tenant_id bigint NOT NULL"), "{stdout}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 100), "{stdout}");
    assert_eq!(place.left(), Vec::<String>::new());
    table.split_whitespace().nth(3).unwrap().parse().unwrap()
}

#[test]
fn the_demo_converts_without_an_error_of_the_application_and_leaves_nothing() {
    assert_eq!(converts_without_an_error("demo --rows 5000"), 1);
}

#[test]
fn the_demo_with_organizations_gives_each_its_rows_and_leaves_nothing() {
    assert!(converts_without_an_error("demo --rows 5000 --fixture saas25-org") > 5);
}

/// Starts a demo, and sends it a signal once its conversion begins.
fn stopped_by(name: &str, place: &Place) -> Ran {
    let mut child = place.cli().command("demo --rows 5000").spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("3. ")), "the application should start");
    assert!(!place.is_empty());
    signal(name, child.id());
    let output = child.wait_with_output().unwrap();
    Ran { exit: output.status.code(), stdout: String::new(), stderr: String::from_utf8(output.stderr).unwrap() }
}

#[test]
fn a_demo_that_is_interrupted_stops_at_once_and_leaves_nothing() {
    for name in ["INT", "TERM"] {
        let place = Place::new();
        let ran = stopped_by(name, &place).exits(130);
        assert!(ran.stderr.starts_with("error[interrupted]: the demo was interrupted\nhint: run it again"), "{ran:?}");
        assert_eq!(place.left(), Vec::<String>::new());
    }
}

#[test]
fn a_demo_that_is_killed_leaves_nothing() {
    let place = Place::new();
    assert_eq!(stopped_by("KILL", &place).exit, None);
    eventually("the server and its directory go", || place.is_empty());
}

#[tokio::test]
async fn a_server_that_is_kept_can_be_looked_at_and_stopped_with_the_printed_commands() {
    let place = Place::new();
    let shown = place.cli().run("demo --rows 500 --keep").exits(0).stdout;
    let after = |label: &str| shown.lines().find_map(|line| line.trim_start().strip_prefix(label)).unwrap().trim();
    let (look, stop) = (after("look around"), after("when done"));
    let url = look.strip_prefix("psql '").unwrap().strip_suffix('\'').unwrap();
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let row = client.query_one("SELECT count(*) FROM models WHERE tenant_id = 1", &[]).await.unwrap();
    assert!(row.get::<_, i64>(0) > 0);
    let sh = |text: &str| Command::new("/bin/sh").args(["-c", text]).output().unwrap();
    if sh("command -v psql").status.success() {
        let answer = sh(&format!("{look} -X -A -t -c 'SELECT count(*) FROM tenants'"));
        assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "1", "{answer:?}");
    }
    assert!(sh(stop).status.success(), "{stop}");
    eventually("the server and its directory go", || place.is_empty());
}
