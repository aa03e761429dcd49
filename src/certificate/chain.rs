//! The order of a chain: the certificate itself, then each the one that vouches for the one before.

use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

use super::Fault;

/// Every certificate of a chain taken apart, or which of them cannot be.
pub(super) fn parse(chain: &[CertificateDer<'_>]) -> Result<Vec<Certificate>, Fault> {
    let parsed = chain.iter().enumerate().map(|(index, der)| {
        Certificate::from_der(der).map_err(|error| {
            Fault::certificate(
                format!("holds a certificate that cannot be read ({}): {error}", nth(index)),
                "have it issued or exported again",
            )
        })
    });
    parsed.collect()
}

/// Whether `public_key` is that of the first certificate, and each of the others vouches for the one before it.
pub(super) fn check(
    chain: &[CertificateDer<'_>],
    parsed: &[Certificate],
    public_key: Option<&[u8]>,
) -> Result<(), Fault> {
    let keys = parsed.iter().map(|certificate| {
        certificate.tbs_certificate.subject_public_key_info.to_der().unwrap_or_default()
    });
    if let Some(public_key) = public_key
        && let Some(owner) = keys.into_iter().position(|key| key == public_key)
        && owner > 0
    {
        return Err(Fault::certificate(
            format!("has its chain out of order: the key belongs to {}", nth(owner)),
            "write the certificate first, then the one that issued it, and so on",
        ));
    }
    if public_key.is_some_and(|key| !is_key_of(parsed, key)) {
        return Err(Fault::key(
            "holds a key that does not match the certificate",
            "name the key that the certificate was requested with",
        ));
    }
    let out_of_order = parsed
        .windows(2)
        .position(|pair| pair[0].tbs_certificate.issuer != pair[1].tbs_certificate.subject);
    if let Some(index) = out_of_order {
        let issuer = &parsed[index].tbs_certificate.issuer;
        let mut others = parsed.iter().enumerate().filter(|(other, _)| *other != index);
        let elsewhere = others.any(|(_, other)| other.tbs_certificate.subject == *issuer);
        let what = if elsewhere { "chain out of order" } else { "chain that does not hold" };
        return Err(Fault::certificate(
            format!("has a {what}: {} did not issue {}", nth(index + 1), nth(index)),
            format!(
                "write the certificate first, then the one that issued it, and so on; \
                 behind {} belongs that of {issuer}",
                nth(index)
            ),
        ));
    }
    for (index, der) in chain.iter().enumerate() {
        // What clients, and we ourselves, would refuse in the handshake: version 1, say.
        if let Err(error) = ParsedCertificate::try_from(der) {
            return Err(Fault::certificate(
                format!("holds a certificate that cannot be used ({}): {error}", nth(index)),
                "have it issued again, as X.509 version 3",
            ));
        }
    }
    Ok(())
}

fn is_key_of(parsed: &[Certificate], key: &[u8]) -> bool {
    let first = parsed.first().map(|first| &first.tbs_certificate.subject_public_key_info);
    first.and_then(|info| info.to_der().ok()).is_some_and(|der| der == key)
}

fn nth(index: usize) -> String {
    format!("certificate {} of the file", index + 1)
}
