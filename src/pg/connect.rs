//! Opens a connection: hosts in order, addresses in order, encrypted as `sslmode` asks, up to the wanted kind of server.
//!
//! It knows when to go on to the next host and when to fall back from or to encryption, as libpq does. It does not
//! reconnect: whoever holds the connection learns that it ended, and decides.

mod fault;
mod opened;

use std::net::IpAddr;

pub(super) use fault::cause;
use fault::{Fault, Then};
pub use opened::{Canceller, Encryption, Ending, Opened};
use tokio::net::lookup_host;
use tokio::time::timeout;
use tokio_postgres::config::SslMode as Negotiation;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use super::settings::{Host, Place, Settings, TargetSession};
use super::tls::{self, SslMode};
use crate::error::Failure;

/// Opens a connection to the first host that can be reached and is of the wanted kind.
///
/// As in libpq, a server that answers and refuses the login ends the search; one that is not there, is starting up or
/// is of the wrong kind does not.
pub async fn open(settings: &Settings) -> Result<Opened, Failure> {
    let passes = match settings.target {
        TargetSession::PreferStandby => &[TargetSession::Standby, TargetSession::Any][..],
        _ => std::slice::from_ref(&settings.target),
    };
    let mut faults = Vec::new();
    for wanted in passes {
        for host in &settings.hosts {
            for address in addresses(settings, host).await {
                match reach(settings, host, address, *wanted).await {
                    Ok(opened) => return Ok(opened),
                    Err(Fault { then: Then::Stop | Then::OtherEncryption, failure }) => return Err(failure),
                    Err(fault) => faults.push(fault),
                }
            }
        }
    }
    Err(fault::nobody(settings, faults))
}

type Address = Result<Option<IpAddr>, Fault>;

/// The addresses of a host: none for a socket, one or more for a name. Looking up a name may fail, as any address may.
async fn addresses(settings: &Settings, host: &Host) -> Vec<Address> {
    match &host.place {
        Place::Socket(_) => vec![Ok(None)],
        Place::Address(address, _) => vec![Ok(Some(*address))],
        Place::Name(name) => match limited(settings, host, lookup_host((name.as_str(), host.port))).await {
            Ok(Ok(found)) => found.map(|address| Ok(Some(address.ip()))).collect(),
            Ok(Err(error)) => vec![Err(Fault::unreachable(host, &error.to_string()))],
            Err(fault) => vec![Err(fault)],
        },
    }
}

/// Tries one address within the time limit: connects, and asks what kind of server it is.
async fn reach(settings: &Settings, host: &Host, address: Address, wanted: TargetSession) -> Result<Opened, Fault> {
    let address = address?;
    limited(settings, host, async {
        let opened = negotiate(settings, host, address).await?;
        match unwanted(&opened, host, wanted).await? {
            Some(why) => Err(Fault::unreachable(host, why)),
            None => Ok(opened),
        }
    })
    .await?
}

async fn limited<T>(settings: &Settings, host: &Host, work: impl Future<Output = T>) -> Result<T, Fault> {
    match settings.connect_timeout {
        Some(limit) => timeout(limit, work)
            .await
            .map_err(|_| Fault::unreachable(host, &format!("no answer within {} s", limit.as_secs()))),
        None => Ok(work.await),
    }
}

/// Connects encrypted, unencrypted, or one after the other.
async fn negotiate(settings: &Settings, host: &Host, address: Option<IpAddr>) -> Result<Opened, Fault> {
    let (first, second) = match (&host.place, settings.tls.mode) {
        // sslmode says nothing about sockets.
        (Place::Socket(_), _) | (_, SslMode::Disable) => (Encryption::Plain, None),
        (_, SslMode::Allow) => (Encryption::Plain, Some(Encryption::Tls)),
        (_, SslMode::Prefer) => (Encryption::Tls, Some(Encryption::Plain)),
        (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => (Encryption::Tls, None),
    };
    match (dial(settings, host, address, first).await, second) {
        (Err(before), Some(second)) if before.then == Then::OtherEncryption => {
            dial(settings, host, address, second).await.map_err(|after| before.and(after, second))
        }
        (outcome, _) => outcome,
    }
}

async fn dial(
    settings: &Settings,
    host: &Host,
    address: Option<IpAddr>,
    encryption: Encryption,
) -> Result<Opened, Fault> {
    let mut config = config(settings, host, address);
    let connected = match encryption {
        Encryption::Plain => {
            let dialled = config.ssl_mode(Negotiation::Disable).connect(NoTls).await;
            dialled.map(|(client, connection)| Opened::new(settings, host, client, connection, None))
        }
        Encryption::Tls => {
            let connector = tls::connector(&settings.tls).map_err(Fault::tls)?;
            let dialled = config.ssl_mode(Negotiation::Require).connect(connector.clone()).await;
            dialled.map(|(client, connection)| Opened::new(settings, host, client, connection, Some(connector)))
        }
    };
    connected.map_err(|error| Fault::of(settings, host, &error))
}

/// The settings for one address of one host, in tokio-postgres' words.
fn config(settings: &Settings, host: &Host, address: Option<IpAddr>) -> Config {
    let mut config = Config::new();
    match (&host.place, address) {
        (Place::Socket(directory), _) => config.host_path(directory),
        // The name is for the certificate; where there is none, the address stands in.
        (Place::Name(name) | Place::Address(_, Some(name)), _) => config.host(name),
        (Place::Address(ip, None), _) => config.host(ip.to_string()),
    };
    if let Some(address) = address {
        config.hostaddr(address);
    }
    let keepalive = &settings.keepalive;
    config
        .port(host.port)
        .user(&settings.user)
        .dbname(&settings.database)
        .application_name(&settings.application_name)
        .channel_binding(settings.channel_binding)
        .keepalives(keepalive.on)
        .keepalives_idle(keepalive.idle)
        .keepalives_interval(keepalive.interval)
        .keepalives_retries(keepalive.count);
    if let Some(limit) = keepalive.user_timeout {
        config.tcp_user_timeout(limit);
    }
    // For the connection that cancels; the whole of an attempt is limited by us.
    if let Some(limit) = settings.connect_timeout {
        config.connect_timeout(limit);
    }
    if let Some(options) = &settings.options {
        config.options(options);
    }
    if let (Some(password), _) = settings.password(host) {
        config.password(password.reveal());
    }
    config
}

/// Why this is not the kind of server that was asked for.
async fn unwanted(opened: &Opened, host: &Host, wanted: TargetSession) -> Result<Option<&'static str>, Fault> {
    if wanted == TargetSession::Any {
        return Ok(None);
    }
    // As text, in one round trip: this may be a pooler without prepared statements.
    let ask = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only')";
    let answer =
        opened.client.simple_query(ask).await.map_err(|error| Fault::unreachable(host, &fault::cause(&error)))?;
    let [standby, read_only] = answer
        .iter()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some([row.get(0) == Some("t"), row.get(1) == Some("on")]),
            _ => None,
        })
        .ok_or_else(|| Fault::unreachable(host, "the server does not say whether it is a standby"))?;
    Ok(match wanted {
        TargetSession::ReadWrite if standby || read_only => Some("the server does not accept writes"),
        TargetSession::ReadOnly if !standby && !read_only => Some("the server accepts writes"),
        TargetSession::Primary if standby => Some("the server is a standby"),
        TargetSession::Standby if !standby => Some("the server is not a standby"),
        _ => None,
    })
}
