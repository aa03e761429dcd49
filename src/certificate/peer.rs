//! The certificate that a client showed, as far as templates name it.

use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::pair::validity;
use super::{Fingerprint, Validity};

/// A client's certificate. That it is good was verified in the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Whose it is, as RFC 4514 writes names: `CN=alice,O=Shop`.
    pub subject: Box<str>,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// When it is good.
    pub validity: Validity,
}

impl Peer {
    /// What `der` says; `None` where it cannot be read.
    pub fn read(der: &[u8]) -> Option<Self> {
        let parsed = Certificate::from_der(der).ok()?;
        Some(Peer {
            subject: parsed.tbs_certificate.subject.to_string().into(),
            fingerprint: Fingerprint::of(der),
            validity: validity(std::slice::from_ref(&parsed)),
        })
    }
}
