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
    planned("admin", "listen", "serve the dashboard, the metrics and the JSON API"),
    planned("admin", "token", "guard what changes something over HTTP"),
    planned("global", "zone", "say where this instance runs"),
    planned("global", "user", "drop privileges after binding"),
    planned("telemetry", "otlp", "export traces"),
    planned("reload", "guard", "take a bad reload back"),
    planned("defaults", "hedge", "race slow requests"),
    planned("defaults.timeouts", "tcp_idle", "bound silent TCP connections"),
    planned("defaults.timeouts", "udp_idle", "bound silent UDP sessions"),
    planned("listener", "proxy_protocol", "accept PROXY headers"),
    planned("listener", "sni", "choose an upstream by the TLS server name"),
    planned("listener.timeouts", "tcp_idle", "bound silent TCP connections"),
    planned("listener.timeouts", "udp_idle", "bound silent UDP sessions"),
    planned("upstream.NAME", "discover", "find backends in DNS"),
    planned("upstream.NAME", "proxy_protocol", "send PROXY headers"),
    planned("upstream.NAME", "hedge", "race slow requests"),
    planned("upstream.NAME.backends", "zone", "prefer backends that are near"),
    planned("upstream.NAME.timeouts", "tcp_idle", "bound silent TCP connections"),
    planned("upstream.NAME.timeouts", "udp_idle", "bound silent UDP sessions"),
];
