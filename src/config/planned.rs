//! Keys of the contract that this version does not read: refused, but known. Building one means moving its
//! name from here to its shape.

/// A key that a later version will read.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The table, as [`super::shapes::Shape::name`].
    pub(crate) table: &'static str,
    /// The key.
    pub(crate) key: &'static str,
    /// What it will do, to follow "it will".
    pub(crate) will: &'static str,
}

const fn planned(table: &'static str, key: &'static str, will: &'static str) -> Planned {
    Planned { table, key, will }
}

/// What `key` in `table` will do, if it is planned.
pub(crate) fn find(table: &str, key: &str) -> Option<&'static Planned> {
    PLANNED.iter().find(|planned| planned.table == table && planned.key == key)
}

/// All of them.
pub(crate) const PLANNED: &[Planned] = &[
    planned("", "admin", "open the admin socket, the dashboard and the metrics"),
    planned("global", "zone", "say where this instance runs"),
    planned("global", "user", "drop privileges after binding"),
    planned("telemetry", "otlp", "export traces"),
    planned("reload", "guard", "take a bad reload back"),
    planned("defaults", "retry", "send failed requests again"),
    planned("defaults", "budget", "bound retries"),
    planned("defaults", "health", "probe backends"),
    planned("defaults", "passive", "watch backends' answers"),
    planned("defaults", "breaker", "take failing backends out"),
    planned("defaults", "hedge", "race slow requests"),
    planned("defaults.timeouts", "tls_handshake", "bound TLS handshakes"),
    planned("defaults.timeouts", "tcp_idle", "bound silent TCP connections"),
    planned("defaults.timeouts", "udp_idle", "bound silent UDP sessions"),
    planned("listener", "proxy_protocol", "accept PROXY headers"),
    planned("listener", "tls", "terminate TLS"),
    planned("listener", "sni", "choose an upstream by the TLS server name"),
    planned("listener.timeouts", "tls_handshake", "bound TLS handshakes"),
    planned("listener.timeouts", "tcp_idle", "bound silent TCP connections"),
    planned("listener.timeouts", "udp_idle", "bound silent UDP sessions"),
    planned("listener.http", "h2", "speak HTTP/2 over TLS"),
    planned("listener.http", "h2c", "speak HTTP/2 in the clear"),
    planned("listener.http", "h2_max_streams", "bound HTTP/2 streams"),
    planned("route", "retry", "send failed requests again"),
    planned("upstream.NAME", "protocol", "choose the protocol spoken to backends"),
    planned("upstream.NAME", "discover", "find backends in DNS"),
    planned("upstream.NAME", "sticky", "keep a client on one backend"),
    planned("upstream.NAME", "queue", "let requests wait for a free backend"),
    planned("upstream.NAME", "max_pending", "bound pending requests"),
    planned("upstream.NAME", "tls", "speak TLS to backends"),
    planned("upstream.NAME", "proxy_protocol", "send PROXY headers"),
    planned("upstream.NAME", "retry", "send failed requests again"),
    planned("upstream.NAME", "budget", "bound retries"),
    planned("upstream.NAME", "health", "probe backends"),
    planned("upstream.NAME", "passive", "watch backends' answers"),
    planned("upstream.NAME", "breaker", "take failing backends out"),
    planned("upstream.NAME", "hedge", "race slow requests"),
    planned("upstream.NAME.backends", "slow_start", "raise the share of a new backend slowly"),
    planned("upstream.NAME.backends", "zone", "prefer backends that are near"),
    planned("upstream.NAME.timeouts", "tcp_idle", "bound silent TCP connections"),
    planned("upstream.NAME.timeouts", "udp_idle", "bound silent UDP sessions"),
];
