//! Tests of path expressions: what they match, in which order, and their sets at the bounds.

use super::*;
use crate::config::{Conditions, HostPattern, MethodCondition, PathPattern};
use crate::route::{RouteSpec, RouteTable, Subject};

fn spec(pattern: &str) -> RouteSpec {
    let path = PathPattern::Regex(pattern.to_owned());
    RouteSpec { priority: 0, hosts: Vec::new(), path, conditions: Conditions::default() }
}

fn find(specs: &[RouteSpec], path: &[u8]) -> Option<usize> {
    RouteTable::compile(specs).expect("good expressions").find(&Subject::get(b"", path))
}

#[test]
fn an_expression_matches_the_whole_path_as_bytes() {
    for (pattern, path, matches) in [
        ("/a", "/a", true),
        ("/a", "/ab", false),
        ("/a", "/x/a", false),
        ("/a|/ab", "/ab", true),
        ("/a$|^/b", "/b", true),
        ("(?i)/A", "/a", true),
        ("/\\d+", "/12", true),
        ("/\\d+", "/\u{664}", false),
        ("/\u{fc}", "/\u{fc}", true),
        ("/..", "/\u{fc}", true),
        ("", "", true),
        ("", "/", false),
        ("(?m)/a$", "/a\n", false),
    ] {
        assert_eq!(find(&[spec(pattern)], path.as_bytes()).is_some(), matches, "{pattern} {path}");
    }
    assert_eq!(find(&[spec("/.")], b"/\xff"), Some(0));
}

#[test]
fn among_expressions_priority_conditions_and_file_order_decide_not_length() {
    let mut specs = vec![spec("/.*"), spec("/a/[0-9]+"), spec("/a/.*")];
    assert_eq!(find(&specs, b"/a/1"), Some(0));
    let methods = MethodCondition { methods: vec!["GET".into()], negated: false };
    specs[2].conditions.methods = Some(methods);
    assert_eq!(find(&specs, b"/a/1"), Some(2));
    specs[1].priority = 1;
    assert_eq!(find(&specs, b"/a/1"), Some(1));
    assert_eq!(find(&specs, b"/a/x"), Some(2));
    assert_eq!(find(&specs, b"/b"), Some(0));
    specs[2].conditions.methods.as_mut().expect("set above").negated = true;
    assert_eq!(find(&specs, b"/a/x"), Some(0));
}

#[test]
fn as_many_as_fill_a_set_and_one_more_are_all_found_in_order() {
    for n_patterns in [SET_LEN_MAX - 1, SET_LEN_MAX, SET_LEN_MAX + 1, 3 * SET_LEN_MAX] {
        let mut specs: Vec<_> = (0..n_patterns).map(|n| spec(&format!("/x{n}/[0-9]+"))).collect();
        specs.push(spec("/.*"));
        let table = RouteTable::compile(&specs).expect("good expressions");
        let n_sets = |table: &RouteTable| {
            table.buckets[0].expressions.as_ref().expect("expressions").sets.len()
        };
        assert_eq!(n_sets(&table), specs.len().div_ceil(SET_LEN_MAX));
        for n in 0..n_patterns {
            let path = format!("/x{n}/7");
            assert_eq!(table.find(&Subject::get(b"", path.as_bytes())), Some(n), "{path}");
        }
        assert_eq!(table.find(&Subject::get(b"", b"/other")), Some(n_patterns));
    }
}

#[test]
fn expressions_too_large_for_one_set_are_split() {
    let specs: Vec<_> =
        (0..4).map(|n| spec(&format!("/{n}([a-z0-9]{{300}}[A-Z]){{40}}"))).collect();
    let table = RouteTable::compile(&specs).expect("each alone is small enough");
    let expressions = table.buckets[0].expressions.as_ref().expect("expressions");
    assert!(expressions.sets.len() > 1, "one set: make them larger");
    let path = format!("/2{}", format!("{}A", "x".repeat(300)).repeat(40));
    assert_eq!(table.find(&Subject::get(b"", path.as_bytes())), Some(2));
}

#[test]
fn what_is_no_expression_is_told_with_its_route() {
    for pattern in ["(", "a)(b", "[z-a]", "/([a-z]{1000}){1000}"] {
        let mut specs: Vec<_> = (0..SET_LEN_MAX + 2).map(|_| spec("/fine")).collect();
        specs.push(spec(pattern));
        specs[SET_LEN_MAX + 2].hosts = vec![HostPattern::Exact("a".into())];
        let error = RouteTable::compile(&specs).expect_err(pattern);
        assert_eq!((error.route, error.pattern.as_str()), (SET_LEN_MAX + 2, pattern));
        assert!(error.to_string().contains("is not a regular expression"), "{error}");
    }
}

#[test]
fn hosts_that_ask_the_same_share_one_set() {
    let mut one = spec("/a/[0-9]+");
    one.hosts = ["a", "b", "c"].map(|host| HostPattern::Exact(host.into())).to_vec();
    let table = RouteTable::compile(&[one]).expect("good expressions");
    let sets: Vec<_> =
        table.buckets.iter().flat_map(|bucket| &bucket.expressions).map(|e| &e.sets[0]).collect();
    assert_eq!(sets.len(), 3);
    assert!(sets.iter().all(|set| Arc::ptr_eq(&set.regex, &sets[0].regex)));
}
