//! What a finished handshake has settled for the requests of its connection.

use std::sync::Arc;

use super::Server;
use crate::certificate::Peer;

/// The facts of one client's session.
#[derive(Debug)]
pub struct Session {
    server: Arc<Server>,
    /// The host it asked for, lower case.
    sni: Option<Box<str>>,
    /// The certificate it showed, verified.
    client: Option<Peer>,
}

impl Session {
    /// A session with `server`. `client`: the certificate in DER that was verified.
    pub fn new(server: Arc<Server>, sni: Option<&str>, client: Option<&[u8]>) -> Self {
        Session { server, sni: sni.map(Into::into), client: client.and_then(Peer::read) }
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
