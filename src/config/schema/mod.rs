//! What the operator wrote, as types: parsed and complete with defaults, nothing resolved or compiled.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

mod balance;
mod filter;
mod resilience;
mod route;
mod test;
mod tls;

pub use balance::*;
pub use filter::*;
pub use resilience::*;
pub use route::*;
pub use test::*;
pub use tls::*;

/// A whole configuration. Text that parsed, without a problem in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[global]`.
    pub global: Global,
    /// `[admin]`.
    pub admin: Admin,
    /// `[log]`.
    pub log: Log,
    /// `[telemetry]`.
    pub telemetry: Telemetry,
    /// `[reload]`.
    pub reload: Reload,
    /// `[defaults.timeouts]`' exchange part.
    pub default_timeouts: ExchangeTimeouts,
    /// `[[listener]]`, in file order; at least one, names and binds unique.
    pub listeners: Vec<Listener>,
    /// `[[route]]`, in file order, names unique; each names upstreams, listeners and filters that exist.
    pub routes: Vec<Route>,
    /// `[filter.NAME]`, by name.
    pub filters: BTreeMap<String, Filter>,
    /// `[[test]]`, in file order.
    pub tests: Vec<Test>,
    /// `[upstream.NAME]`, by name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Every file that was read, the main one first: what `--watch` watches.
    pub files: Vec<PathBuf>,
    /// Where things were written, for those who explain what holds and why.
    pub places: Places,
}

/// Where parts of the configuration stand: `file:line` by path, as in `route.api`, `upstream.app.timeouts.connect`,
/// `listener.http.timeouts.total`, `defaults.timeouts.total`, `test.0`. What was not written is not in it.
pub type Places = BTreeMap<String, String>;

/// `[admin]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// The UNIX socket that the command line talks to, mode 0600; `None`: there is none.
    pub socket: Option<PathBuf>,
}

/// `[global]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// Data-plane threads; `None`: one for each available core. 1..=1024.
    pub workers: Option<usize>,
    /// Client connections at once, over all listeners; `None`: from RLIMIT_NOFILE.
    pub max_connections: Option<usize>,
    /// How long a graceful stop may take.
    pub shutdown_grace: Duration,
    /// Who may name the client.
    pub trusted_proxies: TrustedProxies,
    /// The header a trusted peer names the client in.
    pub client_ip_header: ClientIpHeader,
    /// Emit RFC 7239 `Forwarded` as well.
    pub forwarded: bool,
}

/// Peers whose forwarded headers are believed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrustedProxies {
    /// Networks of TCP peers (a bare address is a host network).
    pub networks: Vec<IpNet>,
    /// `"unix"`: peers on unix sockets.
    pub unix: bool,
}

/// `client_ip_header`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientIpHeader {
    /// `x-forwarded-for`.
    XForwardedFor,
    /// `forwarded` (RFC 7239).
    Forwarded,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Least severe operator event that is written.
    pub level: Level,
    /// How operator events are written (to stderr).
    pub format: LogFormat,
    /// The access log, if any.
    pub access: Option<AccessLog>,
}

/// `log.level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `log.access`.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLog {
    /// Where lines go.
    pub to: LogTarget,
    /// How a line looks.
    pub format: AccessFormat,
    /// Share of exchanges that are logged, 0.0..=1.0. Default 1.0.
    pub sample: f64,
    /// Request headers (lower case) recorded in JSON lines. Default: user-agent, referer.
    pub headers: Vec<String>,
    /// Headers (lower case) whose value is never written, only that they were there. Default: authorization, cookie.
    pub redact: Vec<String>,
}

/// `log.access.to`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to; absolute or made so against the file that names it.
    File(PathBuf),
}

/// `log.access.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object a line.
    Json,
    /// The combined log format of Apache and nginx.
    Combined,
}

/// `[telemetry]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// The header that carries the request id, lower case. Default `x-request-id`.
    pub request_id: String,
}

/// `[reload]`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reload {
    /// Reload when a file changes. Default false.
    pub watch: bool,
}

/// `[[listener]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Its name; `"http"` when it is the only one and has none.
    pub name: String,
    /// Where it listens.
    pub binds: Vec<Bind>,
    /// Length of the kernel's accept queue. Default 4096.
    pub backlog: u32,
    /// `limits`.
    pub limits: Limits,
    /// `path`.
    pub path: PathPolicy,
    /// `tls`; `None`: in the clear.
    pub tls: Option<ListenerTls>,
    /// `http`.
    pub http: ListenerHttp,
    /// `[defaults.timeouts]` with this listener's own merged in.
    pub timeouts: ListenerTimeouts,
    /// The exchange timeouts this listener sets itself; they override `[defaults.timeouts]` and are
    /// overridden by an upstream's.
    pub exchange_timeouts: ExchangeTimeoutOverrides,
}

/// One address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bind {
    /// `"127.0.0.1:8080"`, `"[::]:443"`; port 0 takes a free one.
    Tcp(SocketAddr),
    /// `"unix:/run/x.sock"`.
    Unix(PathBuf),
}

/// `listener.limits`; `None` is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once on this listener.
    pub connections: Option<usize>,
    /// Connections at once from one TCP peer; trusted proxies are exempt.
    pub per_ip: Option<usize>,
    /// Bytes of the whole request head. Default 32 KiB.
    pub header_bytes: usize,
    /// Fields in a request head. Default 100.
    pub headers: usize,
    /// Bytes of the request target. Default 16 KiB.
    pub uri_bytes: usize,
    /// Bytes of a request body.
    pub body_bytes: Option<u64>,
}

/// `listener.path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathPolicy {
    /// Match `//` as `/`.
    pub merge_slashes: bool,
    /// Which path a backend gets where dot segments were removed.
    pub forward: ForwardPath,
}

/// `listener.path.forward`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardPath {
    /// The normalised path where dot segments (or, with `merge_slashes`, slashes) were removed.
    Normalized,
    /// The path as received.
    Original,
}

/// Timeouts that only a listener has; `None` is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerTimeouts {
    /// For the whole request head. Default 10 s.
    pub header: Option<Duration>,
    /// Between reads of a request body. Default 30 s.
    pub body_idle: Option<Duration>,
    /// For the whole TLS handshake. Default 10 s.
    pub tls_handshake: Option<Duration>,
    /// An idle client connection. Default 75 s.
    pub keepalive: Option<Duration>,
}

/// Timeouts of one exchange; `None` is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeTimeouts {
    /// A peer that stops reading, either side. Default 60 s.
    pub send_idle: Option<Duration>,
    /// Making a connection to a backend. Default 3 s.
    pub connect: Option<Duration>,
    /// Request fully sent to response head. Default 60 s.
    pub first_byte: Option<Duration>,
    /// Between reads of a response body. Default 60 s.
    pub response_idle: Option<Duration>,
    /// The whole exchange. Default off.
    pub total: Option<Duration>,
    /// A silent tunnel or event stream. Default 1 h.
    pub tunnel_idle: Option<Duration>,
}

/// Exchange timeouts written at one level: outer `None` is "not written", inner `None` is `"off"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields as in ExchangeTimeouts")]
pub struct ExchangeTimeoutOverrides {
    pub send_idle: Option<Option<Duration>>,
    pub connect: Option<Option<Duration>>,
    pub first_byte: Option<Option<Duration>>,
    pub response_idle: Option<Option<Duration>>,
    pub total: Option<Option<Duration>>,
    pub tunnel_idle: Option<Option<Duration>>,
}

impl ExchangeTimeouts {
    /// No timeout at all.
    pub const fn off() -> Self {
        ExchangeTimeouts {
            send_idle: None,
            connect: None,
            first_byte: None,
            response_idle: None,
            total: None,
            tunnel_idle: None,
        }
    }

    /// These timeouts with what `overrides` writes put over them.
    #[must_use]
    pub fn overridden_by(self, overrides: &ExchangeTimeoutOverrides) -> Self {
        ExchangeTimeouts {
            send_idle: overrides.send_idle.unwrap_or(self.send_idle),
            connect: overrides.connect.unwrap_or(self.connect),
            first_byte: overrides.first_byte.unwrap_or(self.first_byte),
            response_idle: overrides.response_idle.unwrap_or(self.response_idle),
            total: overrides.total.unwrap_or(self.total),
            tunnel_idle: overrides.tunnel_idle.unwrap_or(self.tunnel_idle),
        }
    }
}

/// `[upstream.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// `balance`.
    pub balance: Balance,
    /// The backends, in file order; never empty.
    pub backends: Vec<Backend>,
    /// `queue`; `None`: nobody waits for a place.
    pub queue: Option<Queue>,
    /// `sticky`; `None`: each request is on its own.
    pub sticky: Option<Sticky>,
    /// `protocol`.
    pub protocol: Protocol,
    /// `tls`.
    pub tls: UpstreamTls,
    /// `pool`.
    pub pool: Pool,
    /// `host`.
    pub host: Host,
    /// `[defaults.timeouts]`' exchange part.
    pub default_timeouts: ExchangeTimeouts,
    /// What this upstream writes over it.
    pub timeouts: ExchangeTimeoutOverrides,
    /// `[defaults.retry]` with this upstream's own merged in; a route's goes over it.
    pub retry: Retry,
    /// `budget`.
    pub budget: Budget,
    /// `health`; `None`: backends are not asked.
    pub health: Option<Health>,
    /// `passive`; `None`: answers are not looked at.
    pub passive: Option<Passive>,
    /// `breaker`; `None`: nothing is taken out for what was learnt from answers.
    pub breaker: Option<Breaker>,
    /// Requests that may wait for a response head at once, over all workers and backends; `None`: no bound. At
    /// least 1.
    pub max_pending: Option<u32>,
}

/// One entry of `upstream.backends`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backend {
    /// Where it listens.
    pub address: BackendAddress,
    /// How it is spoken to. Default [`Scheme::Http`].
    pub scheme: Scheme,
    /// Its share of requests, as against the other weights. 0 (drain: no new requests) to 1000. Default 1.
    pub weight: u32,
    /// Used only while no other is eligible. Default false.
    pub backup: bool,
    /// Exchanges and tunnels in use at once, over all workers; `None`: no bound. At least 1.
    pub max_connections: Option<u32>,
    /// Once it is back its share rises from a tenth to the whole in this time; `None`: at once.
    pub slow_start: Option<Duration>,
}

impl Backend {
    /// The largest weight.
    pub const WEIGHT_MAX: u32 = 1000;

    /// A backend about which nothing but the address is written.
    pub fn at(address: BackendAddress) -> Self {
        Backend {
            address,
            scheme: Scheme::Http,
            weight: 1,
            backup: false,
            max_connections: None,
            slow_start: None,
        }
    }
}

/// A backend's address as configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BackendAddress {
    /// An address and port.
    Tcp(SocketAddr),
    /// A name and port: all its A and AAAA records become members, resolved at start and every 30 s.
    Name(String, u16),
    /// `"unix:/run/app.sock"`.
    Unix(PathBuf),
}

/// `upstream.queue`: requests that wait while every backend is at `max_connections`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The most that wait, over all workers; 1..=[`Queue::MAX`]. Default 500.
    pub max: u32,
    /// How long each does; `None` is off. Default 5 s.
    pub timeout: Option<Duration>,
}

impl Queue {
    /// The most that `max` may be: each holds a client connection, and its place is found among the others.
    pub const MAX: u32 = 100_000;
}

/// `upstream.sticky`: a cookie that keeps a client on its backend.
#[derive(Clone, Debug, PartialEq)]
pub struct Sticky {
    /// The cookie's name: a token.
    pub cookie: String,
    /// How long browsers keep it, at least 1 s; `None`: until they end. Default 1 h.
    pub ttl: Option<Duration>,
    /// What its values are made with; `None`: something random, for this process.
    pub key: Option<Secret>,
}

/// Bytes that nobody is shown, 16 to 4096.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    pub(super) bytes: Arc<[u8]>,
}

/// `upstream.pool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Idle connections per backend for the process, shared out over the workers, at least 1 each. Default 128.
    pub max_idle: usize,
    /// How long a connection may stay idle. Default 50 s.
    pub idle: Option<Duration>,
    /// How old a connection may become. Default 1 h.
    pub max_age: Option<Duration>,
    /// Exchanges on one connection. Default off.
    pub max_requests: Option<u64>,
}

/// `upstream.host`: the Host that backends see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// The client's.
    Preserve,
    /// The backend's, as configured.
    Backend,
    /// This one.
    Literal(String),
}
