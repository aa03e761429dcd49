//! What of `budget`, `health`, `passive` and `breaker` was written and has no effect, or hardly the one that was meant.

use std::time::Duration;

use crate::config::reader::Cx;
use crate::config::report::{Code, Draft};
use crate::config::schema::{BackendAddress, Breaker, Budget, Health, Passive, Upstream};
use crate::config::sections::Everything;
use crate::config::source::Place;
use crate::config::units::show_duration;

/// Keys that say when a backend is taken out for what it answers.
const EJECTION: [&str; 4] =
    ["passive.failures", "passive.error_ratio", "passive.latency_factor", "breaker.max_ejected"];
/// Keys that say how a backend is taken out, besides `fail_open`, which is about checks too.
const BREAKING: [&str; 4] =
    ["breaker.open", "breaker.max_open", "breaker.probes", "breaker.max_ejected"];

/// Of the defaults and of every upstream.
pub(super) fn run(cx: &Cx, all: &Everything) {
    let written = &all.defaults.resilience;
    let defaults = Level { cx, owner: "defaults" };
    defaults.health(written.health.as_ref());
    defaults.pair(written.passive.as_ref(), written.breaker.as_ref());
    defaults.budget(written.budget, written.retry.attempts);
    for (name, written) in &all.upstreams {
        let upstream = &written.value;
        let level = Level { cx, owner: &format!("upstream.{name}") };
        level.health(upstream.health.as_ref());
        level.pair(upstream.passive.as_ref(), upstream.breaker.as_ref());
        level.budget(upstream.budget, upstream.retry.attempts);
        level.only_one(name, upstream);
        level.port(upstream);
    }
}

struct Level<'a> {
    cx: &'a Cx,
    /// As in [`crate::config::Places`].
    owner: &'a str,
}

impl Level<'_> {
    /// Where this level writes `key`.
    fn own(&self, key: &str) -> Option<Place> {
        self.cx.marked(&format!("{}.{key}", self.owner))
    }

    /// Where this level writes the first of `keys` that it writes.
    fn any(&self, keys: &[&str]) -> Option<Place> {
        keys.iter().find_map(|key| self.own(key))
    }

    fn warn(&self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.cx.report(Draft::warning(Code::Suspicious, place, message).help(help));
    }

    /// A check that may still run when the next is due.
    fn health(&self, health: Option<&Health>) {
        let Some(health) = health.filter(|health| health.timeout > health.interval) else { return };
        let Some(place) = self.any(&["health.timeout", "health.interval"]) else { return };
        let show = |duration: Duration| show_duration(duration);
        let (timeout, interval) = (show(health.timeout), show(health.interval));
        self.warn(
            place,
            format!("a check may take longer ({timeout}) than it is until the next ({interval})"),
            format!("write timeout = \"{interval}\" or less; it is \"2s\" unless written"),
        );
    }

    /// What is learnt has to be acted on, and the other way round.
    fn pair(&self, passive: Option<&Passive>, breaker: Option<&Breaker>) {
        match (passive, breaker) {
            (Some(_), None) => {
                if let Some(place) = self.own("passive") {
                    let message = "nothing acts on what `passive` learns: `breaker` is false";
                    self.warn(
                        place,
                        message,
                        "write passive = false too, or remove breaker = false",
                    );
                }
            }
            (None, Some(_)) => {
                if let Some(place) = self.any(&BREAKING) {
                    let message = "nothing opens this breaker: `passive` is false";
                    self.warn(
                        place,
                        message,
                        "write breaker = false too, or remove passive = false",
                    );
                }
            }
            (Some(passive), Some(breaker)) => {
                self.learns(passive);
                self.ejects(breaker);
            }
            (None, None) => {}
        }
    }

    fn learns(&self, passive: &Passive) {
        let learns = passive.failures.is_some()
            || passive.error_ratio.is_some()
            || passive.latency_factor.is_some()
            || passive.stall;
        let keys = ["passive.failures", "passive.error_ratio", "passive.stall"];
        if let Some(place) = self.any(&keys).filter(|_| !learns) {
            let message =
                "`passive` looks at every answer and learns nothing: all of it is \"off\"";
            self.warn(place, message, "write passive = false");
        }
    }

    fn ejects(&self, breaker: &Breaker) {
        let place = self.own("breaker.max_ejected").filter(|_| breaker.max_ejected <= 0.0);
        if let Some(place) = place {
            let message = "no backend is ever taken out for what it answers: `max_ejected` is 0";
            let help = "only failing connections and checks take one out; if that is meant, \
                        passive = { count = [\"connect\"] } says so";
            self.warn(place, message, help);
        }
    }

    fn budget(&self, budget: Budget, attempts: u32) {
        let is_nothing = budget.ratio <= 0.0 && budget.min_per_second == 0 && attempts > 0;
        let place = self.any(&["budget.ratio", "budget.min_per_second"]);
        if let Some(place) = place.filter(|_| is_nothing) {
            let help = "if that is meant, retry = { attempts = 0 } says so; the defaults are ratio = 0.2, \
                        min_per_second = 3";
            self.warn(place, "this budget allows no retry, ever", help);
        }
    }

    /// The last backend stays, whatever it answers.
    fn only_one(&self, name: &str, upstream: &Upstream) {
        let mut serving = upstream.backends.iter().filter(|backend| backend.weight > 0);
        let (Some(first), None) = (serving.next(), serving.next()) else { return };
        // A name can have several addresses.
        if matches!(first.address, BackendAddress::Name(..)) {
            return;
        }
        let passive = upstream.passive.zip(upstream.breaker);
        let place = self.any(&EJECTION);
        if let Some(place) = place.filter(|_| passive.is_some()) {
            let message =
                format!("the only backend of `{name}` is never taken out for what it answers");
            let help =
                "there would be nobody left; give the upstream another backend, or remove this";
            self.warn(place, message, help);
        }
    }

    /// Unix sockets have none.
    fn port(&self, upstream: &Upstream) {
        let is_unix = upstream
            .backends
            .iter()
            .any(|backend| matches!(backend.address, BackendAddress::Unix(_)));
        if let Some(place) =
            self.own("health.port").filter(|_| is_unix && upstream.health.is_some())
        {
            let message = "unix sockets have no port: those are asked where they are";
            self.warn(place, message, "remove it, or put them into an upstream of their own");
        }
    }
}
