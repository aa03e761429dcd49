//! From the tree to the schema, one file a table. Each remembers where things were written, for the checks
//! that look across tables.

use std::collections::BTreeMap;

use super::check;
use super::item::{Item, shown};
use super::reader::{Cx, Section};
use super::report::{Code, Draft};
use super::schema::{Config, ExchangeTimeouts, ListenerTimeouts};
use super::shapes;
use super::source::Place;
use super::tree::{Table, Value};

mod admin;
mod balance;
mod edits;
mod filter;
mod global;
mod listener;
mod log;
mod queue;
mod resilience;
mod route;
mod sticky;
mod test;
mod timeouts;
mod tls;
mod upstream;
mod upstream_tls;
mod written;

pub(crate) use balance::{BALANCES, options as balance_options};
pub(crate) use filter::FILTER_KINDS;
pub(crate) use resilience::{PROBES, Resilience, probe_options};
pub(crate) use written::*;

/// The largest limit on bodies.
const BODY_BYTES_MAX: u64 = 1 << 50;

/// Reads everything and runs the checks across tables. Complete only if nothing was reported as an error.
pub(crate) fn read(cx: &Cx, root: &Table) -> Config {
    let root = Section::root(cx, root, &shapes::ROOT);
    let global = global::read(&root);
    let log = log::read(&root);
    let telemetry = log::telemetry(&root);
    let reload = global::reload(&root);
    let admin = admin::read(&root);
    let defaults = Defaults::read(&root);
    let all = Everything {
        listeners: tables(&root, "listener", &shapes::LISTENER, |section, _| {
            listener::read(&section, defaults.listener)
        }),
        routes: tables(&root, "route", &shapes::ROUTE, |section, _| route::read(&section)),
        upstreams: named_tables(&root, Named::Upstream, &shapes::UPSTREAM, |section, name| {
            upstream::read(&section, name, &defaults)
        }),
        filters: named_tables(&root, Named::Filter, &shapes::FILTER, |section, _| {
            filter::read(&section)
        }),
        tests: tables(&root, "test", &shapes::TEST, |section, index| test::read(&section, index)),
        defaults,
    };
    check::run(cx, &root, &all);
    mark(cx, &all);
    Config {
        default_timeouts: all.defaults.exchange,
        global,
        admin,
        log,
        telemetry,
        reload,
        listeners: all.listeners.into_iter().map(|written| written.listener).collect(),
        routes: all.routes.into_iter().map(|written| written.route).collect(),
        upstreams: all.upstreams.into_iter().map(|(name, it)| (name, it.value)).collect(),
        filters: all.filters.into_iter().map(|(name, it)| (name, it.value)).collect(),
        tests: all.tests.into_iter().map(|written| written.test).collect(),
        files: cx.paths(),
        // From the marks, once the load is known to be good.
        places: BTreeMap::new(),
    }
}

/// Remembers where everything that has a name stands.
fn mark(cx: &Cx, all: &Everything) {
    for written in &all.listeners {
        cx.mark(format!("listener.{}", written.listener.name), written.place);
    }
    for written in &all.routes {
        cx.mark(format!("route.{}", written.route.name), written.place);
    }
    for (name, written) in &all.upstreams {
        cx.mark(format!("upstream.{name}"), written.name_place);
    }
    for (name, written) in &all.filters {
        cx.mark(format!("filter.{name}"), written.name_place);
    }
}

/// `[defaults.*]`, over what is built in.
pub(crate) struct Defaults {
    pub(crate) listener: ListenerTimeouts,
    pub(crate) exchange: ExchangeTimeouts,
    pub(crate) resilience: Resilience,
}

impl Defaults {
    fn read(root: &Section<'_>) -> Self {
        let section = root.child("defaults", &shapes::DEFAULTS);
        let written = section
            .as_ref()
            .and_then(|defaults| defaults.child("timeouts", &shapes::DEFAULTS_TIMEOUTS))
            .map(|section| timeouts::read_all(&section, "defaults.timeouts"))
            .unwrap_or_default();
        Defaults {
            listener: written.over(ListenerTimeouts::default()),
            exchange: ExchangeTimeouts::default().overridden_by(&written.exchange),
            resilience: resilience::defaults(section.as_ref()),
        }
    }
}

/// Reads an array of tables; one that is written with single brackets is told so and read all the same.
fn tables<'a, T>(
    root: &Section<'a>,
    key: &'static str,
    shape: &'static shapes::Shape,
    read: impl Fn(Section<'a>, usize) -> T,
) -> Vec<T> {
    let Some(item) = root.item(key) else { return Vec::new() };
    let title = || format!("`[[{key}]]`");
    match &item.node.value {
        Value::Array(nodes) => {
            let opened = nodes.iter().filter_map(|node| root.open(node, shape, title()));
            opened.enumerate().map(|(index, section)| read(section, index)).collect()
        }
        Value::Table(table) if table.header => {
            let message = format!("a {key} stands in double brackets: there can be several");
            let draft = Draft::error(Code::WrongType, item.place(), message);
            root.cx.report(draft.help(format!("write [[{key}]]")));
            root.open(item.node, shape, title()).map(|it| read(it, 0)).into_iter().collect()
        }
        Value::Faulty => Vec::new(),
        other => {
            let message = format!("`{key}` is a list of tables, not {}", other.kind());
            let draft = Draft::error(Code::WrongType, item.place(), message);
            root.cx.report(draft.help(format!("write [[{key}]] and its keys below")));
            Vec::new()
        }
    }
}

/// Reads a table of tables, each under its name.
fn named_tables<'a, T>(
    root: &Section<'a>,
    kind: Named,
    shape: &'static shapes::Shape,
    read: impl Fn(Section<'a>, &str) -> T,
) -> BTreeMap<String, Written<T>> {
    let noun = kind.noun();
    let help = format!("write [{noun}.NAME], with a name of your own for NAME");
    let Some(item) = root.item(noun) else { return BTreeMap::new() };
    let Value::Table(table) = &item.node.value else {
        if matches!(item.node.value, Value::Faulty) {
            return BTreeMap::new();
        }
        let message = format!("{noun}s are tables, each with its name");
        root.cx.report(Draft::error(Code::WrongType, item.place(), message).help(help));
        return BTreeMap::new();
    };
    let mut named = BTreeMap::new();
    for entry in &table.entries {
        let is_key = shape.keys.contains(&entry.key.as_str());
        let has_a_name = match kind {
            // Its keys are tables too: only what is in them tells.
            Named::Filter => !is_key || !is_a_kind(&entry.node.value),
            _ => !is_key || matches!(entry.node.value, Value::Table(_)),
        };
        if !has_a_name {
            let message = format!("`{}` stands in [{noun}], which has no name", entry.key);
            let draft = Draft::error(Code::Misplaced, entry.key_place, message);
            root.cx.report(draft.help(help.as_str()));
            continue;
        }
        check_name(root.cx, &entry.key, entry.key_place);
        let title = format!("`[{noun}.{}]`", entry.key);
        if let Some(section) = root.open(&entry.node, shape, title) {
            let value = read(section, &entry.key);
            named.insert(entry.key.clone(), Written { value, name_place: entry.key_place });
        }
    }
    named
}

/// Whether it is what stands under `headers` in a filter, and not a filter of that name.
fn is_a_kind(value: &Value) -> bool {
    let Value::Table(table) = value else { return true };
    !table.entries.is_empty()
        && table
            .entries
            .iter()
            .all(|entry| shapes::FILTER_HEADERS.keys.contains(&entry.key.as_str()))
}

/// `name`, and where it stands; the only one of its kind needs none and gets `default`.
fn name(section: &Section<'_>, default: &str) -> (String, Option<Place>) {
    let item = section.item("name");
    let name = item.map_or(default, |item| item.text().unwrap_or_default()).to_owned();
    if let Some(item) = item.filter(|item| item.as_text().is_some()) {
        check_name(section.cx, &name, item.place());
    }
    (name, item.map(Item::place))
}

/// Names stand in logs, metrics and commands (`UPSTREAM/BACKEND`): no spaces, slashes or quotes.
fn check_name(cx: &Cx, name: &str, place: Place) {
    const LENGTH_MAX: usize = 64;
    let good = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.is_empty() || name.len() > LENGTH_MAX || !name.chars().all(good) {
        let message = format!("{} cannot be a name", shown(name));
        let help = format!("accepted: 1 to {LENGTH_MAX} letters, digits, `_`, `-` and `.`");
        cx.report(Draft::error(Code::BadValue, place, message).help(help));
    }
}
