//! Where and when it is measured.

use std::process::Command;

use super::results::Conditions;
use super::server::Server;

/// Asks the system and the server.
pub async fn conditions(server: &Server, remarks: Vec<String>) -> anyhow::Result<Conditions> {
    let row = server
        .client("postgres")
        .await?
        .query_one(
            "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), current_setting('server_version')",
            &[],
        )
        .await?;
    let commit = output("git", &["rev-parse", "--short", "HEAD"]);
    let own = format!("tenantctl {} {}", env!("CARGO_PKG_VERSION"), commit.unwrap_or_default());
    let kernel = read("/proc/sys/kernel/osrelease").map(|release| format!("Linux {}", release.trim()));
    let versions = [
        Some(own.trim().to_owned()),
        Some(format!("PostgreSQL {}", row.try_get::<_, &str>(1)?)),
        kernel,
        build().map(str::to_owned),
    ];
    Ok(Conditions {
        date: row.try_get(0)?,
        command: command(),
        versions: versions.into_iter().flatten().collect(),
        machine: machine(),
        load: read("/proc/loadavg").and_then(|load| load.split(' ').next()?.parse().ok()),
        settings: server.settings.clone(),
        remarks,
    })
}

/// A slow build measures something else.
fn build() -> Option<&'static str> {
    cfg!(debug_assertions).then_some("a build without optimization")
}

/// The command line, without the paths of this machine.
fn command() -> String {
    let mut words = vec!["cargo bench --bench backfill --".to_owned()];
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--out" | "--reshape" => drop(arguments.next()),
            _ if argument.starts_with("--out=") || argument.starts_with("--reshape=") => {}
            _ => words.push(argument),
        }
    }
    words.join(" ")
}

fn machine() -> String {
    let field = |file: &str, name: &str| {
        let text = read(file)?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let kilobytes = field("/proc/meminfo", "MemTotal").and_then(|total| total.split(' ').next()?.parse::<u64>().ok());
    let memory = kilobytes.map(|kilobytes| format!(", {} GiB of memory", kilobytes / 1024 / 1024)).unwrap_or_default();
    format!("{processors} processors ({model}){memory}")
}

fn read(file: &str) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
