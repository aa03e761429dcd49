//! `[[listener]]`.

use super::super::address;
use super::super::defaults::BACKLOG;
use super::super::item::Item;
use super::super::reader::Section;
use super::super::report::{Code, Draft};
use super::super::schema::{ForwardPath, Limits, Listener, ListenerTimeouts, PathPolicy};
use super::super::shapes;
use super::super::source::Place;
use super::{WrittenListener, name, timeouts, tls};

/// The most connections that a limit can name.
const CONNECTIONS_MAX: i64 = 100_000_000;
/// Bounds of the size of a request head: room for a request line, and no more than is kept per connection.
const HEAD_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 20;
/// Bounds of the size of a request target.
const URI_BYTES: std::ops::RangeInclusive<u64> = 64..=1 << 20;
/// Bounds of the number of header fields.
const HEADERS: std::ops::RangeInclusive<i64> = 1..=1000;
/// The most addresses of one listener.
const BINDS_MAX: usize = 256;

/// One `[[listener]]`.
pub(super) fn read(section: &Section<'_>, defaults: ListenerTimeouts) -> WrittenListener {
    let (name, name_place) = name(section, "http");
    let (binds, bind_places) = binds(section);
    section.read("protocol", protocol);
    let tls = tls::read(section);
    let http = tls::http(section, section.table.find("tls").is_some());
    let timeouts = section
        .child("timeouts", &shapes::LISTENER_TIMEOUTS)
        .map(|section| timeouts::read_all(&section, &format!("listener.{name}.timeouts")))
        .unwrap_or_default();
    let backlog = section.read("backlog", |item| item.integer(1..=65_535));
    let listener = Listener {
        tls,
        http,
        binds,
        backlog: backlog.unwrap_or(BACKLOG),
        limits: limits(section, &name),
        path: path(section),
        timeouts: timeouts.over(defaults),
        exchange_timeouts: timeouts.exchange,
        name,
    };
    WrittenListener { listener, place: section.place, name_place, bind_places }
}

fn binds(section: &Section<'_>) -> (Vec<super::super::schema::Bind>, Vec<Place>) {
    let Some(item) = section.item("bind") else {
        section.missing("bind", "write bind = \"0.0.0.0:8080\"");
        return (Vec::new(), Vec::new());
    };
    let items = item.one_or_more();
    if items.is_empty() || items.len() > BINDS_MAX {
        item.bad(
            format!("`bind` has {} addresses", items.len()),
            format!("accepted: 1 to {BINDS_MAX}, as in bind = \"0.0.0.0:8080\""),
        );
    }
    items.into_iter().filter_map(|item| Some((address::bind(item)?, item.place()))).unzip()
}

fn protocol(item: Item<'_>) -> Option<()> {
    match item.text()? {
        "http" => Some(()),
        planned @ ("tcp" | "tls_passthrough" | "udp") => {
            item.not_built(&format!("protocol = \"{planned}\""), "accepted now: \"http\"");
            None
        }
        "https" | "tls" => {
            item.bad(
                "TLS is not a protocol of its own",
                "write protocol = \"http\", and a [listener.tls] table with the certificates",
            );
            None
        }
        _ => item.word(&[("http", ())]),
    }
}

fn limits(section: &Section<'_>, name: &str) -> Limits {
    let mut limits = Limits::default();
    let Some(section) = section.child("limits", &shapes::LISTENER_LIMITS) else { return limits };
    let connections = |key| section.read(key, |item| item.integer_or("off", 1..=CONNECTIONS_MAX));
    let narrow = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok());
    if let Some(connections) = connections("connections") {
        limits.connections = connections;
    }
    if let Some(per_ip) = connections("per_ip") {
        limits.per_ip = per_ip;
    }
    let header = section.read("header", |item| item.size(HEAD_BYTES));
    let headers = section.read("headers", |item| item.integer(HEADERS));
    let uri = section.read("uri", |item| item.size(URI_BYTES));
    limits.header_bytes = narrow(header).unwrap_or(limits.header_bytes);
    limits.headers = headers.unwrap_or(limits.headers);
    limits.uri_bytes = narrow(uri).unwrap_or(limits.uri_bytes);
    if let Some(item) = section.item("body") {
        section.cx.mark(format!("listener.{name}.limits.body"), item.place());
        limits.body_bytes = item.size_or_off(0..=super::BODY_BYTES_MAX).unwrap_or_default();
    }
    if let (Some(item), true) =
        (section.item("uri"), uri.is_some_and(|_| limits.uri_bytes > limits.header_bytes))
    {
        let message = "`uri` is larger than `header`, which counts the request line too";
        let draft = Draft::warning(Code::Suspicious, item.place(), message);
        section.cx.report(draft.help("raise `header`, or lower `uri`"));
    }
    limits
}

fn path(section: &Section<'_>) -> PathPolicy {
    let mut policy = PathPolicy::default();
    let Some(section) = section.child("path", &shapes::LISTENER_PATH) else { return policy };
    if let Some(merge_slashes) = section.read("merge_slashes", Item::boolean) {
        policy.merge_slashes = merge_slashes;
    }
    let forms = [("normalized", ForwardPath::Normalized), ("original", ForwardPath::Original)];
    if let Some(forward) = section.read("forward", |item| item.word(&forms)) {
        policy.forward = forward;
    }
    policy
}
