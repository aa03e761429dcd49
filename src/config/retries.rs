//! Whether the tries of a request fit together and into its time, once defaults, upstream and route have had their
//! say: each level is told of what it writes itself.

use std::time::Duration;

use super::reader::Cx;
use super::report::{Code, Draft};
use super::schema::{Retry, Upstream};
use super::sections::{Everything, WrittenRoute};
use super::source::Place;
use super::units::show_duration;

/// Reports every pause and every time of a try that cannot be, and tries that the time is too short for.
pub(crate) fn run(cx: &Cx, all: &Everything) {
    let defaults = &all.defaults;
    let total = defaults.exchange.total;
    Level { cx, owners: &["defaults"], retry: &defaults.resilience.retry, total }.check();
    for (name, written) in &all.upstreams {
        let owner = format!("upstream.{name}");
        let total = total_of(&written.value);
        Level { cx, owners: &[&owner, "defaults"], retry: &written.value.retry, total }.check();
    }
    all.routes.iter().filter(|written| !written.broken).for_each(|written| route(cx, all, written));
}

/// With each of its upstreams, until there is something to tell.
fn route(cx: &Cx, all: &Everything, written: &WrittenRoute) {
    let route = &written.route;
    if route.retry == Default::default() && route.timeouts.total.is_none() {
        return;
    }
    let owner = format!("route.{}", route.name);
    for name in route.action.upstreams() {
        let Some(upstream) = all.upstreams.get(name).map(|written| &written.value) else {
            continue;
        };
        let retry = upstream.retry.overridden_by(&route.retry);
        let total = route.timeouts.total.unwrap_or_else(|| total_of(upstream));
        let of_upstream = format!("upstream.{name}");
        let owners = &[owner.as_str(), &of_upstream, "defaults"];
        if (Level { cx, owners, retry: &retry, total }).check() {
            return;
        }
    }
}

fn total_of(upstream: &Upstream) -> Option<Duration> {
    upstream.default_timeouts.overridden_by(&upstream.timeouts).total
}

/// To what an operator would write.
fn rounded_down(duration: Duration) -> Duration {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let step = if ms >= 1000 { 100 } else { 1 };
    Duration::from_millis((ms / step * step).max(1))
}

/// What holds at one level.
struct Level<'a> {
    cx: &'a Cx,
    /// Who has a say, as in [`super::schema::Places`]: this level first.
    owners: &'a [&'a str],
    retry: &'a Retry,
    total: Option<Duration>,
}

impl Level<'_> {
    /// Whether there was something to tell.
    fn check(&self) -> bool {
        let drafts = [self.backoff(), self.times()];
        let mut told = false;
        for draft in drafts.into_iter().flatten() {
            self.cx.report(draft);
            told = true;
        }
        told
    }

    /// Where this level writes `key`.
    fn own(&self, key: &str) -> Option<Place> {
        self.cx.marked(&format!("{}.{key}", self.owners.first()?))
    }

    /// Shows where `key` was decided, if not here.
    fn showing(&self, draft: Draft, key: &str, label: &str) -> Draft {
        let mut places = self.owners.iter().map(|owner| self.cx.marked(&format!("{owner}.{key}")));
        match places.find_map(|place| place) {
            Some(place) if place != draft.place => draft.related(place, label),
            _ => draft,
        }
    }

    fn backoff(&self) -> Option<Draft> {
        const KEYS: [&str; 2] = ["retry.backoff.base", "retry.backoff.max"];
        let backoff = &self.retry.backoff;
        if backoff.base <= backoff.max {
            return None;
        }
        let place = KEYS.iter().find_map(|key| self.own(key))?;
        let (base, max) = (show_duration(backoff.base), show_duration(backoff.max));
        let message =
            format!("the first pause (`base`, {base}) is longer than the longest (`max`, {max})");
        let draft = Draft::error(Code::BadValue, place, message);
        let draft = draft.help(format!(
            "write backoff = {{ base = \"{base}\", max = \"{base}\" }}, or a shorter base"
        ));
        let draft = self.showing(draft, KEYS[0], "`base` is written here");
        Some(self.showing(draft, KEYS[1], "`max` is written here"))
    }

    fn times(&self) -> Option<Draft> {
        let (per_try, total) = (self.retry.per_try?, self.total?);
        let n_tries = self.retry.attempts + 1;
        let (one, all) = (show_duration(per_try), show_duration(total));
        let draft = if per_try > total {
            // One that is inherited and does not fit has no effect.
            let place = self.own("retry.per_try")?;
            let message =
                format!("a try may take longer ({one}) than all of them together ({all})");
            Draft::error(Code::BadValue, place, message)
                .help("write less than `total` of `timeouts`, or per_try = \"off\"")
        } else if n_tries > 1 && per_try * n_tries > total {
            let keys = ["retry.per_try", "retry.attempts", "timeouts.total"];
            let place = keys.iter().find_map(|key| self.own(key))?;
            let message = format!("{n_tries} tries of up to {one} each do not fit into {all}");
            let fits = show_duration(rounded_down(total / n_tries));
            Draft::warning(Code::Suspicious, place, message).help(format!(
                "the last ones are cut short; with per_try = \"{fits}\" each has its time"
            ))
        } else {
            return None;
        };
        let draft = self.showing(draft, "retry.per_try", "the time of a try");
        Some(self.showing(draft, "timeouts.total", "the time of all of them"))
    }
}
