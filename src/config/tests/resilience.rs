//! `retry`, `budget`, `health`, `passive`, `breaker` and what stands around them, as they are read and merged.

use std::path::Path;
use std::time::Duration;

use super::super::{Breaker, Budget, Events, Health, Passive, Retry, Signal, Statuses};
use super::config;

const EVERYTHING: &str = r#"
[admin]
socket = "/run/forebay/admin.sock"

[defaults.retry]
attempts = 3
on = ["connect", 503, "500-502"]
per_try = "2s"
backoff = { base = "10ms" }

[defaults.health]
path = "/defaults?full=1"
interval = "10s"
expect = { status = "200-299" }

[defaults.passive]
failures = "off"
count = ["reset", "500"]

[defaults.breaker]
probes = 3

[[route]]
name = "a"
upstream = "app"
retry = { attempts = 0, per_try = "off", backoff = { max = "1s" }, idempotency_header = "Idempotency-Key" }

[[route]]
name = "b"
hosts = ["b.test"]
upstream = "off"

[upstream.app]
backends = [{ address = "127.0.0.1:1", slow_start = "30s" }, "127.0.0.1:2"]
max_pending = 1000
retry = { backoff = { max = "50ms" }, methods = ["GET", "POST"], body_buffer = "1MiB" }
budget = { ratio = 1 }
passive = { stall = "off", latency_factor = 4 }
breaker = { max_ejected = 0.25 }

[upstream.app.health]
method = "HEAD"
port = 9000
host = "app.internal"
expect = { status = [200, "300-303"] }

[upstream.off]
backends = ["127.0.0.1:3"]
passive = false
breaker = false
health = false
"#;

#[test]
fn nothing_written_is_what_is_built_in() {
    let config = config("");
    let upstream = &config.upstreams["app"];
    assert_eq!(upstream.retry, Retry::default());
    assert_eq!(upstream.budget, Budget::default());
    assert_eq!(upstream.health, None);
    assert_eq!(upstream.passive, Some(Passive::default()));
    assert_eq!(upstream.breaker, Some(Breaker::default()));
    assert_eq!(upstream.max_pending, None);
    assert_eq!(upstream.backends[0].slow_start, None);
    assert_eq!(config.routes[0].retry, Default::default());
    assert_eq!(config.admin.socket, None);
}

#[test]
fn tables_merge_key_by_key_along_defaults_upstream_and_route() {
    let config = config(EVERYTHING);
    let app = &config.upstreams["app"];
    let mut on = Events::of(&[Signal::Connect], &[503]);
    (500..=502).for_each(|status| on.statuses.insert(status));
    assert_eq!(app.retry.on, on);
    assert_eq!((app.retry.attempts, app.retry.per_try), (3, Some(Duration::from_secs(2))));
    assert_eq!(app.retry.methods, ["GET", "POST"]);
    assert_eq!(app.retry.body_buffer, 1 << 20);
    let (base, max) = (app.retry.backoff.base, app.retry.backoff.max);
    assert_eq!((base, max), (Duration::from_millis(10), Duration::from_millis(50)));
    let of_route = app.retry.overridden_by(&config.routes[0].retry);
    assert_eq!((of_route.attempts, of_route.per_try), (0, None));
    assert_eq!(of_route.backoff.max, Duration::from_secs(1));
    assert_eq!(of_route.backoff.base, Duration::from_millis(10));
    assert_eq!(of_route.idempotency_header.as_deref(), Some("idempotency-key"));
    assert_eq!(app.budget, Budget { ratio: 1.0, ..Budget::default() });
    let passive = Passive {
        failures: None,
        latency_factor: Some(4.0),
        stall: false,
        count: Events::of(&[Signal::Reset], &[500]),
        ..Passive::default()
    };
    assert_eq!(app.passive, Some(passive));
    assert_eq!(app.breaker, Some(Breaker { probes: 3, max_ejected: 0.25, ..Breaker::default() }));
    assert_eq!(app.max_pending, Some(1000));
    let slow: Vec<_> = app.backends.iter().map(|backend| backend.slow_start).collect();
    assert_eq!(slow, [Some(Duration::from_secs(30)), None]);
    let socket = config.admin.socket.as_deref();
    assert_eq!(socket, Some(Path::new("/run/forebay/admin.sock")));
}

#[test]
fn checks_are_on_where_an_upstream_says_so() {
    let config = config(EVERYTHING);
    let health = config.upstreams["app"].health.clone().expect("it is on");
    assert_eq!((health.kind, health.method.as_str()), ("http", "HEAD"));
    assert_eq!(health.path, "/defaults?full=1");
    assert_eq!((health.port, health.host.as_deref()), (Some(9000), Some("app.internal")));
    assert_eq!(health.interval, Duration::from_secs(10));
    assert_eq!(health.timeout, Health::default().timeout);
    assert_eq!(health.expect.status, Statuses::of([200, 300, 301, 302, 303]));
    let off = &config.upstreams["off"];
    assert_eq!((&off.health, &off.passive, &off.breaker), (&None, &None, &None));
}

#[test]
fn a_switch_takes_what_is_inherited_or_what_is_built_in() {
    let config = config(
        r#"
        [defaults]
        passive = false
        breaker = false
        [defaults.health]
        kind = "tcp"
        rise = 1
        [[route]]
        upstream = "app"
        mirror = "b"
        [upstream.app]
        backends = ["127.0.0.1:1", "127.0.0.1:2"]
        health = true
        passive = { failures = 1 }
        breaker = true
        [upstream.b]
        backends = ["127.0.0.1:1"]
        "#,
    );
    let app = &config.upstreams["app"];
    assert_eq!(app.health, Some(Health { kind: "tcp", rise: 1, ..Health::default() }));
    assert_eq!(app.passive, Some(Passive { failures: Some(1), ..Passive::default() }));
    assert_eq!(app.breaker, Some(Breaker::default()));
    let b = &config.upstreams["b"];
    assert_eq!((&b.health, b.passive, b.breaker), (&None, None, None));
}

#[test]
fn a_tcp_check_is_the_same_whatever_path_it_inherits() {
    let text = |defaults: &str| {
        let text = format!(
            "{defaults}\n[upstream.app]\nbackends = [\"127.0.0.1:1\"]\nhealth = {{ kind = \"tcp\" }}\n"
        );
        config(&text).upstreams["app"].health.clone()
    };
    let inherited = text("[defaults.health]\npath = \"/x\"\nmethod = \"HEAD\"\nhost = \"h\"");
    assert_eq!(inherited, text(""));
}

#[test]
fn statuses_are_written_in_several_ways() {
    let status = |written: &str| {
        let text = format!(
            "[upstream.app]\nbackends = [\"127.0.0.1:1\"]\nhealth = {{ expect = {{ status = {written} }} }}\n"
        );
        config(&text).upstreams["app"].health.clone().expect("it is on").expect.status
    };
    assert_eq!(status("200"), Statuses::of([200]));
    assert_eq!(status("\"200\""), Statuses::of([200]));
    assert_eq!(status("\"200, 204\""), Statuses::of([200, 204]));
    assert_eq!(status("\"200-202,404\""), Statuses::of([200, 201, 202, 404]));
    assert_eq!(status("[200, \"300-301\"]"), Statuses::of([200, 300, 301]));
    assert_eq!(status("\"100-599\"").iter().count(), 500);
}

#[test]
fn every_knob_has_its_line() {
    let places = config(EVERYTHING).places;
    for (name, line) in [
        ("defaults.retry.attempts", 6),
        ("defaults.retry.backoff.base", 9),
        ("defaults.health.path", 12),
        ("defaults.passive", 16),
        ("route.a.retry.attempts", 26),
        ("route.a.retry.backoff.max", 26),
        ("upstream.app.retry.backoff.max", 36),
        ("upstream.app.budget.ratio", 37),
        ("upstream.app.passive.stall", 38),
        ("upstream.app.breaker.max_ejected", 39),
        ("upstream.app.health", 41),
        ("upstream.app.health.port", 43),
        ("upstream.app.health.expect.status", 45),
        ("upstream.off.breaker", 50),
    ] {
        assert_eq!(places.get(name), Some(&format!("test.toml:{line}")), "{name}");
    }
}
