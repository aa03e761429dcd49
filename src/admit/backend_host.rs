//! The Host that a backend sees: the route's rewrite, else what its upstream says.

use super::Request;
use crate::backend::Backend;
use crate::config::Host;
use crate::snapshot::Upstream;

/// The Host for `backend`, one of `upstream`'s, where it is not the one in the request's head.
#[inline]
pub fn backend_host<'a>(
    request: &'a Request,
    upstream: &'a Upstream,
    backend: &Backend,
) -> Option<&'a [u8]> {
    match &request.backend_host[..] {
        [] => upstream_host(request, upstream, backend),
        rewritten => Some(rewritten),
    }
}

/// As [`backend_host`] for a copy that goes to another upstream: what that one says comes before the rewrite,
/// which was written for the original.
pub fn mirror_host<'a>(
    request: &'a Request,
    upstream: &'a Upstream,
    backend: &Backend,
) -> Option<&'a [u8]> {
    match &upstream.host {
        Host::Preserve => backend_host(request, upstream, backend),
        Host::Backend | Host::Literal(_) => upstream_host(request, upstream, backend),
    }
}

fn upstream_host<'a>(
    request: &Request,
    upstream: &'a Upstream,
    backend: &Backend,
) -> Option<&'a [u8]> {
    match &upstream.host {
        Host::Preserve if request.head.host().is_some() => None,
        Host::Preserve | Host::Backend => {
            let member = upstream.members.iter().find(|member| member.backend.id == backend.id)?;
            Some(member.authority.as_bytes())
        }
        Host::Literal(host) => Some(host.as_bytes()),
    }
}
