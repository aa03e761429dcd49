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

use std::net::IpAddr;

use crate::config::{Conditions, HostPattern, PathPattern, Route};
use crate::message::Fields;

/// What one route matches.
#[derive(Clone, Debug)]
pub struct RouteSpec {
    /// Rank before everything else, higher first.
    pub priority: i32,
    /// Hosts; empty: any.
    pub hosts: Vec<HostPattern>,
    /// Path.
    pub path: PathPattern,
    /// What else must hold.
    pub conditions: Conditions,
}

impl From<&Route> for RouteSpec {
    fn from(route: &Route) -> Self {
        RouteSpec {
            priority: route.priority,
            hosts: route.hosts.clone(),
            path: route.path.clone(),
            conditions: route.conditions.clone(),
        }
    }
}

/// All of a request that routes are matched with.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Lower case, without port or trailing dot ([`normalize_host`]); empty when unknown.
    pub host: &'a [u8],
    /// Normalised ([`normalize`]).
    pub path: &'a [u8],
    /// As received, without the question mark; empty when there is none.
    pub query: &'a [u8],
    /// As received.
    pub method: &'a [u8],
    /// The fields, as received.
    pub fields: &'a Fields,
    /// Who asks, by the trust rules.
    pub client: Option<IpAddr>,
}

impl<'a> Subject<'a> {
    /// A GET of `path` on `host` that carries nothing else.
    pub fn get(host: &'a [u8], path: &'a [u8]) -> Self {
        static NO_FIELDS: Fields = Fields::new();
        let (query, method, fields) = (&[][..], &b"GET"[..], &NO_FIELDS);
        Subject { host, path, query, method, fields, client: None }
    }
}
