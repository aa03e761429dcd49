//! The addresses behind host names, as resolution last found them: an input of compiling.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::{BackendAddress, Config};
use crate::hash::Map;

/// A name to resolve and the port that its addresses get.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// The host name.
    pub host: Arc<str>,
    /// The port, 1..=65535.
    pub port: u16,
}

/// The last good set of every name: sorted and without doubles; a name that never resolved is missing.
pub type Names = Map<HostPort, Arc<[SocketAddr]>>;

/// Every name that `config` uses, sorted, each once.
pub fn names_of(config: &Config) -> Vec<HostPort> {
    let backends = config.upstreams.values().flat_map(|upstream| &upstream.backends);
    let mut names: Vec<HostPort> = backends
        .filter_map(|backend| match &backend.address {
            BackendAddress::Name(host, port) => {
                Some(HostPort { host: host.as_str().into(), port: *port })
            }
            BackendAddress::Tcp(_) | BackendAddress::Unix(_) => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}
