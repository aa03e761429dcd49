//! Authorities: who may vouch for a peer.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::pair::validity;
use super::{Fault, Fingerprint, Validity, chain, pem};

/// Certificates of authorities, at least one.
#[derive(Clone)]
pub struct Roots {
    /// As verifiers use them.
    pub store: Arc<RootCertStore>,
    /// Of all of them together, in their order.
    pub fingerprint: Fingerprint,
    /// When the first of them that ends, ends.
    pub validity: Validity,
}

impl Roots {
    /// Reads and checks what stands in a PEM file.
    ///
    /// # Errors
    /// What is wrong first; its part is always [`super::Part::Certificate`].
    pub fn from_pem(text: &[u8]) -> Result<Self, Fault> {
        let certificates = pem::authorities(text)?;
        let parsed = chain::parse(&certificates)?;
        let mut store = RootCertStore::empty();
        for (index, certificate) in certificates.iter().enumerate() {
            store.add(certificate.clone()).map_err(|error| {
                let nth = index + 1;
                Fault::certificate(
                    format!(
                        "holds a certificate that cannot vouch for others (number {nth}): {error}"
                    ),
                    "name the certificates of authorities, in PEM",
                )
            })?;
        }
        let all: Vec<u8> =
            certificates.iter().flat_map(|der: &CertificateDer<'_>| der.to_vec()).collect();
        Ok(Roots {
            store: Arc::new(store),
            fingerprint: Fingerprint::of(&all),
            validity: validity(&parsed),
        })
    }
}

impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for Roots {}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}
