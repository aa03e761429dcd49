//! `[[route]]`.

use super::super::item::Item;
use super::super::reader::Section;
use super::super::schema::{Action, Conditions, HostPattern, PathPattern, Rewrite, Route};
use super::super::source::Place;
use super::super::{hosts, paths, shapes};
use super::{WrittenRoute, name};

/// The most hosts of one route.
const HOSTS_MAX: usize = 10_000;

/// One `[[route]]`.
pub(super) fn read(section: &Section<'_>) -> WrittenRoute {
    let (name, name_place) = name(section);
    let mut broken = has_unread_conditions(section);
    let (hosts, host_places) = read_hosts(section, &mut broken);
    let path = read_path(section, &mut broken);
    let upstream = section.item("upstream");
    let answers_otherwise =
        ["split", "redirect", "respond"].iter().any(|key| section.table.find(key).is_some());
    if upstream.is_none() && !answers_otherwise {
        section.missing("upstream", "write upstream = \"NAME\" and define [upstream.NAME]");
    }
    let route = Route {
        name,
        listeners: Vec::new(),
        priority: 0,
        hosts,
        path,
        conditions: Conditions::default(),
        filters: Vec::new(),
        rewrite: Rewrite::default(),
        timeouts: Default::default(),
        body_bytes: None,
        action: Action::Upstream(upstream.and_then(Item::text).unwrap_or_default().to_owned()),
        mirror: None,
    };
    let upstream_place = upstream.filter(|item| item.as_text().is_some()).map(Item::place);
    WrittenRoute { route, place: section.place, name_place, host_places, upstream_place, broken }
}

/// A condition that is not built (or misspelt) may be what tells this route from another.
fn has_unread_conditions(section: &Section<'_>) -> bool {
    let unread = |section: &Section<'_>| {
        section.table.entries.iter().any(|entry| !section.shape.keys.contains(&entry.key.as_str()))
    };
    // The keys of `match` are checked where it is read; here only whether there are any.
    let conditions = section.table.find("match").is_some_and(|entry| match &entry.node.value {
        super::super::tree::Value::Table(table) => table
            .entries
            .iter()
            .any(|entry| !shapes::ROUTE_MATCH.keys.contains(&entry.key.as_str())),
        _ => true,
    });
    unread(section) || conditions
}

fn read_hosts(section: &Section<'_>, broken: &mut bool) -> (Vec<HostPattern>, Vec<Place>) {
    let Some(item) = section.item("hosts") else { return (Vec::new(), Vec::new()) };
    let items: Vec<_> = item.items().into_iter().flatten().collect();
    if item.as_text().is_none() && (items.is_empty() || items.len() > HOSTS_MAX) {
        let help = format!("accepted: 1 to {HOSTS_MAX}; leave `hosts` out to match every host");
        item.bad(format!("`hosts` has {} entries", items.len()), help);
    }
    let n_written = items.len();
    let (patterns, places): (Vec<_>, Vec<_>) =
        items.into_iter().filter_map(|item| Some((hosts::pattern(item)?, item.place()))).unzip();
    *broken |= patterns.is_empty() || patterns.len() != n_written;
    (patterns, places)
}

fn read_path(section: &Section<'_>, broken: &mut bool) -> PathPattern {
    if section.item("match").is_none() {
        return PathPattern::Any;
    }
    let Some(section) = section.child("match", &shapes::ROUTE_MATCH) else {
        return PathPattern::Any;
    };
    let (exact, prefix) = (section.item("path"), section.item("path_prefix"));
    if let (Some(_), Some(second)) = (exact, prefix) {
        second.bad(
            "a route has either `path` or `path_prefix`, not both",
            "keep one; for both, write two routes",
        );
        *broken = true;
    }
    let path = match (exact, prefix) {
        (Some(item), _) => paths::exact(item),
        (None, Some(item)) => paths::prefix(item),
        (None, None) => Some(PathPattern::Any),
    };
    *broken |= path.is_none();
    path.unwrap_or(PathPattern::Any)
}
