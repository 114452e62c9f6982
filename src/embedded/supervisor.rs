//! The process that outlives us by as long as it takes to clean up.
//!
//! A shell in a process group of its own starts the server as its child and blocks on a pipe that only we hold. However
//! we end, SIGKILL included, the pipe ends too, and the shell stops the server and removes its directory. It is there
//! before the directory and the server are, so no moment leaves either behind. Ctrl-C in the terminal does not reach
//! it. `PR_SET_PDEATHSIG` would not do: it follows the thread, not the process.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Code, Failure};

/// The shell's program; its head says which arguments it takes.
pub(super) const SCRIPT: &str = include_str!("supervisor.sh");

/// How long `initdb` and the start may take together.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often we look whether the server is ready.
const GLANCE: Duration = Duration::from_millis(5);

/// How many lines of the log go into a failure.
const LOG_LINES: usize = 12;

/// A running supervisor with its server, and the directory of both.
#[derive(Debug)]
pub(super) struct Supervisor {
    /// Holds the pipe in its `stdin`; without one, the server is no longer ours to stop.
    shell: Child,
    directory: PathBuf,
}

impl Supervisor {
    /// Starts the supervisor with `command` and waits until its server in `directory` accepts connections.
    pub(super) fn start(mut command: Command, directory: PathBuf) -> Result<Self, Failure> {
        // The standard library's pipes are close-on-exec, so no other child of ours can hold the end open.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let shell = command.spawn().map_err(|error| {
            Failure::new(Code::EmbeddedFailed, format!("run /bin/sh for the embedded server: {error}"))
                .hint("check that /bin/sh is there and may be run")
        })?;
        let mut supervisor = Supervisor { shell, directory };
        supervisor.await_ready()?;
        Ok(supervisor)
    }

    /// The directory of the server's socket, log and data.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Stops the server and waits until its directory is gone.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        let failed = |cause: String| {
            Failure::new(
                Code::EmbeddedFailed,
                format!("stop the embedded server in {}: {cause}", self.directory.display()),
            )
            .hint("remove the directory, and the `postgres` processes that still use it")
        };
        // Waiting closes the pipe first.
        match self.shell.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(format!("its supervisor ended with {status}"))),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Lets the server live on after us.
    pub(super) fn release(mut self) -> Result<(), Failure> {
        let Some(mut pipe) = self.shell.stdin.take() else { return Ok(()) };
        pipe.write_all(b"keep\n").map_err(|error| {
            Failure::new(Code::EmbeddedFailed, format!("keep the server in {}: {error}", self.directory.display()))
                .hint("its supervisor was killed; start again")
        })
    }

    fn await_ready(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        let (sender, ended) = mpsc::channel();
        if let Some(mut output) = self.shell.stdout.take() {
            thread::spawn(move || {
                let mut reason = Vec::new();
                // Read or not, the server is gone, and nobody listens any more once it was ready.
                let _ = output.read_to_end(&mut reason);
                let _ = sender.send(String::from_utf8_lossy(&reason).trim().to_owned());
            });
        }
        loop {
            match ended.recv_timeout(GLANCE) {
                Err(RecvTimeoutError::Timeout) if self.is_ready() => return Ok(()),
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.unready(&format!("not ready after {} s", PATIENCE.as_secs()), ""));
                }
                Ok(reason) => return Err(self.unready("it ended before it was ready", &reason)),
                Err(RecvTimeoutError::Disconnected) => return Err(self.unready("it ended before it was ready", "")),
            }
        }
    }

    /// The eighth line of the server's lock file is its state.
    fn is_ready(&self) -> bool {
        fs::read_to_string(self.directory.join("data/postmaster.pid"))
            .is_ok_and(|lock| lock.lines().nth(7).is_some_and(|state| state.trim() == "ready"))
    }

    /// Says why the server is not there: with the end of its log, or, where there is none, the supervisor's reason.
    fn unready(&self, what: &str, reason: &str) -> Failure {
        let why = last_lines(&self.directory.join("log")).unwrap_or_else(|_| reason.to_owned());
        Failure::new(
            Code::EmbeddedFailed,
            format!("start the embedded server in {}: {what}\n{why}", self.directory.display()),
        )
        .hint("mend what its log complains about; TMPDIR chooses another place, TENANTCTL_PG_BIN another PostgreSQL")
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if self.shell.stdin.is_some() {
            // A destructor cannot report; whoever wants to know calls `stop`.
            let _ = self.shell.wait();
        }
    }
}

fn last_lines(log: &Path) -> io::Result<String> {
    let text = fs::read(log)?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"))
}
