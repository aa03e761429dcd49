//! Hosts that a route serves through TLS, and that no certificate is for.

use super::super::reader::Cx;
use super::super::report::{Code, Draft};
use super::super::schema::{HostPattern, ListenerTls};
use super::super::sections::Everything;

/// Reports each of them once, for the first listener.
pub(super) fn run(cx: &Cx, all: &Everything) {
    // A certificate that could not be read may be the one for it.
    if cx.n_errors() > 0 {
        return;
    }
    for route in &all.routes {
        let listeners = all.listeners.iter().map(|written| &written.listener);
        let listeners = listeners.filter(|listener| route.route.is_on(&listener.name));
        let tls: Vec<_> = listeners
            .filter_map(|listener| Some((&listener.name, listener.tls.as_ref()?)))
            .collect();
        for (host, place) in route.route.hosts.iter().zip(&route.host_places) {
            let Some((listener, _)) = tls.iter().find(|(_, tls)| !covers(tls, host)) else {
                continue;
            };
            let message =
                format!("no certificate of the listener `{listener}` is for `{}`", shown(host));
            let draft = Draft::warning(Code::Suspicious, *place, message);
            cx.report(draft.help(
                "add one to its `certificates`, or say with `listeners` where the route is served",
            ));
        }
    }
}

/// Whether a certificate is for this host; of a wildcard, for any that it means.
fn covers(tls: &ListenerTls, host: &HostPattern) -> bool {
    let mut names = tls.certificates.iter().map(|certificate| &certificate.pair.names);
    match host {
        HostPattern::Exact(host) => names.any(|names| names.cover(host.as_bytes())),
        HostPattern::Wildcard(base) => names.any(|names| names.reach_below(base)),
    }
}

fn shown(host: &HostPattern) -> String {
    match host {
        HostPattern::Exact(host) => host.clone(),
        HostPattern::Wildcard(base) => format!("*.{base}"),
    }
}
