//! What a finished handshake has settled for the requests of its connection.

use std::sync::Arc;

use super::Server;
use crate::certificate::{Fingerprint, Peer};
use crate::config::ClientAuthMode;

/// The facts of one client's session.
#[derive(Debug)]
pub struct Session {
    server: Arc<Server>,
    /// The host it asked for, lower case.
    sni: Option<Box<str>>,
    /// The certificate it showed, verified.
    client: Option<Peer>,
    /// Who was asked to vouch for the client.
    authorities: Option<Fingerprint>,
}

impl Session {
    /// A session with `server`. `client`: the certificate in DER that was verified.
    pub fn new(server: Arc<Server>, sni: Option<&str>, client: Option<&[u8]>) -> Self {
        let authorities = server.client_auth().map(|(_, authorities)| authorities);
        let (sni, client) = (sni.map(Into::into), client.and_then(Peer::read));
        Session { server, sni, client, authorities }
    }

    /// Whether `server`, which the listener has now, asks for no more of clients than was asked of this one.
    #[inline]
    pub fn suits(&self, server: &Server) -> bool {
        server.client_auth().is_none_or(|(mode, authorities)| {
            let is_known = mode == ClientAuthMode::Optional || self.client.is_some();
            is_known && self.authorities == Some(authorities)
        })
    }

    /// Whether its client may ask for `host` (lower case, without port; empty: for none).
    #[inline]
    pub fn allows(&self, host: &[u8]) -> bool {
        match &self.sni {
            Some(sni) => host == sni.as_bytes() || host.is_empty() || self.server.allows(sni, host),
            None => true,
        }
    }

    /// The certificate its client showed.
    pub fn client(&self) -> Option<&Peer> {
        self.client.as_ref()
    }
}
