//! A throw-away PostgreSQL server of our own, for the demo, for planning offline and for tests.
//!
//! [`Server::start`] makes a new cluster with the PostgreSQL that is installed and says how to reach it: over a Unix
//! socket in a private directory, never over TCP. The server and its directory go when the [`Server`] is dropped, and
//! also when this process is killed. It does not connect itself, create databases or install anything; and it keeps no data,
//! so nobody should put any there that they want back.
//!
//! All calls block: half a second for a start, some hundredths for a stop.

mod account;
mod programs;
mod psql;
mod supervisor;

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use account::Account;
pub use programs::Programs;
pub use psql::{Complaint, Psql};
use supervisor::Supervisor;

use crate::error::{Code, Failure};

/// The superuser, who needs no password: the socket's directory admits nobody else.
const USER: &str = "postgres";

/// There is no TCP, so the port only names the socket, and every server can have the usual one.
const PORT: u16 = 5432;

/// What the kernel allows for the path of a socket.
const SOCKET_PATH_LIMIT: usize = 107;

/// What a server that nobody will miss can do without. Not `synchronous_commit`: tests look at it, and with `fsync` off
/// it costs nothing.
const CARELESS: [&str; 2] = ["fsync=off", "full_page_writes=off"];

/// How the server treats what it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// As fast as it can; a crash of the machine loses everything.
    #[default]
    Careless,
    /// As in production, for measurements.
    Durable,
}

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Settings of the server, as names and values of `postgresql.conf`.
    pub settings: Vec<(String, String)>,
    /// Whether writes reach the disk.
    pub durability: Durability,
}

/// A running server; dropping it stops it and removes everything that it wrote.
#[derive(Debug)]
pub struct Server {
    supervisor: Supervisor,
    programs: Programs,
    account: Account,
    version: u32,
}

impl Server {
    /// Starts a server on a new, empty cluster and waits until it accepts connections.
    pub fn start(options: &Options) -> Result<Self, Failure> {
        let programs = Programs::find()?;
        let account = Account::choose()?;
        let version = programs.version(&account)?;
        let directory = new_directory()?;

        let mut command = account.command(Path::new("/bin/sh"));
        command.args(["-c", supervisor::SCRIPT, "tenantctl-supervisor"]);
        command.arg(&directory).arg(programs.initdb()).arg(programs.postgres());
        command.arg(match options.durability {
            Durability::Careless => "-N",
            Durability::Durable => "",
        });
        command.args(arguments(options, &directory));
        Ok(Server { supervisor: Supervisor::start(command, directory)?, programs, account, version })
    }

    /// The address of one of its databases, as libpq understands it.
    pub fn url(&self, dbname: &str) -> String {
        self.url_as(USER, dbname)
    }

    /// The same for another role.
    pub fn url_as(&self, role: &str, dbname: &str) -> String {
        let host = percent_encoded(self.host().as_os_str().as_bytes());
        let role = percent_encoded(role.as_bytes());
        format!("postgresql://{role}@{host}:{PORT}/{}", percent_encoded(dbname.as_bytes()))
    }

    /// A `psql` that loads a file into one of its databases, as a role that is no superuser.
    ///
    /// # Errors
    /// [`Code::PostgresMissing`] where there is no `psql`, or only one that a file could make run programs.
    pub fn psql(&self, role: &str, dbname: &str) -> Result<Psql, Failure> {
        Psql::new(&self.programs, &self.account, &self.url_as(role, dbname))
    }

    /// The directory of its socket, which libpq takes as a host.
    pub fn host(&self) -> &Path {
        self.supervisor.directory()
    }

    /// The port that names its socket.
    pub fn port(&self) -> u16 {
        PORT
    }

    /// Its superuser.
    pub fn user(&self) -> &str {
        USER
    }

    /// Its version, as `server_version_num` says it: 150018 for 15.18.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The file that it logs to.
    pub fn log_path(&self) -> PathBuf {
        self.host().join("log")
    }

    /// Stops the server and removes its directory, and says so if that failed.
    pub fn stop(self) -> Result<(), Failure> {
        self.supervisor.stop()
    }

    /// Lets the server outlive this process. Returns the shell command that ends it; its directory goes with it.
    pub fn keep(self) -> Result<String, Failure> {
        // Through the lock file and not by number: run twice, or after a reboot, it must not hit somebody else.
        let lock = self.host().join("data/postmaster.pid").display().to_string().replace('\'', r"'\''");
        self.supervisor.release()?;
        Ok(format!("kill -INT \"$(head -n 1 '{lock}')\""))
    }
}

/// The arguments of `postgres`. The last one of a name wins: the caller may change our defaults, not where the server
/// listens.
fn arguments(options: &Options, directory: &Path) -> Vec<OsString> {
    let defaults = match options.durability {
        Durability::Careless => CARELESS.as_slice(),
        Durability::Durable => &[],
    };
    let settings = options.settings.iter().map(|(name, value)| format!("{name}={value}"));
    let fixed = ["listen_addresses=".to_owned(), format!("port={PORT}")];
    let mut arguments: Vec<OsString> = defaults
        .iter()
        .map(|setting| (*setting).to_owned())
        .chain(settings)
        .chain(fixed)
        .flat_map(|setting| ["-c".into(), setting.into()])
        .collect();
    arguments.extend(["-k".into(), directory.into()]);
    arguments
}

/// Chooses a directory that is not there yet; the supervisor makes it, so that it has the right owner from the start.
fn new_directory() -> Result<PathBuf, Failure> {
    let base = std::env::var_os("TMPDIR").filter(|value| !value.is_empty()).unwrap_or_else(|| "/tmp".into());
    let base = PathBuf::from(base);
    let failed = |cause: &str| {
        let message = format!("choose a directory for the embedded server in {}: {cause}", base.display());
        Failure::new(Code::EmbeddedFailed, message).hint("set TMPDIR to a short absolute path, such as /tmp")
    };
    let directory = std::path::absolute(&base)
        .map_err(|error| failed(&error.to_string()))?
        .join(format!("tenantctl-{:08x}", fastrand::u32(..)));
    let socket = directory.as_os_str().len() + format!("/.s.PGSQL.{PORT}").len();
    if socket > SOCKET_PATH_LIMIT {
        return Err(failed(&format!("the socket's path would have {socket} bytes of {SOCKET_PATH_LIMIT} allowed")));
    }
    Ok(directory)
}

/// Escapes everything that means something in a URL.
fn percent_encoded(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}
