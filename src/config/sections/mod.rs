//! From the tree to the schema, one file a table. Each remembers where things were written, for the checks
//! that look across tables.

use std::collections::BTreeMap;

use super::check;
use super::item::{Item, shown};
use super::reader::{Cx, Section};
use super::report::{Code, Draft};
use super::schema::{Config, ExchangeTimeouts, Listener, ListenerTimeouts, Route, Upstream};
use super::shapes;
use super::source::Place;
use super::tree::{Table, Value};

mod balance;
mod global;
mod listener;
mod log;
mod route;
mod timeouts;
mod upstream;

pub(crate) use balance::{BALANCES, options as balance_options};

/// A listener and where its parts stand.
pub(crate) struct WrittenListener {
    pub(crate) listener: Listener,
    /// Its header.
    pub(crate) place: Place,
    /// Its name, if it was written.
    pub(crate) name_place: Option<Place>,
    /// `bind`, in the order of `listener.binds`.
    pub(crate) bind_places: Vec<Place>,
}

/// A route and where its parts stand.
pub(crate) struct WrittenRoute {
    pub(crate) route: Route,
    /// Its header.
    pub(crate) place: Place,
    /// Its name, if it was written.
    pub(crate) name_place: Option<Place>,
    /// `hosts`, in the order of `route.hosts`.
    pub(crate) host_places: Vec<Place>,
    /// Its upstream's name, if it was written (well or not).
    pub(crate) upstream_place: Option<Place>,
    /// Something in it is wrong: nothing is concluded from what it seems to match.
    pub(crate) broken: bool,
}

/// An upstream and where its name stands.
pub(crate) struct WrittenUpstream {
    pub(crate) upstream: Upstream,
    pub(crate) name_place: Place,
}

/// Reads everything and runs the checks across tables. Complete only if nothing was reported as an error.
pub(crate) fn read(cx: &Cx, root: &Table) -> Config {
    let root = Section::root(cx, root, &shapes::ROOT);
    let global = global::read(&root);
    let log = log::read(&root);
    let telemetry = log::telemetry(&root);
    let reload = global::reload(&root);
    let (listener_defaults, exchange_defaults) = defaults(&root);
    let listeners = tables(&root, "listener", &shapes::LISTENER, |section| {
        listener::read(&section, listener_defaults)
    });
    let routes = tables(&root, "route", &shapes::ROUTE, |section| route::read(&section));
    let upstreams = upstreams(&root, exchange_defaults);
    check::run(cx, &root, &listeners, &routes, &upstreams);
    let n_listeners = listeners.len();
    let n_routes = routes.len();
    Config {
        global,
        log,
        telemetry,
        reload,
        listeners: listeners
            .into_iter()
            .map(|written| named(written.listener, n_listeners, "http", |l| &mut l.name))
            .collect(),
        routes: routes
            .into_iter()
            .map(|written| named(written.route, n_routes, "default", |r| &mut r.name))
            .collect(),
        upstreams: upstreams.into_iter().map(|(name, written)| (name, written.upstream)).collect(),
        filters: BTreeMap::new(),
        tests: Vec::new(),
        files: cx.paths(),
        places: Default::default(),
    }
}

/// `[defaults.*]`, over what is built in.
fn defaults(root: &Section<'_>) -> (ListenerTimeouts, ExchangeTimeouts) {
    let written = root
        .child("defaults", &shapes::DEFAULTS)
        .and_then(|defaults| defaults.child("timeouts", &shapes::DEFAULTS_TIMEOUTS))
        .map(|section| timeouts::read_all(&section))
        .unwrap_or_default();
    let exchange = ExchangeTimeouts::default().overridden_by(&written.exchange);
    (written.over(ListenerTimeouts::default()), exchange)
}

/// Reads an array of tables; one that is written with single brackets is told so and read all the same.
fn tables<'a, T>(
    root: &Section<'a>,
    key: &'static str,
    shape: &'static shapes::Shape,
    read: impl Fn(Section<'a>) -> T,
) -> Vec<T> {
    let Some(item) = root.item(key) else { return Vec::new() };
    let title = || format!("`[[{key}]]`");
    match &item.node.value {
        Value::Array(nodes) => {
            nodes.iter().filter_map(|node| root.open(node, shape, title())).map(read).collect()
        }
        Value::Table(table) if table.header => {
            let message = format!("a {key} stands in double brackets: there can be several");
            let draft = Draft::error(Code::WrongType, item.place(), message);
            root.cx.report(draft.help(format!("write [[{key}]]")));
            root.open(item.node, shape, title()).map(read).into_iter().collect()
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

fn upstreams(root: &Section<'_>, defaults: ExchangeTimeouts) -> BTreeMap<String, WrittenUpstream> {
    let Some(item) = root.item("upstream") else { return BTreeMap::new() };
    let Value::Table(table) = &item.node.value else {
        if matches!(item.node.value, Value::Faulty) {
            return BTreeMap::new();
        }
        let message = "upstreams are tables, each with its name";
        let draft = Draft::error(Code::WrongType, item.place(), message);
        root.cx.report(draft.help("write [upstream.NAME], with a name of your own for NAME"));
        return BTreeMap::new();
    };
    let mut upstreams = BTreeMap::new();
    for entry in &table.entries {
        if !matches!(entry.node.value, Value::Table(_))
            && shapes::UPSTREAM.keys.contains(&entry.key.as_str())
        {
            let message = format!("`{}` stands in [upstream], which has no name", entry.key);
            let draft = Draft::error(Code::Misplaced, entry.key_place, message);
            root.cx.report(draft.help("write [upstream.NAME], with a name of your own for NAME"));
            continue;
        }
        check_name(root.cx, &entry.key, entry.key_place);
        let title = format!("`[upstream.{}]`", entry.key);
        if let Some(section) = root.open(&entry.node, &shapes::UPSTREAM, title) {
            let upstream = upstream::read(&section, defaults);
            let written = WrittenUpstream { upstream, name_place: entry.key_place };
            upstreams.insert(entry.key.clone(), written);
        }
    }
    upstreams
}

/// Gives the only one of its kind a name if it has none.
fn named<T>(mut it: T, n: usize, default: &str, name: impl Fn(&mut T) -> &mut String) -> T {
    if n == 1 && name(&mut it).is_empty() {
        *name(&mut it) = default.to_owned();
    }
    it
}

/// `name`, and where it stands.
fn name(section: &Section<'_>) -> (String, Option<Place>) {
    let item = section.item("name");
    let name = item.and_then(Item::text).unwrap_or_default().to_owned();
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
