//! Which keys may stand in which table: those that are read, by table. What is only planned stands in
//! `planned`, what other proxies call things in `foreign`.

mod resilience;

pub(crate) use resilience::*;

/// A table of the configuration.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Its path, as in a header: `listener.limits`.
    pub(crate) name: &'static str,
    /// How to write it, for messages.
    pub(crate) example: &'static str,
    /// The keys that are read.
    pub(crate) keys: &'static [&'static str],
}

pub(crate) static ROOT: Shape = Shape {
    name: "",
    example: "[[listener]], [[route]] and [upstream.NAME] tables",
    keys: &[
        "include",
        "global",
        "admin",
        "log",
        "telemetry",
        "reload",
        "defaults",
        "listener",
        "filter",
        "route",
        "upstream",
        "test",
    ],
};

pub(crate) static GLOBAL: Shape = Shape {
    name: "global",
    example: "[global]",
    keys: &[
        "workers",
        "max_connections",
        "shutdown_grace",
        "trusted_proxies",
        "client_ip_header",
        "forwarded",
    ],
};

pub(crate) static ADMIN: Shape = Shape { name: "admin", example: "[admin]", keys: &["socket"] };

pub(crate) static LOG: Shape =
    Shape { name: "log", example: "[log]", keys: &["level", "format", "access"] };

pub(crate) static LOG_ACCESS: Shape = Shape {
    name: "log.access",
    example: "access = { to = \"stdout\" }",
    keys: &["to", "format", "sample", "headers", "redact"],
};

pub(crate) static TELEMETRY: Shape =
    Shape { name: "telemetry", example: "[telemetry]", keys: &["request_id"] };

pub(crate) static RELOAD: Shape = Shape { name: "reload", example: "[reload]", keys: &["watch"] };

pub(crate) static DEFAULTS: Shape = Shape {
    name: "defaults",
    example: "[defaults.timeouts]",
    keys: &["timeouts", "retry", "budget", "health", "passive", "breaker"],
};

pub(crate) static DEFAULTS_TIMEOUTS: Shape = Shape {
    name: "defaults.timeouts",
    example: "[defaults.timeouts]",
    keys: LISTENER_TIMEOUTS.keys,
};

pub(crate) static LISTENER: Shape = Shape {
    name: "listener",
    example: "[[listener]] with double brackets",
    keys: &["name", "bind", "protocol", "backlog", "limits", "path", "timeouts", "http", "tls"],
};

pub(crate) static LISTENER_LIMITS: Shape = Shape {
    name: "listener.limits",
    example: "limits = { connections = 50000 }",
    keys: &["connections", "per_ip", "header", "headers", "uri", "body"],
};

pub(crate) static LISTENER_PATH: Shape = Shape {
    name: "listener.path",
    example: "path = { merge_slashes = true }",
    keys: &["merge_slashes", "forward"],
};

pub(crate) static LISTENER_HTTP: Shape = Shape {
    name: "listener.http",
    example: "http = { h2c = true }",
    keys: &["h1", "h2", "h2c", "h2_max_streams"],
};

pub(crate) static LISTENER_TLS: Shape = Shape {
    name: "listener.tls",
    example: "[listener.tls]",
    keys: &["min_version", "certificates", "unknown_sni", "client_auth", "sni_host_check"],
};

pub(crate) static LISTENER_TLS_CERTIFICATES: Shape = Shape {
    name: "listener.tls.certificates",
    example: "{ cert = \"shop.crt\", key = \"shop.key\" }",
    keys: &["cert", "key"],
};

pub(crate) static LISTENER_TLS_CLIENT_AUTH: Shape = Shape {
    name: "listener.tls.client_auth",
    example: "client_auth = { ca = \"clients.pem\", mode = \"require\" }",
    keys: &["ca", "mode"],
};

pub(crate) static LISTENER_TIMEOUTS: Shape = Shape {
    name: "listener.timeouts",
    example: "timeouts = { header = \"5s\" }",
    keys: &[
        "header",
        "body_idle",
        "tls_handshake",
        "keepalive",
        "send_idle",
        "connect",
        "first_byte",
        "response_idle",
        "total",
        "tunnel_idle",
    ],
};

pub(crate) static ROUTE: Shape = Shape {
    name: "route",
    example: "[[route]] with double brackets",
    keys: &[
        "name",
        "listeners",
        "hosts",
        "match",
        "priority",
        "filters",
        "rewrite",
        "timeouts",
        "retry",
        "limits",
        "upstream",
        "split",
        "split_by",
        "redirect",
        "respond",
        "mirror",
    ],
};

pub(crate) static ROUTE_MATCH: Shape = Shape {
    name: "route.match",
    example: "match = { path_prefix = \"/api\" }",
    keys: &[
        "path",
        "path_prefix",
        "path_regex",
        "methods",
        "headers",
        "query",
        "cookies",
        "client_ip",
    ],
};

pub(crate) static ROUTE_MATCH_METHODS: Shape =
    Shape { name: "route.match.methods", example: "methods = { not = [\"GET\"] }", keys: &["not"] };

pub(crate) static ROUTE_MATCH_CLIENT_IP: Shape = Shape {
    name: "route.match.client_ip",
    example: "client_ip = { not = [\"10.0.0.0/8\"] }",
    keys: &["not"],
};

/// One value under `headers`, `query` or `cookies`.
pub(crate) static ROUTE_MATCH_VALUE: Shape = Shape {
    name: "route.match.headers.NAME",
    example: "headers = { x-version = { regex = \"v[0-9]+\" } }",
    keys: &["regex", "present", "not"],
};

pub(crate) static ROUTE_REWRITE: Shape = Shape {
    name: "route.rewrite",
    example: "rewrite = { strip_prefix = \"/api\" }",
    keys: &["strip_prefix", "add_prefix", "regex", "host"],
};

pub(crate) static ROUTE_REWRITE_REGEX: Shape = Shape {
    name: "route.rewrite.regex",
    example: "regex = { from = \"^/a/([0-9]+)$\", to = \"/b/$1\" }",
    keys: &["from", "to"],
};

pub(crate) static ROUTE_TIMEOUTS: Shape = Shape {
    name: "route.timeouts",
    example: "timeouts = { total = \"30s\" }",
    keys: UPSTREAM_TIMEOUTS.keys,
};

pub(crate) static ROUTE_LIMITS: Shape =
    Shape { name: "route.limits", example: "limits = { body = \"10MiB\" }", keys: &["body"] };

pub(crate) static ROUTE_SPLIT: Shape = Shape {
    name: "route.split",
    example: "{ upstream = \"NAME\", weight = 5 }",
    keys: &["upstream", "weight"],
};

pub(crate) static ROUTE_REDIRECT: Shape = Shape {
    name: "route.redirect",
    example: "redirect = { to = \"https://{host}{path_and_query}\" }",
    keys: &["to", "status"],
};

pub(crate) static ROUTE_RESPOND: Shape = Shape {
    name: "route.respond",
    example: "respond = { status = 200, body = \"ok\" }",
    keys: &["status", "body", "headers"],
};

pub(crate) static ROUTE_RESPOND_BODY: Shape =
    Shape { name: "route.respond.body", example: "body = { file = \"x.html\" }", keys: &["file"] };

pub(crate) static ROUTE_MIRROR: Shape = Shape {
    name: "route.mirror",
    example: "mirror = { upstream = \"NAME\", percent = 1.0 }",
    keys: &["upstream", "percent"],
};

pub(crate) static FILTER: Shape =
    Shape { name: "filter.NAME", example: "[filter.NAME]", keys: super::FILTER_KINDS };

pub(crate) static FILTER_HEADERS: Shape = Shape {
    name: "filter.NAME.headers",
    example: "headers = { request = { set = { x-env = \"prod\" } } }",
    keys: &["request", "response"],
};

pub(crate) static FILTER_HEADERS_REQUEST: Shape = Shape {
    name: "filter.NAME.headers.request",
    example: "request = { set = { x-env = \"prod\" } }",
    keys: &["set", "add", "remove"],
};

pub(crate) static FILTER_HEADERS_RESPONSE: Shape = Shape {
    name: "filter.NAME.headers.response",
    example: "response = { remove = [\"server\"] }",
    keys: FILTER_HEADERS_REQUEST.keys,
};

pub(crate) static TEST: Shape = Shape {
    name: "test",
    example: "[[test]] with double brackets",
    keys: &["request", "headers", "from", "listener", "expect"],
};

pub(crate) static TEST_EXPECT: Shape = Shape {
    name: "test.expect",
    example: "expect = { route = \"NAME\" }",
    keys: &["route", "upstream", "status", "path"],
};

pub(crate) static UPSTREAM: Shape = Shape {
    name: "upstream.NAME",
    example: "[upstream.NAME]",
    keys: &[
        "balance",
        "backends",
        "protocol",
        "tls",
        "sticky",
        "queue",
        "max_pending",
        "pool",
        "host",
        "timeouts",
        "retry",
        "budget",
        "health",
        "passive",
        "breaker",
    ],
};

pub(crate) static UPSTREAM_BACKEND: Shape = Shape {
    name: "upstream.NAME.backends",
    example: "{ address = \"10.0.0.11:8080\" }",
    keys: &["address", "weight", "backup", "max_connections", "slow_start"],
};

pub(crate) static UPSTREAM_BALANCE: Shape = Shape {
    name: "upstream.NAME.balance",
    example: "balance = { strategy = \"ring_hash\", key = \"client_ip\" }",
    keys: &["strategy", "key", "vnodes", "bounded_load", "fallback", "ipv4_mask", "ipv6_mask"],
};

pub(crate) static UPSTREAM_TLS: Shape = Shape {
    name: "upstream.NAME.tls",
    example: "tls = { ca = \"ca.pem\" }",
    keys: &["verify", "ca", "sni", "client"],
};

pub(crate) static UPSTREAM_TLS_CLIENT: Shape = Shape {
    name: "upstream.NAME.tls.client",
    example: "client = { cert = \"me.crt\", key = \"me.key\" }",
    keys: &["cert", "key"],
};

pub(crate) static UPSTREAM_QUEUE: Shape = Shape {
    name: "upstream.NAME.queue",
    example: "queue = { max = 500, timeout = \"5s\" }",
    keys: &["max", "timeout"],
};

pub(crate) static UPSTREAM_STICKY: Shape = Shape {
    name: "upstream.NAME.sticky",
    example: "sticky = { cookie = \"FOREBAY\", key = { file = \"sticky.key\" } }",
    keys: &["cookie", "ttl", "key"],
};

pub(crate) static SECRET: Shape = Shape {
    name: "upstream.NAME.sticky.key",
    example: "key = { file = \"path\" } or key = { env = \"NAME\" }",
    keys: &["file", "env"],
};

pub(crate) static UPSTREAM_POOL: Shape = Shape {
    name: "upstream.NAME.pool",
    example: "pool = { max_idle = 128 }",
    keys: &["max_idle", "idle", "max_age", "max_requests"],
};

pub(crate) static UPSTREAM_TIMEOUTS: Shape = Shape {
    name: "upstream.NAME.timeouts",
    example: "timeouts = { connect = \"1s\" }",
    keys: &["send_idle", "connect", "first_byte", "response_idle", "total", "tunnel_idle"],
};

/// Every shape, for the tests that hold the reference to them.
#[cfg(test)]
pub(crate) const ALL: &[&Shape] = &[
    &ROOT,
    &GLOBAL,
    &ADMIN,
    &LOG,
    &LOG_ACCESS,
    &TELEMETRY,
    &RELOAD,
    &DEFAULTS,
    &DEFAULTS_TIMEOUTS,
    &LISTENER,
    &LISTENER_LIMITS,
    &LISTENER_PATH,
    &LISTENER_HTTP,
    &LISTENER_TLS,
    &LISTENER_TLS_CERTIFICATES,
    &LISTENER_TLS_CLIENT_AUTH,
    &LISTENER_TIMEOUTS,
    &ROUTE,
    &ROUTE_MATCH,
    &ROUTE_MATCH_METHODS,
    &ROUTE_MATCH_CLIENT_IP,
    &ROUTE_MATCH_VALUE,
    &ROUTE_REWRITE,
    &ROUTE_REWRITE_REGEX,
    &ROUTE_TIMEOUTS,
    &ROUTE_LIMITS,
    &ROUTE_SPLIT,
    &ROUTE_REDIRECT,
    &ROUTE_RESPOND,
    &ROUTE_RESPOND_BODY,
    &ROUTE_MIRROR,
    &FILTER,
    &FILTER_HEADERS,
    &FILTER_HEADERS_REQUEST,
    &FILTER_HEADERS_RESPONSE,
    &TEST,
    &TEST_EXPECT,
    &UPSTREAM,
    &UPSTREAM_BACKEND,
    &UPSTREAM_BALANCE,
    &UPSTREAM_STICKY,
    &SECRET,
    &UPSTREAM_TLS,
    &UPSTREAM_TLS_CLIENT,
    &UPSTREAM_QUEUE,
    &UPSTREAM_POOL,
    &UPSTREAM_TIMEOUTS,
    &DEFAULTS_RETRY,
    &UPSTREAM_RETRY,
    &ROUTE_RETRY,
    &DEFAULTS_RETRY_BACKOFF,
    &UPSTREAM_RETRY_BACKOFF,
    &ROUTE_RETRY_BACKOFF,
    &DEFAULTS_BUDGET,
    &UPSTREAM_BUDGET,
    &DEFAULTS_HEALTH,
    &UPSTREAM_HEALTH,
    &DEFAULTS_HEALTH_EXPECT,
    &UPSTREAM_HEALTH_EXPECT,
    &DEFAULTS_PASSIVE,
    &UPSTREAM_PASSIVE,
    &DEFAULTS_BREAKER,
    &UPSTREAM_BREAKER,
];
