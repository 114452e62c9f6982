//! Whom to trust on the way to the server: `sslmode` and its certificates, as a rustls configuration.
//!
//! It opens no connection, and decides nothing about falling back from or to an unencrypted one.

mod verifier;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;
use verifier::{Authorities, Trust, Verifier};

use crate::error::{Code, Failure};

/// How much encryption and proof is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never encrypt.
    Disable,
    /// Encrypt only if the server refuses otherwise.
    Allow,
    /// Encrypt if the server can.
    Prefer,
    /// Encrypt, whoever the server is, unless a root certificate is there to check it.
    Require,
    /// Encrypt, with a server whose certificate is from a trusted authority.
    VerifyCa,
    /// Encrypt, with a server that also is the one that was asked for.
    VerifyFull,
}

impl SslMode {
    /// The words of `sslmode`.
    pub(super) const WORDS: &[(&str, SslMode)] = &[
        ("disable", SslMode::Disable),
        ("allow", SslMode::Allow),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::VerifyCa),
        ("verify-full", SslMode::VerifyFull),
    ];

    /// The word of `sslmode`.
    pub(super) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, mode)| *mode == self).map_or("", |(word, _)| word)
    }
}

/// Where trusted authorities are listed.
#[derive(Debug, Clone)]
pub(super) enum Roots {
    /// The operating system's.
    System,
    /// A file of certificates, which may be missing.
    File(PathBuf),
}

/// The settings of libpq that concern TLS.
#[derive(Debug, Clone)]
pub(super) struct TlsSettings {
    pub mode: SslMode,
    pub roots: Option<Roots>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// Reads the certificates and makes what `tokio_postgres` opens TLS connections with.
pub(super) fn connector(settings: &TlsSettings) -> Result<MakeRustlsConnect, Failure> {
    // Named explicitly, since a dependency may have installed another one for the process.
    let provider = Arc::new(ring::default_provider());
    let verifier =
        Arc::new(Verifier { trust: trust(settings)?, algorithms: provider.signature_verification_algorithms });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(settings, &error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match client_certificate(settings)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| {
            failed(settings, &format!("the client certificate does not fit: {error}"))
                .hint("check that sslcert and sslkey belong together")
        })?,
        None => builder.with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

/// A file that is there is checked against in every mode, as in libpq; the verifying modes insist on one.
fn trust(settings: &TlsSettings) -> Result<Trust, Failure> {
    let trusted = match &settings.roots {
        Some(Roots::System) => rustls_native_certs::load_native_certs().certs,
        Some(Roots::File(file)) if file.exists() => certificates(settings, file)?,
        _ if settings.mode < SslMode::VerifyCa => return Ok(Trust::Anyone),
        Some(Roots::File(file)) => return Err(no_roots(settings, &format!("{} does not exist", file.display()))),
        None => return Err(no_roots(settings, "there is no home directory to look in")),
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(trusted.iter().cloned());
    if added == 0 {
        return Err(no_roots(settings, "there is no certificate in it"));
    }
    let authorities = Authorities { roots, certificates: trusted };
    Ok(match settings.mode {
        SslMode::VerifyFull => Trust::Host(authorities),
        _ => Trust::Authority(authorities),
    })
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The client's certificate, if there is one: a server that wants one will say so.
fn client_certificate(settings: &TlsSettings) -> Result<Option<Identity>, Failure> {
    let Some(certificate) = settings.certificate.as_deref().filter(|file| file.exists()) else { return Ok(None) };
    let chain = certificates(settings, certificate)?;
    let Some(key) = settings.key.as_deref() else {
        return Err(failed(settings, "there is a client certificate, but no key for it").hint("set sslkey or PGSSLKEY"));
    };
    let about = key.metadata().map_err(|error| {
        failed(settings, &format!("the key of the client certificate, {}, cannot be read: {error}", key.display()))
            .hint("set sslkey or PGSSLKEY to the key of sslcert")
    })?;
    // A key that root owns may be readable for a group, so that one key can serve several programs.
    let loose = if about.uid() == 0 { 0o037 } else { 0o077 };
    if about.permissions().mode() & loose != 0 {
        return Err(
            failed(settings, &format!("others may read the key {}", key.display())).hint("run chmod 0600 on it")
        );
    }
    // What the parser complains about would quote the key.
    let key = PrivateKeyDer::from_pem_file(key).map_err(|_| {
        failed(settings, &format!("{} holds no usable private key", key.display()))
            .hint("give an unencrypted key in PEM format; encrypted keys are not supported")
    })?;
    Ok(Some((chain, key)))
}

/// A failure of the TLS settings, which names the mode.
pub(super) fn failed(settings: &TlsSettings, why: &str) -> Failure {
    Failure::new(Code::TlsFailed, format!("encrypting the connection (sslmode={}): {why}", settings.mode.word()))
}

fn no_roots(settings: &TlsSettings, why: &str) -> Failure {
    failed(settings, &format!("no root certificate to check the server with: {why}"))
        .hint("set sslrootcert to the file of the authority that signed the server's certificate, or to system")
}

/// The certificates in a file. What the parser complains about is left out: it quotes the file, which may hold a key.
fn certificates(settings: &TlsSettings, file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let unreadable = |why: &str| {
        failed(settings, &format!("the certificates in {} cannot be read: {why}", file.display()))
            .hint("the file must be readable, in PEM format")
    };
    let bytes = fs::read(file).map_err(|error| unreadable(&error.to_string()))?;
    CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|_| unreadable("it is not PEM"))
}
