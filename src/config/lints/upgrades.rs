//! Routes for WebSockets to backends that cannot be asked for any.

use super::super::reader::Cx;
use super::super::report::{Code, Draft};
use super::super::schema::{Conditions, Upstream, ValuePattern};
use super::super::sections::Everything;

/// Reports each route that wants an `Upgrade` and leads to HTTP/2 alone.
pub(super) fn run(cx: &Cx, all: &Everything) {
    let routes = all.routes.iter().filter(|written| wants_upgrade(&written.route.conditions));
    for written in routes {
        let mut upstreams = written.route.action.upstreams();
        let Some(name) = upstreams.find(|name| {
            all.upstreams.get(*name).is_some_and(|upstream| is_http2_alone(&upstream.value))
        }) else {
            continue;
        };
        let message = format!(
            "this route is for upgrades, which the upstream `{name}` cannot be asked for: it speaks HTTP/2 alone"
        );
        let draft = Draft::warning(Code::Suspicious, written.place, message);
        cx.report(draft.help(
            "the request would go on without its `Upgrade`, and no WebSocket come of it; send it to an upstream with \
             protocol = \"http1\", or to https:// backends with protocol = \"auto\", which takes HTTP/1.1 for it",
        ));
    }
}

fn is_http2_alone(upstream: &Upstream) -> bool {
    upstream.backends.iter().all(|backend| upstream.protocol.is_http2_alone(backend.scheme))
}

fn wants_upgrade(conditions: &Conditions) -> bool {
    conditions.headers.iter().any(|header| {
        header.name == "upgrade"
            && !header.negated
            && !matches!(&header.value, ValuePattern::Exact(value) if value.is_empty())
    })
}
