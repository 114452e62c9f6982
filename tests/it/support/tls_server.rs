//! Two throw-away servers with logins to try: a primary with TLS, and a standby without.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// The password of every login that has one; every character that needs care in some notation is in it.
pub const PASSWORD: &str = r"p@s:s/w'o\r d%?#&=é";

/// Who may log in how. The first line that fits decides.
const HBA: &str = "\
local   all over_socket                scram-sha-256
local   all all                        trust
hostssl all with_certificate localhost cert
hostssl all only_tls         localhost scram-sha-256
hostnossl all only_plain     localhost scram-sha-256
host    all md5              localhost md5
host    all open             localhost trust
host    all alice            localhost scram-sha-256
";

const SETUP: &str = "
CREATE ROLE over_socket LOGIN PASSWORD :'password'; CREATE ROLE with_certificate LOGIN;
CREATE ROLE only_tls LOGIN PASSWORD :'password'; CREATE ROLE only_plain LOGIN PASSWORD :'password';
CREATE ROLE open LOGIN; CREATE ROLE alice LOGIN PASSWORD :'password'; CREATE DATABASE alice; CREATE DATABASE \"od d/b\";
CREATE ROLE full LOGIN CONNECTION LIMIT 0;
SET password_encryption = md5; CREATE ROLE md5 LOGIN PASSWORD :'password';
";

/// A running server; dropping it stops it and removes its files.
pub struct Server {
    pub directory: TempDir,
    pub port: u16,
    bin: PathBuf,
}

/// The servers and the certificates around them.
pub struct Servers {
    pub primary: Server,
    pub standby: Server,
    pub certificates: TempDir,
}

impl Servers {
    /// The servers of this process, started by whoever comes first and stopped with whoever leaves last.
    pub fn shared() -> Arc<Servers> {
        static SHARED: Mutex<Weak<Servers>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let servers = Arc::new(Servers::start());
            *shared = Arc::downgrade(&servers);
            servers
        })
    }

    fn start() -> Servers {
        let certificates = certificates();
        let primary = Server::create();
        for file in ["server.crt", "server.key", "root.crt"] {
            let target = primary.data().join(file);
            fs::copy(certificates.path().join(file), &target).unwrap();
            give(&target, 0o600);
        }
        primary.run("-c ssl=on -c ssl_ca_file=root.crt");
        let standby = Server::create();
        standby.run("-c ssl=off");
        standby.control(&["stop", "-m", "fast"]);
        fs::write(standby.data().join("standby.signal"), "").unwrap();
        give(&standby.data().join("standby.signal"), 0o600);
        standby.start("-c ssl=off");
        Servers { primary, standby, certificates }
    }

    /// The path of a certificate or key: `root`, `other-root`, `client`, and `.crt` or `.key`.
    pub fn file(&self, name: &str) -> String {
        self.certificates.path().join(name).to_str().unwrap().to_owned()
    }
}

impl Server {
    /// psql, where the installation has it.
    pub fn psql(&self) -> Option<PathBuf> {
        Some(self.bin.join("psql")).filter(|psql| psql.exists())
    }

    /// The directory of the socket.
    pub fn socket(&self) -> &str {
        self.directory.path().to_str().unwrap()
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn create() -> Server {
        let directory = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap();
        give(directory.path(), 0o755);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Server { directory, port, bin: bin() };
        let data = server.data();
        server.must(
            "initdb",
            &["-D", data.to_str().unwrap(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
        );
        server
    }

    /// Starts for the first time, and makes the roles and databases.
    fn run(&self, options: &str) {
        self.start(options);
        let setup = SETUP.replace(":'password'", &format!("E'{}'", PASSWORD.replace('\\', r"\\").replace('\'', r"\'")));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let port = self.port;
        let socket = self.socket().to_owned();
        // A thread of its own, since the caller may be inside a runtime.
        std::thread::spawn(move || {
            runtime.block_on(async {
                let mut config = tokio_postgres::Config::new();
                config.host_path(socket).port(port).user("postgres").dbname("postgres");
                let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                for statement in setup.split(';').filter(|statement| !statement.trim().is_empty()) {
                    client.batch_execute(statement).await.unwrap();
                }
            });
        })
        .join()
        .unwrap();
        fs::write(self.data().join("pg_hba.conf"), HBA.to_owned() + "host all full localhost trust\n").unwrap();
        self.control(&["reload"]);
    }

    fn start(&self, options: &str) {
        let options = format!("-p {} -k {} -h localhost -c fsync=off {options}", self.port, self.socket());
        let log = self.directory.path().join("log");
        self.control(&["start", "-t", "60", "-l", log.to_str().unwrap(), "-o", &options]);
    }

    fn control(&self, arguments: &[&str]) {
        let data = self.data();
        self.must("pg_ctl", &[&["-s", "-w", "-D", data.to_str().unwrap()], arguments].concat());
    }

    fn must(&self, program: &str, arguments: &[&str]) {
        let status = self.command(program, arguments).status().unwrap();
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        assert!(status.success(), "{program} failed: {log}");
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.args(arguments).env_clear().env("LC_ALL", "C.UTF-8").current_dir("/").stdout(Stdio::null());
        if let Some(nobody) = nobody() {
            command.uid(nobody).gid(nobody);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.data();
        let stop = ["stop", "-s", "-m", "immediate", "-D", data.to_str().unwrap_or_default()];
        let _ = self.command("pg_ctl", &stop).status();
    }
}

/// PostgreSQL refuses to run as root, so then it runs as nobody.
fn nobody() -> Option<u32> {
    (whoami::username().unwrap() == "root").then_some(65534)
}

fn give(path: &Path, mode: u32) {
    if let Some(nobody) = nobody() {
        chown(path, Some(nobody), Some(nobody)).unwrap();
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Where the programs are: `TENANTCTL_PG_BIN`, the newest of Debian's, or the `PATH`.
fn bin() -> PathBuf {
    if let Some(named) = std::env::var_os("TENANTCTL_PG_BIN") {
        return named.into();
    }
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = installed.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists());
    newest.max().unwrap_or_else(|| {
        let path = std::env::var_os("PATH").unwrap();
        std::env::split_paths(&path).find(|bin| bin.join("initdb").exists()).expect("a PostgreSQL installation")
    })
}

/// `root.crt` signed `server.crt` (for localhost) and `client.crt`; `other-root.crt` signed none.
fn certificates() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, certificate: &str, key: &KeyPair| {
        fs::write(directory.path().join(format!("{name}.crt")), certificate).unwrap();
        let path = directory.path().join(format!("{name}.key"));
        fs::write(&path, key.serialize_pem()).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    };
    let root = authority("root");
    write("root", &root.pem(), root.key());
    let other = authority("other root");
    write("other-root", &other.pem(), other.key());
    for (name, common_name, host) in [("server", "server", "localhost"), ("client", "with_certificate", "client")] {
        let mut parameters = CertificateParams::new(vec![host.to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        write(name, &parameters.signed_by(&key, &root).unwrap().pem(), &key);
    }
    directory
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}
