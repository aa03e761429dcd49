//! Splits: shares, and the same answer for the same value, whoever is asked and when.

use super::{ask, backend, proxy, text, who};
use crate::support::Proxy;

fn split(weights: (u32, u32), by: &str) -> String {
    let (a, b) = weights;
    format!(
        "[[route]]\nname = \"shop\"\nsplit_by = \"{by}\"\n\
         split = [{{ upstream = \"a\", weight = {a} }}, {{ upstream = \"b\", weight = {b} }}]\n"
    )
}

#[test]
fn requests_are_shared_out_by_weight() {
    let (a, b) = (backend("a"), backend("b"));
    let proxy = proxy(&split((3, 1), "random"), &[("a", &a), ("b", &b)]);
    let mut client = proxy.connect();
    let n_b = (0..400).filter(|_| who(&mut client, "GET", "/", "") == "b").count();
    // A hundred are expected; six standard deviations are 52.
    assert!(n_b.abs_diff(100) < 52, "{n_b}");
}

#[test]
fn a_weight_of_nothing_gets_nothing() {
    let (a, b) = (backend("a"), backend("b"));
    let proxy = proxy(&split((0, 5), "random"), &[("a", &a), ("b", &b)]);
    let mut client = proxy.connect();
    assert!((0..50).all(|_| who(&mut client, "GET", "/", "") == "b"));
}

#[test]
fn a_cookie_goes_the_same_way_after_a_restart_and_a_reload_moves_only_a_share() {
    let (a, b) = (backend("a"), backend("b"));
    let services = [("a", &a), ("b", &b)];
    let choices = |proxy: &Proxy| -> Vec<String> {
        let mut client = proxy.connect();
        let user = |n: usize| format!("Cookie: x=1; canary=user-{n}\r\n");
        (0..100).map(|n| who(&mut client, "GET", "/", &user(n))).collect()
    };
    let even = text(&split((50, 50), "cookie:canary"), &services);
    let first = Proxy::from_file(&even);
    let before = choices(&first);
    assert_eq!(before, choices(&first), "a second time");
    assert!(before.contains(&"a".to_owned()) && before.contains(&"b".to_owned()));
    first.rewrite(&text(&split((90, 10), "cookie:canary"), &services));
    first.reload().expect("reloaded");
    let moved = choices(&first);
    assert!(before.iter().zip(&moved).all(|(before, after)| before == after || after == "a"));
    assert!(moved.contains(&"b".to_owned()));
    first.stop();
    assert_eq!(before, choices(&Proxy::from_text(&even)), "after a restart");
}

#[test]
fn a_header_decides_and_the_chosen_upstream_is_what_templates_know() {
    let (a, b) = (backend("a"), backend("b"));
    let routes = split((1, 1), "header:x-user")
        + "filters = [\"say\"]\n"
        + "[filter.say]\nheaders = { response = { set = { x-upstream = \"{upstream}\" } } }\n";
    let proxy = proxy(&routes, &[("a", &a), ("b", &b)]);
    let mut client = proxy.connect();
    for n in 0..20 {
        let user = format!("X-User: {n}\r\n");
        let response = ask(&mut client, "GET", "/", &user);
        let answered = response.text().lines().next().unwrap_or_default().to_owned();
        assert_eq!(response.field("x-upstream"), Some(&*answered));
        assert_eq!(who(&mut client, "GET", "/other", &user), answered);
    }
}
