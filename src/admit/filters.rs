//! A route's filters, run over a request up to the first that answers it or waits.

use std::net::IpAddr;

use super::Request;
use crate::filter::{Context, Facts, Flow, Resume};
use crate::message::RequestHead;
use crate::snapshot::{Policy, RouteEntry};
use crate::tls::Session;

/// Shows the request to the filters that have not seen it. [`Flow::Continue`]: all of them let it go on.
pub(super) fn run(request: &mut Request, entry: &RouteEntry, policy: &Policy) -> Flow {
    request.slots.resize_with(entry.filters.len(), || None);
    while let Some(filter) = entry.filters.get(request.n_passed) {
        match with_context(request, policy, |head, cx| filter.on_request(head, cx)) {
            Flow::Continue => request.n_passed += 1,
            flow => return flow,
        }
    }
    Flow::Continue
}

/// Goes on with the filter that waited, then as [`run`].
pub(super) fn resume(
    request: &mut Request,
    entry: &RouteEntry,
    policy: &Policy,
    resume: Resume,
) -> Flow {
    match with_context(request, policy, resume) {
        Flow::Continue => {
            request.n_passed += 1;
            run(request, entry, policy)
        }
        flow => flow,
    }
}

/// Calls the filter whose turn it is.
fn with_context(
    request: &mut Request,
    policy: &Policy,
    call: impl FnOnce(&mut RequestHead, &mut Context<'_>) -> Flow,
) -> Flow {
    let who = (request.client, request.session.as_deref());
    let facts = facts(who, (&request.host, &request.id), policy, "");
    let Some(slot) = request.slots.get_mut(request.n_passed) else { return Flow::Continue };
    call(&mut request.head, &mut Context { facts, slot, scratch: &mut request.scratch })
}

/// What is known of the exchange. Takes the request apart, so that its head can be edited meanwhile.
pub(super) fn facts<'a>(
    (client, session): (Option<IpAddr>, Option<&'a Session>),
    (host, request_id): (&'a [u8], &'a [u8]),
    policy: &'a Policy,
    backend: &'a str,
) -> Facts<'a> {
    Facts {
        client,
        host,
        request_id,
        client_certificate: session.and_then(Session::client),
        scheme: policy.scheme,
        listener: &policy.listener,
        route: &policy.route,
        upstream: policy.upstream.as_deref().unwrap_or_default(),
        backend,
    }
}
