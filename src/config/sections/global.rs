//! `[global]` and `[reload]`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::item::Item;
use super::super::reader::Section;
use super::super::report::{Code, Draft};
use super::super::schema::{ClientIpHeader, Global, Reload, TrustedProxies};
use super::super::shapes;

/// The most data-plane threads.
const WORKERS_MAX: u64 = 1024;
/// The most client connections: more than a machine has descriptors.
const CONNECTIONS_MAX: u64 = 100_000_000;

/// `[global]`.
pub(super) fn read(root: &Section<'_>) -> Global {
    let mut global = Global::default();
    let Some(section) = root.child("global", &shapes::GLOBAL) else { return global };
    let auto = |key, max| section.read(key, |item| item.integer_or("auto", 1..=max));
    if let Some(workers) = auto("workers", WORKERS_MAX) {
        global.workers = workers.and_then(|n| usize::try_from(n).ok());
    }
    if let Some(connections) = auto("max_connections", CONNECTIONS_MAX) {
        global.max_connections = connections.and_then(|n| usize::try_from(n).ok());
    }
    if let Some(grace) = section.read("shutdown_grace", Item::duration) {
        global.shutdown_grace = grace;
    }
    if let Some(item) = section.item("trusted_proxies") {
        global.trusted_proxies = trusted_proxies(item);
    }
    let headers = [
        ("x-forwarded-for", ClientIpHeader::XForwardedFor),
        ("forwarded", ClientIpHeader::Forwarded),
    ];
    if let Some(header) = section.read("client_ip_header", |item| item.word(&headers)) {
        global.client_ip_header = header;
    }
    if let Some(forwarded) = section.read("forwarded", Item::boolean) {
        global.forwarded = forwarded;
    }
    global
}

/// `[reload]`.
pub(super) fn reload(root: &Section<'_>) -> Reload {
    let mut reload = Reload::default();
    let Some(section) = root.child("reload", &shapes::RELOAD) else { return reload };
    if let Some(watch) = section.read("watch", Item::boolean) {
        reload.watch = watch;
    }
    reload
}

fn trusted_proxies(item: Item<'_>) -> TrustedProxies {
    let mut trusted = TrustedProxies::default();
    for item in item.items().into_iter().flatten() {
        match item.text() {
            Some("unix") => trusted.unix = true,
            Some(text) => trusted.networks.extend(network(item, text)),
            None => {}
        }
    }
    trusted
}

/// `"10.0.0.0/8"` or a bare address.
fn network(item: Item<'_>, text: &str) -> Option<IpNet> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(IpNet::from(ip));
    }
    let Ok(network) = text.parse::<IpNet>() else {
        let help = match text {
            "private_ranges" | "private" => {
                "write \"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\", \"fd00::/8\", \"127.0.0.0/8\", \"::1\""
            }
            "*" | "all" | "any" => {
                "to trust everyone (every client can then name any address) write \"0.0.0.0/0\", \"::/0\""
            }
            _ => "accepted: \"10.0.0.0/8\", \"192.0.2.7\", \"2001:db8::/32\", \"unix\"",
        };
        item.bad(format!("`{text}` is not a network"), help);
        return None;
    };
    if network.trunc() != network {
        let message = format!("`{text}` has bits behind its prefix, which do not count");
        let draft = Draft::warning(Code::Suspicious, item.place(), message);
        item.cx.report(draft.help(format!("write \"{}\"", network.trunc())));
    }
    Some(network.trunc())
}
