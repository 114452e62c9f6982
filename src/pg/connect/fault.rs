//! Why an attempt to connect failed, in words, and what is worth trying after it.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use super::opened::Encryption;
use crate::error::{Code, Failure};
use crate::pg::settings::{Host, PasswordSource, Settings};
use crate::pg::tls;

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Fault {
    pub failure: Failure,
    pub then: Then,
}

/// What may help after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Another address, or host.
    OtherHost,
    /// The same address, encrypted if it was not, or the other way round.
    OtherEncryption,
    /// Nothing.
    Stop,
}

impl Fault {
    /// The server is not there, or not of use: another may be.
    pub fn unreachable(host: &Host, why: &str) -> Self {
        Fault { failure: Failure::new(Code::ConnectionFailed, format!("{host}: {why}")), then: Then::OtherHost }
    }

    /// No encryption: doing without may help.
    pub fn tls(failure: Failure) -> Self {
        Fault { failure, then: Then::OtherEncryption }
    }

    /// What `tokio_postgres` reported.
    pub fn of(settings: &Settings, host: &Host, error: &Error) -> Self {
        if let Some(refusal) = error.as_db_error() {
            return Fault::refused(settings, host, refusal);
        }
        if let Some(why) = certificate_fault(error) {
            return Fault::tls(distrusted(settings, host, why));
        }
        // The kind of an error is private to tokio-postgres; its wording tells, and a test notices if that changes.
        match error.to_string().as_str() {
            "error performing TLS handshake" => {
                let failure = tls::failed(&settings.tls, &format!("{host}: {}", cause(error)));
                Fault::tls(
                    failure.hint("switch on ssl at the server, or allow an unencrypted connection with sslmode=prefer"),
                )
            }
            "invalid configuration" | "authentication error" => {
                Fault { failure: login_refused(settings, host, &cause(error)), then: Then::Stop }
            }
            _ => Fault::unreachable(host, &cause(error)),
        }
    }

    /// The server answered, and said no.
    fn refused(settings: &Settings, host: &Host, refusal: &DbError) -> Self {
        let failed = |hint: &str| {
            let message = format!("connecting to {}: {}", place(settings, host), refusal.message());
            Failure::new(Code::ConnectionFailed, message).hint(hint)
        };
        let (failure, then) = match refusal.code() {
            // Which login is asked for may depend on the encryption: hostssl, hostnossl in pg_hba.conf.
            code if code.code().starts_with("28") => {
                let mut failure = login_refused(settings, host, refusal.message());
                if *code != SqlState::INVALID_PASSWORD {
                    let advice = failure.hint.unwrap_or_default();
                    failure.hint =
                        Some(format!("pg_hba.conf on the server decides who may log in from where; {advice}"));
                }
                (failure, Then::OtherEncryption)
            }
            code if *code == SqlState::CANNOT_CONNECT_NOW => {
                return Fault::unreachable(host, refusal.message());
            }
            code if *code == SqlState::INVALID_CATALOG_NAME => (
                failed("correct the database's name in the connection settings, or create it with createdb"),
                Then::Stop,
            ),
            code if *code == SqlState::TOO_MANY_CONNECTIONS => (
                failed("close idle sessions, or raise max_connections or the limit of the role or database"),
                Then::Stop,
            ),
            _ => (failed("the server's log may say more"), Then::Stop),
        };
        Fault { failure, then }
    }

    /// Tells of both attempts, encrypted and not, and leads with the one that got further. Of two refused logins that is
    /// the encrypted one: the other is often refused just for not being encrypted.
    pub fn and(self, after: Fault, second: Encryption) -> Self {
        let lead_with_first = match after.failure.code {
            Code::TlsFailed => true,
            Code::LoginRefused => self.failure.code == Code::LoginRefused && second == Encryption::Plain,
            _ => false,
        };
        let (mut lead, other) = if lead_with_first { (self, after) } else { (after, self) };
        if lead.failure.message != other.failure.message {
            let way = if lead_with_first == (second == Encryption::Tls) { "over TLS" } else { "without TLS" };
            lead.failure.message = format!("{}; {way}: {}", lead.failure.message, other.failure.message);
        }
        lead
    }
}

/// What to say when no host was of use.
pub(super) fn nobody(settings: &Settings, faults: Vec<Fault>) -> Failure {
    let mut tried: Vec<String> = faults.into_iter().map(|fault| fault.failure.message).collect();
    tried.dedup();
    let message = format!("connecting to {}: tried {}", settings.describe(), tried.join("; "));
    Failure::new(Code::ConnectionFailed, message)
        .hint("check that the server runs and is reachable from here, and host, port and target_session_attrs")
}

/// The innermost cause of an error, which is what an operator can act on.
pub(in crate::pg) fn cause(error: &Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(refusal), _) => refusal.message().to_owned(),
        (None, Some(source)) => source.to_string(),
        (None, None) => error.to_string(),
    }
}

/// What rustls had against the server's certificate, or the server against ours.
fn certificate_fault(error: &Error) -> Option<&rustls::Error> {
    error.source()?.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()
}

fn distrusted(settings: &Settings, host: &Host, why: &rustls::Error) -> Failure {
    use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
    let failure = tls::failed(&settings.tls, &format!("{host}: {why}"));
    match why {
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => failure.hint(
            "connect by a name in the certificate's subjectAltName, or trust any host of its authority with sslmode=verify-ca",
        ),
        rustls::Error::InvalidCertificate(_) => {
            failure.hint("set sslrootcert to the file of the authority that signed the server's certificate")
        }
        rustls::Error::AlertReceived(_) => failure.hint("the server may want another client certificate: check sslcert and sslkey"),
        _ => failure.hint("check that this port speaks PostgreSQL with TLS 1.2 or 1.3"),
    }
}

fn login_refused(settings: &Settings, host: &Host, why: &str) -> Failure {
    let message = format!("logging in to {}: {why}", place(settings, host));
    let advice = match (settings.password(host).1, settings.passfile()) {
        (PasswordSource::Given, _) => {
            "check the user, and the password in the connection settings or PGPASSWORD".to_owned()
        }
        (PasswordSource::File, Some(file)) => {
            format!("check the user, and the first line of {} that fits; the password is from there", file.display())
        }
        (_, Some(file)) => {
            format!("no password was found: set PGPASSWORD, or add a line for this login to {}", file.display())
        }
        (_, None) => "no password was found: set PGPASSWORD".to_owned(),
    };
    let warnings = settings.warnings().iter().map(|warning| format!("; {warning}"));
    Failure::new(Code::LoginRefused, message).hint(advice + &warnings.collect::<String>())
}

fn place(settings: &Settings, host: &Host) -> String {
    format!("{host}/{} as {}", settings.database, settings.user)
}
