//! Header fields that an operator writes: in filters, and in a route's own answers.

use super::super::fields::{self, Kind, Seen};
use super::super::item::Item;
use super::super::reader::Cx;
use super::super::report::{Code, Draft};
use super::super::source::Place;
use super::super::template::Template;
use super::super::templates::template;

/// The most fields in one table.
const FIELDS_MAX: usize = 64;
/// Fields about a connection or about where a message ends: whoever sends the message writes them.
const TAKEN: &[&str] = &[
    "connection",
    "content-length",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A table of names and values. `in_response`: a backend has answered; `several`: a value can be an array, each
/// entry a field of its own.
pub(super) fn templates(
    item: Item<'_>,
    in_response: bool,
    several: bool,
) -> Vec<(String, Template)> {
    let mut seen = Seen::default();
    let mut fields = Vec::new();
    for (entry, item) in item.entries(FIELDS_MAX, "{ x-env = \"prod\" }").unwrap_or_default() {
        let name = writable(item.cx, &entry.key, entry.key_place, "written");
        let values = if several { item.one_or_more() } else { vec![item] };
        let values: Vec<_> =
            values.into_iter().filter_map(|it| template(it, in_response)).collect();
        if let Some(name) = name
            && seen.is_new(item.cx, "header", &name, entry.key_place)
        {
            fields.extend(values.into_iter().map(|value| (name.clone(), value)));
        }
    }
    fields
}

/// An array of names of fields that go.
pub(super) fn removed(item: Item<'_>) -> Vec<String> {
    let mut seen = Seen::default();
    let mut names = Vec::new();
    for item in item.items().into_iter().flatten() {
        let Some(text) = item.text() else { continue };
        if let Some(name) = writable(item.cx, text, item.place(), "removed")
            && seen.is_new(item.cx, "header", &name, item.place())
        {
            names.push(name);
        }
    }
    if names.len() > FIELDS_MAX {
        item.bad(
            format!("`remove` has {} entries", names.len()),
            format!("accepted: up to {FIELDS_MAX}"),
        );
    }
    names
}

/// The name of a field that an operator may touch, in lower case.
fn writable(cx: &Cx, text: &str, place: Place, verb: &str) -> Option<String> {
    let name = Kind::Header.name(cx, text, place)?;
    let (why, help) = match name.as_str() {
        "host" => (
            "is part of where a request goes",
            "write rewrite = { host = \"…\" } on the route, or host = \"…\" on the upstream",
        ),
        "content-length" | "transfer-encoding" => (
            "says where a message ends",
            "remove it; it is always that of the message which is sent",
        ),
        "expect" => (
            "asks for an answer before the body is sent",
            "remove it; what a client asked goes to the backend and back as it is",
        ),
        taken if TAKEN.contains(&taken) => {
            ("belongs to one connection", "remove it; each connection gets its own")
        }
        _ => return Some(name),
    };
    let message = format!("`{name}` {why} and cannot be {verb} here");
    cx.report(Draft::error(Code::BadValue, place, message).help(help));
    None
}

/// Text under names, as a test's request has it.
pub(super) fn texts(item: Item<'_>) -> Vec<(String, String)> {
    let mut seen = Seen::default();
    let mut texts = Vec::new();
    for (entry, item) in item.entries(FIELDS_MAX, "{ x-version = \"v2\" }").unwrap_or_default() {
        let name = Kind::Header.name(item.cx, &entry.key, entry.key_place);
        let is_new = |name: &String| seen.is_new(item.cx, "header", name, entry.key_place);
        let Some(name) = name.filter(is_new) else { continue };
        for item in item.one_or_more() {
            let Some(text) = item.text() else { continue };
            if fields::check_value(item, text).is_some() {
                texts.push((name.clone(), text.to_owned()));
            }
        }
    }
    texts
}
