//! Tests of explanations: the verdict of each kind, their order and their words.

use super::*;
use crate::config::{
    ClientIpCondition, Conditions, FieldCondition, HostPattern, MethodCondition, PathPattern,
    ValuePattern,
};
use crate::message::{Fields, Known};

fn spec(host: &str, path: PathPattern) -> RouteSpec {
    let hosts = match (host, host.strip_prefix("*.")) {
        ("", _) => Vec::new(),
        (_, Some(suffix)) => vec![HostPattern::Wildcard(suffix.to_owned())],
        _ => vec![HostPattern::Exact(host.to_owned())],
    };
    RouteSpec { priority: 0, hosts, path, conditions: Conditions::default() }
}

fn prefix(path: &str) -> PathPattern {
    PathPattern::Prefix(path.to_owned())
}

fn header(name: &str, value: ValuePattern, negated: bool) -> FieldCondition {
    FieldCondition { name: name.to_owned(), value, negated }
}

fn explain(specs: &[RouteSpec], subject: &Subject<'_>) -> Vec<(usize, Verdict)> {
    RouteTable::compile(specs).expect("good expressions").explain(subject, specs)
}

#[test]
fn every_route_has_a_verdict_and_the_nearest_come_first() {
    let mut specs = vec![
        spec("other.test", PathPattern::Any),
        spec("", PathPattern::Any),
        spec("a.x.test", prefix("/b")),
        spec("*.x.test", prefix("/a")),
        spec("a.x.test", PathPattern::Regex("/a/[0-9]+".into())),
        spec("a.x.test", prefix("/a")),
        spec("a.x.test", prefix("/a")),
        spec("a.x.test", prefix("/a")),
        spec("a.x.test", prefix("/a")),
        spec("", PathPattern::Exact("/a/2".into())),
    ];
    specs[7].conditions.headers = vec![header("x", ValuePattern::Present, true)];
    specs[8].conditions.headers = vec![header("x", ValuePattern::Present, false)];
    let outranked = |by| Verdict::Outranked { by };
    let unmet = Verdict::Condition("header x: wanted any value, came none".into());
    let get = Subject::get(b"a.x.test", b"/a/1");
    assert_eq!(
        explain(&specs, &get),
        [
            (7, Verdict::Wins),
            (5, outranked(Rank::Conditions)),
            (6, outranked(Rank::Conditions)),
            (4, outranked(Rank::Path)),
            (3, outranked(Rank::Host)),
            (1, outranked(Rank::Host)),
            (8, unmet.clone()),
            (2, Verdict::PathDiffers),
            (9, Verdict::PathDiffers),
            (0, Verdict::HostDiffers),
        ]
    );
    specs[1].priority = 1;
    let verdicts = explain(&specs, &get);
    assert_eq!(verdicts[0], (1, Verdict::Wins));
    assert_eq!(verdicts[1], (7, outranked(Rank::Priority)));
    assert_eq!(verdicts[6], (8, unmet));
    specs[1].priority = -1;
    specs[7].priority = -1;
    let verdicts = explain(&specs, &get);
    assert_eq!(verdicts[..2], [(5, Verdict::Wins), (6, outranked(Rank::FileOrder))]);
}

#[test]
fn a_route_that_matches_by_two_hosts_has_one_verdict_by_the_better_host() {
    let mut specs = [spec("a.x.test", prefix("/a")), spec("*.x.test", PathPattern::Any)];
    specs[0].hosts.push(HostPattern::Wildcard("x.test".into()));
    specs[0].hosts.push(HostPattern::Exact("a.x.test".into()));
    let verdicts = explain(&specs, &Subject::get(b"a.x.test", b"/a"));
    assert_eq!(verdicts, [(0, Verdict::Wins), (1, Verdict::Outranked { by: Rank::Host })]);
    let verdicts = explain(&specs, &Subject::get(b"b.x.test", b"/a"));
    assert_eq!(verdicts, [(0, Verdict::Wins), (1, Verdict::Outranked { by: Rank::Path })]);
}

#[test]
fn only_the_routes_of_the_table_are_spoken_of() {
    let specs = [spec("", PathPattern::Any), spec("", PathPattern::Any)];
    let table = RouteTable::compile_for(&specs, |index| index == 1).expect("a table");
    let verdicts = table.explain(&Subject::get(b"", b"/"), &specs);
    assert_eq!(verdicts, [(1, Verdict::Wins)]);
}

#[test]
fn nothing_matches_and_all_say_why() {
    let specs = [spec("a", PathPattern::Any), spec("", prefix("/x"))];
    assert_eq!(
        explain(&specs, &Subject::get(b"b", b"/")),
        [(1, Verdict::PathDiffers), (0, Verdict::HostDiffers)]
    );
}

#[test]
fn a_condition_says_what_was_wanted_and_what_came() {
    let mut fields = Fields::new();
    for (name, value) in [("X", "one"), ("x", "two"), ("cookie", "c=\"d\"; e=\u{7}")] {
        fields.append(Known::of(name.as_bytes()), name.as_bytes(), &[value.as_bytes()]);
    }
    let subject = Subject {
        query: b"q=a%20b&long=12345678901234567890123456789012345678901234567890123456789012345678901234567890x\
                 &n=1&n=2&n=3&n=4&n=5",
        method: b"PUT",
        fields: &fields,
        client: Some([203, 0, 113, 7].into()),
        ..Subject::get(b"", b"/")
    };
    let exact = |text: &str| ValuePattern::Exact(text.to_owned());
    let regex = |text: &str| ValuePattern::Regex(text.to_owned());
    let headers = |field| Conditions { headers: vec![field], ..Conditions::default() };
    let query = |field| Conditions { query: vec![field], ..Conditions::default() };
    let cookies = |field| Conditions { cookies: vec![field], ..Conditions::default() };
    let methods = |methods: &[&str], negated| Conditions {
        methods: Some(MethodCondition {
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            negated,
        }),
        ..Conditions::default()
    };
    let client_ip = Conditions {
        client_ip: Some(ClientIpCondition {
            networks: vec!["10.0.0.0/8".parse().expect("a network")],
            negated: false,
        }),
        ..Conditions::default()
    };
    for (conditions, words) in [
        (
            headers(header("x", exact("v2"), false)),
            r#"header x: wanted "v2", came "one" and "two""#,
        ),
        (
            headers(header("x", regex("t.*"), true)),
            r#"header x: wanted anything but a match of "t.*", came "one" and "two""#,
        ),
        (
            headers(header("x", ValuePattern::Present, true)),
            r#"header x: wanted none, came "one" and "two""#,
        ),
        (headers(header("y", exact(""), false)), r#"header y: wanted "", came none"#),
        (query(header("q", exact("a"), false)), r#"query q: wanted "a", came "a b""#),
        (
            query(header("long", exact("a"), false)),
            r#"query long: wanted "a", came "12345678901234567890123456789012345678901234567890123456789012345678901234567890"…"#,
        ),
        (
            query(header("n", exact("6"), false)),
            r#"query n: wanted "6", came "1" and "2" and "3" and "4" and 1 more"#,
        ),
        (cookies(header("c", exact("e"), false)), r#"cookie c: wanted "e", came "d""#),
        (cookies(header("e", exact("e"), false)), r#"cookie e: wanted "e", came "\u{7}""#),
        (methods(&["GET", "POST"], false), "method: wanted GET or POST, came PUT"),
        (methods(&["PUT"], true), "method: wanted anything but PUT, came PUT"),
        (client_ip, "client_ip: wanted 10.0.0.0/8, came 203.0.113.7"),
    ] {
        let mut spec = spec("", PathPattern::Any);
        spec.conditions = conditions;
        let expected = vec![(0, Verdict::Condition(words.to_owned()))];
        assert_eq!(explain(&[spec], &subject), expected);
    }
}
