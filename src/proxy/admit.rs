//! From a parsed head to a route: everything that is refused before a backend is looked for.

use super::exchange::Exchange;
use super::hold::Hold;
use super::worker::Pinned;
use crate::config::{ForwardPath, PathPolicy};
use crate::error::Reason;
use crate::http1::{Expectation, Framing, RequestFacts};
use crate::message::{Known, RequestHead, Version};
use crate::route::{Normalized, Subject, normalize, normalize_host};

/// Finds the route for `exchange.request`; afterwards the head's target and Host are those of the backend.
///
/// # Errors
/// Why the request is refused. The listener stays in `exchange.hold`.
pub(super) fn admit(
    exchange: &mut Exchange,
    facts: &RequestFacts,
    snapshot: Pinned,
    listener_index: usize,
) -> Result<(), Reason> {
    exchange.hold = Some(Hold::Listener(snapshot.clone(), listener_index));
    let listener = &snapshot.listeners[listener_index].1;
    let request = &mut exchange.request;
    if matches!(request.method(), b"CONNECT" | b"TRACE") {
        return Err(Reason::MethodRefused);
    }
    resolve_authority(request, facts, &mut exchange.host)?;
    if let Framing::Length(n) = facts.framing
        && listener.limits.body_bytes.is_some_and(|max| n > max)
    {
        return Err(Reason::BodyLimit);
    }
    normalize_path(exchange, &listener.path)?;
    if facts.expectation == Expectation::Unknown && exchange.request.version == Version::Http11 {
        return Err(Reason::BadExpect);
    }
    let host = match exchange.request.host() {
        Some(host) => {
            normalize_host(host, &mut exchange.host).map_err(|_| Reason::BadRequest)?.host
        }
        None => b"",
    };
    let path = match exchange.path.is_empty() {
        true => path_of(exchange.request.target()),
        false => &exchange.path,
    };
    let subject = Subject::get(host, path);
    let entry = listener.routes.find(&subject).ok_or(Reason::NoRoute)?;
    exchange.hold = Some(Hold::Pinned { snapshot, listener: listener_index, entry });
    Ok(())
}

/// RFC 9112, section 3.2: exactly one Host in a 1.1 request; an absolute target's authority replaces it.
/// `scratch` is left with anything in it.
fn resolve_authority(
    request: &mut RequestHead,
    facts: &RequestFacts,
    scratch: &mut Vec<u8>,
) -> Result<(), Reason> {
    if facts.n_hosts > 1 || (facts.n_hosts == 0 && request.version == Version::Http11) {
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

/// Leaves the path to match in `exchange.path` where it differs from the target's, and the one to send in
/// the target.
fn normalize_path(exchange: &mut Exchange, policy: &PathPolicy) -> Result<(), Reason> {
    let target = exchange.request.target();
    if memchr::memchr(b'#', target).is_some() {
        return Err(Reason::BadRequest);
    }
    let path = path_of(target);
    let query = path.len();
    let normalized =
        normalize(path, policy.merge_slashes, &mut exchange.path, &mut exchange.scratch);
    let normalized = normalized.map_err(|_| Reason::BadPath)?;
    if normalized == Normalized::AsReceived {
        exchange.path.clear();
    } else if normalized.segments_removed() && policy.forward == ForwardPath::Normalized {
        let query = exchange.request.target()[query..].to_vec();
        exchange.request.set_target(&[&exchange.scratch, &query]);
    }
    Ok(())
}

/// A target without its query.
pub(super) fn path_of(target: &[u8]) -> &[u8] {
    match memchr::memchr(b'?', target) {
        Some(query) => &target[..query],
        None => target,
    }
}
