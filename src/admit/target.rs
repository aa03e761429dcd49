//! Which resource a request means: Host and path checked and brought into the form that routes are matched with;
//! afterwards the head's target and Host are those of the backend.

use super::Request;
use crate::config::{ForwardPath, PathPolicy};
use crate::error::Reason;
use crate::http1::{Expectation, RequestFacts};
use crate::message::{Known, RequestHead, Version};
use crate::route::{Normalized, normalize, normalize_host};
use crate::snapshot::Listener;

/// Everything that is refused whatever the route is. Leaves the path to match in `request.path` where it is not
/// the target's.
pub(super) fn check(request: &mut Request, listener: &Listener) -> Result<(), Reason> {
    if matches!(request.head.method(), b"CONNECT" | b"TRACE") {
        return Err(Reason::MethodRefused);
    }
    resolve_authority(&mut request.head, &request.facts, &mut request.host)?;
    normalize_path(request, &listener.path)?;
    let unknown = request.facts.expectation == Expectation::Unknown;
    if unknown && request.head.version != Version::Http10 {
        return Err(Reason::BadExpect);
    }
    Ok(())
}

/// RFC 9112, section 3.2: exactly one Host in a 1.1 request; an absolute target's authority replaces it.
/// `scratch` is left with anything in it.
fn resolve_authority(
    request: &mut RequestHead,
    facts: &RequestFacts,
    scratch: &mut Vec<u8>,
) -> Result<(), Reason> {
    if facts.n_hosts > 1 || (facts.n_hosts == 0 && request.version != Version::Http10) {
        return Err(Reason::BadRequest);
    }
    match request.target() {
        [b'/', ..] => return Ok(()),
        b"*" if request.method() == b"OPTIONS" => return Ok(()),
        _ => {}
    }
    // A malformed Host is refused even where it will be replaced (section 3.2.2 replaces only a good one).
    if request.host().is_some_and(|host| normalize_host(host, scratch).is_err()) {
        return Err(Reason::BadRequest);
    }
    let target = request.target();
    let scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| {
            target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
        .ok_or(Reason::BadRequest)?;
    let rest = &target[scheme.len()..];
    let authority_len =
        rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    if authority_len == 0 {
        return Err(Reason::BadRequest);
    }
    let authority = rest[..authority_len].to_vec();
    let path = rest[authority_len..].to_vec();
    match path.first() {
        Some(b'/') => request.set_target(&[&path]),
        _ => request.set_target(&[b"/", &path]),
    }
    request.fields.remove_if(|known, _| known == Known::Host);
    request.fields.append(Known::Host, b"host", &[&authority]);
    Ok(())
}

/// Leaves the path to match in `request.path` where it differs from the target's, and the one to send in
/// the target.
fn normalize_path(request: &mut Request, policy: &PathPolicy) -> Result<(), Reason> {
    let target = request.head.target();
    if memchr::memchr(b'#', target).is_some() {
        return Err(Reason::BadRequest);
    }
    let (path, _) = split(target);
    let query = path.len();
    let normalized = normalize(path, policy.merge_slashes, &mut request.path, &mut request.scratch);
    let normalized = normalized.map_err(|_| Reason::BadPath)?;
    if normalized == Normalized::AsReceived {
        request.path.clear();
    } else if normalized.segments_removed() && policy.forward == ForwardPath::Normalized {
        let query = request.head.target()[query..].to_vec();
        request.head.set_target(&[&request.scratch, &query]);
    }
    Ok(())
}

/// A target's path, and its query without the question mark.
pub(super) fn split(target: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'?', target) {
        Some(mark) => (&target[..mark], &target[mark + 1..]),
        None => (target, b""),
    }
}
