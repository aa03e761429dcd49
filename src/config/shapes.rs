//! Which keys may stand in which table: those that are read, by table. What is only planned stands in
//! `planned`, what other proxies call things in `foreign`.

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
        "log",
        "telemetry",
        "reload",
        "defaults",
        "listener",
        "route",
        "upstream",
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

pub(crate) static DEFAULTS: Shape =
    Shape { name: "defaults", example: "[defaults.timeouts]", keys: &["timeouts"] };

pub(crate) static DEFAULTS_TIMEOUTS: Shape = Shape {
    name: "defaults.timeouts",
    example: "[defaults.timeouts]",
    keys: LISTENER_TIMEOUTS.keys,
};

pub(crate) static LISTENER: Shape = Shape {
    name: "listener",
    example: "[[listener]] with double brackets",
    keys: &["name", "bind", "protocol", "backlog", "limits", "path", "timeouts", "http"],
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

pub(crate) static LISTENER_HTTP: Shape =
    Shape { name: "listener.http", example: "http = { h1 = true }", keys: &["h1"] };

pub(crate) static LISTENER_TIMEOUTS: Shape = Shape {
    name: "listener.timeouts",
    example: "timeouts = { header = \"5s\" }",
    keys: &[
        "header",
        "body_idle",
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
    keys: &["name", "hosts", "match", "upstream"],
};

pub(crate) static ROUTE_MATCH: Shape = Shape {
    name: "route.match",
    example: "match = { path_prefix = \"/api\" }",
    keys: &["path", "path_prefix"],
};

pub(crate) static UPSTREAM: Shape = Shape {
    name: "upstream.NAME",
    example: "[upstream.NAME]",
    keys: &["balance", "backends", "pool", "host", "timeouts"],
};

pub(crate) static UPSTREAM_BACKEND: Shape = Shape {
    name: "upstream.NAME.backends",
    example: "{ address = \"10.0.0.11:8080\" }",
    keys: &["address", "weight", "backup", "max_connections"],
};

pub(crate) static UPSTREAM_BALANCE: Shape = Shape {
    name: "upstream.NAME.balance",
    example: "balance = { strategy = \"ring_hash\", key = \"client_ip\" }",
    keys: &["strategy", "key", "vnodes", "bounded_load", "fallback", "ipv4_mask", "ipv6_mask"],
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
    &LISTENER_TIMEOUTS,
    &ROUTE,
    &ROUTE_MATCH,
    &UPSTREAM,
    &UPSTREAM_BACKEND,
    &UPSTREAM_BALANCE,
    &UPSTREAM_POOL,
    &UPSTREAM_TIMEOUTS,
];
