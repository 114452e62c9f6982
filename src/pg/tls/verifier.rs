//! How far a server's certificate is checked: not at all, up to its authority, or up to the host's name.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Who is believed to be the server.
#[derive(Debug)]
pub(super) enum Trust {
    /// Whoever answers: only eavesdroppers are kept out.
    Anyone,
    /// Whoever an authority has signed for, under whatever name.
    Authority(Authorities),
    /// Only the host that was asked for.
    Host(Authorities),
}

/// The trusted certificates: as webpki wants them, and as they were listed.
#[derive(Debug)]
pub(super) struct Authorities {
    pub roots: RootCertStore,
    pub certificates: Vec<CertificateDer<'static>>,
}

/// Checks certificates as far as the trust asks; that the server holds the certificate's key is always checked.
#[derive(Debug)]
pub(super) struct Verifier {
    pub trust: Trust,
    pub algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Authorities { roots, certificates } = match &self.trust {
            Trust::Anyone => return Ok(ServerCertVerified::assertion()),
            Trust::Authority(authorities) | Trust::Host(authorities) => authorities,
        };
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.algorithms.all;
        match verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms) {
            // A self-signed certificate made with `openssl req -x509` calls itself an authority, which webpki refuses of
            // a server. Where the operator lists that very certificate as trusted, only its dates still matter, and
            // webpki looks at them first.
            Err(error) if certificates.contains(certificate) && !is_about_dates(&error) => {}
            other => other?,
        }
        if matches!(self.trust, Trust::Host(_)) {
            verify_server_name(&parsed, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn is_about_dates(error: &Error) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(
        error,
        Error::InvalidCertificate(Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
    use rustls::crypto::ring;

    use super::*;

    /// What `openssl req -x509` makes: self-signed, and an authority.
    fn self_signed(last_year: i32) -> CertificateDer<'static> {
        let mut parameters = CertificateParams::new(vec!["db.example".to_owned()]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.not_after = date_time_ymd(last_year, 12, 31);
        parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn verify(listed: &CertificateDer<'static>, shown: &CertificateDer<'static>, name: &str) -> Result<(), Error> {
        let mut roots = RootCertStore::empty();
        roots.add(listed.clone()).unwrap();
        let trust = Trust::Host(Authorities { roots, certificates: vec![listed.clone()] });
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Verifier { trust, algorithms }.verify_server_cert(shown, &[], &name, &[], UnixTime::now()).map(drop)
    }

    #[test]
    fn a_self_signed_certificate_is_trusted_only_where_it_is_listed_itself() {
        let certificate = self_signed(4095);
        verify(&certificate, &certificate, "db.example").unwrap();
        assert!(verify(&self_signed(4095), &certificate, "db.example").is_err());
    }

    #[test]
    fn a_listed_certificate_still_has_to_name_the_host_and_be_in_date() {
        let certificate = self_signed(4095);
        let misnamed = verify(&certificate, &certificate, "other.example").unwrap_err();
        assert!(matches!(misnamed, Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })));
        let expired = self_signed(2001);
        let error = verify(&expired, &expired, "db.example").unwrap_err();
        assert!(matches!(error, Error::InvalidCertificate(CertificateError::ExpiredContext { .. })), "{error}");
    }
}
