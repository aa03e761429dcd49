//! What differs between two configurations, thing by thing and key by key. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::cli::describe::{self, Facets};
use crate::config::{Backend, Config, Filter, Listener, Route, Upstream};

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// `listener`, `route`, `upstream`, `backend` or `filter`.
    pub(super) what: &'static str,
    /// Its name; a backend's is `UPSTREAM/ADDRESS`.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// For a changed one: key, old value, new value; what was not written is empty. None where only what is not
    /// shown differs, such as the text of an answer.
    pub(super) keys: Vec<(&'static str, String, String)>,
}

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Added,
    Removed,
    Changed,
    /// Only its place in the file: what decides between routes of equal rank.
    Moved,
}

/// Everything that differs, by kind of thing, in the order of the new file, removed ones last.
pub(super) fn changes(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("listener", &listeners(old), &listeners(new), describe::listener, &mut changes);
    let (old_routes, new_routes) = (routes(old), routes(new));
    compare("route", &old_routes, &new_routes, describe::route, &mut changes);
    moved(&old_routes, &new_routes, &mut changes);
    compare("upstream", &upstreams(old), &upstreams(new), describe::upstream, &mut changes);
    compare("backend", &backends(old), &backends(new), describe::backend, &mut changes);
    compare("filter", &filters(old), &filters(new), describe::filter, &mut changes);
    changes
}

type Things<'a, T> = Vec<(String, &'a T)>;

fn listeners(config: &Config) -> Things<'_, Listener> {
    config.listeners.iter().map(|listener| (listener.name.clone(), listener)).collect()
}

fn routes(config: &Config) -> Things<'_, Route> {
    config.routes.iter().map(|route| (route.name.clone(), route)).collect()
}

fn upstreams(config: &Config) -> Things<'_, Upstream> {
    config.upstreams.iter().map(|(name, upstream)| (name.clone(), upstream)).collect()
}

fn backends(config: &Config) -> Things<'_, Backend> {
    let mut backends = Vec::new();
    for (name, upstream) in &config.upstreams {
        let label = |backend| format!("{name}/{}", describe::backend_address(backend));
        backends.extend(upstream.backends.iter().map(|backend| (label(backend), backend)));
    }
    backends
}

fn filters(config: &Config) -> Things<'_, Filter> {
    config.filters.iter().map(|(name, filter)| (name.clone(), filter)).collect()
}

fn compare<T: PartialEq>(
    what: &'static str,
    old: &[(String, &T)],
    new: &[(String, &T)],
    describe: fn(&T) -> Facets,
    changes: &mut Vec<Change>,
) {
    let before: BTreeMap<&str, &T> =
        old.iter().map(|(name, thing)| (name.as_str(), *thing)).collect();
    let after: BTreeSet<&str> = new.iter().map(|(name, _)| name.as_str()).collect();
    let change = |name: &str, kind, keys| Change { what, name: name.to_owned(), kind, keys };
    for (name, thing) in new {
        match before.get(name.as_str()) {
            None => changes.push(change(name, Kind::Added, Vec::new())),
            Some(old) if old == thing => {}
            Some(old) => {
                let keys = differing(&describe(old), &describe(thing));
                // Backends are things of their own.
                if !keys.is_empty() || what != "upstream" {
                    changes.push(change(name, Kind::Changed, keys));
                }
            }
        }
    }
    for (name, _) in old.iter().filter(|(name, _)| !after.contains(name.as_str())) {
        changes.push(change(name, Kind::Removed, Vec::new()));
    }
}

fn differing(old: &Facets, new: &Facets) -> Vec<(&'static str, String, String)> {
    let value = |facets: &Facets, key| {
        let found = facets.iter().find(|(known, _)| *known == key);
        found.map_or_else(String::new, |(_, value)| value.clone())
    };
    let mut keys: Vec<&'static str> = old.iter().map(|(key, _)| *key).collect();
    keys.extend(new.iter().map(|(key, _)| *key).filter(|key| old.iter().all(|(k, _)| k != key)));
    keys.into_iter()
        .map(|key| (key, value(old, key), value(new, key)))
        .filter(|(_, before, after)| before != after)
        .collect()
}

/// Routes that both have, in another order: those that stand before one that they stood behind.
fn moved(old: &[(String, &Route)], new: &[(String, &Route)], changes: &mut Vec<Change>) {
    let position: BTreeMap<&str, usize> =
        old.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
    let common: Vec<(&str, usize)> = new
        .iter()
        .filter_map(|(name, _)| Some((name.as_str(), *position.get(name.as_str())?)))
        .collect();
    // The least old position of all that follow: one above it was overtaken by nobody.
    let mut least_behind = usize::MAX;
    let mut names = Vec::new();
    for (name, at) in common.iter().rev() {
        if *at > least_behind {
            names.push(*name);
        }
        least_behind = least_behind.min(*at);
    }
    changes.extend(names.into_iter().rev().map(|name| Change {
        what: "route",
        name: name.to_owned(),
        kind: Kind::Moved,
        keys: Vec::new(),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, load};

    fn config(text: &str) -> Config {
        let source = Source::Text { name: "t".into(), text: text.into() };
        load(&source).unwrap_or_else(|failure| panic!("{failure}")).config
    }

    const OLD: &str = r#"
        [[listener]]
        bind = "127.0.0.1:1"
        [[route]]
        name = "a"
        hosts = ["a.test"]
        upstream = "u"
        [[route]]
        name = "b"
        upstream = "u"
        [upstream.u]
        backends = ["127.0.0.1:9001", "127.0.0.1:9002"]
    "#;

    fn told(new: &str) -> Vec<String> {
        let changes = changes(&config(OLD), &config(new));
        let keys = |change: &Change| {
            let keys = change.keys.iter().map(|(key, old, new)| format!(" {key}: {old} > {new}"));
            keys.collect::<String>()
        };
        changes.iter().map(|c| format!("{:?} {} {}{}", c.kind, c.what, c.name, keys(c))).collect()
    }

    #[test]
    fn the_same_text_changes_nothing() {
        assert_eq!(told(OLD), [""; 0]);
    }

    #[test]
    fn what_was_added_removed_and_changed_is_told_by_key() {
        let new = OLD
            .replace("a.test", "c.test")
            .replace("name = \"b\"", "name = \"d\"")
            .replace(":9002", ":9003");
        assert_eq!(
            told(&new),
            [
                "Changed route a hosts: a.test > c.test",
                "Added route d",
                "Removed route b",
                "Added backend u/127.0.0.1:9003",
                "Removed backend u/127.0.0.1:9002",
            ]
        );
    }

    #[test]
    fn a_route_that_overtakes_another_has_moved() {
        let (first, second) = ("name = \"a\"\n        hosts = [\"a.test\"]", "name = \"b\"");
        let new = OLD.replace(first, "X").replace(second, first).replace('X', second);
        assert_eq!(told(&new), ["Moved route b"]);
    }
}
