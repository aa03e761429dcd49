//! TLS towards backends: whom we trust, who we are, and in plain words why a handshake failed.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

use crate::config::UpstreamTls;

/// Sessions that are kept to be resumed, for each upstream: of 128 servers eight each.
const SESSIONS_MAX: usize = 1024;

/// What `tls` says, with the protocols in `alpn` offered.
pub(super) fn config(tls: &UpstreamTls, alpn: &[&[u8]]) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match (tls.verify, &tls.ca) {
        (false, _) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        }
        (true, Some(ca)) => builder.with_root_certificates(Arc::clone(&ca.roots.store)),
        (true, None) => builder.with_root_certificates(Arc::clone(system_roots())),
    };
    let mut config = match &tls.client {
        Some(client) => {
            let ours = SingleCertAndKey::from(Arc::clone(&client.pair.certified));
            builder.with_client_cert_resolver(Arc::new(ours))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::store(sessions());
    Ok(config)
}

fn sessions() -> Arc<dyn ClientSessionStore> {
    Arc::new(ClientSessionMemoryCache::new(SESSIONS_MAX))
}

/// Whom the system trusts, looked up once.
fn system_roots() -> &'static Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found.errors.first().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(
                why,
                "this system trusts no certificate authority: no https backend can be verified; \
                 install ca-certificates, or name a CA with tls = {{ ca = \"ca.pem\" }}"
            );
        }
        Arc::new(roots)
    })
}

/// Verifies nothing but that whoever answers has the key of the certificate it shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl Anybody {
    fn known(&self) -> &WebPkiSupportedAlgorithms {
        &self.0.signature_verification_algorithms
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, self.known())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, self.known())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.known().supported_schemes()
    }
}

/// Why there is no session, for operators.
#[derive(Debug)]
pub(super) struct Plainly<'a>(pub(super) &'a Error);

impl fmt::Display for Plainly<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Error::InvalidCertificate(error) => certificate(error, f),
            Error::AlertReceived(alert) => told(*alert, f),
            Error::NoCertificatesPresented => f.write_str("the backend showed no certificate"),
            Error::NoApplicationProtocol => f.write_str("the backend speaks no protocol of ours"),
            error => error.fmt(f),
        }
    }
}

fn certificate(error: &CertificateError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error {
        CertificateError::Expired => f.write_str("the backend's certificate has expired"),
        CertificateError::ExpiredContext { time, not_after } => {
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / 86_400;
            write!(f, "the backend's certificate expired {days} days ago")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            f.write_str("the backend's certificate is not valid yet; are both clocks right?")
        }
        CertificateError::UnknownIssuer => f.write_str(
            "the backend's certificate is from an unknown issuer: name its CA in tls.ca",
        ),
        CertificateError::NotValidForName => {
            f.write_str("the backend's certificate is for another name: name it in tls.sni")
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let (expected, names) = (expected.to_str(), presented.join(", "));
            write!(
                f,
                "the backend's certificate is not for {expected} but for {names}: see tls.sni"
            )
        }
        CertificateError::Revoked => f.write_str("the backend's certificate was revoked"),
        CertificateError::BadSignature => {
            f.write_str("the backend's certificate is not signed by the CA it names")
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => f
            .write_str(
                "the backend shows the certificate of a CA as its own, as self-signed ones often \
                 are: make one that is none (CA:FALSE)",
            ),
        error => write!(f, "the backend's certificate cannot be used: {error:?}"),
    }
}

fn told(alert: AlertDescription, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match alert {
        AlertDescription::CertificateRequired => {
            f.write_str("the backend wants a certificate of ours: see tls.client")
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown => {
            write!(f, "the backend refused our certificate ({alert:?}): see tls.client")
        }
        AlertDescription::UnrecognisedName => {
            f.write_str("the backend knows no certificate for the name we ask for: see tls.sni")
        }
        AlertDescription::NoApplicationProtocol => {
            f.write_str("the backend does not speak the protocol of `protocol`")
        }
        alert => write!(f, "the backend refused the handshake ({alert:?})"),
    }
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::*;

    #[test]
    fn of_one_server_too_many_the_first_is_forgotten() {
        let (sessions, servers_max) = (sessions(), SESSIONS_MAX / 8);
        let name = |n: usize| ServerName::try_from(format!("{n}.test")).expect("a name");
        let known = |n| sessions.kx_hint(&name(n)).is_some();
        let count = |n: usize| (0..n).filter(|n| known(*n)).count();
        for n in 0..servers_max {
            sessions.set_kx_hint(name(n), NamedGroup::X25519);
        }
        assert_eq!(count(servers_max), servers_max);
        sessions.set_kx_hint(name(servers_max), NamedGroup::X25519);
        assert_eq!(count(servers_max + 1), servers_max);
        assert!(!known(0) && known(servers_max));
    }
}
