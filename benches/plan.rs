//! How long `tenantctl plan` takes and how much memory, from a hundred tables to four thousand: `cargo bench --bench plan`.
//!
//! It runs the program itself on the fixture `wide` (three foreign keys and five indexes a table) on a throw-away server.
//! The last column is the time of a table in proportion to that of the line above: 1.0 where cost is linear. Only a
//! machine that does nothing else gives times worth keeping. Other numbers of tables go after `--`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tenantctl::embedded::{Options, Server};
use wait4::Wait4;

const SCHEMA: &str = include_str!("../fixtures/wide/schema.sql");

/// Each number of tables is planned so often; the fastest run counts, as the others were disturbed.
const RUNS: usize = 5;

fn main() {
    let numbers: Vec<u32> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let numbers = if numbers.is_empty() { vec![100, 250, 500, 1000, 2000, 4000] } else { numbers };
    let server = Server::start(&Options::default()).unwrap();
    println!("{:>7} {:>9} {:>7} {:>6}", "tables", "seconds", "MB", "ratio");
    let mut before: Option<f64> = None;
    for tables in numbers {
        let url = make(&server, tables);
        let (seconds, megabytes) = plan(&url, tables);
        let each = seconds / f64::from(tables);
        let ratio = before.map_or_else(String::new, |before| format!("{:.2}", each / before));
        println!("{tables:>7} {seconds:>9.3} {megabytes:>7.1} {ratio:>6}");
        before = Some(each);
    }
}

/// A database of so many tables.
fn make(server: &Server, tables: u32) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let name = format!("wide_{tables}");
    runtime.block_on(async {
        run(server, "postgres", &[&format!("CREATE DATABASE {name}")]).await;
        run(server, &name, &[&format!("SET wide.tables = {tables}"), SCHEMA, "VACUUM ANALYZE"]).await;
    });
    server.url(&name)
}

async fn run(server: &Server, database: &str, statements: &[&str]) {
    let mut config = tokio_postgres::Config::new();
    config.host_path(server.host()).user(server.user()).dbname(database);
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    for statement in statements {
        client.batch_execute(statement).await.unwrap();
    }
}

/// The fastest plan's seconds, and the most megabytes that one took.
fn plan(url: &str, tables: u32) -> (f64, f64) {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("tenantctl.toml"), config(tables)).unwrap();
    let runs: Vec<(Duration, u64)> = (0..RUNS).map(|_| once(url, home.path())).collect();
    let fastest = runs.iter().map(|(time, _)| *time).min().unwrap_or_default();
    let most = runs.iter().map(|(_, bytes)| *bytes).max().unwrap_or_default();
    (fastest.as_secs_f64(), most as f64 / 1e6)
}

fn once(url: &str, home: &Path) -> (Duration, u64) {
    let started = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantctl"));
    command.args(["plan", "--database-url", url]).current_dir(home).env_remove("DATABASE_URL");
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let ended = child.wait4().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    (started.elapsed(), ended.rusage.maxrss)
}

/// Every table's owner is that of the table above it.
fn config(tables: u32) -> String {
    let mut text = "[tables]\nitem_1 = { scope = \"tenant\" }\n".to_owned();
    for n in 2..=tables {
        let rule = "scope = \"tenant\", source = \"parent\"";
        writeln!(text, "item_{n} = {{ {rule}, parent = \"item_{}\", via = [\"parent_id\"] }}", n / 2).unwrap();
    }
    text
}
