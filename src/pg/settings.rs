//! Where to connect to and as whom, resolved the way libpq does it.
//!
//! Key by key, the first that says something holds: the given URL or connection string (else `DATABASE_URL`), the
//! service file, the `PG*` variables, the defaults. Passwords not found that way are looked up in the password file.
//! It opens nothing; the only things it touches are the service file and the password file.
//!
//! Differences from libpq:
//! - A given URL replaces `DATABASE_URL` as a whole, so that no password of one is sent to the host of the other. An
//!   empty one, and a bare word (which psql takes for a database name), are refused.
//! - An unescaped `@` behind the login part of a URL is refused, rather than taken for a part of the host or database.
//! - Without `connect_timeout` an address gets 30 seconds; 0 means no limit, and 1 is not rounded up to 2.
//! - TCP keepalives are on by default, with 30 s idle, 10 s between probes and 3 probes, to notice a lost server soon.
//! - An empty `sslmode`, `connect_timeout` or the like counts as not given; libpq refuses some of them.
//! - `application_name` defaults to `tenantctl`. The encoding is always UTF-8; `PGCLIENTENCODING`, `PGDATESTYLE`, `PGTZ`
//!   and `PGGEQO` are ignored. Hosts are tried in order, whatever `load_balance_hosts` says.
//! - No GSSAPI or Kerberos, OAuth, `require_auth`, `requirepeer`, direct TLS, abstract sockets, services from LDAP.
//! - TLS is 1.2 or 1.3, certificates are X.509 version 3, keys are unencrypted, and there are no revocation lists (also
//!   not `~/.postgresql/root.crl`). A certificate must name its host in `subjectAltName` (the common name does not
//!   count), and every certificate in `sslrootcert` is a trust anchor.
//! - With only `hostaddr`, `verify-full` compares the certificate with the address; libpq refuses.
//!
//! Whatever of that would weaken a promise (say, `require_auth`) is refused by name, never ignored.

mod conninfo;
mod environment;
mod given;
mod keyword;
mod passfile;
mod service;
mod url;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use environment::Environment;
use given::Given;
pub use passfile::Secret;
use passfile::{Login, PassFile};
use tokio_postgres::config::ChannelBinding;

use super::tls::{Roots, SslMode, TlsSettings};
use crate::error::{Code, Failure};

/// Everything needed to open a connection. Neither `Debug` nor [`Settings::describe`] show a password.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) hosts: Vec<Host>,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) options: Option<String>,
    pub(super) application_name: String,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) keepalive: Keepalive,
    pub(super) target: TargetSession,
    pub(super) channel_binding: ChannelBinding,
    pub(super) tls: TlsSettings,
    given_password: Option<Secret>,
    passfile: PassFile,
    socket_directory: PathBuf,
    warnings: Vec<String>,
}

/// One server to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub place: Place,
    pub port: u16,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The directory of a Unix socket.
    Socket(PathBuf),
    /// A name, or an address in its place, to be resolved.
    Name(String),
    /// An address, and the name that its certificate and the password file know it by.
    Address(IpAddr, Option<String>),
}

/// How soon a silent TCP connection is given up.
#[derive(Debug, Clone)]
pub(super) struct Keepalive {
    pub on: bool,
    pub idle: Duration,
    pub interval: Duration,
    pub count: u32,
    pub user_timeout: Option<Duration>,
}

/// What kind of server is wanted, of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetSession {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

impl TargetSession {
    /// The words of `target_session_attrs`.
    pub const WORDS: &[(&str, TargetSession)] = &[
        ("any", TargetSession::Any),
        ("read-write", TargetSession::ReadWrite),
        ("read-only", TargetSession::ReadOnly),
        ("primary", TargetSession::Primary),
        ("standby", TargetSession::Standby),
        ("prefer-standby", TargetSession::PreferStandby),
    ];
}

/// The words of `channel_binding`.
const CHANNEL_BINDINGS: &[(&str, ChannelBinding)] =
    &[("disable", ChannelBinding::Disable), ("prefer", ChannelBinding::Prefer), ("require", ChannelBinding::Require)];

/// Where the password of a login came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PasswordSource {
    Given,
    File,
    Nowhere,
}

impl Settings {
    /// Resolves the settings from a URL or connection string (the command line's or the configuration's) and from the
    /// environment.
    pub fn resolve(url: Option<&str>, env: &Environment) -> Result<Settings, Failure> {
        let given = Given::collect(url, env)?;
        let user = given.text("user").or(env.user.as_deref()).map(str::to_owned).ok_or_else(|| {
            Failure::new(Code::ConfigInvalid, "the name of the operating system's user is unknown")
                .hint("name the database user, in the connection URL or with PGUSER")
        })?;
        let passfile = given.text("passfile").map(PathBuf::from).or_else(|| env.at_home(".pgpass"));
        let given_password = given.text("password").map(Secret::new);
        let (passfile, warning) = match given_password {
            Some(_) => (PassFile::default(), None),
            None => PassFile::read(passfile),
        };
        let application_name = given.text("application_name").or(given.text("fallback_application_name"));
        Ok(Settings {
            hosts: hosts(&given, env)?,
            database: given.text("dbname").unwrap_or(&user).to_owned(),
            user,
            options: given.text("options").map(str::to_owned),
            application_name: application_name.unwrap_or("tenantctl").to_owned(),
            connect_timeout: match given.text("connect_timeout") {
                Some(_) => given.seconds("connect_timeout")?,
                None => Some(Duration::from_secs(30)),
            },
            keepalive: keepalive(&given)?,
            target: given.choice("target_session_attrs", TargetSession::Any, TargetSession::WORDS)?,
            channel_binding: given.choice("channel_binding", ChannelBinding::Prefer, CHANNEL_BINDINGS)?,
            tls: tls(&given, env)?,
            given_password,
            passfile,
            socket_directory: env.socket_directory.clone(),
            warnings: warning.into_iter().collect(),
        })
    }

    /// The same server and user, another database. The password file is asked again, for that database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Settings {
        Settings { database: database.to_owned(), ..self.clone() }
    }

    /// The same login under another name in `pg_stat_activity`.
    #[must_use]
    pub fn with_application_name(&self, name: &str) -> Settings {
        Settings { application_name: name.to_owned(), ..self.clone() }
    }

    /// What to tell the operator before connecting, such as a password file that is ignored.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// `host:port/dbname as user`, with all hosts where there are several.
    pub fn describe(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(Host::to_string).collect();
        format!("{}/{} as {}", hosts.join(","), self.database, self.user)
    }

    /// The password for one of the hosts, and where it is from.
    pub(super) fn password(&self, host: &Host) -> (Option<Secret>, PasswordSource) {
        if let Some(given) = &self.given_password {
            return (Some(given.clone()), PasswordSource::Given);
        }
        let address;
        let name = match &host.place {
            // The password file calls the default socket `localhost`, and every other by its directory.
            Place::Socket(directory) if *directory == self.socket_directory => "localhost",
            Place::Socket(directory) => directory.to_str().unwrap_or_default(),
            Place::Name(name) | Place::Address(_, Some(name)) => name,
            Place::Address(ip, None) => {
                address = ip.to_string();
                &address
            }
        };
        let login = Login { host: name, port: host.port, database: &self.database, user: &self.user };
        match self.passfile.password(&login) {
            Some(secret) => (Some(secret), PasswordSource::File),
            None => (None, PasswordSource::Nowhere),
        }
    }

    /// The password file that was looked at, if one could be.
    pub(super) fn passfile(&self) -> Option<&Path> {
        self.passfile.path()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Socket(directory) => write!(f, "{}:{}", directory.display(), self.port),
            Place::Name(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Place::Name(name) | Place::Address(_, Some(name)) => write!(f, "{name}:{}", self.port),
            Place::Address(IpAddr::V6(ip), None) => write!(f, "[{ip}]:{}", self.port),
            Place::Address(ip, None) => write!(f, "{ip}:{}", self.port),
        }
    }
}

/// Pairs the lists of names, addresses and ports.
fn hosts(given: &Given, env: &Environment) -> Result<Vec<Host>, Failure> {
    let (names, addresses, ports) = (given.list("host"), given.list("hostaddr"), given.list("port"));
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        return Err(given.invalid("hostaddr", "there must be as many addresses as hosts"));
    }
    let count = names.len().max(addresses.len()).max(1);
    if ports.len() > 1 && ports.len() != count {
        return Err(given.invalid("port", "there must be one port, or as many as hosts"));
    }
    let some = |list: &[&str], at: usize| list.get(at).filter(|text| !text.is_empty()).map(|text| (*text).to_owned());
    (0..count)
        .map(|at| {
            let place = match (some(&addresses, at), some(&names, at)) {
                (Some(address), name) => {
                    let ip =
                        address.parse().map_err(|_| given.invalid("hostaddr", "it must be a numeric IP address"))?;
                    Place::Address(ip, name)
                }
                (None, Some(name)) if name.starts_with('@') => {
                    return Err(
                        given.invalid("host", "abstract sockets are not supported; name the socket's directory")
                    );
                }
                (None, Some(name)) if name.starts_with('/') => Place::Socket(name.into()),
                (None, Some(name)) => Place::Name(name),
                (None, None) => Place::Socket(env.socket_directory.clone()),
            };
            let port = some(&ports, if ports.len() > 1 { at } else { 0 }).unwrap_or_else(|| "5432".to_owned());
            let port = port.parse().ok().filter(|port| *port != 0);
            let port = port.ok_or_else(|| given.invalid("port", "it must be a number from 1 to 65535"))?;
            Ok(Host { place, port })
        })
        .collect()
}

fn keepalive(given: &Given) -> Result<Keepalive, Failure> {
    let count =
        given.number("keepalives_count")?.and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
    let timeout =
        given.number("tcp_user_timeout")?.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0);
    Ok(Keepalive {
        on: given.number("keepalives")? != Some(0),
        idle: given.seconds("keepalives_idle")?.unwrap_or(Duration::from_secs(30)),
        interval: given.seconds("keepalives_interval")?.unwrap_or(Duration::from_secs(10)),
        count: count.unwrap_or(3),
        user_timeout: timeout.map(Duration::from_millis),
    })
}

fn tls(given: &Given, env: &Environment) -> Result<TlsSettings, Failure> {
    let file = |key: &str, default: &str| given.text(key).map(PathBuf::from).or_else(|| env.at_home(default));
    let system = given.text("sslrootcert") == Some("system");
    let strongest = if system { SslMode::VerifyFull } else { SslMode::Prefer };
    let mode = given.choice("sslmode", strongest, SslMode::WORDS)?;
    if system && mode != SslMode::VerifyFull {
        // Anyone can get a certificate from a public authority, so anything weaker would prove nothing.
        return Err(given.invalid("sslmode", "sslrootcert=system needs verify-full"));
    }
    Ok(TlsSettings {
        mode,
        roots: if system { Some(Roots::System) } else { file("sslrootcert", ".postgresql/root.crt").map(Roots::File) },
        certificate: file("sslcert", ".postgresql/postgresql.crt"),
        key: file("sslkey", ".postgresql/postgresql.key"),
    })
}
