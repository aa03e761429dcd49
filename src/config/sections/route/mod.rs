//! `[[route]]`: what stands on the route itself. Its `match` is read in `matching`, what it does in `action` and
//! `respond`, what it changes in `rewrite`.

use super::super::fields::Seen;
use super::super::item::Item;
use super::super::reader::Section;
use super::super::report::{Code, Draft};
use super::super::schema::{Action, HostPattern, Mirror, Route};
use super::super::source::Place;
use super::super::tree::Value;
use super::super::{hosts, shapes};
use super::{Named, Reference, WrittenRoute, name, resilience, timeouts};

mod action;
mod matching;
mod respond;
mod rewrite;

/// The most hosts of one route.
const HOSTS_MAX: usize = 10_000;
/// The most listeners that one route can name.
const LISTENERS_MAX: usize = 256;
/// The most filters of one route.
const FILTERS_MAX: usize = 64;
/// Bounds of `priority`.
const PRIORITY: std::ops::RangeInclusive<i64> = -1000..=1000;

/// One `[[route]]`.
pub(super) fn read(section: &Section<'_>) -> WrittenRoute {
    let n_errors = section.cx.n_errors();
    let (name, name_place) = name(section, "default");
    let mut references = Vec::new();
    let listeners = names(section, "listeners", LISTENERS_MAX, Named::Listener, &mut references);
    let (hosts, host_places) = read_hosts(section);
    let (path, conditions) = matching::read(section);
    let filters = names(section, "filters", FILTERS_MAX, Named::Filter, &mut references);
    let action = action::read(section, &mut references);
    let rewrite = rewrite::read(section, &path);
    let mirror = section.read("mirror", |item| read_mirror(section, item, &mut references));
    nothing_is_sent(section, action.as_ref());
    let timeouts = section
        .child("timeouts", &shapes::ROUTE_TIMEOUTS)
        .map(|section| timeouts::read_exchange(&section, &format!("route.{name}.timeouts")))
        .unwrap_or_default();
    let route = Route {
        listeners,
        priority: section.read("priority", |item| item.integer(PRIORITY)).unwrap_or(0),
        hosts,
        path,
        conditions,
        filters,
        rewrite: rewrite.unwrap_or_default(),
        timeouts,
        retry: resilience::route(section, &name),
        body_bytes: body_limit(section, &name),
        action: action.unwrap_or_else(|| Action::Upstream(String::new())),
        mirror,
        name,
    };
    let broken = section.cx.n_errors() != n_errors || has_unknown_keys(section);
    WrittenRoute { route, place: section.place, name_place, host_places, references, broken }
}

/// A key that is not built (or misspelt) may be what tells this route from another. It was reported already.
fn has_unknown_keys(section: &Section<'_>) -> bool {
    section.table.entries.iter().any(|entry| !section.shape.keys.contains(&entry.key.as_str()))
}

fn read_hosts(section: &Section<'_>) -> (Vec<HostPattern>, Vec<Place>) {
    let help = "; leave `hosts` out to match every host";
    let items = section.read("hosts", |item| item.list(HOSTS_MAX, help)).unwrap_or_default();
    items.into_iter().filter_map(|item| Some((hosts::pattern(item)?, item.place()))).unzip()
}

/// An array of names of things that are defined elsewhere, each once.
fn names(
    section: &Section<'_>,
    key: &'static str,
    max: usize,
    kind: Named,
    references: &mut Vec<Reference>,
) -> Vec<String> {
    let help = match kind {
        Named::Listener => "; leave `listeners` out for every listener",
        _ => "; leave `filters` out for none",
    };
    let items = section.read(key, |item| item.list(max, help)).unwrap_or_default();
    let mut seen = Seen::default();
    let mut names = Vec::with_capacity(items.len());
    for item in items {
        let Some(name) = item.text() else { continue };
        if seen.is_new(section.cx, kind.noun(), name, item.place()) {
            references.push(Reference { kind, name: name.to_owned(), place: item.place() });
            names.push(name.to_owned());
        }
    }
    names
}

fn body_limit(section: &Section<'_>, name: &str) -> Option<Option<u64>> {
    let limits = section.child("limits", &shapes::ROUTE_LIMITS)?;
    let item = limits.item("body")?;
    section.cx.mark(format!("route.{name}.limits.body"), item.place());
    item.size_or_off(0..=super::BODY_BYTES_MAX)
}

/// A name, or a table with `upstream` and `percent`.
fn read_mirror(
    section: &Section<'_>,
    item: Item<'_>,
    references: &mut Vec<Reference>,
) -> Option<Mirror> {
    let mut percent = Some(100.0);
    let name = if matches!(item.node.value, Value::Table(_)) {
        let mirror = section.child("mirror", &shapes::ROUTE_MIRROR)?;
        if let Some(item) = mirror.item("percent") {
            let accepted = "accepted: over 0.0 up to 100.0; for no copies remove `mirror`";
            percent = item.number(accepted, |percent| percent > 0.0 && percent <= 100.0);
        }
        let name = mirror.item("upstream");
        if name.is_none() {
            mirror.missing("upstream", "write upstream = \"NAME\": who gets the copies");
        }
        name?
    } else if item.as_text().is_some() {
        item
    } else {
        item.wrong_type("a string or a table", "write mirror = \"NAME\"");
        return None;
    };
    let upstream = name.text()?.to_owned();
    references.push(Reference {
        kind: Named::Upstream,
        name: upstream.clone(),
        place: name.place(),
    });
    Some(Mirror { upstream, percent: percent? })
}

/// A route that answers by itself sends nothing that could be rewritten or copied.
fn nothing_is_sent(section: &Section<'_>, action: Option<&Action>) {
    let does = match action {
        Some(Action::Redirect(_)) => "redirects",
        Some(Action::Respond(_)) => "answers by itself",
        _ => return,
    };
    for key in ["rewrite", "mirror", "retry"] {
        let Some(entry) = section.table.find(key) else { continue };
        let message = format!("a route that {does} sends nothing on: `{key}` has nothing to do");
        let draft = Draft::error(Code::Misplaced, entry.key_place, message);
        section.cx.report(draft.help(match (key, action) {
            ("rewrite", Some(Action::Redirect(_))) => {
                "remove it; `to` says where the client goes, as in \"https://{host}/v2{path_and_query}\""
            }
            _ => "remove it, or send the request to an `upstream`",
        }));
    }
}
