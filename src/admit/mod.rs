//! The way of a request from its parsed head to the search for a backend, sans I/O. The data plane, `[[test]]`
//! and `explain` run this same code.
//!
//! ```text
//! enter    client  who asks                    target  Host and path normalised       | 400 405 413 417
//!          RouteTable::find → the entry of the route                                  | 404 421
//!          split   which upstream
//! pass     fields  hop-by-hop out, who asked in
//!          filters each on_request, in order                                          | an answer | a wait
//!          the route's own answer, or its rewrite → a backend is looked for          | 400
//! ```

mod answer;
mod backend_host;
mod client;
mod fields;
mod filters;
mod grpc;
mod hop_by_hop;
mod request;
mod response;
mod split;
mod status;
mod target;
#[cfg(test)]
mod tests;
pub mod trial;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use answer::is_bodiless;
pub use backend_host::{backend_host, mirror_host};
pub use client::{is_trusted, peer_ip};
pub use fields::From;
pub use grpc::{Call, grpc_status, seen_status};
pub use hop_by_hop::remove_named_by_connection;
pub use request::{REQUEST_ID_BYTES_MAX, Request};
pub use response::on_response;
pub use status::status;

use crate::error::Reason;
use crate::filter::{Flow, Resume};
use crate::http1::Framing;
use crate::message::ResponseHead;
use crate::rng::Rng;
use crate::route::{Subject, normalize_host};
use crate::snapshot::{Action, Forwarding, Listener, Policy, RouteEntry};

/// Where a request belongs on its listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index into [`Listener::entries`].
    pub entry: usize,
    /// Which of the entry's targets; 0 where there is but one, or none.
    pub target: usize,
}

/// What the way of a request depends on besides itself, once its place is known.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// What backends are told about the client.
    pub forwarding: &'a Forwarding,
    /// The other end of the connection.
    pub from: From<'a>,
    /// The route.
    pub entry: &'a RouteEntry,
    /// Names and timeouts that hold with the target that was chosen.
    pub policy: &'a Policy,
}

/// What comes next for a request.
pub enum Step {
    /// A backend is to be looked for; the head is as it gets it.
    Forward,
    /// The response head is written, but for its framing; this is its body.
    Answer(Arc<[u8]>),
    /// The request cannot be sent or answered as the route says.
    Refuse(Reason),
    /// A filter waits; what comes of it is given to [`resume`].
    Wait(Pin<Box<dyn Future<Output = Resume>>>),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Forward => "Forward",
            Step::Answer(_) => "Answer",
            Step::Refuse(_) => "Refuse",
            Step::Wait(_) => "Wait",
        })
    }
}

/// Names the request and finds its client; both are wanted in the access log even for refused requests.
pub fn identify(request: &mut Request, forwarding: &Forwarding, from: From<'_>, rng: &mut Rng) {
    fields::identify(request, forwarding, from, rng);
}

/// Finds the place of an identified request.
///
/// # Errors
/// Why the request is refused.
pub fn enter(request: &mut Request, listener: &Listener, rng: &mut Rng) -> Result<Place, Reason> {
    target::check(request, listener)?;
    let session = request.session.clone();
    let subject = subject(request)?;
    if session.is_some_and(|session| !session.allows(subject.host)) {
        return Err(Reason::Misdirected);
    }
    let entry = listener.routes.find(&subject).ok_or(Reason::NoRoute)?;
    let target = match &listener.entries[entry].action {
        Action::Split(split) => split::choose(split, &request.head, rng),
        Action::Forward(_) | Action::Answer { .. } => 0,
    };
    Ok(Place { entry, target })
}

/// All of a checked request that routes are matched with.
fn subject(request: &mut Request) -> Result<Subject<'_>, Reason> {
    let host = match request.head.host() {
        Some(host) => {
            let host = request.last_host.normalize(host, &mut request.host);
            host.map_err(|_| Reason::BadRequest)?
        }
        None => b"",
    };
    let (received, query) = target::split(request.head.target());
    Ok(Subject {
        host,
        path: if request.path.is_empty() { received } else { &request.path },
        query,
        method: request.head.method(),
        fields: &request.head.fields,
        client: request.client,
        trusted: request.trusted,
    })
}

/// Whether the request says by itself that its body is over the limit of its route.
pub fn is_over_limit(request: &Request, entry: &RouteEntry) -> bool {
    match request.facts.framing {
        Framing::Length(n) => entry.body_bytes_max.is_some_and(|max| n > max),
        _ => false,
    }
}

/// Edits the fields for a backend, shows the request to the route's filters, and does what the route says.
/// `response` is written to only for [`Step::Answer`].
pub fn pass(request: &mut Request, response: &mut ResponseHead, way: Way<'_>) -> Step {
    let entry = way.entry;
    let plain = matches!(entry.action, Action::Forward(_) | Action::Split(_))
        && entry.filters.is_empty()
        && entry.rewrite.is_none();
    if !plain {
        keep_host(request);
    }
    request.upgrade = fields::edit(request, &way);
    if plain {
        return Step::Forward;
    }
    let flow = filters::run(request, entry, way.policy);
    go_on(request, response, way, flow)
}

/// Goes on after [`Step::Wait`].
pub fn resume(
    request: &mut Request,
    response: &mut ResponseHead,
    way: Way<'_>,
    resume: Resume,
) -> Step {
    let flow = filters::resume(request, way.entry, way.policy, resume);
    go_on(request, response, way, flow)
}

/// What the filters decided, or else the route does.
fn go_on(request: &mut Request, response: &mut ResponseHead, way: Way<'_>, flow: Flow) -> Step {
    match flow {
        Flow::Continue => {}
        Flow::Respond(answer) => return Step::Answer(answer::of_filter(&answer, response)),
        Flow::Wait(future) => return Step::Wait(future),
    }
    if let Action::Answer { own, .. } = &way.entry.action {
        return match answer::own(own, request, way.policy, response) {
            Ok(body) => Step::Answer(body),
            Err(reason) => Step::Refuse(reason),
        };
    }
    if let Some(rewrite) = &way.entry.rewrite {
        let known = (&request.host[..], &request.id[..]);
        let who = (request.client, request.session.as_deref());
        let facts = filters::facts(who, known, way.policy, "");
        let (host, scratch) = (&mut request.backend_host, &mut request.scratch);
        let rewritten = rewrite.apply(&mut request.head, &request.path, &facts, host, scratch);
        if let Err(reason) = rewritten {
            return Step::Refuse(reason);
        }
    }
    Step::Forward
}

/// Keeps the Host asked for where edits of the head do not reach it.
fn keep_host(request: &mut Request) {
    let (kept, scratch) = (&mut request.host, &mut request.scratch);
    kept.clear();
    let asked = request.head.host().map(|host| normalize_host(host, scratch));
    if let Some(Ok(asked)) = asked {
        kept.extend_from_slice(asked.host);
    }
}
