//! Compiling: what is adopted, what is shared, what is merged.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::*;
use crate::config::{self, BackendAddress, Config, Source};
use crate::hash::Set;
use crate::route::Subject;

fn load(text: &str) -> Config {
    let source = Source::Text { name: "test".into(), text: text.into() };
    config::load(&source).expect("a configuration").config
}

fn draft(text: &str, names: &Names, registry: &Registry) -> Draft {
    compile(&load(text), names, registry, 1, 2).expect("compiled")
}

fn labels(snapshot: &Snapshot, upstream: usize) -> Vec<&str> {
    snapshot.upstreams[upstream].members.iter().map(|member| &*member.backend.label).collect()
}

fn resolved(entries: &[(&str, &[&str])]) -> Names {
    let entry = |(host, addresses): &(&str, &[&str])| {
        let addresses = addresses.iter().map(|address| address.parse().expect("an address"));
        let key = HostPort { host: (*host).into(), port: 80 };
        (key, addresses.collect::<Vec<SocketAddr>>().into())
    };
    entries.iter().map(entry).collect()
}

const TWO: &str = r#"
    listener = [{ name = "a", bind = "127.0.0.1:0", timeouts = { connect = "7s", total = "9s" } },
                { name = "b", bind = ["127.0.0.1:0", "unix:/x.sock"] }]
    route = [{ name = "r", hosts = ["x.test"], upstream = "u" }, { name = "s", upstream = "v" }]
    [defaults.timeouts]
    send_idle = "11s"
    [upstream.u]
    backends = ["10.0.0.1:80", "10.0.0.2:80"]
    timeouts = { total = "off" }
    [upstream.v]
    backends = ["10.0.0.1:80", "unix:/run/app.sock"]
"#;

#[test]
fn every_bind_is_a_socket_of_its_own_and_routes_are_shared_by_all_listeners() {
    let draft = draft(TWO, &Names::default(), &Registry::default());
    let snapshot = &draft.snapshot;
    let ids: Vec<u32> = snapshot.listeners.iter().map(|(id, _)| id.0).collect();
    assert_eq!(ids, [1, 2, 3], "two of them ask for port 0");
    assert!(Arc::ptr_eq(&snapshot.listeners[1].1, &snapshot.listeners[2].1));
    let (a, b) = (&snapshot.listeners[0].1, &snapshot.listeners[1].1);
    assert!(Arc::ptr_eq(&a.routes, &b.routes));
    let route = a.routes.find(&Subject::get(b"x.test", b"/")).expect("a route");
    assert_eq!(&*a.entries[route].policy(0).expect("a policy").route, "r");
    let target = a.entries[route].target(0).expect("a target");
    assert_eq!(snapshot.upstreams[target.upstream].name.as_ref(), "u");
    assert_eq!(labels(snapshot, 1), ["10.0.0.1:80", "unix:/run/app.sock"]);
}

#[test]
fn timeouts_merge_defaults_then_listener_then_upstream() {
    let draft = draft(TWO, &Names::default(), &Registry::default());
    let listeners = &draft.snapshot.listeners;
    let timeouts = |listener: usize, route: usize| {
        listeners[listener].1.entries[route].policy(0).expect("a policy").timeouts
    };
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!((timeouts(0, 0).connect, timeouts(0, 0).total), (seconds(7), None));
    assert_eq!((timeouts(0, 1).connect, timeouts(0, 1).total), (seconds(7), seconds(9)));
    assert_eq!((timeouts(1, 1).connect, timeouts(1, 1).total), (seconds(3), None));
    assert_eq!(timeouts(1, 1).send_idle, seconds(11));
    assert_eq!(listeners[0].1.send_idle, seconds(11));
}

const ROUTED: &str = r#"
    listener = [{ name = "a", bind = "127.0.0.1:0", limits = { body = "10B" }, timeouts = { total = "9s" } },
                { name = "b", bind = "127.0.0.1:0" }, { name = "c", bind = "127.0.0.1:0" }]
    route = [
        { name = "all", upstream = "u", filters = ["f"], limits = { body = "20B" }, timeouts = { total = "1s" } },
        { name = "inner", listeners = ["b"], match = { path = "/in" }, respond = { body = "x" }, filters = ["f", "g"] },
        { name = "split", match = { path = "/s" }, mirror = { upstream = "v", percent = 50.0 },
          split = [{ upstream = "v", weight = 3 }, { upstream = "u", weight = 1 }] },
    ]
    [filter.f]
    headers = { request = { remove = ["x"] } }
    [filter.g]
    headers = { request = { remove = ["y"] } }
    [log]
    access = { to = "/nonexistent/forebay/access.log" }
    [upstream.u]
    backends = ["10.0.0.1:80"]
    timeouts = { total = "5s" }
    [upstream.v]
    backends = ["app.test:80"]
"#;

#[test]
fn a_listener_has_the_routes_that_are_for_it_and_shares_its_table_with_its_equals() {
    let snapshot = compile_offline(&load(ROUTED)).expect("compiled: no log is opened");
    assert!(snapshot.access_log.is_none());
    let listener = |index: usize| &*snapshot.listeners[index].1;
    let n_routes: Vec<usize> = (0..3).map(|index| listener(index).entries.len()).collect();
    assert_eq!(n_routes, [2, 3, 2]);
    assert!(Arc::ptr_eq(&listener(0).routes, &listener(2).routes));
    assert!(!Arc::ptr_eq(&listener(0).routes, &listener(1).routes));
    let find = |index: usize, path: &str| {
        let found = listener(index).routes.find(&Subject::get(b"x", path.as_bytes()));
        &listener(index).entries[found.expect("a route")]
    };
    let name = |entry: &RouteEntry| entry.policy(0).expect("a policy").route.to_string();
    assert_eq!((name(find(0, "/in")), name(find(1, "/in"))), ("all".into(), "inner".into()));
    assert_eq!((name(find(0, "/s")), name(find(1, "/s"))), ("split".into(), "split".into()));
}

#[test]
fn what_a_route_does_is_compiled_with_its_limits_and_shared_filters() {
    let snapshot = compile_offline(&load(ROUTED)).expect("compiled");
    let entry = |listener: usize, route: usize| &snapshot.listeners[listener].1.entries[route];
    let (all, inner, split) = (entry(1, 0), entry(1, 1), entry(1, 2));
    assert!(Arc::ptr_eq(&all.filters[0], &inner.filters[0]), "one filter for both routes");
    assert!(Arc::ptr_eq(&all.filters, &entry(0, 0).filters));
    assert_eq!((inner.filters.len(), split.filters.len()), (2, 0));
    let limits = [entry(0, 0), entry(1, 0), entry(0, 1), entry(1, 2)].map(|e| e.body_bytes_max);
    assert_eq!(limits, [Some(20), Some(20), Some(10), None]);
    let total = |entry: &RouteEntry, target| entry.policy(target).expect("one").timeouts.total;
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!(total(all, 0), seconds(1), "the route's over the upstream's");
    assert_eq!(total(entry(0, 1), 0), seconds(9), "the listener's");
    assert_eq!(total(entry(0, 1), 1), seconds(5), "the upstream's over the listener's");
    let upstream =
        |entry: &RouteEntry, target| entry.policy(target).and_then(|p| p.upstream.clone());
    assert_eq!(upstream(split, 0).as_deref(), Some("v"));
    assert_eq!((upstream(split, 1).as_deref(), upstream(inner, 0)), (Some("u"), None));
    assert!(inner.policy(0).expect("a policy").names_json.contains("\"upstream\":null"));
    assert_eq!(split.mirror, Some(Mirror { upstream: 1, at_most: u32::MAX / 2 }));
    let Action::Split(compiled) = &split.action else { panic!("{split:?}") };
    assert_eq!(compiled.until, [3, 4]);
    assert!(inner.target(0).is_none() && split.target(2).is_none());
}

#[test]
fn live_state_is_adopted_by_upstream_and_address_and_nothing_else_is_kept() {
    let first = draft(TWO, &Names::default(), &Registry::default());
    let again = TWO.replace("10.0.0.2", "10.0.0.3").replace("unix:/x.sock", "127.0.0.2:0");
    let second = draft(&again, &Names::default(), &first.registry);
    let backend = |draft: &Draft, upstream: usize, index: usize| {
        Arc::clone(&draft.snapshot.upstreams[upstream].members[index].backend)
    };
    assert!(Arc::ptr_eq(&backend(&first, 0, 0), &backend(&second, 0, 0)));
    assert!(!Arc::ptr_eq(&backend(&first, 0, 0), &backend(&second, 1, 0)), "another upstream");
    let ids = |draft: &Draft| -> Vec<u64> {
        let members = draft.snapshot.upstreams.iter().flat_map(|upstream| &upstream.members);
        members.map(|member| member.backend.id).collect()
    };
    assert_eq!((ids(&first), ids(&second)), (vec![1, 2, 3, 4], vec![1, 5, 3, 4]));
    assert_eq!(second.registry.n_backends(), 4, "10.0.0.2 was dropped");
    let sockets: Vec<u32> = second.sockets.iter().map(|wanted| wanted.socket.0).collect();
    assert_eq!(sockets, [1, 2, 4]);
}

#[test]
fn names_become_members_in_place_and_an_address_counts_once() {
    let text = r#"
        listener = [{ bind = "127.0.0.1:0" }]
        route = [{ upstream = "u" }]
        [upstream.u]
        backends = ["10.0.0.9:80", "two.test:80", "never.test:80", "10.0.0.1:80", "same.test:80"]
    "#;
    let names = resolved(&[
        ("two.test", &["10.0.0.1:80", "10.0.0.2:80"]),
        ("same.test", &["10.0.0.2:80", "10.0.0.3:80"]),
    ]);
    let draft = draft(text, &names, &Registry::default());
    let expected = ["10.0.0.9:80", "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];
    assert_eq!(labels(&draft.snapshot, 0), expected);
    let authority = |index: usize| &*draft.snapshot.upstreams[0].members[index].authority;
    assert_eq!(
        (authority(0), authority(1), authority(3)),
        ("10.0.0.9:80", "two.test:80", "same.test:80")
    );
}

#[test]
fn a_change_of_members_rebuilds_one_upstream_and_shares_the_rest() {
    let text = TWO.replace("10.0.0.2", "two.test");
    let (config, before) = (load(&text), resolved(&[("two.test", &["10.0.0.5:80"])]));
    let first = compile(&config, &before, &Registry::default(), 7, 2).expect("compiled");
    let after = resolved(&[("two.test", &["10.0.0.5:80", "10.0.0.6:80"])]);
    let changed: Set<HostPort> = after.keys().cloned().collect();
    let (current, registry) = (&first.snapshot, &first.registry);
    let given = Given { current, config: &config, names: &after, registry, n_workers: 2 };
    let (second, registry) = replace_members(given, &changed).expect("replaced");
    assert_eq!(second.generation, 8);
    assert_eq!(labels(&second, 0), ["10.0.0.1:80", "10.0.0.5:80", "10.0.0.6:80"]);
    let member = |snapshot: &Snapshot, index: usize| {
        Arc::clone(&snapshot.upstreams[0].members[index].backend)
    };
    assert!(Arc::ptr_eq(&member(&first.snapshot, 1), &member(&second, 1)));
    assert!(Arc::ptr_eq(&first.snapshot.upstreams[1], &second.upstreams[1]));
    assert!(Arc::ptr_eq(&first.snapshot.listeners[0].1, &second.listeners[0].1));
    assert_eq!((first.registry.n_backends(), registry.n_backends()), (4, 5));
}

#[test]
fn ten_thousand_routes_and_backends_compile_without_a_quadratic_loop() {
    let mut config = load(TWO);
    let (route, upstream) = (config.routes[0].clone(), config.upstreams["v"].clone());
    for n in 0..10_000_u32 {
        let host = config::HostPattern::Exact(format!("h{n}.test"));
        let (name, to) = (format!("r{n}"), format!("u{}", n % 5_000));
        config.routes.push(config::Route {
            name,
            hosts: vec![host],
            action: config::Action::Upstream(to),
            ..route.clone()
        });
        let address = SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 80));
        let backend = config::Backend::at(BackendAddress::Tcp(address));
        config
            .upstreams
            .entry(format!("u{}", n % 5_000))
            .or_insert_with(|| upstream.clone())
            .backends
            .push(backend);
    }
    let began = Instant::now();
    let first = compile(&config, &Names::default(), &Registry::default(), 1, 4).expect("compiled");
    let second = compile(&config, &Names::default(), &first.registry, 2, 4).expect("compiled");
    // Unoptimised and on a busy machine this takes a fraction of a second; quadratic, minutes.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(second.registry.n_backends(), 2 * 5_000 + 10_000 + 4);
}

#[test]
fn an_access_log_keeps_its_writer_and_redacted_headers_are_recorded_as_such() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = |file: &str, sample: &str| {
        let to = directory.path().join(file);
        let access = format!(
            "to = {:?}, sample = {sample}, headers = [\"user-agent\", \"cookie\"], redact = [\"cookie\", \"x-key\"]",
            to.display().to_string()
        );
        format!("{TWO}\n[log]\naccess = {{ {access} }}")
    };
    let first = draft(&log("a.log", "1.0"), &Names::default(), &Registry::default());
    let second = draft(&log("a.log", "0.25"), &Names::default(), &first.registry);
    let writer = |draft: &Draft| Arc::clone(draft.registry.writers().next().expect("a writer"));
    assert!(Arc::ptr_eq(&writer(&first), &writer(&second)));
    let access = |draft: Draft| draft.snapshot.access_log.expect("an access log");
    let (first, second) = (access(first), access(second));
    let headers: Vec<(&str, bool)> =
        first.headers.iter().map(|header| (&*header.name, header.redacted)).collect();
    assert_eq!(headers, [("user-agent", false), ("cookie", true), ("x-key", true)]);
    assert_eq!((first.sample_at_most, second.sample_at_most), (u32::MAX, u32::MAX / 4));
    let none = draft(&log("b.log", "0.0"), &Names::default(), &Registry::default());
    assert!(none.snapshot.access_log.is_none());

    let config = load(&log("missing/a.log", "1.0"));
    let error =
        compile(&config, &Names::default(), &Registry::default(), 1, 1).expect_err("no directory");
    assert!(error.to_string().contains("missing/a.log"), "{error}");
}
