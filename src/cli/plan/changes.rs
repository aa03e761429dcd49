//! What differs between two configurations, thing by thing and key by key. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::cli::describe::{self, Keys};
use crate::config::{Admin, Backend, Config, Filter, Listener, Route, Upstream};

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// `admin`, `listener`, `route`, `upstream`, `backend` or `filter`.
    pub(super) what: &'static str,
    /// Its name; a backend's is `UPSTREAM/ADDRESS`.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// For a changed one: key, old value, new value; what was not written is empty. None where only what is not
    /// shown differs, such as the text of an answer.
    pub(super) keys: Vec<Key>,
}

/// A key, its old and its new value.
pub(super) type Key = (String, String, String);

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
    compare("admin", &admin(old), &admin(new), describe::admin, &mut changes);
    compare("listener", &listeners(old), &listeners(new), describe::listener, &mut changes);
    let (old_routes, new_routes) = (routes(old), routes(new));
    compare("route", &old_routes, &new_routes, describe::route, &mut changes);
    moved(&old_routes, &new_routes, &mut changes);
    compare("upstream", &upstreams(old), &upstreams(new), describe::upstream, &mut changes);
    secrets(old, new, &mut changes);
    compare("backend", &backends(old), &backends(new), describe::backend, &mut changes);
    compare("filter", &filters(old), &filters(new), describe::filter, &mut changes);
    changes
}

type Things<'a, T> = Vec<(String, &'a T)>;

/// There is one.
fn admin(config: &Config) -> Things<'_, Admin> {
    vec![("[admin]".to_owned(), &config.admin)]
}

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
    describe: fn(&T) -> Keys,
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

fn differing(old: &Keys, new: &Keys) -> Vec<Key> {
    let value = |keys: &Keys, key: &str| {
        let found = keys.iter().find(|(known, _)| known == key);
        found.map_or_else(String::new, |(_, value)| value.clone())
    };
    let mut keys: Vec<&String> = old.iter().map(|(key, _)| key).collect();
    keys.extend(new.iter().map(|(key, _)| key).filter(|key| old.iter().all(|(k, _)| k != *key)));
    keys.into_iter()
        .map(|key| (key.clone(), value(old, key), value(new, key)))
        .filter(|(_, before, after)| before != after)
        .collect()
}

/// What nobody is shown and that differs all the same: the bytes of keys.
fn secrets(old: &Config, new: &Config, changes: &mut Vec<Change>) {
    let key = |upstream: &Upstream| upstream.sticky.as_ref().and_then(|it| it.key.clone());
    for (name, upstream) in &new.upstreams {
        let before = old.upstreams.get(name).and_then(key);
        let (Some(before), Some(after)) = (before, key(upstream)) else { continue };
        if before == after {
            continue;
        }
        let told = ("sticky.key", "configured", "another one: clients lose their backend once");
        let told = (told.0.to_owned(), told.1.to_owned(), told.2.to_owned());
        match changes.iter_mut().find(|it| it.what == "upstream" && it.name == *name) {
            Some(change) => change.keys.push(told),
            None => changes.push(Change {
                what: "upstream",
                name: name.clone(),
                kind: Kind::Changed,
                keys: vec![told],
            }),
        }
    }
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
    fn a_changed_knob_of_resilience_is_told() {
        let new = OLD
            .replace(
                "hosts = [\"a.test\"]",
                "hosts = [\"a.test\"]\nretry = { attempts = 1, backoff = { max = \"1s\" } }",
            )
            .replace(
                "\"127.0.0.1:9002\"",
                "{ address = \"127.0.0.1:9002\", slow_start = \"30s\" }",
            )
            + "max_pending = 9\nhealth = { kind = \"tcp\" }\npassive = false\nbreaker = { open = \"9s\" }\n\
               budget = { ratio = 0.5 }\nretry = { per_try = \"9s\" }\n[admin]\nsocket = \"/run/x\"";
        assert_eq!(
            told(&new),
            [
                "Changed admin [admin] socket:  > /run/x",
                "Changed route a retry.attempts:  > 1 retry.backoff.max:  > 1s",
                "Changed upstream u max_pending: off > 9 retry.per_try: off > 9s budget.ratio: 0.2 > 0.5 \
                 health: off > on passive: on > off passive.failures: 5 >  passive.error_ratio: 0.5 >  \
                 passive.min_requests: 20 >  passive.window: 10s >  \
                 passive.count: connect, timeout, reset, 502-504 >  passive.latency_factor: off >  \
                 passive.stall: auto >  breaker.open: 5s > 9s health.kind:  > tcp health.interval:  > 5s \
                 health.timeout:  > 2s health.rise:  > 2 health.fall:  > 3",
                "Changed backend u/127.0.0.1:9002 slow_start: off > 30s",
            ]
        );
    }

    #[test]
    fn what_changed_of_tls_is_told_and_nothing_else_of_it() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
        let listener = |tls: &str| {
            let tls = tls.replace("FOLDER", folder);
            OLD.replace("bind = \"127.0.0.1:1\"", &format!("bind = \"127.0.0.1:1\"\n{tls}"))
        };
        let shop = "{ cert = \"FOLDER/shop.crt\", key = \"FOLDER/shop.key\" }";
        let proxy = "{ cert = \"FOLDER/proxy.crt\", key = \"FOLDER/proxy.key\" }";
        let on = |keys: &str| listener(&format!("tls = {{ certificates = [{shop}]{keys} }}"));
        let told = |old: &str, new: &str| -> Vec<String> {
            let changes = changes(&config(old), &config(new));
            let keys = changes.iter().flat_map(|change| &change.keys);
            let one = |(key, old, new): &Key| format!("{key}: {old} > {new}").replace(folder, "F");
            keys.map(one).collect()
        };
        assert_eq!(
            told(OLD, &on("")),
            [
                "tls: off > on",
                "tls.certificates:  > F/shop.crt with F/shop.key",
                "tls.min_version:  > 1.2",
                "tls.unknown_sni:  > reject",
                "tls.sni_host_check:  > true",
                "tls.client_auth:  > off",
            ]
        );
        let auth = ", client_auth = { mode = \"require\", ca = \"FOLDER/clients.pem\" }";
        assert_eq!(told(&on(""), &on(auth)), ["tls.client_auth: off > require by F/clients.pem"]);
        assert_eq!(told(&on(", min_version = \"1.3\""), &on("")), ["tls.min_version: 1.3 > 1.2"]);
        let two = listener(&format!("tls = {{ certificates = [{shop}, {proxy}] }}"));
        assert_eq!(
            told(&on(""), &two),
            ["tls.certificates: F/shop.crt with F/shop.key > \
              F/shop.crt with F/shop.key, F/proxy.crt with F/proxy.key"]
        );
        assert_eq!(told(OLD, &listener("http = { h2c = true }")), ["http.h2c: false > true"]);
        let secure = OLD.replace("\"127.0.0.1:900", "\"https://127.0.0.1:900");
        assert_eq!(changes(&config(OLD), &config(&secure)).len(), 4, "each backend is another");
        let wire = format!(
            "{secure}\nprotocol = \"http2\"\ntls = {{ ca = \"FOLDER/ca.pem\", sni = \"shop.test\", client = {proxy} }}"
        );
        assert_eq!(
            told(&secure, &wire.replace("FOLDER", folder)),
            [
                "protocol: auto > http2",
                "tls.ca: system > F/ca.pem",
                "tls.sni: the backend's host > shop.test",
                "tls.client: none > F/proxy.crt with F/proxy.key",
            ]
        );
    }

    #[test]
    fn a_changed_default_is_told_of_each_upstream() {
        let new = format!("{OLD}\n[defaults.retry]\nattempts = 3\n");
        assert_eq!(told(&new), ["Changed upstream u retry.attempts: 2 > 3"]);
    }

    #[test]
    fn other_bytes_of_a_sticky_key_are_told_and_not_shown() {
        let directory = tempfile::tempdir().expect("a directory");
        let config = |name: &str, bytes: &str, rest: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            let sticky = format!(
                "sticky = {{ cookie = \"C\", key = {{ file = {:?} }} }}\n{rest}",
                path.to_str().expect("UTF-8")
            );
            config(&format!("{OLD}{sticky}"))
        };
        let old = config("a", "sixteen bytes, or more", "");
        let again = config("b", "sixteen bytes, or more", "");
        assert_eq!(changes(&old, &again), []);
        for rest in ["", "max_pending = 5"] {
            let changes = changes(&old, &config("c", "quite other bytes than before", rest));
            assert_eq!(changes.len(), 1, "{changes:?}");
            let (key, _, new) = changes[0].keys.last().expect("a key");
            assert_eq!((key.as_str(), changes[0].kind), ("sticky.key", Kind::Changed));
            assert!(new.contains("another one") && !new.contains("quite"), "{new}");
        }
    }

    #[test]
    fn a_route_that_overtakes_another_has_moved() {
        let (first, second) = ("name = \"a\"\n        hosts = [\"a.test\"]", "name = \"b\"");
        let new = OLD.replace(first, "X").replace(second, first).replace('X', second);
        assert_eq!(told(&new), ["Moved route b"]);
    }
}
