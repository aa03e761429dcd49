//! Hosts and paths that try to pass a route by: what `proxy` does to a request, then the lookup.

use super::{Normalized, RouteSpec, RouteTable, Subject, normalize, normalize_host};
use crate::config::{Conditions, HostPattern, PathPattern};

const PUBLIC: usize = 0;
const ADMIN: usize = 1;
const HEALTH: usize = 2;
const REPORTS: usize = 3;
const OTHER_HOST: usize = 4;

fn table(merge: bool) -> impl Fn(&str, &str) -> Option<usize> {
    let route = |host: &str, path| RouteSpec {
        priority: 0,
        hosts: vec![match host.strip_prefix("*.") {
            Some(suffix) => HostPattern::Wildcard(suffix.to_owned()),
            None => HostPattern::Exact(host.to_owned()),
        }],
        path,
        conditions: Conditions::default(),
    };
    let specs = [
        route("shop.test", PathPattern::Any),
        route("shop.test", PathPattern::Prefix("/admin".into())),
        route("shop.test", PathPattern::Exact("/health".into())),
        route("shop.test", PathPattern::Regex("/reports/[0-9]+".into())),
        route("*.shop.test", PathPattern::Any),
    ];
    let table = RouteTable::compile(&specs).expect("good expressions");
    move |host, path| {
        let (mut lower, mut matched, mut forward) = (Vec::new(), Vec::new(), Vec::new());
        let host = normalize_host(host.as_bytes(), &mut lower).ok()?.host;
        let normal = normalize(path.as_bytes(), merge, &mut matched, &mut forward).ok()?;
        let path = if normal == Normalized::AsReceived { path.as_bytes() } else { &matched };
        table.find(&Subject::get(host, path))
    }
}

#[test]
fn a_path_however_it_is_spelt_reaches_the_route_of_what_it_names_or_none() {
    let find = table(false);
    for (path, expected) in [
        ("/admin", Some(ADMIN)),
        ("/admin/", Some(ADMIN)),
        ("/api/../admin", Some(ADMIN)),
        ("/./admin/x", Some(ADMIN)),
        ("/a/b/../../admin", Some(ADMIN)),
        ("/admin/.", Some(ADMIN)),
        ("/%61dmin", Some(ADMIN)),
        ("/admin/../public", Some(PUBLIC)),
        ("/admin/..", Some(PUBLIC)),
        ("/ADMIN", Some(PUBLIC)),
        ("/administrator", Some(PUBLIC)),
        ("/admin%20", Some(PUBLIC)),
        ("/admin;x", Some(PUBLIC)),
        ("/admin;x/y", Some(PUBLIC)),
        ("//admin", Some(PUBLIC)),
        ("/api/%2e%2e/admin", None),
        ("/api/%2E./admin", None),
        ("/api/%252e%252e/admin", Some(PUBLIC)),
        ("/api%2f..%2fadmin", None),
        ("/api%5cadmin", None),
        ("/api\\admin", None),
        ("/api/..;/admin", None),
        ("/api/..;x=1/admin", None),
        ("/api/.;/admin", None),
        ("/admin%00", None),
        ("/../admin", None),
        ("/api/../../admin", None),
        ("/admin#x", None),
        ("/admin x", None),
        ("/admin\r\nHost: a", None),
        ("/admin%", None),
        ("/admin%zz", None),
        ("admin", None),
        ("http://shop.test/admin", None),
        ("", None),
        ("*", Some(PUBLIC)),
        ("/health", Some(HEALTH)),
        ("/health/", Some(PUBLIC)),
        ("/x/../health", Some(HEALTH)),
        ("/%68ealth", Some(HEALTH)),
        ("/reports/42", Some(REPORTS)),
        ("/reports/42/../43", Some(REPORTS)),
        ("/reports/%34%32", Some(REPORTS)),
        ("/reports/42/", Some(PUBLIC)),
        ("/reports/42%0a", Some(PUBLIC)),
        ("/x/reports/42", Some(PUBLIC)),
        ("/reports/../admin", Some(ADMIN)),
    ] {
        assert_eq!(find("shop.test", path), expected, "{path:?}");
    }
    let merging = table(true);
    for (path, expected) in
        [("//admin", Some(ADMIN)), ("/x//..//admin", Some(ADMIN)), ("///health", Some(HEALTH))]
    {
        assert_eq!(merging("shop.test", path), expected, "{path:?}, slashes merged");
    }
}

#[test]
fn a_host_however_it_is_spelt_reaches_its_own_routes_or_none() {
    let find = table(false);
    for (host, expected) in [
        ("shop.test", Some(PUBLIC)),
        ("SHOP.Test", Some(PUBLIC)),
        ("Shop.TEST.", Some(PUBLIC)),
        ("shop.test:8080", Some(PUBLIC)),
        ("A.Shop.test:1", Some(OTHER_HOST)),
        ("a.b.shop.test", Some(OTHER_HOST)),
        ("ashop.test", None),
        ("shop.test.evil.test", None),
        ("evil.test", None),
        ("", None),
        ("user@shop.test", None),
        ("user:pass@shop.test", None),
        ("shop.test@evil.test", None),
        ("evil.test/shop.test", None),
        ("evil.test#shop.test", None),
        ("evil.test?.shop.test", None),
        ("evil.test,shop.test", None),
        ("evil.test shop.test", None),
        ("shop.test%00", None),
        ("shop%2etest", None),
        ("*.shop.test", None),
        (".shop.test", None),
        ("a..shop.test", None),
        ("shop.test..", None),
        ("shop.test:80:80", None),
        ("shop.test:http", None),
        ("[shop.test]", None),
        ("shop.test\0", None),
        ("sh\u{f6}p.test", None),
    ] {
        assert_eq!(find(host, "/"), expected, "{host:?}");
    }
}
