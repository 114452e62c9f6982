//! Where PostgreSQL's programs are.
//!
//! Finds an installation; never downloads or builds one.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::account::Account;
use crate::error::{Code, Failure};

/// The variable that names the directory, and then the only place that is looked at.
const VARIABLE: &str = "TENANTCTL_PG_BIN";

/// What a directory needs to be of use.
const NEEDED: [&str; 2] = ["initdb", "postgres"];

/// Where packages put one installation per version: parent, start of the name, what follows it.
const PACKAGED: [(&str, &str, &str); 4] = [
    ("usr/lib/postgresql", "", "bin"),
    ("usr", "pgsql-", "bin"),
    ("opt/homebrew/opt", "postgresql", "bin"),
    ("usr/local/opt", "postgresql", "bin"),
];

/// An installation of the PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    bin: PathBuf,
}

impl Programs {
    /// Finds `initdb` and `postgres`: `TENANTCTL_PG_BIN` alone if it is set, else `PATH`, `pg_config`, then where the
    /// packages of Debian, Red Hat and Homebrew put them, newest first.
    pub fn find() -> Result<Self, Failure> {
        if let Some(bin) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            return Programs::named(Path::new(&bin));
        }
        Programs::search(Path::new("/"), &std::env::var_os("PATH").unwrap_or_default())
    }

    /// The directory that holds the programs.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The program that makes a cluster.
    pub(super) fn initdb(&self) -> PathBuf {
        self.bin.join("initdb")
    }

    /// The server itself.
    pub(super) fn postgres(&self) -> PathBuf {
        self.bin.join("postgres")
    }

    /// Asks the server for its version, as `server_version_num` says it; so also proves that the account may run it.
    pub(super) fn version(&self, account: &Account) -> Result<u32, Failure> {
        let program = self.postgres();
        let failed = |cause: &str| {
            let message = format!("run {} as {account}: {cause}", program.display());
            Failure::new(Code::EmbeddedFailed, message).hint(format!(
                "make {} readable and executable for {account}, or name another installation in {VARIABLE}",
                self.bin.display()
            ))
        };
        let output = account.command(&program).arg("--version").output().map_err(|error| failed(&error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim()));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        version_number(&said).ok_or_else(|| failed(&format!("it calls itself `{}`", said.trim())))
    }

    /// Takes the directory that the operator named, or says what it lacks.
    fn named(bin: &Path) -> Result<Self, Failure> {
        match NEEDED.iter().find(|name| !bin.join(name).is_file()) {
            None => Programs::at(bin),
            Some(missing) => Err(Failure::new(
                Code::PostgresMissing,
                format!("find `{missing}` in {}, which {VARIABLE} names", bin.display()),
            )
            .hint(format!("set {VARIABLE} to the directory that holds `initdb` and `postgres`, or unset it"))),
        }
    }

    /// Looks for an installation below `root` and in the directories of `path`.
    fn search(root: &Path, path: &OsStr) -> Result<Self, Failure> {
        let from_path = || std::env::split_paths(path).filter(|directory| directory.is_absolute());
        let found = from_path()
            .chain(from_path().filter_map(|directory| configured(&directory.join("pg_config"))))
            .chain(PACKAGED.iter().flat_map(|(parent, start, bin)| installed(&root.join(parent), start, bin)))
            .find(|bin| NEEDED.iter().all(|name| bin.join(name).is_file()));
        found.map_or_else(|| Err(missing()), |bin| Programs::at(&bin))
    }

    /// The server does not run in our current directory, so its path must be absolute.
    fn at(bin: &Path) -> Result<Self, Failure> {
        let bin = std::path::absolute(bin).map_err(|error| {
            Failure::new(Code::PostgresMissing, format!("find {}: {error}", bin.display()))
                .hint(format!("set {VARIABLE} to an absolute path"))
        })?;
        Ok(Programs { bin })
    }
}

fn missing() -> Failure {
    Failure::new(Code::PostgresMissing, "find a PostgreSQL server: no directory holds both `initdb` and `postgres`")
        .hint(format!(
            "install one (Debian, Ubuntu: `apt-get install postgresql`; Fedora, RHEL: `dnf install postgresql-server`; \
             macOS: `brew install postgresql@17`), or set {VARIABLE} to the directory of its programs"
        ))
}

/// What `pg_config` says; one that is absent or fails only means that there is nothing to find through it.
fn configured(pg_config: &Path) -> Option<PathBuf> {
    let output = Command::new(pg_config).arg("--bindir").output().ok()?;
    let bin = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(bin.trim_end())).filter(|bin| bin.is_absolute())
}

/// The installations in `parent` whose names begin with `start`, newest first.
fn installed(parent: &Path, start: &str, bin: &str) -> Vec<PathBuf> {
    // A directory that cannot be read holds nothing that could be run.
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((release(name.strip_prefix(start)?), entry.path().join(bin)))
        })
        .collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The numbers in `17`, `9.6` or `@17`, so that 9.6 sorts below 17; none for a name without a version.
fn release(name: &str) -> Vec<u32> {
    name.trim_start_matches('@').split('.').map_while(|part| part.parse().ok()).collect()
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0)` as 150018, and a beta of 19 as 190000.
fn version_number(said: &str) -> Option<u32> {
    let version = said.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let mut numbers = version.split(|letter: char| !letter.is_ascii_digit());
    let major: u32 = numbers.next()?.parse().ok()?;
    let minor: u32 = if version.contains('.') { numbers.next()?.parse().ok()? } else { 0 };
    major.checked_mul(10_000)?.checked_add(minor)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Files below a new directory; they need not run, only be there.
    fn files(paths: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in paths {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    #[test]
    fn nothing_found_names_the_packages_and_the_variable() {
        let failure = Programs::search(files(&[]).path(), OsStr::new("")).unwrap_err();
        assert_eq!(failure.code, Code::PostgresMissing);
        let hint = failure.hint.unwrap();
        for way in
            ["apt-get install postgresql", "dnf install postgresql-server", "brew install postgresql@17", VARIABLE]
        {
            assert!(hint.contains(way), "{way} is not in: {hint}");
        }
    }

    #[test]
    fn the_newest_complete_installation_wins() {
        let root = files(&[
            "usr/lib/postgresql/9.6/bin/initdb",
            "usr/lib/postgresql/9.6/bin/postgres",
            "usr/lib/postgresql/16/bin/initdb",
            "usr/lib/postgresql/16/bin/postgres",
            "usr/lib/postgresql/17/bin/postgres",
        ]);
        let found = Programs::search(root.path(), OsStr::new("")).unwrap();
        assert_eq!(found.bin(), root.path().join("usr/lib/postgresql/16/bin"));
    }

    #[test]
    fn packages_of_red_hat_and_homebrew_are_found() {
        for bin in ["usr/pgsql-17/bin", "opt/homebrew/opt/postgresql@17/bin", "usr/local/opt/postgresql/bin"] {
            let root = files(&[&format!("{bin}/initdb"), &format!("{bin}/postgres")]);
            assert_eq!(Programs::search(root.path(), OsStr::new("")).unwrap().bin(), root.path().join(bin));
        }
    }

    #[test]
    fn the_path_comes_before_the_packages() {
        let root =
            files(&["usr/pgsql-18/bin/initdb", "usr/pgsql-18/bin/postgres", "mine/bin/initdb", "mine/bin/postgres"]);
        let path = root.path().join("mine/bin");
        assert_eq!(Programs::search(root.path(), path.as_os_str()).unwrap().bin(), path);
    }

    #[test]
    fn versions_read_as_the_server_numbers_them() {
        assert_eq!(version_number("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(150_018));
        assert_eq!(version_number("postgres (PostgreSQL) 19beta1\n"), Some(190_000));
        assert_eq!(version_number("postgres\n"), None);
    }
}
