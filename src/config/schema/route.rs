//! `[[route]]`: what a request must be, and what happens to it.

use std::sync::Arc;

use ipnet::IpNet;

use super::{ExchangeTimeoutOverrides, RetryOverrides};
use crate::config::template::Template;

/// `[[route]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name; `"default"` when it is the only one and has none.
    pub name: String,
    /// Names of the listeners it is for; empty: every http listener.
    pub listeners: Vec<String>,
    /// Rank before everything else, higher first. Default 0.
    pub priority: i32,
    /// Hosts it matches; empty: any.
    pub hosts: Vec<HostPattern>,
    /// The path it matches.
    pub path: PathPattern,
    /// What else must hold.
    pub conditions: Conditions,
    /// Names of the filters it applies, in order.
    pub filters: Vec<String>,
    /// What is rewritten before a backend gets the request.
    pub rewrite: Rewrite,
    /// What this route writes over the timeouts of listener and upstream.
    pub timeouts: ExchangeTimeoutOverrides,
    /// What this route writes over its upstream's `retry`.
    pub retry: RetryOverrides,
    /// Bytes of a request body, over the listener's limit; outer `None`: not written, inner `None`: off.
    pub body_bytes: Option<Option<u64>>,
    /// What happens.
    pub action: Action,
    /// Where copies go.
    pub mirror: Option<Mirror>,
}

impl Route {
    /// Whether the listener of this name serves it.
    pub fn is_on(&self, listener: &str) -> bool {
        self.listeners.is_empty() || self.listeners.iter().any(|name| name == listener)
    }
}

/// One entry of `route.hosts`, lower case, without port or trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `shop.example`.
    Exact(String),
    /// `*.shop.example`, without the `*.`: one or more labels before it, not the name itself.
    Wildcard(String),
}

/// `route.match.path`, `path_prefix` or `path_regex`; the first two normalised as request paths are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// None was written.
    Any,
    /// The whole path.
    Exact(String),
    /// Whole segments, without a trailing slash: `/api` matches `/api` and `/api/x`, not `/apix`.
    Prefix(String),
    /// A regular expression that matches the whole path; see [`crate::config::regex`].
    Regex(String),
}

/// The conditions of `route.match` besides the path. All of them must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conditions {
    /// `methods`.
    pub methods: Option<MethodCondition>,
    /// `headers`, names in lower case.
    pub headers: Vec<FieldCondition>,
    /// `query`: parameters, decoded.
    pub query: Vec<FieldCondition>,
    /// `cookies`.
    pub cookies: Vec<FieldCondition>,
    /// `client_ip`.
    pub client_ip: Option<ClientIpCondition>,
}

impl Conditions {
    /// Their part in the rank: each header, query and cookie entry counts 1, methods 1, client_ip 1.
    pub fn len(&self) -> usize {
        self.headers.len()
            + self.query.len()
            + self.cookies.len()
            + usize::from(self.methods.is_some())
            + usize::from(self.client_ip.is_some())
    }

    /// Whether every request meets them.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// `match.methods`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MethodCondition {
    /// As sent: methods are case-sensitive.
    pub methods: Vec<String>,
    /// `{ not = … }`: any other method.
    pub negated: bool,
}

/// `match.client_ip`. A client without an address (a unix socket) is in no network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientIpCondition {
    /// A bare address is a host network.
    pub networks: Vec<IpNet>,
    /// `{ not = … }`: any other client.
    pub negated: bool,
}

/// One entry of `match.headers`, `query` or `cookies`: one of the values under this name meets `value`, or,
/// negated, none does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldCondition {
    /// Of the header (lower case), parameter or cookie.
    pub name: String,
    /// What its value must be.
    pub value: ValuePattern,
    /// `{ not = … }`.
    pub negated: bool,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValuePattern {
    /// `"v2"`: this, byte for byte.
    Exact(String),
    /// `{ regex = "…" }`: matches the whole value; see [`crate::config::regex`].
    Regex(String),
    /// `{ present = true }`: anything. `{ present = false }` is this, negated.
    Present,
}

/// `route.rewrite`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rewrite {
    /// `strip_prefix`: taken off the front where the path begins with it, whole segments; without a trailing slash.
    pub strip_prefix: Option<String>,
    /// `add_prefix`: put in front, after the strip; without a trailing slash.
    pub add_prefix: Option<String>,
    /// `regex`: the first match in the path is replaced, before strip and add.
    pub regex: Option<RegexRewrite>,
    /// `host`: the Host that backends see, over the upstream's.
    pub host: Option<Template>,
}

/// `rewrite.regex`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegexRewrite {
    /// The expression, not anchored unless it says so.
    pub from: String,
    /// What the match becomes; `$1`, `${name}` are captures, `$$` a dollar sign.
    pub to: String,
}

/// What a matched route does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `upstream`: its name.
    Upstream(String),
    /// `split`.
    Split(Split),
    /// `redirect`.
    Redirect(Redirect),
    /// `respond`.
    Respond(Respond),
}

impl Action {
    /// The upstreams it sends to.
    pub fn upstreams(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match self {
            Action::Upstream(name) => (Some(name.as_str()), &[][..]),
            Action::Split(split) => (None, &split.targets[..]),
            Action::Redirect(_) | Action::Respond(_) => (None, &[][..]),
        };
        one.into_iter().chain(many.iter().map(|target| target.upstream.as_str()))
    }
}

/// `split` and `split_by`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// At least two, at least one with a weight above 0.
    pub targets: Vec<SplitTarget>,
    /// What decides.
    pub by: SplitBy,
}

/// One entry of `split`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitTarget {
    /// The upstream's name.
    pub upstream: String,
    /// Its share of the sum of weights, 0..=1000000. Default 1.
    pub weight: u32,
}

/// `split_by`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SplitBy {
    /// Each request by itself.
    Random,
    /// The value of this cookie; a request without it by random.
    Cookie(String),
    /// The value of this header (lower case); a request without it by random.
    Header(String),
}

/// `redirect`.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirect {
    /// The Location.
    pub to: Template,
    /// 301, 302, 303, 307 or 308 (default).
    pub status: u16,
}

/// `respond`.
#[derive(Clone, Debug, PartialEq)]
pub struct Respond {
    /// 200..=599; default 200.
    pub status: u16,
    /// At most [`RESPOND_BYTES_MAX`]; what a file held when the configuration was read.
    pub body: Arc<[u8]>,
    /// Names in lower case; `content-type` is always among them where there is a body.
    pub headers: Vec<(String, Template)>,
}

/// Bytes of `respond.body`.
pub const RESPOND_BYTES_MAX: usize = 1 << 20;

/// `mirror`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// The upstream's name.
    pub upstream: String,
    /// Share of requests, over 0 up to 100. Default 100.
    pub percent: f64,
}
