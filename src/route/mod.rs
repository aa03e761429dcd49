//! Matching a request to a route: a table compiled once per reload.

use crate::config::{HostPattern, PathPattern};

/// What one route matches.
#[derive(Clone, Debug)]
pub struct RouteSpec {
    /// Hosts; empty: any.
    pub hosts: Vec<HostPattern>,
    /// Path.
    pub path: PathPattern,
}

/// The compiled matcher.
#[derive(Debug, Default)]
pub struct RouteTable;

impl RouteTable {
    /// Compiles routes in rank order of file position; `find` yields indexes into `specs`.
    pub fn compile(_specs: &[RouteSpec]) -> Self {
        RouteTable
    }

    /// The best route for a host (lower case, without port or trailing dot; empty when unknown) and a
    /// normalised path.
    pub fn find(&self, _host: &[u8], _path: &[u8]) -> Option<usize> {
        None
    }
}
