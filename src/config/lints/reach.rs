//! Routes that can never match, wholly or on one of their hosts, because another one matches all that they match
//! and ranks above them. Only what is certain is told: several routes that hide one together are not seen, nor is
//! one expression that matches less than another.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::super::reader::Cx;
use super::super::report::{Code, Draft};
use super::super::schema::{Conditions, HostPattern, PathPattern};
use super::super::source::Place;
use super::Candidate;

/// The most sets of listeners that are compared for one host, path and conditions.
const LISTENER_SETS_MAX: usize = 64;

static NO_CONDITIONS: Conditions = Conditions {
    methods: None,
    headers: Vec::new(),
    query: Vec::new(),
    cookies: Vec::new(),
    client_ip: None,
};

/// A host pattern; the order is that of ranks among those that match the same host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Host<'a> {
    Any,
    Wildcard(usize, &'a str),
    Exact(&'a str),
}

/// A path pattern; the order is that of ranks among those that match the same path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Path<'a> {
    Any,
    Regex(&'a str),
    Prefix(usize, &'a str),
    Exact(&'a str),
}

impl<'a> Path<'a> {
    pub(super) fn of(pattern: &'a PathPattern) -> Self {
        match pattern {
            PathPattern::Any => Path::Any,
            PathPattern::Regex(regex) => Path::Regex(regex),
            PathPattern::Prefix(path) => Path::prefix(path),
            PathPattern::Exact(path) => Path::Exact(path),
        }
    }

    fn prefix(path: &'a str) -> Self {
        Path::Prefix(path.len(), path)
    }

    /// Every path pattern that surely matches all that this one matches, itself included.
    fn covers(self) -> Vec<Path<'a>> {
        let mut covers = vec![self];
        let literal = match self {
            Path::Exact(path) => {
                covers.push(Path::prefix(path));
                path
            }
            Path::Prefix(_, path) => path,
            Path::Any | Path::Regex(_) => "",
        };
        let shorter = literal.match_indices('/').map(|(slash, _)| Path::prefix(&literal[..slash]));
        covers.extend(shorter);
        // No `OPTIONS *` is meant by a route without a path.
        covers.extend([Path::prefix(""), Path::Any]);
        covers
    }
}

impl<'a> Host<'a> {
    fn wildcard(name: &'a str) -> Self {
        Host::Wildcard(name.len(), name)
    }

    /// Every host pattern that matches all that this one matches, itself included.
    fn covers(self) -> Vec<Host<'a>> {
        let name = match self {
            Host::Exact(name) | Host::Wildcard(_, name) => name,
            Host::Any => return vec![Host::Any],
        };
        let wider = name.match_indices('.').map(|(dot, _)| Host::wildcard(&name[dot + 1..]));
        [self, Host::Any].into_iter().chain(wider).collect()
    }
}

/// The hosts of a route, each with its place.
pub(super) fn hosts<'a>(candidate: &Candidate<'a>) -> Vec<(Host<'a>, Place)> {
    let written = candidate.written;
    if written.route.hosts.is_empty() {
        return vec![(Host::Any, written.place)];
    }
    let host = |pattern: &'a HostPattern| match pattern {
        HostPattern::Exact(name) => Host::Exact(name),
        HostPattern::Wildcard(name) => Host::wildcard(name),
    };
    let hosts = written.route.hosts.iter().map(host);
    hosts.zip(written.host_places.iter().copied()).collect()
}

type Rank<'a> = (i32, Host<'a>, Path<'a>, usize, Reverse<usize>);

/// A route on one of its hosts.
struct Line<'a, 'b> {
    candidate: &'b Candidate<'a>,
    host: Host<'a>,
    path: Path<'a>,
}

impl<'a> Line<'a, '_> {
    fn rank(&self) -> Rank<'a> {
        let route = &self.candidate.written.route;
        let order = Reverse(self.candidate.order);
        (route.priority, self.host, self.path, route.conditions.len(), order)
    }
}

/// The best line for each set of listeners, by what they match.
#[derive(Default)]
struct Lines<'a, 'b> {
    by_pattern: HashMap<(Host<'a>, Path<'a>, &'b Conditions), Vec<Line<'a, 'b>>>,
}

impl<'a, 'b> Lines<'a, 'b> {
    fn insert(&mut self, line: Line<'a, 'b>) {
        let key = (line.host, line.path, &line.candidate.conditions);
        let lines = self.by_pattern.entry(key).or_default();
        let same = |it: &&mut Line<'_, '_>| it.candidate.listeners == line.candidate.listeners;
        match lines.iter_mut().take(LISTENER_SETS_MAX).find(same) {
            Some(best) if best.rank() >= line.rank() => {}
            Some(best) => *best = line,
            None => lines.push(line),
        }
    }

    /// A line above `line` that matches all that it matches.
    fn above(&self, line: &Line<'a, 'b>, wide: bool) -> Option<&Line<'a, 'b>> {
        let conditions = &line.candidate.conditions;
        // Without priorities only these can stand above: the same, and the prefix of every path.
        let (hosts, paths) = match wide {
            true => (line.host.covers(), line.path.covers()),
            false => (vec![line.host], vec![line.path, Path::prefix("")]),
        };
        let rank = line.rank();
        for host in &hosts {
            for path in &paths {
                for conditions in [conditions, &NO_CONDITIONS] {
                    let key = (*host, *path, conditions);
                    let Some(lines) = self.by_pattern.get(&key) else { continue };
                    let mut lines = lines.iter().take(LISTENER_SETS_MAX);
                    let above = lines.find(|it| it.rank() > rank && has_listeners(it, line));
                    if above.is_some() {
                        return above;
                    }
                }
            }
        }
        None
    }
}

/// Whether `above` is served wherever `line` is.
fn has_listeners(above: &Line<'_, '_>, line: &Line<'_, '_>) -> bool {
    let (above, below) = (&above.candidate.listeners, &line.candidate.listeners);
    above.is_empty()
        || !below.is_empty() && below.iter().all(|name| above.binary_search(name).is_ok())
}

/// Reports them; returns the orders of those that can never match.
pub(super) fn run(cx: &Cx, candidates: &[Candidate<'_>]) -> HashSet<usize> {
    let mut lines = Lines::default();
    let mut wide = false;
    for candidate in candidates {
        let route = &candidate.written.route;
        wide |= route.priority != candidates[0].written.route.priority;
        let path = Path::of(&route.path);
        for (host, _) in hosts(candidate) {
            lines.insert(Line { candidate, host, path });
        }
    }
    let mut unreachable = HashSet::new();
    for candidate in candidates {
        if look(cx, &lines, candidate, wide) {
            unreachable.insert(candidate.order);
        }
    }
    unreachable
}

/// Whether the route can never match; what is found is reported.
fn look<'a, 'b>(cx: &Cx, lines: &Lines<'a, 'b>, candidate: &'b Candidate<'a>, wide: bool) -> bool {
    let path = Path::of(&candidate.written.route.path);
    let hosts = hosts(candidate);
    let mut seen = HashSet::new();
    let mut lost = Vec::new();
    for (host, place) in &hosts {
        if !seen.insert(host) {
            let message = "this host stands in the route twice";
            cx.report(Draft::warning(Code::Overlap, *place, message).help("remove it"));
        } else if let Some(above) = lines.above(&Line { candidate, host: *host, path }, wide) {
            lost.push((*place, above));
        }
    }
    let Some((_, first)) = lost.first() else { return false };
    if lost.len() == seen.len() {
        let written = candidate.written;
        let draft = Draft::warning(Code::Unreachable, written.place, "this route can never match");
        let why = "this one matches all that it matches, and ranks above it";
        let draft = draft.related(first.candidate.written.place, why);
        cx.report(draft.help("remove it, or give it another host, path, condition or priority"));
        return true;
    }
    for (place, above) in lost {
        let rank = match above.candidate.written.route.priority > candidate.written.route.priority {
            true => "a route of higher priority takes this host",
            false => "an earlier route of equal rank takes this host",
        };
        let draft = Draft::warning(Code::Overlap, place, rank);
        let draft = draft.related(above.candidate.written.place, "this one");
        cx.report(draft.help("remove the host from one of the two"));
    }
    false
}
