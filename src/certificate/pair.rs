//! A certificate with its chain and its key, checked: what a server shows.

use std::fmt;
use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::time::Time;

use super::{Fault, Fingerprint, Names, Validity, chain, key, pem};

/// What a certificate signs with. Handshakes prefer the first of these that the client offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// ECDSA, whatever the curve.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// RSA, whatever its length.
    Rsa,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyKind::Ecdsa => "ECDSA",
            KeyKind::Ed25519 => "Ed25519",
            KeyKind::Rsa => "RSA",
        })
    }
}

/// A certificate with its chain and its key. Two are equal when their chains are: the key belongs to it.
pub struct Pair {
    /// As handshakes use it.
    pub certified: Arc<CertifiedKey>,
    /// Hosts it is for.
    pub names: Names,
    /// When it is good; of its chain the shortest.
    pub validity: Validity,
    /// Of the certificate itself.
    pub fingerprint: Fingerprint,
    /// What it signs with.
    pub kind: KeyKind,
}

impl Pair {
    /// Reads and checks what stands in the two files, in PEM.
    ///
    /// # Errors
    /// What is wrong first, and in which of the two.
    pub fn from_pem(certificates: &[u8], private_key: &[u8]) -> Result<Self, Fault> {
        let chain = pem::certificates(certificates)?;
        let parsed = chain::parse(&chain)?;
        let signing = key::signing(&pem::private_key(private_key)?)?;
        let public = signing.public_key();
        chain::check(&chain, &parsed, public.as_deref())?;
        let kind = match signing.algorithm() {
            SignatureAlgorithm::ECDSA => KeyKind::Ecdsa,
            SignatureAlgorithm::ED25519 => KeyKind::Ed25519,
            _ => KeyKind::Rsa,
        };
        Ok(Pair {
            names: parsed.first().map(Names::of).unwrap_or_default(),
            validity: validity(&parsed),
            fingerprint: Fingerprint::of(chain.first().map_or(&[], |first| first)),
            kind,
            certified: Arc::new(CertifiedKey::new(chain, signing)),
        })
    }

    /// Its chain, itself first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.chain() == other.chain()
    }
}

impl Eq for Pair {}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("names", &self.names)
            .field("kind", &self.kind)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// When all of these are good.
pub(super) fn validity(chain: &[Certificate]) -> Validity {
    let seconds = |time: Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    let each = chain.iter().map(|certificate| certificate.tbs_certificate.validity);
    let whole = Validity { not_before: i64::MIN, not_after: i64::MAX };
    each.fold(whole, |whole, own| Validity {
        not_before: whole.not_before.max(seconds(own.not_before)),
        not_after: whole.not_after.min(seconds(own.not_after)),
    })
}
