//! The program itself, as a shell starts it: arguments in; exit, standard output and standard error out.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The password in every connection string. The servers of these tests take any, and no output may hold it.
pub const SECRET: &str = "0pen-Sesame";

/// How long anything may take before a test gives it up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A working directory with a configuration, a home of its own, and a database to connect to.
pub struct Cli {
    home: TempDir,
    url: Option<String>,
    variables: Vec<(String, String)>,
}

/// What a run of the program left.
#[derive(Debug)]
pub struct Ran {
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Cli {
    /// For a server's address; a password is put into it.
    pub fn to(url: &str) -> Self {
        let url = url.replacen('@', &format!(":{SECRET}@"), 1);
        Cli { home: tempfile::tempdir().unwrap(), url: Some(url), variables: Vec::new() }
    }

    /// Without a database.
    pub fn nowhere() -> Self {
        Cli { home: tempfile::tempdir().unwrap(), url: None, variables: Vec::new() }
    }

    /// With this `tenantctl.toml`.
    pub fn config(self, text: &str) -> Self {
        self.write("tenantctl.toml", text);
        self
    }

    /// With this variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file into the working directory.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.home.path().join(name), text).unwrap();
    }

    /// Reads a file of the working directory.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.path().join(name)).unwrap()
    }

    /// Whether the working directory has a file.
    pub fn has(&self, name: &str) -> bool {
        self.home.path().join(name).exists()
    }

    /// The program with arguments, split at spaces; nothing of this process's environment but where PostgreSQL is.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantctl"));
        command.args(arguments.split_whitespace()).env_clear().current_dir(self.home.path());
        command.env("HOME", self.home.path()).envs(self.variables.iter().cloned());
        for name in ["PATH", "LD_LIBRARY_PATH", "TENANTCTL_PG_BIN"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        if let Some(url) = &self.url {
            command.env("DATABASE_URL", url);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &str) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Starts it with a log that [`Running`] can follow.
    pub fn start(&self, arguments: &str) -> Running {
        let mut child = self.command(&format!("{arguments} --log-format json")).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Running { child, log }
    }
}

impl Ran {
    /// What a process left.
    pub fn of(output: Output) -> Self {
        let ran = Ran {
            exit: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!format!("{ran:?}").contains(SECRET), "a password was printed: {ran:?}");
        ran
    }

    /// Standard output as JSON, and nothing but JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails unless it ended like that.
    #[track_caller]
    pub fn exits(self, exit: i32) -> Self {
        assert_eq!(self.exit, Some(exit), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// The program while it runs.
pub struct Running {
    pub child: Child,
    log: BufReader<ChildStderr>,
}

impl Running {
    /// Reads the log up to the `count`-th event of a kind.
    pub fn await_event(&mut self, kind: &str, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = 0;
        let mut log = String::new();
        while seen < count {
            let start = log.len();
            assert_ne!(self.log.read_line(&mut log).unwrap(), 0, "it ended before {count} x {kind}:\n{log}");
            assert!(Instant::now() < deadline, "no {count} x {kind} so far:\n{log}");
            let event: Value = serde_json::from_str(&log[start..]).unwrap();
            seen += usize::from(event["event"] == kind);
        }
    }

    /// Reads the next event of the log.
    pub fn next_event(&mut self) -> Value {
        let mut line = String::new();
        self.log.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Sends a signal, such as `INT`.
    pub fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        self.log.read_to_end(&mut stderr).unwrap();
        self.child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        let status = self.child.wait().unwrap();
        Ran::of(Output { status, stdout, stderr })
    }
}

/// Sends a signal to a process.
pub fn signal(name: &str, pid: u32) {
    let status = Command::new("/bin/sh").args(["-c", &format!("kill -s {name} {pid}")]).status().unwrap();
    assert!(status.success());
}

/// Waits for something to become true; what it was waiting for is the failure.
pub fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !check() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
