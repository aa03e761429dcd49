//! `[global]` and `[reload]`.

use super::super::item::Item;
use super::super::networks::network;
use super::super::reader::Section;
use super::super::schema::{ClientIpHeader, Global, Reload, TrustedProxies};
use super::super::shapes;

/// The most data-plane threads.
const WORKERS_MAX: i64 = 1024;
/// The most client connections: more than a machine has descriptors.
const CONNECTIONS_MAX: i64 = 100_000_000;
/// What to write instead of a word for every network.
const EVERYONE: &str =
    "to trust everyone (every client can then name any address) write \"0.0.0.0/0\", \"::/0\"";

/// `[global]`.
pub(super) fn read(root: &Section<'_>) -> Global {
    let mut global = Global::default();
    let Some(section) = root.child("global", &shapes::GLOBAL) else { return global };
    let auto = |key, max| section.read(key, |item| item.integer_or("auto", 1..=max));
    if let Some(workers) = auto("workers", WORKERS_MAX) {
        global.workers = workers;
    }
    if let Some(connections) = auto("max_connections", CONNECTIONS_MAX) {
        global.max_connections = connections;
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
            Some(_) => trusted.networks.extend(network(item, EVERYONE, ", \"unix\"")),
            None => {}
        }
    }
    trusted
}
