//! The lints about routes held against a slow matcher that does what the reference says: what is called
//! unreachable is never the best of all that match, and a tie is one.

use std::cmp::Reverse;

use proptest::prelude::{prop_assert, proptest};
use proptest::sample::select;
use proptest::strategy::Strategy;

use super::super::schema::{
    Conditions, HostPattern, MethodCondition, PathPattern, Route, ValuePattern,
};
use super::super::{Code, Report};
use super::load_text;

const HOSTS: [&str; 4] = ["", "\"a.x\"", "\"*.x\"", "\"*.a.x\", \"b.x\""];
const PATHS: [&str; 6] = [
    "",
    "path = \"/p\"",
    "path_prefix = \"/p\"",
    "path_prefix = \"/\"",
    "path = \"/p/q\"",
    "path_regex = \"/p.*\"",
];
const CONDITIONS: [&str; 8] = [
    "",
    "methods = [\"GET\"]",
    "methods = { not = [\"GET\"] }",
    "headers = { x = \"1\" }",
    "headers = { x = { not = \"1\" } }",
    "headers = { x = { present = true } }",
    "headers = { x = \"1\" }, methods = [\"GET\"]",
    "query = { a = \"1\" }",
];
const LISTENERS: [&str; 4] = ["", "\"l\"", "\"m\"", "\"l\", \"m\""];

/// The TOML of a route, without its name.
fn route() -> impl Strategy<Value = String> {
    let parts = (select(&HOSTS), select(&PATHS), select(&CONDITIONS), select(&LISTENERS), 0..2);
    parts.prop_map(|(hosts, path, conditions, listeners, priority)| {
        let list = |key: &str, items: &str| match items {
            "" => String::new(),
            _ => format!("{key} = [{items}]\n"),
        };
        let comma = if path.is_empty() || conditions.is_empty() { "" } else { ", " };
        let (hosts, listeners) = (list("hosts", hosts), list("listeners", listeners));
        format!(
            "{hosts}{listeners}match = {{ {path}{comma}{conditions} }}\npriority = {priority}\n"
        )
    })
}

struct Request {
    host: &'static str,
    path: &'static str,
    method: &'static str,
    header: Option<&'static str>,
    query: Option<&'static str>,
    listener: &'static str,
}

fn requests() -> Vec<Request> {
    let mut requests = Vec::new();
    for host in ["a.x", "b.x", "x", "c.a.x", "z"] {
        for path in ["/", "/p", "/p/q", "/p/r", "/pq", "/z"] {
            for (method, listener) in [("GET", "l"), ("PUT", "l"), ("GET", "m"), ("PUT", "m")] {
                for header in [None, Some("1"), Some("2")] {
                    for query in [None, Some("1")] {
                        requests.push(Request { host, path, method, header, query, listener });
                    }
                }
            }
        }
    }
    requests
}

type Rank = (i32, (u8, usize), (u8, usize), usize);

/// The rank of the route for this request, apart from file order; `None` if it does not match.
fn rank(route: &Route, request: &Request) -> Option<Rank> {
    if !route.listeners.is_empty() && !route.listeners.iter().any(|name| name == request.listener) {
        return None;
    }
    let host = match &route.hosts[..] {
        [] => Some((0, 0)),
        hosts => hosts.iter().filter_map(|host| host_rank(host, request.host)).max(),
    };
    let path = match &route.path {
        PathPattern::Any => Some((0, 0)),
        PathPattern::Regex(_) => request.path.starts_with("/p").then_some((1, 0)),
        PathPattern::Prefix(path) => {
            let rest = request.path.strip_prefix(path.as_str());
            rest.filter(|rest| rest.is_empty() || rest.starts_with('/')).map(|_| (2, path.len()))
        }
        PathPattern::Exact(path) => (path == request.path).then_some((3, 0)),
    };
    let n_conditions = route.conditions.len();
    meets(&route.conditions, request).then_some(())?;
    Some((route.priority, host?, path?, n_conditions))
}

fn host_rank(pattern: &HostPattern, host: &str) -> Option<(u8, usize)> {
    match pattern {
        HostPattern::Exact(name) => (name == host).then_some((2, 0)),
        HostPattern::Wildcard(name) => {
            host.ends_with(&format!(".{name}")).then_some((1, name.len()))
        }
    }
}

fn meets(conditions: &Conditions, request: &Request) -> bool {
    let method = |it: &MethodCondition| {
        it.methods.iter().any(|method| method == request.method) != it.negated
    };
    let value = |pattern: &ValuePattern, value: Option<&str>| match pattern {
        ValuePattern::Exact(exact) => value == Some(exact.as_str()),
        _ => value.is_some(),
    };
    conditions.methods.as_ref().is_none_or(method)
        && conditions.headers.iter().all(|it| value(&it.value, request.header) != it.negated)
        && conditions.query.iter().all(|it| value(&it.value, request.query) != it.negated)
}

/// The routes that a kind of warning is about, by the lines they begin at.
fn named(warnings: &Report, code: Code, lines: &[usize]) -> Vec<usize> {
    let about = warnings.problems().iter().filter(|problem| problem.code == code);
    about.filter_map(|it| lines.iter().position(|line| *line == it.location.line)).collect()
}

proptest! {
    #[test]
    fn what_is_said_about_routes_is_true(parts in proptest::collection::vec(route(), 1..6)) {
        let mut text = String::from(
            "[[listener]]\nname = \"l\"\nbind = \"127.0.0.1:1\"\n[[listener]]\nname = \"m\"\nbind = \"127.0.0.1:2\"\n[upstream.app]\nbackends = [\"127.0.0.1:1\"]\n",
        );
        let mut lines = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            lines.push(text.lines().count() + 1);
            text.push_str(&format!("[[route]]\nname = \"r{index}\"\nupstream = \"app\"\n{part}"));
        }
        let loaded = load_text(&text).expect("it is good");
        let routes = &loaded.config.routes;
        let requests = requests();
        let mut reached = vec![false; routes.len()];
        for request in &requests {
            let ranked = routes.iter().enumerate().filter_map(|(index, route)| {
                Some((rank(route, request)?, Reverse(index)))
            });
            if let Some((_, Reverse(best))) = ranked.max() {
                reached[best] = true;
            }
        }
        for index in named(&loaded.warnings, Code::Unreachable, &lines) {
            prop_assert!(!reached[index], "r{index} is reached\n{text}\n{}", loaded.warnings);
        }
        for index in named(&loaded.warnings, Code::Overlap, &lines) {
            let ties = |request: &Request| {
                let own = rank(&routes[index], request);
                own.is_some() && routes[..index].iter().any(|route| rank(route, request) == own)
            };
            // A host that another route takes is told at the host, on another line.
            prop_assert!(requests.iter().any(ties), "r{index} has no tie\n{text}\n{}", loaded.warnings);
        }
    }
}
