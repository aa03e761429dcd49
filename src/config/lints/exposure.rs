//! Routes that are served on an internal listener, or on a public one, because nobody said where.

use std::net::IpAddr;

use super::super::reader::Cx;
use super::super::report::{Code, Draft};
use super::super::schema::{Bind, Listener};
use super::super::sections::{WrittenListener, WrittenRoute};

/// Reports the first route without `listeners`, if others are told where they are served.
pub(super) fn run(cx: &Cx, listeners: &[WrittenListener], routes: &[WrittenRoute]) {
    let internal = listeners.iter().find(|written| is_internal(&written.listener));
    let public = listeners.iter().find(|written| !is_internal(&written.listener));
    let (Some(internal), Some(public)) = (internal, public) else { return };
    if routes.iter().any(|w| w.broken) || !routes.iter().any(|w| !w.route.listeners.is_empty()) {
        return;
    }
    let mut everywhere = routes.iter().filter(|written| written.route.listeners.is_empty());
    let Some(first) = everywhere.next() else { return };
    let more = match everywhere.count() {
        0 => "this route is".to_owned(),
        1 => "this route and one more are".to_owned(),
        n => format!("this route and {n} more are"),
    };
    let (inside, outside) = (&internal.listener.name, &public.listener.name);
    let message = format!("{more} served on the internal listener `{inside}` and on `{outside}`");
    let draft = Draft::warning(Code::Suspicious, first.place, message);
    let draft = draft.related(internal.place, "no address from outside leads here");
    cx.report(draft.help(format!(
        "say where: listeners = [\"{outside}\"], or [\"{outside}\", \"{inside}\"] if both are meant"
    )));
}

/// Whether only this machine or its own network can reach it.
fn is_internal(listener: &Listener) -> bool {
    let internal = |bind: &Bind| match bind {
        Bind::Unix(_) => true,
        Bind::Tcp(address) => match address.ip().to_canonical() {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            IpAddr::V6(ip) => {
                ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
            }
        },
    };
    listener.binds.iter().all(internal)
}
