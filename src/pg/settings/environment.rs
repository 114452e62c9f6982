//! What is read from around the process, gathered once: the resolver is then a function of its arguments.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

/// The surroundings that libpq looks at. It has no `Debug`, since a variable may hold a password.
#[derive(Clone)]
pub struct Environment {
    /// The environment variables.
    pub variables: BTreeMap<String, String>,
    /// Where `.pgpass`, `.pg_service.conf` and `.postgresql/` are.
    pub home: Option<PathBuf>,
    /// The name of the operating system's user.
    pub user: Option<String>,
    /// Where a server without a host name listens, and which the password file calls `localhost`.
    pub socket_directory: PathBuf,
    /// Where the system-wide `pg_service.conf` is.
    pub system_directory: PathBuf,
}

impl Environment {
    /// Reads the environment of this process.
    pub fn from_process() -> Self {
        // A name or value that is not UTF-8 counts as unset: no connection setting of ours could hold it.
        let variables =
            env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        // libpq has these two built in: the first is Debian's and Red Hat's choice, the second is PostgreSQL's own.
        let packaged = Path::new("/var/run/postgresql");
        Environment {
            variables: variables.collect(),
            home: env::home_dir().filter(|home| !home.as_os_str().is_empty()),
            user: whoami::username().ok(),
            socket_directory: if packaged.is_dir() { packaged.into() } else { "/tmp".into() },
            system_directory: "/etc/postgresql-common".into(),
        }
    }

    /// The value of a variable, empty or not.
    pub fn get(&self, variable: &str) -> Option<&str> {
        self.variables.get(variable).map(String::as_str)
    }

    /// A file below the home directory.
    pub(super) fn at_home(&self, file: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(file))
    }
}
