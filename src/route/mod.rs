//! Matching a request to a route. The table is compiled once per reload and never changes; a lookup
//! hashes a few slices of what the client sent and allocates nothing.
//!
//! Rank: host (exact, then longest wildcard, then any), path (exact, then longest prefix, then none),
//! file order. The best of *all* that match wins: a host that is known but has no route for a path
//! falls through to the wildcards and to the routes without a host.
//!
//! This room decides only; it reads no request and sends no answer. `proxy` normalises what the client
//! sent with [`host`] and [`path`] and asks [`RouteTable::find`].

pub mod host;
pub mod path;
mod table;

pub use host::normalize_host;
pub use path::{Normalized, normalize};
pub use table::RouteTable;

use crate::config::{HostPattern, PathPattern};

/// What one route matches.
#[derive(Clone, Debug)]
pub struct RouteSpec {
    /// Hosts; empty: any.
    pub hosts: Vec<HostPattern>,
    /// Path.
    pub path: PathPattern,
}
