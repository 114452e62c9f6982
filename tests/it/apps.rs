//! Real applications, whose own migrations make their schema: `init`, `plan`, `migrate` and `verify` work on it as it is,
//! and the application works on afterwards.
//!
//! Not part of the quick tests, since they install the applications: `make test-apps`. They go to `TENANTCTL_APPS` (by
//! default `target/apps`) and stay there; a version is installed once. Their databases are on the throw-away server, and
//! what they serve is on 127.0.0.1 only.

mod airflow;
mod medusa;
mod mlflow;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::cli::Cli;
use crate::support::{Database, server};

/// How long a program of an application may take. It stops by itself then, even if this process is gone.
const PATIENCE: &str = "600";

/// An application of one version, installed, with an empty database.
struct App {
    /// The folder that it is installed in.
    home: PathBuf,
    database: Database<'static>,
    /// What its programs find in their environment.
    variables: Vec<(&'static str, String)>,
}

/// What tenantctl is expected to make of the application's schema.
struct Shape<'a> {
    /// How many tables it has.
    tables: usize,
    /// Reference data.
    shared: &'a [&'a str],
    /// The books of its migrations.
    ignored: &'a [&'a str],
}

impl App {
    /// The application in the folder of its name and version; `install` is asked for once.
    async fn new(name: &str, install: impl FnOnce(&Path)) -> Self {
        let apps = std::env::var_os("TENANTCTL_APPS")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/apps"), PathBuf::from);
        let home = apps.join(name);
        let installed = home.join("installed");
        if !installed.exists() {
            std::fs::create_dir_all(&home).unwrap();
            install(&home);
            std::fs::write(installed, "").unwrap();
        }
        App { home, database: server().database().await, variables: Vec::new() }
    }

    fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((variable, value.into()));
        self
    }

    /// The database as SQLAlchemy names it.
    fn sqlalchemy(&self) -> String {
        format!("postgresql+psycopg2://postgres@/{}?host={}", self.database.name, server().host())
    }

    /// One of its programs, by its path in the folder.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", PATIENCE]).arg(self.home.join(program)).args(arguments);
        command.env_remove("DATABASE_URL").envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(&self.home);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a program to its end and returns what it printed.
    fn run(&self, program: &str, arguments: &[&str]) -> String {
        output(&mut self.command(program, arguments))
    }

    /// Starts a program that serves until it is dropped.
    fn serve(&self, program: &str, arguments: &[&str]) -> Serving {
        let log = std::fs::File::create(self.home.join("log")).unwrap();
        let mut command = self.command(program, arguments);
        command.process_group(0).stdout(log.try_clone().unwrap()).stderr(log);
        Serving(command.spawn().unwrap())
    }

    /// Proposes a configuration, plans, migrates and verifies, with nothing edited in between.
    fn convert(&self, shape: &Shape) {
        let cli = Cli::to(&self.database.url());
        cli.run("init").exits(0);
        let plan = cli.run("plan --format json").exits(0).json();
        shape.fits(&plan);
        cli.run("migrate --yes").exits(0);
        cli.run("verify").exits(0);
    }

    /// How many rows of a table belong to the System Tenant; the others belong to nobody.
    async fn owned(&self, table: &str) -> (i64, i64) {
        let mine = self.database.number(&format!("SELECT count(*) FROM {table} WHERE tenant_id = 1")).await;
        (mine, self.database.number(&format!("SELECT count(*) FROM {table}")).await - mine)
    }
}

impl Shape<'_> {
    /// No table was taken for the tenants: they get a table of their own, and all rows are the System Tenant's.
    fn fits(&self, plan: &Value) {
        let titles =
            plan["migrations"][0]["steps"].as_array().unwrap().iter().map(|step| step["title"].as_str().unwrap());
        assert!(titles.into_iter().any(|title| title == "create public.tenants"), "{}", plan["migrations"][0]);
        let tables = plan["tables"].as_array().unwrap();
        let of_scope = |scope: &str| -> BTreeSet<&str> {
            let found = tables.iter().filter(|table| table["scope"] == scope);
            found.map(|table| table["name"][1].as_str().unwrap()).collect()
        };
        assert_eq!(of_scope("shared"), self.shared.iter().copied().collect());
        assert_eq!(of_scope("ignored"), self.ignored.iter().copied().collect());
        let tenant = self.tables - self.shared.len() - self.ignored.len();
        let by_system = tables.iter().filter(|table| table["source"]["kind"] == "system").count();
        assert_eq!((tables.len(), of_scope("tenant").len(), by_system), (self.tables, tenant, tenant));
    }
}

/// A server of an application.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // The whole group: a server has workers.
        let kill = format!("kill -s TERM -- -{}", self.0.id());
        Command::new("/bin/sh").args(["-c", &kill]).status().unwrap();
        self.0.wait().unwrap();
    }
}

/// Runs a command that must succeed.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}

/// Makes a Python environment with these packages.
fn pip(home: &Path, packages: &[&str]) {
    output(Command::new("python3").args(["-m", "venv"]).arg(home));
    output(Command::new(home.join("bin/pip")).args(["install", "--quiet"]).args(packages));
}

/// A port that was free a moment ago.
fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}
