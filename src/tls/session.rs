//! What a finished handshake has settled for the requests of its connection.

use std::sync::Arc;

use super::Server;
use crate::certificate::{Fingerprint, Peer};

/// The facts of one client's session.
#[derive(Debug)]
pub struct Session {
    server: Arc<Server>,
    /// The host it asked for, lower case.
    sni: Option<Box<str>>,
    /// The certificate it showed, verified.
    client: Option<Peer>,
    /// Who vouched for that.
    vouched: Option<Fingerprint>,
}

impl Session {
    /// A session with `server`. `client`: the certificate in DER that was verified.
    pub fn new(server: Arc<Server>, sni: Option<&str>, client: Option<&[u8]>) -> Self {
        Session {
            server,
            sni: sni.map(Into::into),
            client: client.and_then(Peer::read),
            vouched: None,
        }
    }

    /// The same; `vouching` vouched for its client's certificate, if it showed one.
    pub fn vouched_by(mut self, vouching: Option<Fingerprint>) -> Self {
        self.vouched = vouching.filter(|_| self.client.is_some());
        self
    }

    /// Whether a connection with this `session` (`None`: in the clear) is still what its listener wants, which has `tls`
    /// now: a reload does not end connections, but they may not outlive what clients have to show.
    #[inline]
    pub fn stands(session: Option<&Session>, tls: Option<&Arc<Server>>) -> bool {
        match (session, tls) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(session), Some(server)) => server.accepts(session.vouched),
        }
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
