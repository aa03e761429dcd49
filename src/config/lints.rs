//! Warnings: what is accepted but most likely not meant.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::reader::{Cx, Section};
use super::report::{Code, Draft};
use super::schema::{HostPattern, PathPattern};
use super::sections::{WrittenRoute, WrittenUpstream};
use super::source::Place;

/// All lints.
pub(crate) fn run(
    cx: &Cx,
    root: &Section<'_>,
    routes: &[WrittenRoute],
    upstreams: &BTreeMap<String, WrittenUpstream>,
) {
    if root.table.find("route").is_none() && root.table.find("listener").is_some() {
        let message = "there is no [[route]]: every request is answered with 404";
        let draft = Draft::warning(Code::Unused, root.place, message);
        cx.report(draft.help("write, for example,\n\n[[route]]\nupstream = \"NAME\""));
    }
    let used: HashSet<&str> = routes.iter().flat_map(|w| w.route.action.upstreams()).collect();
    // A broken route may be the one that was meant to use it.
    let all_read = !routes.is_empty()
        && routes
            .iter()
            .flat_map(|w| w.route.action.upstreams())
            .all(|name| upstreams.contains_key(name));
    for (name, written) in upstreams {
        if all_read && !used.contains(name.as_str()) {
            let message = format!("no route uses the upstream `{name}`");
            let draft = Draft::warning(Code::Unused, written.name_place, message);
            cx.report(
                draft.help(format!("remove it, or write upstream = \"{name}\" in a [[route]]")),
            );
        }
    }
    overlaps(cx, routes);
}

/// What one line of the matcher looks at; `None` is any host. Two equal ones have equal rank, and the
/// earlier route always wins.
type Rule<'a> = (Option<&'a HostPattern>, &'a PathPattern);

/// Routes that lose all, or some, of what they match to a route that ranks above them for it.
fn overlaps(cx: &Cx, routes: &[WrittenRoute]) {
    let anywhere = PathPattern::Prefix(String::new());
    let mut owners: HashMap<Rule<'_>, Place> = HashMap::new();
    // `path_prefix = "/"` matches every path and ranks above a route without a path, wherever it stands.
    let everything: HashMap<Option<&HostPattern>, Place> = routes
        .iter()
        .filter(|w| !w.broken && w.route.path == anywhere)
        .flat_map(|w| rules(w).into_iter().map(move |(host, ..)| (host, w.place)))
        .collect();
    for written in routes.iter().filter(|w| !w.broken) {
        let rules = rules(written);
        let n_rules = rules.len();
        let mut lost = Vec::new();
        for (host, path, place) in rules {
            let above = everything.get(&host).filter(|_| *path == PathPattern::Any);
            match owners.get(&(host, path)).or(above) {
                Some(owner) if *owner == written.place => repeated_host(cx, place),
                Some(owner) => lost.push((place, *owner)),
                None => {
                    owners.insert((host, path), written.place);
                }
            }
        }
        let Some((_, owner)) = lost.first().copied() else { continue };
        if lost.len() == n_rules {
            let message = "this route can never match";
            let draft = Draft::warning(Code::Unreachable, written.place, message);
            cx.report(
                draft
                    .related(owner, "this one matches the same requests and ranks above it")
                    .help("remove it, or give it another host or path"),
            );
            continue;
        }
        for (place, owner) in lost {
            let message = "an earlier route of equal rank takes this host";
            let draft = Draft::warning(Code::Overlap, place, message);
            cx.report(draft.related(owner, "this one").help("remove the host from one of the two"));
        }
    }
}

fn rules(written: &WrittenRoute) -> Vec<(Option<&HostPattern>, &PathPattern, Place)> {
    let path = &written.route.path;
    if written.route.hosts.is_empty() {
        return vec![(None, path, written.place)];
    }
    let hosts = written.route.hosts.iter().zip(&written.host_places);
    hosts.map(|(host, place)| (Some(host), path, *place)).collect()
}

fn repeated_host(cx: &Cx, place: Place) {
    let draft = Draft::warning(Code::Overlap, place, "this host stands in the route twice");
    cx.report(draft.help("remove it"));
}
