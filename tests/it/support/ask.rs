//! A wish to connect, for us and for psql alike.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tenantctl::error::Failure;
use tenantctl::pg::connect::{Encryption, Opened, open};
use tenantctl::pg::settings::{Environment, Settings};

use super::tls_server::{PASSWORD, Servers};

/// [`PASSWORD`] in a URL.
const ENCODED: &str = "p%40s%3As%2Fw'o%5Cr%20d%25%3F%23%26%3D%C3%A9";

/// One way to ask for a connection, with a home directory of its own.
pub struct Ask {
    pub home: TempDir,
    url: Option<String>,
    variables: BTreeMap<String, String>,
}

impl Ask {
    /// `{port}`, `{root}` and the like stand for what is only known now.
    pub fn new(servers: &Servers, url: &str, variables: &[(&str, &str)]) -> Self {
        let fill = |text: &str| {
            text.replace("{server}", "host=localhost port={port} dbname=postgres")
                .replace("{port}", &servers.primary.port.to_string())
                .replace("{standby}", &servers.standby.port.to_string())
                .replace("{socket}", servers.primary.socket())
                .replace("{socket_encoded}", &servers.primary.socket().replace('/', "%2F"))
                .replace("{root}", &servers.file("root.crt"))
                .replace("{other}", &servers.file("other-root.crt"))
                .replace("{client}", &servers.file("client.crt"))
                .replace("{key}", &servers.file("client.key"))
                .replace("{password}", PASSWORD)
                .replace("{quoted}", &PASSWORD.replace('\\', r"\\").replace('\'', r"\'"))
                .replace("{encoded}", ENCODED)
        };
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), fill(value))).collect();
        let home = tempfile::tempdir().unwrap();
        Ask { home, url: (!url.is_empty()).then(|| fill(url)), variables }
    }

    /// Puts a file into the home directory.
    pub fn file(self, name: &str, text: &str) -> Self {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        self
    }

    pub fn settings(&self) -> Result<Settings, Failure> {
        let mut env = Environment::from_process();
        env.variables = self.variables.clone();
        env.home = Some(self.home.path().to_owned());
        Settings::resolve(self.url.as_deref(), &env)
    }

    pub async fn open(&self) -> Result<Opened, Failure> {
        open(&self.settings()?).await
    }

    /// The failure that must be, checked for secrets.
    pub async fn failure(&self) -> Failure {
        let failure = self.open().await.err().expect("the connection should fail");
        for secret in [PASSWORD, ENCODED] {
            let said = format!("{failure:?}");
            assert!(!said.contains(secret), "{said}");
        }
        failure
    }

    /// `user database encryption`, as the server sees it.
    pub async fn seen(&self) -> Result<String, Failure> {
        let opened = self.open().await?;
        let row = opened.client.query_one(SEEN, &[]).await.unwrap();
        let seen: String = row.get(0);
        assert_eq!(seen.ends_with("encrypted"), opened.encryption == Encryption::Tls);
        Ok(seen)
    }

    /// The same through psql.
    pub fn psql(&self, psql: &Path) -> Result<String, String> {
        let mut command = Command::new(psql);
        command
            .args(["-X", "-w", "-A", "-t", "-c", SEEN])
            .env_clear()
            .envs(&self.variables)
            .env("HOME", self.home.path());
        if let Some(url) = &self.url {
            command.args(["-d", url]);
        }
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

const SEEN: &str = "SELECT concat_ws(' ', current_user, current_database(), \
    (SELECT CASE WHEN ssl THEN 'encrypted' ELSE 'plain' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()))";
