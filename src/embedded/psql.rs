//! Loads a file of SQL with `psql`, which alone knows where a statement ends in a dump.
//!
//! A dump is a program: psql's backslash commands can run a shell, and SQL can ask the server to. So psql runs in its
//! restricted mode, under a key that the file cannot know, and the role that it logs in as must not be a superuser.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::account::Account;
use super::programs::Programs;
use crate::error::{Code, Failure};

/// How psql calls a script that it reads from standard input.
const PREFIX: &str = "psql:<stdin>:";

/// A statement that did not go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The last line of the statement, from 1.
    pub line: usize,
    /// Its SQLSTATE; nothing where psql itself refused a backslash command.
    pub sqlstate: Option<String>,
    /// What the server said, on one line. May hold a value of a row where the class is 22 or 23.
    pub message: String,
}

/// A `psql` that is ready to load one file.
#[derive(Debug)]
pub struct Psql {
    command: Command,
}

impl Psql {
    /// Finds the program and makes sure that it knows the restricted mode.
    pub(super) fn new(programs: &Programs, account: &Account, url: &str) -> Result<Psql, Failure> {
        let program = programs.psql().ok_or_else(|| {
            Failure::new(
                Code::PostgresMissing,
                "find `psql`, which loads the file: it is not beside the server nor in PATH",
            )
            .hint("install it (Debian, Ubuntu: `apt-get install postgresql-client`)")
        })?;
        knows_restricted_mode(account, &program)?;
        let mut command = account.command(&program);
        let key = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        command.args(["-X", "-q", "-w", "-v", "ON_ERROR_STOP=0", "-v", "VERBOSITY=verbose", "-d", url]);
        command.args(["-c", &format!("\\restrict {key}"), "-f", "-"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        Ok(Psql { command })
    }

    /// Loads the file; what fails does not keep the rest from being loaded. Blocks until the end.
    ///
    /// # Errors
    /// [`Code::EmbeddedFailed`] where psql did not run, or lost the server.
    pub fn load(mut self, script: File) -> Result<Vec<Complaint>, Failure> {
        let failed = |why: &str| {
            Failure::new(Code::EmbeddedFailed, format!("load the file with psql: {why}"))
                .hint("try it by hand: `psql -f FILE` on a database that nobody will miss")
        };
        let output = self.command.stdin(script).output().map_err(|error| failed(&error.to_string()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.success() {
            true => Ok(complaints(&said)),
            false => Err(failed(said.lines().last().unwrap_or("it ended without a word"))),
        }
    }
}

/// The mode came with the minor releases of August 2025 (CVE-2025-8714).
fn knows_restricted_mode(account: &Account, program: &Path) -> Result<(), Failure> {
    let output = account.command(program).arg("--help=commands").output();
    if output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("\\restrict ")) {
        return Ok(());
    }
    let message = format!("{} has no restricted mode, so a file could run programs through it", program.display());
    Err(Failure::new(Code::PostgresMissing, message)
        .hint("update psql: 13.22, 14.19, 15.14, 16.10, 17.6 and every 18 have it"))
}

/// What psql wrote to standard error, as far as it is a refusal.
fn complaints(said: &str) -> Vec<Complaint> {
    said.lines().filter_map(complaint).collect()
}

fn complaint(line: &str) -> Option<Complaint> {
    let (number, rest) = line.strip_prefix(PREFIX)?.split_once(": ")?;
    let line = number.parse().ok()?;
    if let Some(message) = rest.strip_prefix("error: ") {
        return Some(Complaint { line, sqlstate: None, message: printable(message) });
    }
    let (severity, rest) = rest.split_once(":  ")?;
    let (sqlstate, message) = rest.split_once(": ")?;
    let refused = matches!(severity, "ERROR" | "FATAL" | "PANIC");
    refused.then(|| Complaint { line, sqlstate: Some(sqlstate.to_owned()), message: printable(message) })
}

/// A file's names may hold what would steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl Programs {
    /// The program that runs scripts: beside the server, else in `PATH`.
    fn psql(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places = std::iter::once(self.bin().to_owned()).chain(std::env::split_paths(&path));
        places.map(|place| place.join("psql")).find(|program| program.is_absolute() && program.is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_with_their_line_and_state_and_notices_are_not() {
        let said = "psql:<stdin>:3: NOTICE:  00000: relation \"a\" already exists, skipping\n\
            psql:<stdin>:7: ERROR:  42704: role \"b\u{1b}ob\" does not exist\nLOCATION:  get_role_oid, acl.c:5203\n\
            psql:<stdin>:9: error: backslash commands are restricted; only \\unrestrict is allowed\n";
        let role =
            Complaint { line: 7, sqlstate: Some("42704".into()), message: "role \"b?ob\" does not exist".into() };
        let message = "backslash commands are restricted; only \\unrestrict is allowed".into();
        assert_eq!(complaints(said), [role, Complaint { line: 9, sqlstate: None, message }]);
    }
}
