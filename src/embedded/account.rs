//! Whom the server runs as.
//!
//! PostgreSQL refuses to run as root, so root hands its processes to another account; everybody else keeps their own.
//! Nothing of our environment goes along except where to find programs and libraries: it may hold passwords, and
//! `PG*` variables would steer the server.

use std::fmt;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::error::{Code, Failure};

/// The accounts that root tries, best first.
const NAMES: [&str; 2] = ["postgres", "nobody"];

/// The account of the server's processes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// The one that we run under.
    Own,
    /// The one that root steps down to.
    Other {
        /// Its login name.
        name: String,
        /// Its user id.
        uid: u32,
        /// Its main group.
        gid: u32,
    },
}

impl Account {
    /// Finds the account to use: our own, or for root the first of [`NAMES`].
    pub(super) fn choose() -> Result<Self, Failure> {
        if !is_root()? {
            return Ok(Account::Own);
        }
        let passwd = fs::read_to_string("/etc/passwd").map_err(|error| {
            Failure::new(Code::EmbeddedFailed, format!("read /etc/passwd for the server's account: {error}"))
                .hint("run tenantctl as a plain user")
        })?;
        NAMES.iter().find_map(|name| lookup(&passwd, name)).ok_or_else(|| {
            Failure::new(Code::EmbeddedFailed, "choose the server's account: root may not run PostgreSQL")
                .hint("run tenantctl as a plain user, or create the user `postgres`")
        })
    }

    /// A command that runs under this account, with a bare environment.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // The current directory may be closed to the other account.
        command.current_dir("/").env_clear().env("LC_ALL", "C").env("TZ", "UTC");
        for name in ["PATH", "LD_LIBRARY_PATH"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        if let Account::Other { uid, gid, .. } = self {
            // With a uid, the standard library drops root's other groups too.
            command.uid(*uid).gid(*gid);
        }
        command
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Own => f.write_str("this user"),
            Account::Other { name, .. } => write!(f, "user `{name}`"),
        }
    }
}

/// The standard library cannot say who we are; `id` can, on every platform.
fn is_root() -> Result<bool, Failure> {
    let output = Command::new("/bin/sh").args(["-c", "PATH=$PATH:/usr/bin:/bin; id -u"]).output();
    match output {
        Ok(output) if output.status.success() => Ok(output.stdout.trim_ascii() == b"0"),
        Ok(output) => Err(format!("{} {}", output.status, String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(error.to_string()),
    }
    .map_err(|cause| {
        Failure::new(Code::EmbeddedFailed, format!("ask `id -u` whether we are root: {cause}"))
            .hint("check that /bin/sh and `id` run")
    })
}

/// Reads one account from the text of `/etc/passwd`.
fn lookup(passwd: &str, wanted: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| *name == wanted)?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account::Other { name, uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        postgresql:x:7:8::/:/bin/sh\n\
        nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n";

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let nobody = Account::Other { name: "nobody".into(), uid: 65534, gid: 65533 };
        assert_eq!(lookup(PASSWD, "nobody"), Some(nobody));
        assert_eq!(lookup(PASSWD, "postgres"), None);
    }

    #[test]
    fn the_environment_does_not_go_along() {
        let command = Account::Own.command(Path::new("/bin/true"));
        let mut names: Vec<_> = command.get_envs().map(|(name, _)| name.to_os_string()).collect();
        names.retain(|name| name != "LD_LIBRARY_PATH" && name != "PATH");
        assert_eq!(names, ["LC_ALL", "TZ"]);
    }
}
