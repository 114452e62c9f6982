//! A real streaming replica: a copy of a running server's files that follows it. Replicas are made as in the manual
//! (26.3.3, base backup by the low-level functions), since the servers of the test matrix come without pg_basebackup.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tenantctl::embedded::Programs;
use tokio_postgres::{Client, NoTls};

use crate::support::Server;
use crate::support::cli::signal;

/// Names the standby's socket in the primary's directory, beside the primary's own.
const PORT: u16 = 5433;

/// A running standby. Its files lie in its primary's directory and go with it; it ends when it is dropped.
pub struct Standby {
    process: Child,
    host: String,
    name: String,
}

impl Standby {
    /// Copies a server and follows it under a name.
    pub async fn of(primary: &Server, name: &str) -> Self {
        let host = primary.host();
        let admin = primary.connect("postgres", "backup").await;
        let (start, stop) = match primary.major() {
            14 => ("pg_start_backup('standby', true, false)", "pg_stop_backup(false)"),
            _ => ("pg_backup_start('standby', true)", "pg_backup_stop()"),
        };
        admin.batch_execute(&format!("SELECT {start}")).await.unwrap();
        let copied = Command::new("cp").args(["-a", &format!("{host}/data"), &format!("{host}/standby")]).status();
        assert!(copied.unwrap().success());
        let label: String = admin.query_one(&format!("SELECT labelfile FROM {stop}"), &[]).await.unwrap().get(0);
        let data = format!("{host}/standby");
        for left in ["postmaster.pid", "postmaster.opts"] {
            fs::remove_file(format!("{data}/{left}")).unwrap();
        }
        let conninfo = format!("host={host} port=5432 user=postgres application_name={name}");
        let settings = format!(
            "primary_conninfo = '{conninfo}'\nwal_receiver_status_interval = '1s'\nwal_retrieve_retry_interval = '100ms'\n"
        );
        write(&host, "backup_label", &label);
        write(&host, "standby.signal", "");
        write(&host, "postgresql.auto.conf", &settings);
        let standby = Standby { process: start_process(&host), host, name: name.to_owned() };
        standby.streams(primary).await;
        standby
    }

    /// Waits until the primary sees it.
    pub async fn streams(&self, primary: &Server) {
        let admin = primary.connect("postgres", "test").await;
        let seen = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name = $1";
        let deadline = Instant::now() + Duration::from_secs(30);
        while admin.query_one(seen, &[&self.name]).await.unwrap().get::<_, i64>(0) == 0 {
            let log = || fs::read_to_string(format!("{}/standby.log", self.host)).unwrap_or_default();
            assert!(Instant::now() < deadline, "the standby does not stream:\n{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The connection string of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@{}:{PORT}/{database}", self.host.replace('/', "%2F"))
    }

    /// Connects to it.
    pub async fn client(&self) -> Client {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.host).port(PORT).user("postgres").dbname("postgres");
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match config.connect(NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return client;
                }
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops or resumes replaying what it gets.
    pub async fn replays(&self, replays: bool) {
        let what = if replays { "pg_wal_replay_resume" } else { "pg_wal_replay_pause" };
        let client = self.client().await;
        client.batch_execute(&format!("SELECT {what}()")).await.unwrap();
        // The pause is only asked for; it holds with the next record.
        let state = || client.query_one("SELECT pg_get_wal_replay_pause_state() <> 'not paused'", &[]);
        assert_eq!(state().await.unwrap().get::<_, bool>(0), !replays);
    }

    /// Ends it at once, as when its machine crashes; its replay has to begin at its last checkpoint then.
    pub fn crash(&mut self) {
        signal("QUIT", self.process.id());
        self.process.wait().unwrap();
    }

    /// Starts it again.
    pub fn start_again(&mut self) {
        self.process = start_process(&self.host);
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.crash();
        }
    }
}

/// Writes a file of the standby with the owner that its other files have.
fn write(host: &str, name: &str, text: &str) {
    let (path, like) = (format!("{host}/standby/{name}"), fs::metadata(format!("{host}/data")).unwrap());
    fs::write(&path, text).unwrap();
    std::os::unix::fs::chown(&path, Some(like.uid()), Some(like.gid())).unwrap();
}

/// As whom the primary runs: PostgreSQL refuses to run as root.
fn start_process(host: &str) -> Child {
    let owner = fs::metadata(format!("{host}/data")).unwrap();
    let log = fs::OpenOptions::new().create(true).append(true).open(format!("{host}/standby.log")).unwrap();
    let mut command = Command::new(Programs::find().unwrap().bin().join("postgres"));
    command.args([
        "-D",
        &format!("{host}/standby"),
        "-k",
        host,
        "-c",
        "listen_addresses=",
        "-c",
        &format!("port={PORT}"),
    ]);
    command.args(["-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=60"]);
    command.current_dir("/").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    if owner.uid() != fs::metadata("/proc/self").unwrap().uid() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command.spawn().unwrap()
}
