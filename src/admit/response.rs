//! The way back: the filters that let a request pass see its response, last one first.

use super::Request;
use super::filters::facts;
use crate::filter::{self, Transform};
use crate::message::ResponseHead;
use crate::snapshot::{Policy, RouteEntry};

/// Shows `head` to the filters of `entry` that let `request` pass. `backend` is the address of the backend that
/// answered; empty for an answer of our own.
///
/// Returns what the body has to go through, if anything; see [`filter::on_response`].
pub fn on_response(
    request: &mut Request,
    head: &mut ResponseHead,
    entry: &RouteEntry,
    policy: &Policy,
    backend: &str,
) -> Option<Box<dyn Transform>> {
    let n_passed = request.n_passed.min(entry.filters.len()).min(request.slots.len());
    let who = (request.client, request.session.as_deref());
    let facts = facts(who, (&request.host, &request.id), policy, backend);
    filter::on_response(
        &entry.filters[..n_passed],
        &mut request.slots[..n_passed],
        head,
        &request.head,
        facts,
        &mut request.scratch,
    )
}
