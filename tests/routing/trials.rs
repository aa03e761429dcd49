//! `[[test]]` holds a start and a reload to what their operator expects.

use super::{ask, backend, text};
use crate::support::Proxy;

const ROUTE: &str =
    "[[route]]\nname = \"api\"\nmatch = { path_prefix = \"/api\" }\nupstream = \"a\"\n";

fn with_test(route: &str, expect: &str, services: &[(&str, &crate::support::Service)]) -> String {
    let test = format!("[[test]]\nrequest = \"GET http://x/api/y\"\nexpect = {{ {expect} }}\n");
    text(&format!("{route}{test}"), services)
}

#[test]
fn a_failing_test_refuses_a_reload_at_its_line_and_the_old_configuration_stays() {
    let a = backend("a");
    let services = [("a", &a)];
    let good = with_test(ROUTE, "route = \"api\", upstream = \"a\"", &services);
    let proxy = Proxy::from_file(&good);
    proxy.reload().expect("a test that holds");
    let moved = ROUTE.replace("/api", "/v2");
    let bad = with_test(&moved, "route = \"api\"", &services);
    proxy.rewrite(&bad);
    let error = proxy.reload().expect_err("refused");
    assert!(error.contains("route `api` was expected and it was none"), "{error}");
    assert!(error.contains("refused: 404 no_route"), "{error}");
    let line = 1 + bad.lines().position(|line| line == "[[test]]").expect("a test");
    let nearby = (line..line + 3).any(|line| error.contains(&format!("forebay.toml:{line}")));
    assert!(nearby, "no line near {line}: {error}");
    let mut client = proxy.connect();
    assert_eq!(ask(&mut client, "GET", "/api/z", "").status(), 200);
    assert_eq!(ask(&mut client, "GET", "/v2", "").status(), 404);
}

#[test]
fn a_failing_test_refuses_before_anything_is_opened() {
    let a = backend("a");
    let services = [("a", &a)];
    let proxy = Proxy::from_file(&with_test(ROUTE, "route = \"api\"", &services));
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("access.log");
    let bad = with_test(ROUTE, "route = \"none\"", &services);
    proxy.rewrite(&format!("[log]\naccess = {{ to = {:?} }}\n{bad}", log.display().to_string()));
    proxy.reload().expect_err("refused");
    assert!(!log.exists(), "the log of a refused configuration was opened");
}
