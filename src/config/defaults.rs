//! What holds where nothing is written. `config/reference.toml` says the same; a test compares them.

use std::time::Duration;

use super::schema::{
    AccessFormat, ClientIpHeader, ExchangeTimeouts, ForwardPath, Global, Level, Limits,
    ListenerTimeouts, Log, LogFormat, PathPolicy, Pool, Telemetry, TrustedProxies,
};

/// `listener.backlog`.
pub(crate) const BACKLOG: u32 = 4096;
/// `log.access.format`.
pub(crate) const ACCESS_FORMAT: AccessFormat = AccessFormat::Json;
/// `log.access.sample`.
pub(crate) const ACCESS_SAMPLE: f64 = 1.0;
/// `log.access.headers`.
pub(crate) const ACCESS_HEADERS: &[&str] = &["user-agent", "referer"];
/// `log.access.redact`.
pub(crate) const ACCESS_REDACT: &[&str] = &["authorization", "cookie"];
/// `upstream.balance`.
pub(crate) const BALANCE: &str = "round_robin";

impl Default for Global {
    fn default() -> Self {
        Global {
            workers: None,
            max_connections: None,
            shutdown_grace: Duration::from_secs(30),
            trusted_proxies: TrustedProxies::default(),
            client_ip_header: ClientIpHeader::XForwardedFor,
            forwarded: false,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { level: Level::Info, format: LogFormat::Text, access: None }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Telemetry { request_id: "x-request-id".into() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: None,
            per_ip: None,
            header_bytes: 32 << 10,
            headers: 100,
            uri_bytes: 16 << 10,
            body_bytes: None,
        }
    }
}

impl Default for PathPolicy {
    fn default() -> Self {
        PathPolicy { merge_slashes: false, forward: ForwardPath::Normalized }
    }
}

impl Default for ListenerTimeouts {
    fn default() -> Self {
        ListenerTimeouts {
            header: Some(Duration::from_secs(10)),
            body_idle: Some(Duration::from_secs(30)),
            tls_handshake: Some(Duration::from_secs(10)),
            keepalive: Some(Duration::from_secs(75)),
        }
    }
}

impl Default for ExchangeTimeouts {
    fn default() -> Self {
        ExchangeTimeouts {
            send_idle: Some(Duration::from_secs(60)),
            connect: Some(Duration::from_secs(3)),
            first_byte: Some(Duration::from_secs(60)),
            response_idle: Some(Duration::from_secs(60)),
            total: None,
            tunnel_idle: Some(Duration::from_secs(3600)),
        }
    }
}

impl Default for Pool {
    fn default() -> Self {
        Pool {
            max_idle: 128,
            idle: Some(Duration::from_secs(50)),
            max_age: Some(Duration::from_secs(3600)),
            max_requests: None,
        }
    }
}
