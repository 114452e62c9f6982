//! A throw-away PostgreSQL for one test: a socket in a private directory, no TCP, gone when it is dropped.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

pub struct Server {
    postmaster: Child,
    directory: TempDir,
}

impl Server {
    pub fn start() -> Self {
        let directory = TempDir::with_prefix_in("tc-", "/tmp").unwrap();
        // PostgreSQL refuses to run as root.
        let user = (directory.path().metadata().unwrap().uid() == 0).then(unprivileged);
        if let Some((uid, gid)) = user {
            chown(directory.path(), Some(uid), Some(gid)).unwrap();
        }
        let data = directory.path().join("data");
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let program = |name: &str| {
            let mut command = Command::new(programs().join(name));
            command.current_dir(directory.path()).env("LC_ALL", "C").stdin(Stdio::null());
            command.stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap());
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command
        };
        let mut initdb = program("initdb");
        initdb.args(["-N", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-D"]).arg(&data);
        assert!(initdb.status().unwrap().success(), "{}", fs::read_to_string(directory.path().join("log")).unwrap());
        let mut postgres = program("postgres");
        postgres.arg("-D").arg(&data).arg("-k").arg(directory.path());
        for setting in
            ["listen_addresses=", "fsync=off", "autovacuum=off", "shared_buffers=16MB", "log_line_prefix=%a|"]
        {
            postgres.args(["-c", setting]);
        }
        let server = Server { postmaster: postgres.spawn().unwrap(), directory };
        server.wait_until_ready();
        server
    }

    /// Connects as `role`; its name for the server's log is `application`.
    pub async fn connect(&self, role: &str, application: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.directory.path()).user(role).dbname("postgres").application_name(application);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Where the socket is.
    pub fn host(&self) -> String {
        self.directory.path().to_str().unwrap().to_owned()
    }

    /// What the server wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let pid_file = self.directory.path().join("data/postmaster.pid");
        while !fs::read_to_string(&pid_file).is_ok_and(|text| text.trim_end().ends_with("ready")) {
            assert!(Instant::now() < deadline, "the server did not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT ends its children, too; SIGKILL would leave them to find out by themselves.
        let pid = self.postmaster.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &pid]).status();
        let _ = self.postmaster.wait();
    }
}

/// The directory with `initdb` and `postgres`.
fn programs() -> PathBuf {
    if let Some(directory) = std::env::var_os("TENANTCTL_PG_BIN") {
        return directory.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut packaged: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.map(|entry| entry.unwrap().path().join("bin")).collect())
        .unwrap_or_default();
    packaged.sort_by_key(|bin| std::cmp::Reverse(bin.to_str().and_then(major)));
    std::env::split_paths(&path)
        .chain(packaged)
        .find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .expect("no PostgreSQL found: install one, or name its programs' directory in TENANTCTL_PG_BIN")
}

/// The major version in `/usr/lib/postgresql/17/bin`.
fn major(bin: &str) -> Option<u32> {
    bin.split('/').nth(4)?.parse().ok()
}

/// The ids of `postgres`, or else of `nobody`.
fn unprivileged() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let ids = |name: &str| {
        let fields: Vec<&str> =
            users.lines().map(|line| line.split(':').collect()).find(|f: &Vec<&str>| f[0] == name)?;
        Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
    };
    ids("postgres").or_else(|| ids("nobody")).expect("a user other than root to run PostgreSQL as")
}
