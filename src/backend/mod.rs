//! One backend's live state, and the view of an upstream's members that strategies choose from.
//!
//! What an operator configures (weight, tier, limits) lives in the snapshot's [`Member`]; only what was
//! measured lives in [`Backend`], which survives a reload by (upstream, address).

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

mod candidates;

pub use candidates::{Candidates, Tried};

/// Where a backend listens, after name resolution.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A unix stream socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One address with live state, shared by all workers and by every snapshot that names it.
#[derive(Debug)]
pub struct Backend {
    /// Unique in this process, never reused: the key of the workers' pools.
    pub id: u64,
    /// Where to connect.
    pub address: Address,
    /// The address as text, for logs.
    pub label: Box<str>,
    /// Exchanges, tunnels and streams in use, over all workers.
    in_flight: CachePadded<AtomicU32>,
}

impl Backend {
    /// A backend nothing is known of.
    pub fn new(id: u64, address: Address) -> Self {
        let label = address.to_string().into_boxed_str();
        Backend { id, address, label, in_flight: CachePadded::default() }
    }

    /// Exchanges in use now, over all workers.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }
}

/// A backend in one snapshot: the live state and what the operator wrote about it.
#[derive(Clone, Debug)]
pub struct Member {
    /// The live state.
    pub backend: Arc<Backend>,
    /// The host name or address as configured, with its port: what `host = "backend"` sends.
    pub authority: Box<str>,
}

/// The right to use a backend for one exchange; in-flight is counted for as long as it lives.
#[derive(Debug)]
pub struct Permit {
    backend: Arc<Backend>,
}

impl Permit {
    /// Takes a place at `backend`.
    pub fn acquire(backend: &Arc<Backend>) -> Self {
        backend.in_flight.fetch_add(1, Relaxed);
        Permit { backend: Arc::clone(backend) }
    }

    /// The backend to use.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.backend.in_flight.fetch_sub(1, Relaxed);
    }
}
