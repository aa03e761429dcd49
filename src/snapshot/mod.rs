//! The compiled configuration: all that the data plane reads, immutable, swapped as one.

use std::sync::Arc;

use crate::backend::{Care, Cohort, Members, Queue};
use crate::balance::{Balance, Sticky};
use crate::config::{
    self, AccessFormat, ClientIpHeader, ExchangeTimeouts, Host, Limits, ListenerTimeouts,
    PathPolicy, TrustedProxies,
};
use crate::log::LineSender;
use crate::message::Known;
use crate::pool;
use crate::route::RouteTable;
use crate::tls;

mod action;
mod compile;
mod entries;
mod names;
mod registry;
#[cfg(test)]
mod tests;
mod transports;

pub use action::{Action, Mirror, Own, RouteEntry, Split, Target};
pub use compile::{
    CompileError, Draft, Given, Wanted, compile, compile_offline, replace_members, replace_tls,
};
pub use names::{HostPort, Names, names_of};
pub use registry::{BindKey, Registry};

/// A listening socket's identity: one for each bind address for as long as it is listened on, so that a
/// connection finds its listener again after a reload. Never given twice: an address that was removed and
/// comes back gets another, while connections of the first may still be ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub u32);

/// All that the data plane reads.
#[derive(Debug)]
pub struct Snapshot {
    /// 1 at start, one more at each swap.
    pub generation: u64,
    /// The listener behind each listening socket; a listener with two binds stands here twice.
    pub listeners: Vec<(SocketId, Arc<Listener>)>,
    /// Upstreams, in the order of their names; [`Target::upstream`] is an index into this.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Who the client is and what backends are told about it.
    pub forwarding: Forwarding,
    /// The access log, if there is one.
    pub access_log: Option<AccessLog>,
}

impl Snapshot {
    /// The index of the upstream called `name`.
    pub fn upstream_named(&self, name: &str) -> Option<usize> {
        self.upstreams.binary_search_by(|upstream| (*upstream.name).cmp(name)).ok()
    }

    /// The listener behind `socket`; `None` once a reload removed it.
    #[inline]
    pub fn listener(&self, socket: SocketId) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|(id, _)| *id == socket).map(|(_, listener)| listener)
    }
}

/// How the client's identity is learnt and passed on.
#[derive(Clone, Debug)]
pub struct Forwarding {
    /// Peers that may name the client.
    pub trusted: TrustedProxies,
    /// The header they name it in.
    pub client_ip_header: ClientIpHeader,
    /// Emit RFC 7239 `Forwarded`.
    pub forwarded: bool,
    /// Lower-case name of the request-id header.
    pub request_id: Box<str>,
}

/// One `[[listener]]`.
#[derive(Debug)]
pub struct Listener {
    /// Its name.
    pub name: Arc<str>,
    /// Limits on what a client sends.
    pub limits: Limits,
    /// Which versions are spoken.
    pub http: config::ListenerHttp,
    /// What sessions are begun with; `None`: it is spoken to in the clear.
    pub tls: Option<Arc<tls::Server>>,
    /// When TLS on a listener in the clear was told last.
    pub not_in_the_clear: crate::metrics::Seldom,
    /// How paths are normalised.
    pub path: PathPolicy,
    /// Timeouts while no route is known.
    pub timeouts: ListenerTimeouts,
    /// Exchange timeouts that hold before a route is found (answers of our own).
    pub send_idle: Option<std::time::Duration>,
    /// The matcher of the routes that are for this listener; it yields indexes into `entries`.
    pub routes: Arc<RouteTable>,
    /// What each route does, by route index.
    pub entries: Vec<RouteEntry>,
}

impl Listener {
    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        scheme(self.tls.is_some())
    }
}

fn scheme(secure: bool) -> &'static str {
    if secure { "https" } else { "http" }
}

/// The small part of a snapshot that a streaming exchange or a tunnel keeps alive.
#[derive(Debug)]
pub struct Policy {
    /// The listener's name.
    pub listener: Arc<str>,
    /// `http` or `https`: how clients come to the listener.
    pub scheme: &'static str,
    /// The route's name.
    pub route: Arc<str>,
    /// The upstream's name, of a split the chosen one's; `None` where the route answers by itself.
    pub upstream: Option<Arc<str>>,
    /// The three names as a part of a JSON log line.
    pub names_json: Box<str>,
    /// Effective timeouts: defaults, listener, upstream, route, later ones over earlier ones.
    pub timeouts: ExchangeTimeouts,
    /// When and how a request is sent again.
    pub retry: Arc<config::Retry>,
    /// The listener's, for a request body that is still coming while the response streams.
    pub body_idle: Option<std::time::Duration>,
}

/// One `[upstream.NAME]`.
#[derive(Debug)]
pub struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// Its members, resolved.
    pub members: Members,
    /// Chooses among them.
    pub balancer: Balance,
    /// Clients that stay where they are, before all strategy.
    pub sticky: Option<Sticky>,
    /// Who waits for a place at one of them; across reloads the same.
    pub queue: Arc<Queue>,
    /// How many may wait and for how long; `None`: nobody.
    pub queueing: Option<config::Queue>,
    /// Keeping of idle connections: one worker's share.
    pub pool: pool::Policy,
    /// What connections to the backends are made with; see [`Upstream::transport`].
    transports: Option<Box<transports::Transports>>,
    /// The Host that backends see.
    pub host: Host,
    /// What is done about backends that fail.
    pub care: Care,
    /// Live state of the upstream as a whole; across reloads the same.
    pub cohort: Arc<Cohort>,
    /// What further tries may cost.
    pub budget: config::Budget,
    /// How backends are asked how they are; `None`: they are not.
    pub health: Option<Arc<config::Health>>,
    /// Requests that may wait for a response head at once; `None`: no bound.
    pub max_pending: Option<u32>,
    /// Its timeouts over the defaults: those of mirrored requests, which no listener and no route has a say in.
    pub timeouts: ExchangeTimeouts,
}

/// The access log as a snapshot knows it.
#[derive(Clone, Debug)]
pub struct AccessLog {
    /// Where full buffers go.
    pub sender: LineSender,
    /// How a line looks.
    pub format: AccessFormat,
    /// A line is written when a random 32-bit number is at most this; `u32::MAX` logs everything.
    pub sample_at_most: u32,
    /// The request headers to record.
    pub headers: Vec<RecordedHeader>,
}

/// A request header that goes into the access log.
#[derive(Clone, Debug)]
pub struct RecordedHeader {
    /// Its name in lower case.
    pub name: Box<str>,
    /// What the name is.
    pub known: Known,
    /// [`crate::log::header_json`] of the name.
    pub name_json: Box<str>,
    /// Whether its value is withheld.
    pub redacted: bool,
}
