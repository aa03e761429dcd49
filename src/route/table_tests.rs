//! Tests of the route table: a table for each rule of the rank. `naive_tests` compare it with a naive matcher.

use super::*;
use crate::config::{Conditions, HostPattern, PathPattern};

fn spec(hosts: &[&str], path: &str) -> RouteSpec {
    let hosts = hosts
        .iter()
        .map(|host| match host.strip_prefix("*.") {
            Some(suffix) => HostPattern::Wildcard(suffix.to_owned()),
            None => HostPattern::Exact((*host).to_owned()),
        })
        .collect();
    let path = match path.split_at_checked(1) {
        Some(("=", path)) => PathPattern::Exact(path.to_owned()),
        Some(("^", path)) => PathPattern::Prefix(path.to_owned()),
        _ => PathPattern::Any,
    };
    RouteSpec { priority: 0, hosts, path, conditions: Conditions::default() }
}

fn check(specs: &[RouteSpec], cases: &[(&str, &str, Option<usize>)]) {
    let table = RouteTable::compile(specs).expect("good expressions");
    for (host, path, expected) in cases {
        let found = table.find(&Subject::get(host.as_bytes(), path.as_bytes()));
        assert_eq!(found, *expected, "host {host:?} path {path:?}");
    }
}

#[test]
fn an_empty_table_matches_nothing() {
    check(&[], &[("", "/", None), ("a.example", "/x", None), ("", "", None)]);
}

#[test]
fn a_route_without_host_and_path_matches_everything() {
    check(
        &[spec(&[], "")],
        &[("", "/", Some(0)), ("a.example", "/x/y", Some(0)), ("", "*", Some(0))],
    );
}

#[test]
fn an_exact_host_beats_wildcards_and_the_longest_wildcard_beats_shorter_ones() {
    let specs = [
        spec(&[], ""),
        spec(&["*.example"], ""),
        spec(&["*.shop.example"], ""),
        spec(&["www.shop.example"], ""),
    ];
    check(
        &specs,
        &[
            ("www.shop.example", "/", Some(3)),
            ("img.shop.example", "/", Some(2)),
            ("a.b.shop.example", "/", Some(2)),
            ("shop.example", "/", Some(1)),
            ("example", "/", Some(0)),
            ("notexample", "/", Some(0)),
            (".example", "/", Some(0)),
            ("", "/", Some(0)),
        ],
    );
}

#[test]
fn a_wildcard_is_one_or_more_labels_and_never_the_name_itself() {
    check(
        &[spec(&["*.x.example"], "")],
        &[
            ("x.example", "/", None),
            ("a.x.example", "/", Some(0)),
            ("a.b.x.example", "/", Some(0)),
            ("ax.example", "/", None),
        ],
    );
}

#[test]
fn a_host_without_a_route_for_the_path_falls_through_to_wildcards_and_any() {
    let specs = [
        spec(&["a.example"], "^/api"),
        spec(&["*.example"], "=/about"),
        spec(&[], "^/static"),
        spec(&[], ""),
    ];
    check(
        &specs,
        &[
            ("a.example", "/api/1", Some(0)),
            ("a.example", "/about", Some(1)),
            ("a.example", "/static/x", Some(2)),
            ("a.example", "/other", Some(3)),
        ],
    );
}

#[test]
fn an_exact_path_beats_prefixes_and_the_longest_prefix_beats_shorter_ones() {
    let specs = [
        spec(&[], "^/a"),
        spec(&[], "^/a/b/c"),
        spec(&[], "^/a/b"),
        spec(&[], "=/a/b/c"),
        spec(&[], "^"),
        spec(&[], ""),
    ];
    check(
        &specs,
        &[
            ("", "/a/b/c", Some(3)),
            ("", "/a/b/c/", Some(1)),
            ("", "/a/b/c/d", Some(1)),
            ("", "/a/b/cd", Some(2)),
            ("", "/a/x", Some(0)),
            ("", "/a", Some(0)),
            ("", "/ab", Some(4)),
            ("", "/", Some(4)),
            ("", "*", Some(5)),
        ],
    );
}

#[test]
fn a_prefix_matches_whole_segments_only() {
    check(
        &[spec(&[], "^/api")],
        &[
            ("", "/api", Some(0)),
            ("", "/api/", Some(0)),
            ("", "/api/x", Some(0)),
            ("", "/apix", None),
            ("", "/ap", None),
            ("", "/x/api", None),
            ("", "//api", None),
        ],
    );
}

#[test]
fn a_prefix_written_with_a_trailing_slash_is_the_same_prefix() {
    check(&[spec(&[], "^/api/")], &[("", "/api", Some(0)), ("", "/api/x", Some(0))]);
    check(&[spec(&[], "^/")], &[("", "/", Some(0)), ("", "/x", Some(0))]);
}

#[test]
fn file_order_decides_between_equals() {
    check(&[spec(&["a"], "^/x"), spec(&["a"], "^/x")], &[("a", "/x", Some(0))]);
    check(&[spec(&[], ""), spec(&[], "")], &[("a", "/x", Some(0))]);
}

#[test]
fn prefixes_longer_than_the_length_mask_are_found() {
    let long = format!("/{}", "a".repeat(100));
    let specs = [spec(&[], &format!("^{long}")), spec(&[], "^/b")];
    check(
        &specs,
        &[
            ("", &format!("{long}/x"), Some(0)),
            ("", &long, Some(0)),
            ("", &format!("{long}b/x"), None),
            ("", &format!("/b/{long}"), Some(1)),
        ],
    );
}

#[test]
fn a_higher_priority_wins_over_every_other_part_of_the_rank() {
    let mut specs = [
        spec(&["a.x"], "=/p/q"),
        spec(&["a.x"], "^/p"),
        spec(&["*.x"], "^/p"),
        spec(&[], ""),
        spec(&["a.x"], ""),
    ];
    let expect = |specs: &[RouteSpec], expected| check(specs, &[("a.x", "/p/q", Some(expected))]);
    expect(&specs, 0);
    for higher in 0..specs.len() {
        for priority in [1, i32::MAX] {
            specs[higher].priority = priority;
            expect(&specs, higher);
        }
        specs[higher].priority = 0;
    }
    // The second best is still found behind a lower one, and the lowest of all when it is alone.
    specs[0].priority = i32::MIN;
    expect(&specs, 1);
    specs[4].priority = 1;
    specs[3].priority = 2;
    specs[2].priority = -5;
    expect(&specs, 3);
    check(&specs[..1], &[("a.x", "/p/q", Some(0)), ("a.x", "/p", None)]);
}

#[test]
fn a_higher_priority_whose_conditions_fail_is_passed_by() {
    let mut specs = [spec(&["a"], "^/p"), spec(&[], ""), spec(&[], "^/p")];
    specs[1].priority = 1;
    specs[1].conditions.methods = methods(&["POST"]);
    check(&specs, &[("a", "/p/x", Some(0)), ("b", "/p/x", Some(2)), ("b", "/", None)]);
}

#[test]
fn more_conditions_win_and_failing_ones_fall_through_all_the_way() {
    let mut specs = [
        spec(&["a"], "^/p"),
        spec(&["a"], "^/p"),
        spec(&["a"], "^/p/q"),
        spec(&["a"], "=/p/q"),
        spec(&[], ""),
    ];
    specs[1].conditions.methods = methods(&["GET"]);
    check(&specs, &[("a", "/p", Some(1)), ("a", "/p/q", Some(3))]);
    specs[3].conditions.methods = methods(&["POST"]);
    check(&specs, &[("a", "/p/q", Some(2))]);
    specs[2].conditions.methods = methods(&["POST"]);
    check(&specs, &[("a", "/p/q", Some(1))]);
    specs[1].conditions.methods = methods(&["POST"]);
    check(&specs, &[("a", "/p/q", Some(0))]);
    specs[0].conditions.methods = methods(&["POST"]);
    check(&specs, &[("a", "/p/q", Some(4))]);
}

fn methods(methods: &[&str]) -> Option<crate::config::MethodCondition> {
    let methods = methods.iter().map(|method| (*method).to_owned()).collect();
    Some(crate::config::MethodCondition { methods, negated: false })
}

#[test]
fn an_expression_stands_between_prefixes_and_no_path() {
    let mut specs = [spec(&["a"], ""), spec(&["a"], ""), spec(&["a"], "^"), spec(&[], "=/x/1")];
    specs[1].path = PathPattern::Regex("/x/[0-9]+".into());
    check(&specs, &[("a", "/x/1", Some(2)), ("b", "/x/1", Some(3))]);
    check(&specs[..2], &[("a", "/x/1", Some(1)), ("a", "/x/y", Some(0)), ("b", "/x/1", None)]);
}
