//! The embedded server, with whatever PostgreSQL is installed; `TENANTCTL_PG_BIN` chooses another.
//!
//! What needs a variable, a signal or a death of its own happens in a child: this test binary again, running
//! [`child_starts_a_server`].

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tenantctl::embedded::{Durability, Options, Server};

/// What the child does with its server: `hold` or `keep`.
const MODE: &str = "TENANTCTL_TEST_CHILD";

#[tokio::test]
async fn a_server_answers_with_its_version() {
    let server = Server::start(&Options::default()).unwrap();
    assert_eq!(ask(&server.url("postgres"), "server_version_num").await, server.version().to_string());
    for (setting, value) in [("server_encoding", "UTF8"), ("lc_collate", "C"), ("listen_addresses", "")] {
        // Since PostgreSQL 16, `lc_collate` is a column of the database and no setting any more.
        if setting != "lc_collate" || server.version() < 160_000 {
            assert_eq!(ask(&server.url("postgres"), setting).await, value, "{setting}");
        }
    }
    assert_eq!((server.port(), server.user()), (5432, "postgres"));
    assert!(server.host().join(".s.PGSQL.5432").exists());
    assert_eq!(fs::metadata(server.host()).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(fs::read_to_string(server.log_path()).unwrap().contains("ready to accept connections"));
}

#[tokio::test]
async fn a_name_with_special_letters_fits_into_the_url() {
    let server = Server::start(&Options::default()).unwrap();
    let client = connect(&server.url("postgres")).await;
    client.batch_execute("CREATE DATABASE \"a b/ü?\"").await.unwrap();
    let row = connect(&server.url("a b/ü?")).await.query_one("SELECT current_database()::text", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "a b/ü?");
}

#[tokio::test]
async fn settings_reach_the_server_and_durability_decides_fsync() {
    let settings = vec![("max_connections".to_owned(), "7".to_owned())];
    let careless = Server::start(&Options { settings: settings.clone(), ..Options::default() }).unwrap();
    let durable = Server::start(&Options { settings, durability: Durability::Durable }).unwrap();
    assert_eq!(ask(&careless.url("postgres"), "max_connections").await, "7");
    assert_eq!(ask(&careless.url("postgres"), "fsync").await, "off");
    assert_eq!(ask(&durable.url("postgres"), "fsync").await, "on");
    assert_eq!(ask(&durable.url("postgres"), "full_page_writes").await, "on");
}

#[tokio::test]
async fn two_servers_live_apart() {
    let one = Server::start(&Options::default()).unwrap();
    let other = Server::start(&Options::default()).unwrap();
    assert_ne!(one.host(), other.host());
    drop(one);
    assert_eq!(ask(&other.url("postgres"), "port").await, "5432");
}

#[test]
fn a_dropped_server_is_gone() {
    let server = Server::start(&Options::default()).unwrap();
    let trace = Trace::of(server.host());
    drop(server);
    assert_eq!(trace.left(), Vec::<String>::new());
}

#[test]
fn a_stopped_server_is_gone() {
    let server = Server::start(&Options::default()).unwrap();
    let trace = Trace::of(server.host());
    server.stop().unwrap();
    assert_eq!(trace.left(), Vec::<String>::new());
}

#[test]
fn a_refused_start_shows_the_log_and_leaves_nothing() {
    let place = open_directory();
    let mut child = child("hold");
    child.env("TMPDIR", place.path()).env("TENANTCTL_TEST_SETTING", "no_such_setting");
    let said = first_line(&mut child);
    assert!(said.starts_with("embedded-failed: start the embedded server in"), "{said}");
    assert!(said.contains("unrecognized configuration parameter \"no_such_setting\""), "{said}");
    assert_eq!(entries(place.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_killed_parent_takes_its_server_along() {
    let mut holder = Holder::start(&mut child("hold"));
    let trace = Trace::of(&holder.host);
    assert_eq!(trace.left().len(), 2, "the directory and the process are there before");
    holder.process.kill().unwrap();
    holder.process.wait().unwrap();
    trace.vanishes();
}

#[test]
fn a_parent_killed_while_the_cluster_is_made_leaves_nothing() {
    let place = open_directory();
    let mut process = child("hold").env("TMPDIR", place.path()).spawn().unwrap();
    eventually("the cluster is begun", || {
        entries(place.path()).iter().any(|directory| directory.join("data").exists())
    });
    process.kill().unwrap();
    process.wait().unwrap();
    // A log that is gone already would mean that the clean-up is.
    let log = entries(place.path()).iter().find_map(|directory| fs::read_to_string(directory.join("log")).ok());
    assert!(!log.is_some_and(|log| log.contains("ready to accept connections")), "killed too late to prove anything");
    eventually("the directory is removed", || entries(place.path()).is_empty());
}

#[tokio::test]
async fn an_interrupt_of_the_foreground_group_leaves_the_server_to_its_parent() {
    // The shell ignores the interrupt for the child, as a parent that first finishes its batch would.
    let inner = child("hold");
    let mut outer = Command::new("sh");
    outer.args(["-c", "trap '' INT; exec \"$0\" \"$@\""]).arg(inner.get_program()).args(inner.get_args());
    outer.env(MODE, "hold").stdout(Stdio::piped()).process_group(0);
    let mut holder = Holder::start(&mut outer);
    let trace = Trace::of(&holder.host);
    shell(&format!("kill -INT -{}", holder.process.id()));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(ask(&holder.url, "port").await, "5432");
    holder.process.kill().unwrap();
    holder.process.wait().unwrap();
    trace.vanishes();
}

#[tokio::test]
async fn a_kept_server_outlives_its_parent_until_the_printed_command() {
    let mut holder = Holder::start(&mut child("keep"));
    let stop = holder.lines.next().unwrap().unwrap();
    let trace = Trace::of(&holder.host);
    assert!(holder.process.wait().unwrap().success());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(ask(&holder.url, "port").await, "5432");
    assert!(shell(&stop), "{stop}");
    trace.vanishes();
    assert!(!shell(&stop), "a second time there is nothing to stop");
}

#[test]
fn a_wrong_directory_in_the_variable_is_an_error_and_not_passed_over() {
    let said = first_line(child("hold").env("TENANTCTL_PG_BIN", "/no/such/bin"));
    assert!(
        said.starts_with("postgres-missing: find `initdb` in /no/such/bin, which TENANTCTL_PG_BIN names"),
        "{said}"
    );
}

#[test]
fn programs_that_the_servers_account_cannot_run_are_named() {
    let place = tempfile::tempdir().unwrap();
    for name in ["initdb", "postgres"] {
        fs::write(place.path().join(name), "").unwrap();
    }
    let said = first_line(child("hold").env("TENANTCTL_PG_BIN", place.path()));
    assert!(said.starts_with("embedded-failed: run "), "{said}");
    assert!(said.contains(&place.path().display().to_string()) && said.contains("Permission denied"), "{said}");
}

#[test]
fn a_place_too_deep_for_a_socket_is_named() {
    let place = format!("/tmp/{}", "deep".repeat(25));
    let said = first_line(child("hold").env("TMPDIR", &place));
    assert!(said.contains(&place) && said.contains("of 107 allowed"), "{said}");
}

#[test]
fn a_place_that_is_not_there_is_named() {
    let said = first_line(child("hold").env("TMPDIR", "/no/such/place"));
    assert!(said.contains("/no/such/place/tenantctl-") && said.contains("No such file or directory"), "{said}");
}

#[test]
#[ignore = "the child of other tests"]
fn child_starts_a_server() {
    let settings = std::env::var("TENANTCTL_TEST_SETTING").into_iter().map(|name| (name, "1".to_owned()));
    let server = match Server::start(&Options { settings: settings.collect(), ..Options::default() }) {
        Ok(server) => server,
        Err(failure) => return say(&format!("{}: {}", failure.code, failure.message.replace('\n', " | "))),
    };
    say(&format!("{} {}", server.host().display(), server.url("postgres")));
    match std::env::var(MODE).as_deref() {
        Ok("keep") => say(&server.keep().unwrap()),
        _ => std::thread::sleep(Duration::from_secs(60)),
    }
}

/// Speaks to the parent.
fn say(line: &str) {
    let mut output = std::io::stdout();
    writeln!(output, "{SAID}{line}").unwrap();
}

/// Tells the child's own words from the harness's.
const SAID: &str = "child: ";

/// A command that runs [`child_starts_a_server`].
fn child(mode: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "embedded::child_starts_a_server", "--ignored", "--nocapture"]);
    command.env(MODE, mode).stdout(Stdio::piped());
    command
}

/// A child that holds a server.
struct Holder {
    process: Child,
    lines: Box<dyn Iterator<Item = std::io::Result<String>>>,
    host: PathBuf,
    url: String,
}

impl Holder {
    fn start(command: &mut Command) -> Self {
        let mut process = command.spawn().unwrap();
        let mut lines = said(BufReader::new(process.stdout.take().unwrap()).lines());
        let line = lines.next().unwrap().unwrap();
        let (host, url) = line.split_once(' ').unwrap();
        Holder { host: host.into(), url: url.to_owned(), process, lines }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // A test that failed early must not wait for a sleeping child; one that ended cannot be killed again.
        let _ = self.process.kill();
    }
}

/// Only what the child itself said.
fn said(lines: Lines<BufReader<ChildStdout>>) -> Box<dyn Iterator<Item = std::io::Result<String>>> {
    Box::new(lines.filter_map(|line| match line {
        Ok(line) => line.split_once(SAID).map(|(_, said)| Ok(said.to_owned())),
        Err(error) => Some(Err(error)),
    }))
}

/// Runs a child to its end and returns the first thing that it says.
fn first_line(command: &mut Command) -> String {
    let mut process = command.spawn().unwrap();
    // All lines are read, or the harness would complain about a closed pipe.
    let lines: Vec<_> = said(BufReader::new(process.stdout.take().unwrap()).lines()).collect();
    process.wait().unwrap();
    lines.into_iter().next().unwrap().unwrap()
}

/// What a server leaves if nobody cleans up.
struct Trace {
    directory: PathBuf,
    postmaster: String,
}

impl Trace {
    fn of(host: &Path) -> Self {
        let lock = fs::read_to_string(host.join("data/postmaster.pid")).unwrap();
        Trace { directory: host.into(), postmaster: lock.lines().next().unwrap().to_owned() }
    }

    fn left(&self) -> Vec<String> {
        let directory = self.directory.exists().then(|| self.directory.display().to_string());
        let process = shell(&format!("kill -0 {}", self.postmaster)).then(|| self.postmaster.clone());
        directory.into_iter().chain(process).collect()
    }

    fn vanishes(&self) {
        eventually("the server and its directory are gone", || self.left().is_empty());
    }
}

/// A directory that the server's account may write to, even if the tests run as root.
fn open_directory() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    place
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(40);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within forty seconds: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a shell command succeeds.
fn shell(command: &str) -> bool {
    Command::new("sh").args(["-c", command]).stderr(Stdio::null()).status().unwrap().success()
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn ask(url: &str, setting: &str) -> String {
    connect(url).await.query_one("SELECT current_setting($1)", &[&setting]).await.unwrap().get(0)
}
