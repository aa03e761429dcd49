//! Keys of session tickets. They rotate every six hours, the last ones still decrypt, and they live on across reloads.
//!
//! What a ticket attests holds only where it was made: whether its client showed a certificate, and to whom it spoke.
//! So the keys belong to a [`Scope`], and a ticket from any other cannot even be read.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::Error;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;

use crate::certificate::Fingerprint;
use crate::config::{CertificateFiles, ClientAuthMode, ListenerTls};
use crate::hash::Map;

/// What the keys of tickets are bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    /// Who vouches for clients, and whether somebody has to.
    client_auth: Option<(ClientAuthMode, Fingerprint)>,
    /// The certificates by their files, sorted: one that is renewed is still the same.
    certificates: Vec<CertificateFiles>,
}

impl Scope {
    pub(super) fn of(written: &ListenerTls) -> Self {
        let files = written.certificates.iter().map(|certificate| certificate.files.clone());
        let mut certificates: Vec<_> = files.collect();
        certificates.sort();
        certificates.dedup();
        let client_auth = written.client_auth.as_ref();
        Scope {
            client_auth: client_auth.map(|auth| (auth.mode, auth.roots.fingerprint)),
            certificates,
        }
    }
}

/// The keys of every scope in use.
#[derive(Default)]
pub struct Tickets {
    keys: Mutex<Map<Scope, Arc<dyn ProducesTickets>>>,
}

impl Tickets {
    /// The keys of `scope`; those that nobody uses any more are forgotten meanwhile.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(super) fn of(&self, scope: &Scope) -> Result<Arc<dyn ProducesTickets>, Error> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = keys.get(scope) {
            return Ok(Arc::clone(known));
        }
        keys.retain(|_, keys| Arc::strong_count(keys) > 1);
        let made = Ticketer::new()?;
        keys.insert(scope.clone(), Arc::clone(&made));
        Ok(made)
    }

    /// How many scopes there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}
