//! What lives on across reloads, found again by identity: backends by (upstream, address), listening
//! sockets by bind address, log writers by target, TLS sessions with backends by the settings they came about with.
//!
//! A registry is never edited. Compiling makes the next one out of the present one, adopting what is still
//! named and leaving out what is not; whoever stores the new snapshot puts the new registry in the old one's
//! place, and whoever gives up drops the draft. So a reload that fails can have changed nothing.

use std::sync::Arc;

use super::SocketId;
use crate::backend::{Address, Backend, Cohort, Queue};
use crate::config::{Bind, LogTarget};
use crate::hash::Map;
use crate::log::Writer;
use crate::net::Settings;
use crate::tls;

/// The live state of one upstream's backends.
pub(super) type Backends = Arc<Map<Address, Arc<Backend>>>;

/// Which listening socket a configuration means: its bind address, and how many equal ones stand before it
/// (two listeners may both ask for port 0).
pub type BindKey = (Bind, usize);

/// Live state by identity.
#[derive(Debug, Default)]
pub struct Registry {
    pub(super) upstreams: Map<Arc<str>, Backends>,
    /// By upstream.
    pub(super) queues: Map<Arc<str>, Arc<Queue>>,
    /// By upstream.
    pub(super) cohorts: Map<Arc<str>, Arc<Cohort>>,
    pub(super) sockets: Map<BindKey, SocketId>,
    /// By listener, those that speak TLS.
    pub(super) servers: Map<Arc<str>, Arc<tls::Server>>,
    /// Keys of session tickets.
    pub(super) tickets: Arc<tls::Tickets>,
    pub(super) writers: Map<LogTarget, Arc<Writer>>,
    /// TLS towards backends, with the sessions that can be resumed, by fingerprint.
    pub(super) tls: Map<[u8; 32], Settings>,
    pub(super) ids: Ids,
}

/// Numbers that are never given twice in one process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ids {
    next_backend: u64,
    next_socket: u32,
}

impl Ids {
    pub(super) fn backend(&mut self) -> u64 {
        self.next_backend += 1;
        self.next_backend
    }

    pub(super) fn socket(&mut self) -> SocketId {
        self.next_socket += 1;
        SocketId(self.next_socket)
    }
}

impl Registry {
    /// The live state of a backend, if an upstream of this name has it.
    pub fn backend(&self, upstream: &str, address: &Address) -> Option<&Arc<Backend>> {
        self.upstreams.get(upstream)?.get(address)
    }

    /// Number of backends, over all upstreams.
    pub fn n_backends(&self) -> usize {
        self.upstreams.values().map(|backends| backends.len()).sum()
    }

    /// What the listener of this name begins TLS sessions with, if it does.
    pub fn server(&self, listener: &str) -> Option<&Arc<tls::Server>> {
        self.servers.get(listener)
    }

    /// Every log writer in use.
    pub fn writers(&self) -> impl Iterator<Item = &Arc<Writer>> {
        self.writers.values()
    }

    /// A copy of the maps, not of what they name: what a change of members starts from.
    pub(super) fn copy(&self) -> Self {
        Registry {
            upstreams: self.upstreams.clone(),
            queues: self.queues.clone(),
            cohorts: self.cohorts.clone(),
            sockets: self.sockets.clone(),
            servers: self.servers.clone(),
            tickets: Arc::clone(&self.tickets),
            writers: self.writers.clone(),
            tls: self.tls.clone(),
            ids: self.ids,
        }
    }
}
