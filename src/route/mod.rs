//! Matching a request to a route. The table is compiled once per listener and reload and never changes; a lookup
//! hashes a few slices of what the client sent and allocates nothing.
//!
//! # Rank
//! The best of *all* that match wins. What decides, the weightiest first:
//! 1. `priority`, the higher first;
//! 2. host: exact, then the longest wildcard, then any;
//! 3. path: exact, then the longest prefix, then an expression, then none;
//! 4. number of conditions, more first (each header, query and cookie entry 1, methods 1, client_ip 1);
//! 5. file order.
//!
//! So with `a` (host `x.test`, prefix `/api`), `b` (host `x.test`, prefix `/api`, methods POST) and `c` (any host,
//! no path), all of priority 0: `POST x.test/api/1` goes to `b`, which has a condition more; `GET x.test/api/1` to
//! `a`, as the condition of `b` does not hold; `GET x.test/other` and `GET y.test/api` to `c`: a host that is known
//! but has no route for a path falls through to the wildcards and to the routes without a host. With `priority = 1`
//! on `c`, all of them go to `c`.
//!
//! # Who does what
//! `draft` sorts routes into the `bucket`s of their hosts and the leaves of their paths, `table` walks them. A host leads
//! to its bucket through an `index`; the leaves of all buckets stand in the slots of `paths`; `key` compares, `lengths`
//! says what is not worth hashing,
//! `expressions` are the paths that are regular expressions, `conditions` the rest of what a route asks, of the
//! `values` that stand under a name; `explain` writes a walk down, in `words`.
//!
//! This room decides only; it reads no request and sends no answer. `proxy` normalises what the client
//! sent with [`host`] and [`path`] and asks [`RouteTable::find`].

mod bucket;
mod conditions;
mod draft;
mod explain;
mod expressions;
pub mod host;
mod index;
mod key;
mod lengths;
pub mod path;
mod paths;
mod table;
mod values;
mod words;

#[cfg(test)]
#[path = "attack_tests.rs"]
mod attack_tests;
#[cfg(test)]
#[path = "naive_tests.rs"]
mod naive_tests;

pub use explain::{Rank, Verdict};
pub use host::normalize_host;
pub use path::{Normalized, normalize};
pub use table::RouteTable;
pub use values::of_cookie as cookie_values;

use std::fmt;
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
    /// Who asks, by the trust rules; an IPv4 address inside an IPv6 one is written as the former. `None`: it has no
    /// address.
    pub client: Option<IpAddr>,
    /// Whether fields that tell of forwarding ([`crate::message::Known::tells_of_forwarding`]) are believed. Where not, no condition
    /// sees them, as no backend does.
    pub trusted: bool,
}

impl<'a> Subject<'a> {
    /// A GET of `path` on `host` that carries nothing else.
    pub fn get(host: &'a [u8], path: &'a [u8]) -> Self {
        static NO_FIELDS: Fields = Fields::new();
        let (query, method, fields) = (&[][..], &b"GET"[..], &NO_FIELDS);
        Subject { host, path, query, method, fields, client: None, trusted: false }
    }
}

/// A route with an expression that is none. The configuration's check finds these first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern {
    /// Its index in the list that was compiled.
    pub route: usize,
    /// As written.
    pub pattern: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a regular expression that can be used: {}", self.pattern, self.why)
    }
}

impl std::error::Error for BadPattern {}
