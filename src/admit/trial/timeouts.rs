//! Which timeouts hold for a route, and which level each comes from.

use std::time::Duration;

use crate::config::{Config, ExchangeTimeoutOverrides, ExchangeTimeouts, Listener, Route};

/// Where a timeout was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Level {
    /// Nowhere: built in.
    BuiltIn,
    /// `[defaults.timeouts]`.
    Defaults,
    Listener,
    Upstream,
    Route,
}

/// One timeout as it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// Its key.
    pub key: &'static str,
    /// `None` is off.
    pub value: Option<Duration>,
    /// The level that has the last word.
    pub level: Level,
    /// `file:line`, where it was written and that is known.
    pub place: Option<String>,
}

/// A key, its value among the defaults, and what one level writes over it.
type Key = (
    &'static str,
    fn(&ExchangeTimeouts) -> Option<Duration>,
    fn(&ExchangeTimeoutOverrides) -> Written,
);

/// Outer `None`: nothing.
type Written = Option<Option<Duration>>;

const KEYS: &[Key] = &[
    ("connect", |all| all.connect, |written| written.connect),
    ("first_byte", |all| all.first_byte, |written| written.first_byte),
    ("response_idle", |all| all.response_idle, |written| written.response_idle),
    ("send_idle", |all| all.send_idle, |written| written.send_idle),
    ("total", |all| all.total, |written| written.total),
    ("tunnel_idle", |all| all.tunnel_idle, |written| written.tunnel_idle),
];

/// The timeouts of an exchange on `listener` by `route` to the upstream of that name, sorted by key.
pub(super) fn effective(
    config: &Config,
    listener: &Listener,
    route: &Route,
    upstream: Option<&str>,
) -> Vec<Timeout> {
    let target = upstream.and_then(|name| config.upstreams.get(name));
    let one = |(key, default, written): &Key| {
        let level_of = |kind: &str, name: &str| format!("{kind}.{name}.timeouts.{key}");
        let levels = [
            (Level::Route, written(&route.timeouts), level_of("route", &route.name)),
            (
                Level::Upstream,
                target.and_then(|target| written(&target.timeouts)),
                level_of("upstream", upstream.unwrap_or_default()),
            ),
            (
                Level::Listener,
                written(&listener.exchange_timeouts),
                level_of("listener", &listener.name),
            ),
        ];
        let found = levels.into_iter().find_map(|(level, value, path)| Some((level, value?, path)));
        let (level, value, path) = found.unwrap_or_else(|| {
            let path = format!("defaults.timeouts.{key}");
            let known = config.places.contains_key(&path);
            let level = if known { Level::Defaults } else { Level::BuiltIn };
            (level, default(&config.default_timeouts), path)
        });
        Timeout { key, value, level, place: config.places.get(&path).cloned() }
    };
    KEYS.iter().map(one).collect()
}
