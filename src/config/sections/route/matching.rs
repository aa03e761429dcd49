//! `route.match`: the path and the conditions beside it.

use super::super::super::expressions::pattern;
use super::super::super::fields::{Kind, Seen, check_method, check_value};
use super::super::super::item::Item;
use super::super::super::networks::network;
use super::super::super::reader::Section;
use super::super::super::report::{Code, Draft};
use super::super::super::schema::{
    ClientIpCondition, Conditions, FieldCondition, MethodCondition, PathPattern, ValuePattern,
};
use super::super::super::shapes::Shape;
use super::super::super::tree::Value;
use super::super::super::{paths, shapes};

/// The most entries of `headers`, of `query` and of `cookies`, and the most methods.
const CONDITIONS_MAX: usize = 64;
/// The most networks of `client_ip`.
const NETWORKS_MAX: usize = 1024;
/// The ways to say which path.
const PATHS: [&str; 3] = ["path", "path_prefix", "path_regex"];

/// The path and the conditions; what is wrong is reported and left out.
pub(super) fn read(route: &Section<'_>) -> (PathPattern, Conditions) {
    let Some(section) = route.child("match", &shapes::ROUTE_MATCH) else {
        return (PathPattern::Any, Conditions::default());
    };
    let conditions = Conditions {
        methods: methods(&section),
        headers: fields(&section, Kind::Header, "headers"),
        query: fields(&section, Kind::Query, "query"),
        cookies: fields(&section, Kind::Cookie, "cookies"),
        client_ip: client_ip(&section),
    };
    (path(&section), conditions)
}

fn path(section: &Section<'_>) -> PathPattern {
    let written: Vec<_> = PATHS.iter().filter_map(|key| section.item(key)).collect();
    if let [first, second, ..] = written[..] {
        let message = format!(
            "a route has one of `path`, `path_prefix` and `path_regex`; this one has `{}` too",
            first.key
        );
        second.bad(message, "keep one; for both, write two routes");
    }
    let path = written.first().and_then(|item| match item.key {
        "path" => paths::exact(*item),
        "path_prefix" => paths::prefix(*item),
        _ => path_regex(*item),
    });
    path.unwrap_or(PathPattern::Any)
}

fn path_regex(item: Item<'_>) -> Option<PathPattern> {
    let text = pattern(item)?;
    let mut letters = text.strip_prefix('^').unwrap_or(&text).chars();
    let begins_otherwise = letters.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && !letters.next().is_some_and(|c| "?*{".contains(c))
        && !text.contains('|');
    if begins_otherwise {
        let message = "paths begin with `/`, so this expression matches none";
        let draft = Draft::warning(Code::Suspicious, item.place(), message);
        item.cx.report(draft.help(format!("it has to match the whole path: write \"/{text}\", or \"/.*{text}.*\" for any path with it")));
    }
    Some(PathPattern::Regex(text))
}

/// The array under `key`, and whether it stands in `{ not = … }`.
fn negatable<'a>(
    section: &Section<'a>,
    key: &str,
    shape: &'static Shape,
) -> Option<(Item<'a>, bool)> {
    let item = section.item(key)?;
    if !matches!(item.node.value, Value::Table(_)) {
        return Some((item, false));
    }
    let section = section.child(key, shape)?;
    let inner = section.item("not");
    if inner.is_none() {
        section.missing("not", format!("write {}", shape.example));
    }
    inner.map(|inner| (inner, true))
}

fn methods(section: &Section<'_>) -> Option<MethodCondition> {
    let (item, negated) = negatable(section, "methods", &shapes::ROUTE_MATCH_METHODS)?;
    let items = item.list(CONDITIONS_MAX, "; leave `methods` out to match every method")?;
    let mut seen = Seen::default();
    let mut methods = Vec::with_capacity(items.len());
    for item in items {
        let Some(text) = item.text() else { continue };
        if let Err((message, help)) = check_method(text) {
            item.bad(message, help);
        } else if seen.is_new(item.cx, "method", text, item.place()) {
            never_routed(item, text);
            methods.push(text.to_owned());
        }
    }
    Some(MethodCondition { methods, negated })
}

/// CONNECT and TRACE are refused before any route is looked for.
fn never_routed(item: Item<'_>, method: &str) {
    if ["CONNECT", "TRACE"].contains(&method) {
        let message = format!("{method} requests are refused before they reach a route");
        let draft = Draft::warning(Code::Suspicious, item.place(), message);
        item.cx.report(draft.help("remove it"));
    }
}

fn client_ip(section: &Section<'_>) -> Option<ClientIpCondition> {
    const EVERYONE: &str = "leave `client_ip` out to match every client";
    let (item, negated) = negatable(section, "client_ip", &shapes::ROUTE_MATCH_CLIENT_IP)?;
    let items = item.list(NETWORKS_MAX, "; leave `client_ip` out to match every client")?;
    let networks = items.into_iter().filter_map(|item| network(item, EVERYONE, "")).collect();
    Some(ClientIpCondition { networks, negated })
}

fn fields(section: &Section<'_>, kind: Kind, key: &'static str) -> Vec<FieldCondition> {
    let Some(item) = section.item(key) else { return Vec::new() };
    let example = match kind {
        Kind::Header => "{ x-version = \"v2\" }",
        Kind::Query => "{ beta = \"1\" }",
        Kind::Cookie => "{ user_type = \"beta\" }",
    };
    let mut seen = Seen::default();
    let mut fields = Vec::new();
    for (entry, item) in item.entries(CONDITIONS_MAX, example).unwrap_or_default() {
        if is_negation_of_all(item) {
            let message = format!("`not` negates one value, not all `{key}`");
            let help = format!("write {key} = {{ NAME = {{ not = \"value\" }} }}");
            item.bad_at(entry.key_place, message, help);
            continue;
        }
        let name = kind.name(item.cx, &entry.key, entry.key_place);
        let value = value(section, kind, item, false);
        let Some(name) = name else { continue };
        let is_new = seen.is_new(item.cx, kind.noun(), &name, entry.key_place);
        if let (true, Some((value, negated))) = (is_new, value) {
            fields.push(FieldCondition { name, value, negated });
        }
    }
    fields
}

/// `headers = { not = { x-a = "1" } }`: under `not` stands a name, not a value.
fn is_negation_of_all(item: Item<'_>) -> bool {
    let Value::Table(table) = &item.node.value else { return false };
    let is_value = |key: &str| shapes::ROUTE_MATCH_VALUE.keys.contains(&key);
    item.key == "not" && !table.entries.iter().any(|entry| is_value(&entry.key))
}

/// A value, and whether it is negated.
fn value(
    section: &Section<'_>,
    kind: Kind,
    item: Item<'_>,
    in_not: bool,
) -> Option<(ValuePattern, bool)> {
    if let Some(text) = item.as_text() {
        if kind != Kind::Query {
            check_value(item, text)?;
        }
        return Some((ValuePattern::Exact(text.to_owned()), false));
    }
    if !matches!(item.node.value, Value::Table(_)) {
        let key = item.key;
        let help = match &item.node.value {
            Value::Integer(Some(number)) => format!("write {key} = \"{number}\""),
            Value::Boolean(there) => {
                format!("write {key} = {{ present = {there} }}, or {key} = \"{there}\"")
            }
            _ => format!(
                "accepted: \"exact\", {{ regex = \"…\" }}, {{ present = true }}, {{ not = … }}; a list is a regex: {key} = {{ regex = \"a|b\" }}"
            ),
        };
        item.wrong_type("a string or a table", help);
        return None;
    }
    let title = format!("`{}`", item.key);
    let section = section.open(item.node, &shapes::ROUTE_MATCH_VALUE, title)?;
    let written: Vec<_> = section.shape.keys.iter().filter_map(|key| section.item(key)).collect();
    let [inner] = written[..] else {
        let help = "write one of { regex = \"…\" }, { present = true }, { not = … }";
        match written[..] {
            [_, second, ..] => second.bad(format!("{} says two things", section.title), help),
            _ => section.missing_all(section.shape.keys, "condition", help),
        }
        return None;
    };
    match inner.key {
        "regex" => Some((ValuePattern::Regex(pattern(inner)?), false)),
        "present" => Some((ValuePattern::Present, !inner.boolean()?)),
        _ if in_not => {
            inner.bad("`not` stands in `not`", "write the value without either");
            None
        }
        _ => value(&section, kind, inner, true).map(|(value, negated)| (value, !negated)),
    }
}
