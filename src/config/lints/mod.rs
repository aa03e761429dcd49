//! Warnings: what is accepted but most likely not meant. Here what is defined and not used; which routes stand in
//! whose way is in `reach` and `ties`, who is reachable from outside in `exposure`.

use std::collections::HashSet;

use super::reader::{Cx, Section};
use super::report::{Code, Draft};
use super::schema::Conditions;
use super::sections::{Everything, WrittenRoute};

mod care;
mod exposure;
mod reach;
mod ties;
mod uncovered;
mod unverified;
mod upgrades;

/// All lints. Where something about routes is wrong, nothing is concluded from what the others say.
pub(crate) fn run(cx: &Cx, root: &Section<'_>, all: &Everything) {
    if root.table.find("route").is_none() && root.table.find("listener").is_some() {
        let message = "there is no [[route]]: every request is answered with 404";
        let draft = Draft::warning(Code::Unused, root.place, message);
        cx.report(draft.help("write, for example,\n\n[[route]]\nupstream = \"NAME\""));
    }
    unused(cx, all);
    care::run(cx, all);
    unverified::run(cx, all);
    upgrades::run(cx, all);
    let sound: Vec<_> = all.routes.iter().filter(|written| !written.broken).collect();
    let sound: Vec<_> = sound.into_iter().enumerate().map(Candidate::new).collect();
    let unreachable = reach::run(cx, &sound);
    ties::run(cx, &sound, &unreachable);
    uncovered::run(cx, all);
    exposure::run(cx, &all.listeners, &all.routes);
}

/// A route as the lints compare it.
struct Candidate<'a> {
    written: &'a WrittenRoute,
    /// In file order.
    order: usize,
    /// Its conditions, so that equal ones compare equal however they were written.
    conditions: Conditions,
    /// Its listeners, sorted; empty: all.
    listeners: Vec<&'a str>,
}

impl<'a> Candidate<'a> {
    fn new((order, written): (usize, &'a WrittenRoute)) -> Self {
        let mut conditions = written.route.conditions.clone();
        for fields in [&mut conditions.headers, &mut conditions.query, &mut conditions.cookies] {
            fields.sort_by(|a, b| a.name.cmp(&b.name));
        }
        if let Some(methods) = &mut conditions.methods {
            methods.methods.sort();
        }
        if let Some(client) = &mut conditions.client_ip {
            client.networks.sort();
            client.networks.dedup();
        }
        let mut listeners: Vec<_> = written.route.listeners.iter().map(String::as_str).collect();
        listeners.sort_unstable();
        Candidate { written, order, conditions, listeners }
    }
}

/// Upstreams and filters that nothing uses. A broken route may be the one that was meant to.
fn unused(cx: &Cx, all: &Everything) {
    let upstreams = || {
        let by_mirror = all.routes.iter().filter_map(|w| w.route.mirror.as_ref());
        let by_action = all.routes.iter().flat_map(|w| w.route.action.upstreams());
        by_action.chain(by_mirror.map(|mirror| mirror.upstream.as_str()))
    };
    let filters = || all.routes.iter().flat_map(|w| &w.route.filters).map(String::as_str);
    let all_read = !all.routes.is_empty()
        && upstreams().all(|name| all.upstreams.contains_key(name))
        && filters().all(|name| all.filters.contains_key(name));
    if !all_read {
        return;
    }
    let used: HashSet<&str> = upstreams().collect();
    for (name, written) in all.upstreams.iter().filter(|(name, _)| !used.contains(name.as_str())) {
        let message = format!("no route uses the upstream `{name}`");
        let draft = Draft::warning(Code::Unused, written.name_place, message);
        let help = format!("remove it, or write upstream = \"{name}\" in a [[route]]");
        cx.report(draft.help(help));
    }
    let used: HashSet<&str> = filters().collect();
    for (name, written) in all.filters.iter().filter(|(name, _)| !used.contains(name.as_str())) {
        let message = format!("no route uses the filter `{name}`");
        let draft = Draft::warning(Code::Unused, written.name_place, message);
        let help = format!("remove it, or write filters = [\"{name}\"] in a [[route]]");
        cx.report(draft.help(help));
    }
}
