//! Routes of equal rank that some request meets both of: only their order in the file decides between them.

use std::collections::{HashMap, HashSet};

use super::super::reader::Cx;
use super::super::report::{Code, Draft};
use super::super::schema::{
    ClientIpCondition, Conditions, FieldCondition, MethodCondition, ValuePattern,
};
use super::Candidate;
use super::reach::{Host, Path, hosts};

/// How many earlier routes of equal rank each is compared with.
const COMPARED_MAX: usize = 64;

/// What two routes of equal rank have in common.
type Group<'a> = (i32, Host<'a>, Path<'a>, usize);

/// Reports them, each route once.
pub(super) fn run(cx: &Cx, candidates: &[Candidate<'_>], unreachable: &HashSet<usize>) {
    let mut groups: HashMap<Group<'_>, Vec<&Candidate<'_>>> = HashMap::new();
    for candidate in candidates {
        let route = &candidate.written.route;
        let n_conditions = candidate.conditions.len();
        if n_conditions == 0 || unreachable.contains(&candidate.order) {
            continue;
        }
        let mut told = false;
        for (host, _) in hosts(candidate) {
            let group = (route.priority, host, Path::of(&route.path), n_conditions);
            let earlier = groups.entry(group).or_default();
            let mut compared = earlier.iter().rev().take(COMPARED_MAX);
            let tied = compared.find(|it| meet(it, candidate));
            if let Some(tied) = tied.filter(|_| !told) {
                told = true;
                let message = format!(
                    "this route and `{}` have the same rank and can match the same request",
                    tied.written.route.name
                );
                let draft = Draft::warning(Code::Overlap, candidate.written.place, message);
                cx.report(draft.related(tied.written.place, "this one wins, for it stands first").help(
                    "a `priority` says outright which one is meant; conditions that exclude each other need none",
                ));
            }
            if earlier.last().is_none_or(|last| last.order != candidate.order) {
                earlier.push(candidate);
            }
        }
    }
}

/// Whether some request certainly meets both, apart from host and path, which are the same.
fn meet(a: &Candidate<'_>, b: &Candidate<'_>) -> bool {
    let listeners = a.listeners.is_empty()
        || b.listeners.is_empty()
        || a.listeners.iter().any(|name| b.listeners.binary_search(name).is_ok());
    let (a, b) = (&a.conditions, &b.conditions);
    // Equal ones that are not unreachable differ in listeners: there the first wins, and that is no accident.
    listeners && a != b && !excluded(a, b)
}

/// Whether they exclude each other, or might.
fn excluded(a: &Conditions, b: &Conditions) -> bool {
    let methods = match (&a.methods, &b.methods) {
        (Some(a), Some(b)) => methods_exclude(a, b),
        _ => false,
    };
    let clients = match (&a.client_ip, &b.client_ip) {
        (Some(a), Some(b)) => clients_exclude(a, b),
        _ => false,
    };
    methods
        || clients
        || fields_exclude(&a.headers, &b.headers)
        || fields_exclude(&a.query, &b.query)
        || fields_exclude(&a.cookies, &b.cookies)
}

fn methods_exclude(a: &MethodCondition, b: &MethodCondition) -> bool {
    let has = |it: &MethodCondition, method: &String| it.methods.contains(method) != it.negated;
    match (a.negated, b.negated) {
        (true, true) => false,
        (false, _) => !a.methods.iter().any(|method| has(b, method)),
        (true, false) => !b.methods.iter().any(|method| has(a, method)),
    }
}

/// Two networks have an address in common only if one is inside the other.
fn clients_exclude(a: &ClientIpCondition, b: &ClientIpCondition) -> bool {
    let inside = |net: &ipnet::IpNet, it: &ClientIpCondition| {
        it.networks.iter().any(|other| other.contains(net))
    };
    match (a.negated, b.negated) {
        (true, true) => false,
        (false, false) => {
            !a.networks.iter().any(|net| inside(net, b))
                && !b.networks.iter().any(|net| inside(net, a))
        }
        (false, true) => a.networks.iter().all(|net| inside(net, b)),
        (true, false) => b.networks.iter().all(|net| inside(net, a)),
    }
}

/// Both are sorted by name.
fn fields_exclude(a: &[FieldCondition], b: &[FieldCondition]) -> bool {
    a.iter().any(|a| {
        let same = b.binary_search_by(|b| b.name.cmp(&a.name)).map(|index| &b[index]);
        same.is_ok_and(|b| values_exclude(a, b))
    })
}

/// Whether no value, or maybe none, is both. What expressions match is not looked into, and a field is taken to
/// be there once.
fn values_exclude(a: &FieldCondition, b: &FieldCondition) -> bool {
    use ValuePattern::{Exact, Present, Regex};
    if a.value == b.value {
        return a.negated != b.negated;
    }
    match (&a.value, &b.value) {
        (Present, _) => a.negated && !b.negated,
        (_, Present) => b.negated && !a.negated,
        (Exact(_), Exact(_)) => !a.negated && !b.negated,
        (Regex(_), _) | (_, Regex(_)) => !(a.negated && b.negated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(value: ValuePattern, negated: bool) -> FieldCondition {
        FieldCondition { name: "x".into(), value, negated }
    }

    #[test]
    fn values_exclude_each_other_either_way_round() {
        use ValuePattern::{Exact, Present, Regex};
        let exact = |text: &str| Exact(text.into());
        let regex = || Regex("a".into());
        for (a, not_a, b, not_b, expected) in [
            (exact("a"), false, exact("b"), false, true),
            (exact("a"), false, exact("a"), false, false),
            (exact("a"), false, exact("a"), true, true),
            (exact("a"), false, exact("b"), true, false),
            (exact("a"), true, exact("b"), true, false),
            (exact("a"), false, Present, false, false),
            (exact("a"), false, Present, true, true),
            (exact("a"), true, Present, true, false),
            (Present, false, Present, true, true),
            (regex(), false, exact("a"), false, true),
            (regex(), true, exact("a"), true, false),
        ] {
            let (a, b) = (field(a, not_a), field(b, not_b));
            assert_eq!(values_exclude(&a, &b), expected, "{a:?} {b:?}");
            assert_eq!(values_exclude(&b, &a), expected, "{b:?} {a:?}");
        }
    }

    #[test]
    fn methods_exclude_each_other_either_way_round() {
        let methods = |names: &[&str], negated| MethodCondition {
            methods: names.iter().map(|name| (*name).to_owned()).collect(),
            negated,
        };
        for (a, b, expected) in [
            (methods(&["GET"], false), methods(&["PUT"], false), true),
            (methods(&["GET", "PUT"], false), methods(&["PUT"], false), false),
            (methods(&["GET"], false), methods(&["GET"], true), true),
            (methods(&["GET", "PUT"], false), methods(&["GET"], true), false),
            (methods(&["GET"], true), methods(&["PUT"], true), false),
        ] {
            assert_eq!(methods_exclude(&a, &b), expected, "{a:?} {b:?}");
            assert_eq!(methods_exclude(&b, &a), expected, "{b:?} {a:?}");
        }
    }

    #[test]
    fn networks_exclude_each_other_unless_one_is_inside_the_other() {
        let clients = |net: &str, negated| ClientIpCondition {
            networks: vec![net.parse().expect("a network")],
            negated,
        };
        for (a, b, expected) in [
            (clients("10.0.0.0/8", false), clients("10.1.0.0/16", false), false),
            (clients("10.0.0.0/8", false), clients("11.0.0.0/8", false), true),
            (clients("10.0.0.0/8", false), clients("10.1.0.0/16", true), false),
            (clients("10.0.0.0/8", true), clients("10.1.0.0/16", false), true),
            (clients("10.0.0.0/8", true), clients("::/0", false), false),
        ] {
            assert_eq!(clients_exclude(&a, &b), expected, "{a:?} {b:?}");
            assert_eq!(clients_exclude(&b, &a), expected, "{b:?} {a:?}");
        }
    }
}
