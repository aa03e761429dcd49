//! The way of a request from its parsed head to the search for a backend, sans I/O. The data plane, `[[test]]`
//! and `explain` run this same code.
//!
//! ```text
//! enter    client  who asks                    target  Host and path normalised       | 400 405 413 417
//!          RouteTable::find → the entry of the route                                  | 404
//!          split   which upstream
//! pass     fields  hop-by-hop out, who asked in
//!          filters each on_request, in order                                          | an answer | a wait
//!          the route's own answer, or its rewrite → a backend is looked for
//! ```

mod backend_host;
mod client;
mod fields;
mod hop_by_hop;
mod request;
mod response;
mod target;

pub use backend_host::{backend_host, mirror_host};
pub use client::{is_trusted, peer_ip};
pub use fields::From;
pub use hop_by_hop::remove_named_by_connection;
pub use request::{REQUEST_ID_BYTES_MAX, Request};
pub use response::on_response;

use crate::error::Reason;
use crate::http1::Framing;
use crate::rng::Rng;
use crate::route::{Subject, normalize_host};
use crate::snapshot::{Forwarding, Listener, Snapshot};

/// Names the request and finds its client; both are wanted in the access log even for refused requests.
pub fn identify(request: &mut Request, forwarding: &Forwarding, from: From<'_>, rng: &mut Rng) {
    fields::identify(request, forwarding, from, rng);
}

/// Finds the route of an identified request: the index of its entry in `listener`.
///
/// # Errors
/// Why the request is refused.
pub fn enter(request: &mut Request, listener: &Listener) -> Result<usize, Reason> {
    target::check(request, listener)?;
    let host = match request.head.host() {
        Some(host) => normalize_host(host, &mut request.host).map_err(|_| Reason::BadRequest)?.host,
        None => b"",
    };
    let (received, query) = target::split(request.head.target());
    let subject = Subject {
        host,
        path: if request.path.is_empty() { received } else { &request.path },
        query,
        method: request.head.method(),
        fields: &request.head.fields,
        client: request.client,
    };
    let entry = listener.routes.find(&subject).ok_or(Reason::NoRoute)?;
    let body_bytes_max = listener.limits.body_bytes;
    match request.facts.framing {
        Framing::Length(n) if body_bytes_max.is_some_and(|max| n > max) => Err(Reason::BodyLimit),
        _ => Ok(entry),
    }
}

/// Edits the fields for a backend.
pub fn pass(request: &mut Request, snapshot: &Snapshot, from: From<'_>) {
    request.upgrade = fields::edit(request, &snapshot.forwarding, from);
}
