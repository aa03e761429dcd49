//! What good values are read as: conventions, inheritance, normal forms.

use std::time::Duration;

use super::super::schema::{
    AccessFormat, BackendAddress, Balance, Bind, ClientIpHeader, ForwardPath, Host, HostPattern,
    LogTarget, PathPattern,
};
use super::config;

fn secs(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[test]
fn the_smallest_configuration_is_complete_with_defaults() {
    let config = config("");
    let listener = &config.listeners[0];
    assert_eq!(listener.name, "http");
    assert_eq!(listener.binds, [Bind::Tcp("127.0.0.1:8080".parse().expect("an address"))]);
    assert_eq!(listener.backlog, 4096);
    assert_eq!(listener.limits.header_bytes, 32 << 10);
    assert_eq!(listener.timeouts.keepalive, secs(75));
    assert_eq!(config.routes[0].name, "default");
    assert_eq!(config.routes[0].path, PathPattern::Any);
    assert_eq!(config.routes[0].hosts, []);
    let upstream = &config.upstreams["app"];
    assert_eq!(upstream.balance, Balance::of("round_robin"));
    assert_eq!(upstream.host, Host::Preserve);
    assert_eq!(upstream.default_timeouts.connect, secs(3));
    assert_eq!(upstream.default_timeouts.total, None);
    assert_eq!(config.global.workers, None);
    assert_eq!(config.log.access, None);
    assert!(!config.reload.watch);
    assert!(config.files.is_empty());
}

#[test]
fn timeouts_merge_key_by_key() {
    let config = config(
        r#"
        [defaults.timeouts]
        header = "7s"
        connect = "4s"
        first_byte = "off"

        [[listener]]
        bind = "127.0.0.1:80"
        timeouts = { keepalive = "off", total = "30s" }

        [upstream.app]
        backends = ["127.0.0.1:1"]
        timeouts = { connect = "1s", total = "off" }
        "#,
    );
    let listener = &config.listeners[0];
    assert_eq!(listener.timeouts.header, secs(7));
    assert_eq!(listener.timeouts.body_idle, secs(30));
    assert_eq!(listener.timeouts.keepalive, None);
    assert_eq!(listener.exchange_timeouts.total, Some(secs(30)));
    assert_eq!(listener.exchange_timeouts.connect, None);
    let upstream = &config.upstreams["app"];
    assert_eq!(upstream.default_timeouts.connect, secs(4));
    assert_eq!(upstream.default_timeouts.first_byte, None);
    let effective = upstream
        .default_timeouts
        .overridden_by(&listener.exchange_timeouts)
        .overridden_by(&upstream.timeouts);
    assert_eq!((effective.connect, effective.total), (secs(1), None));
    assert_eq!(effective.response_idle, secs(60));
}

#[test]
fn global_log_and_reload_are_read() {
    let config = config(
        r#"
        [global]
        workers = "${WORKERS}"
        max_connections = 10_000
        shutdown_grace = "0s"
        trusted_proxies = ["10.0.0.0/8", "192.0.2.7", "unix", "::1"]
        client_ip_header = "forwarded"
        forwarded = true

        [log]
        access = { to = "/var/log/access.log", format = "combined", sample = 0.5, redact = [], headers = ["X-Trace"] }

        [telemetry]
        request_id = "X-Trace-Id"

        [reload]
        watch = "${WATCH}"
        "#,
    );
    let global = &config.global;
    assert_eq!((global.workers, global.max_connections), (Some(3), Some(10_000)));
    assert_eq!(global.shutdown_grace, Duration::ZERO);
    let networks: Vec<_> =
        global.trusted_proxies.networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "192.0.2.7/32", "::1/128"]);
    assert!(global.trusted_proxies.unix);
    assert_eq!(global.client_ip_header, ClientIpHeader::Forwarded);
    assert!(global.forwarded);
    let access = config.log.access.expect("there is an access log");
    assert_eq!(access.to, LogTarget::File("/var/log/access.log".into()));
    assert_eq!(access.format, AccessFormat::Combined);
    assert!((access.sample - 0.5).abs() < f64::EPSILON);
    assert_eq!(access.headers, ["x-trace"]);
    assert!(access.redact.is_empty());
    assert_eq!(config.telemetry.request_id, "x-trace-id");
    assert!(config.reload.watch);
}

#[test]
fn listeners_take_tcp_and_unix_addresses_and_limits() {
    let config = config(
        r#"
        [[listener]]
        bind = ["0.0.0.0:80", "[::]:80", "unix:/run/x.sock", "127.0.0.1:0", "127.0.0.1:0"]
        backlog = 16
        limits = { connections = 5, per_ip = "off", header = "8k", headers = 10, uri = "1KiB", body = "10MB" }
        path = { merge_slashes = true, forward = "original" }
        http = { h1 = false, h2 = false, h2c = true, h2_max_streams = 7 }
        "#,
    );
    let listener = &config.listeners[0];
    assert_eq!(listener.binds.len(), 5);
    assert_eq!(listener.binds[2], Bind::Unix("/run/x.sock".into()));
    assert_eq!(listener.backlog, 16);
    let limits = listener.limits;
    assert_eq!((limits.connections, limits.per_ip), (Some(5), None));
    assert_eq!((limits.header_bytes, limits.headers, limits.uri_bytes), (8192, 10, 1024));
    assert_eq!(limits.body_bytes, Some(10_000_000));
    assert!(listener.path.merge_slashes);
    assert_eq!(listener.path.forward, ForwardPath::Original);
    let http = listener.http;
    assert_eq!((http.h1, http.h2, http.h2c, http.h2_max_streams), (false, false, true, 7));
}

#[test]
fn hosts_lose_case_and_trailing_dot() {
    let config = config(
        r#"
        [[route]]
        hosts = ["Shop.Example.", "*.SHOP.example", "10.0.0.1", "[2001:DB8::0:1]", "localhost", "a_b.example"]
        upstream = "app"
        "#,
    );
    let exact = |name: &str| HostPattern::Exact(name.into());
    assert_eq!(
        config.routes[0].hosts,
        [
            exact("shop.example"),
            HostPattern::Wildcard("shop.example".into()),
            exact("10.0.0.1"),
            exact("[2001:db8::1]"),
            exact("localhost"),
            exact("a_b.example"),
        ]
    );
}

#[test]
fn paths_are_read_in_the_form_they_are_matched_in() {
    let exact = |path: &str| PathPattern::Exact(path.into());
    let prefix = |path: &str| PathPattern::Prefix(path.into());
    for (toml, expected) in [
        ("path = \"/a\"", exact("/a")),
        ("path = \"/a/\"", exact("/a/")),
        ("path = \"/\"", exact("/")),
        ("path = \"/%7euser/%41\"", exact("/~user/A")),
        ("path = \"/a%20b%c3%bc\"", exact("/a%20b%C3%BC")),
        ("path_prefix = \"/api\"", prefix("/api")),
        ("path_prefix = \"/api/\"", prefix("/api")),
        ("path_prefix = \"/\"", prefix("")),
    ] {
        let config = config(&format!("[[route]]\nupstream = \"app\"\nmatch = {{ {toml} }}\n"));
        assert_eq!(config.routes[0].path, expected, "{toml}");
    }
}

#[test]
fn backends_are_addresses_names_and_sockets() {
    let config = config(
        r#"
        [upstream.app]
        backends = [
          "10.0.0.1:80", "http://10.0.0.2:80", "[::1]:80", "${HOST}:${PORT}", "HTTP.example.:8080",
          "unix:/run/app.sock", { address = "10.0.0.3:80" },
        ]
        host = "api.internal:8080"
        pool = { max_idle = 4, idle = "off", max_age = "5m", max_requests = 100 }
        "#,
    );
    let tcp = |text: &str| BackendAddress::Tcp(text.parse().expect("an address"));
    let upstream = &config.upstreams["app"];
    let addresses: Vec<_> =
        upstream.backends.iter().map(|backend| backend.address.clone()).collect();
    assert_eq!(
        addresses,
        [
            tcp("10.0.0.1:80"),
            tcp("10.0.0.2:80"),
            tcp("[::1]:80"),
            BackendAddress::Name("app.internal".into(), 9001),
            BackendAddress::Name("http.example".into(), 8080),
            BackendAddress::Unix("/run/app.sock".into()),
            tcp("10.0.0.3:80"),
        ]
    );
    assert_eq!(upstream.host, Host::Literal("api.internal:8080".into()));
    assert_eq!(upstream.pool.max_idle, 4);
    assert_eq!((upstream.pool.idle, upstream.pool.max_age), (None, secs(300)));
    assert_eq!(upstream.pool.max_requests, Some(100));
}

#[test]
fn routes_that_differ_in_host_kind_or_path_kind_are_all_reachable() {
    let config = config(
        r#"
        [[route]]
        name = "a"
        upstream = "app"
        [[route]]
        name = "b"
        hosts = ["x.example"]
        upstream = "app"
        [[route]]
        name = "c"
        hosts = ["*.x.example"]
        upstream = "app"
        [[route]]
        name = "d"
        match = { path = "/x" }
        upstream = "app"
        [[route]]
        name = "e"
        match = { path_prefix = "/x" }
        upstream = "app"
        "#,
    );
    assert_eq!(config.routes.len(), 5);
}
