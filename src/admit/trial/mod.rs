//! Tries a request on a compiled configuration, without a socket: the production parser and the very steps of the
//! data plane, up to where a backend would be looked for. `control` and `check` run every `[[test]]` with it;
//! `explain` shows its [`Outcome`].

mod expect;
mod request;
#[cfg(test)]
mod tests;
mod timeouts;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

pub use expect::run_all;
pub use timeouts::{Level, Timeout};

use super::{Request, Step, Way};
use crate::config::{self, Config, TestRequest};
use crate::error::Reason;
use crate::filter::{self, Flow, Resume};
use crate::http1::{HeadLimits, Parsed, parse_request};
use crate::message::ResponseHead;
use crate::net::Peer;
use crate::rng::Rng;
use crate::route::{RouteSpec, Verdict};
use crate::snapshot::{Action, Listener, Policy, RouteEntry, Snapshot, Split, Upstream};
use crate::tls::Session;

/// Why a request cannot be tried: a fault of whoever wrote it. Says what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialError(String);

impl fmt::Display for TrialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TrialError {}

/// What becomes of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The listener's name.
    pub listener: String,
    /// The URL says https.
    pub secure: bool,
    /// The host that the client names in its TLS handshake; `None`: none, for there is no TLS or it is an address.
    pub sni: Option<String>,
    /// Who asks, by the trust rules.
    pub client: Option<IpAddr>,
    /// The Host that routes were matched with, lower case, without port.
    pub host: String,
    /// The path that routes were matched with, normalised.
    pub path: String,
    /// Why it is refused; [`Reason::NoRoute`] where no route matches.
    pub refused: Option<Reason>,
    /// The route's name.
    pub route: Option<String>,
    /// Where it can go: one, or those of a split that nothing in the request decides; none where it is answered.
    pub targets: Vec<Share>,
    /// The names of the route's filters, in order.
    pub filters: Vec<String>,
    /// Filters whose decision waits for something outside: they were taken to let the request go on.
    pub undecided: Vec<String>,
    /// The head as the first of `targets` gets it, empty line included; which backend gets it is not decided here.
    pub head: Option<Vec<u8>>,
    /// The path and query in it.
    pub backend_path: Option<String>,
    /// What a redirect, a `respond` or a filter answers.
    pub answer: Option<Answered>,
}

/// An upstream and its share of such requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The upstream's name.
    pub upstream: String,
    /// Over 0, up to 100.
    pub percent: f64,
}

/// An answer without a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Its fields, names as sent, without those that frame it.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What became of a request, and why.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What became of it.
    pub outcome: Outcome,
    /// What became of each route that is for the listener, the winner first and those that came near next: its
    /// index in [`Config::routes`] and the verdict. Empty where the request is refused before routes are looked at.
    pub verdicts: Vec<(usize, Verdict)>,
    /// Routes that are for other listeners only: indexes into [`Config::routes`].
    pub elsewhere: Vec<usize>,
    /// The timeouts that hold, sorted by key; with the first of the outcome's targets. Empty without a route.
    pub timeouts: Vec<Timeout>,
}

/// Tries `request` on `snapshot`, which `config` was compiled into.
///
/// # Errors
/// No request can be made of it, or it is not clear which listener gets it.
pub fn run(
    snapshot: &Snapshot,
    config: &Config,
    request: &TestRequest,
) -> Result<Outcome, TrialError> {
    attempt(snapshot, config, request, None)
}

/// As [`run`], and says why.
///
/// # Errors
/// As [`run`].
pub fn explain(
    snapshot: &Snapshot,
    config: &Config,
    request: &TestRequest,
) -> Result<Explanation, TrialError> {
    let mut verdicts = Vec::new();
    let outcome = attempt(snapshot, config, request, Some(&mut verdicts))?;
    let all = || config.routes.iter().enumerate();
    let elsewhere = all().filter(|(_, route)| !route.is_on(&outcome.listener));
    let elsewhere = elsewhere.map(|(index, _)| index).collect();
    let route = config.routes.iter().find(|route| Some(&route.name) == outcome.route.as_ref());
    let listener = config.listeners.iter().find(|listener| listener.name == outcome.listener);
    let upstream = outcome.targets.first().map(|target| target.upstream.as_str());
    let timeouts = route
        .zip(listener)
        .map(|(route, listener)| timeouts::effective(config, listener, route, upstream));
    Ok(Explanation { outcome, verdicts, elsewhere, timeouts: timeouts.unwrap_or_default() })
}

/// Follows the data plane's steps: see `proxy::begin`.
fn attempt(
    snapshot: &Snapshot,
    config: &Config,
    written: &TestRequest,
    verdicts: Option<&mut Vec<(usize, Verdict)>>,
) -> Result<Outcome, TrialError> {
    let url = request::Url::parse(&written.url)?;
    let name = &request::listener(config, written, &url)?.name;
    let bytes = request::bytes(written, &url)?;
    let mut listeners = snapshot.listeners.iter().map(|(_, listener)| &**listener);
    let listener = listeners
        .find(|listener| *listener.name == **name)
        .ok_or_else(|| TrialError(format!("the listener {name:?} listens nowhere")))?;
    let mut outcome = Outcome { listener: name.clone(), ..Outcome::default() };
    let sni = url.sni();
    (outcome.secure, outcome.sni) = (url.secure, sni.clone());
    let session = listener.tls.clone().map(|server| Session::new(server, sni.as_deref(), None));
    let asks = Asks { from: written.from, bytes: &bytes, session: session.map(Rc::new) };
    let refused = follow(snapshot, config, listener, asks, &mut outcome, verdicts);
    outcome.refused = refused.err();
    Ok(outcome)
}

/// What a client says, and how it comes.
struct Asks<'a> {
    from: Option<IpAddr>,
    bytes: &'a [u8],
    session: Option<Rc<Session>>,
}

fn follow(
    snapshot: &Snapshot,
    config: &Config,
    listener: &Listener,
    Asks { from, bytes, session }: Asks<'_>,
    outcome: &mut Outcome,
    verdicts: Option<&mut Vec<(usize, Verdict)>>,
) -> Result<(), Reason> {
    let mut request = Request { session, ..Request::default() };
    let limits = HeadLimits {
        header_bytes: listener.limits.header_bytes,
        headers: listener.limits.headers,
        uri_bytes: listener.limits.uri_bytes,
    };
    request.facts = match parse_request(bytes, &limits, &mut request.head)? {
        Parsed::Complete { head_bytes, facts } if head_bytes == bytes.len() => facts,
        // What was written is one head; if it is read as less or more, it is none.
        Parsed::Complete { .. } | Parsed::Partial => return Err(Reason::BadRequest),
    };
    let ip = from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let (peer, peer_ip) = (Peer::Tcp(SocketAddr::new(ip, 0)), ip.to_canonical().to_string());
    let forwarding = &snapshot.forwarding;
    let trusted = super::is_trusted(&forwarding.trusted, peer);
    let from = super::From { peer, peer_ip: &peer_ip, trusted };
    let mut rng = Rng::seeded(0);
    super::identify(&mut request, forwarding, from, &mut rng);
    outcome.client = request.client;
    let entered = super::enter(&mut request, listener, &mut rng);
    if matches!(entered, Ok(_) | Err(Reason::NoRoute)) {
        note_subject(&mut request, config, listener, outcome, verdicts)?;
    }
    let place = entered?;
    let entry = &listener.entries[place.entry];
    let policy = entry.policy(place.target).ok_or(Reason::Internal)?;
    outcome.route = Some(policy.route.to_string());
    outcome.targets = shares(snapshot, entry, &request, place.target);
    let route = config.routes.iter().find(|route| route.name == *policy.route);
    outcome.filters = route.map(|route| route.filters.clone()).unwrap_or_default();
    if super::is_over_limit(&request, entry) {
        return Err(Reason::BodyLimit);
    }
    let mut response = ResponseHead::default();
    let way = Way { forwarding, from, entry, policy };
    let mut step = super::pass(&mut request, &mut response, way);
    while let Step::Wait(_) = step {
        outcome.undecided.extend(outcome.filters.get(request.n_passed).cloned());
        let go_on: Resume = Box::new(|_, _| Flow::Continue);
        step = super::resume(&mut request, &mut response, way, go_on);
    }
    match step {
        Step::Answer(body) => {
            outcome.answer = Some(answered(&mut request, &mut response, entry, policy, &body));
            outcome.targets.clear();
        }
        Step::Refuse(reason) => return Err(reason),
        Step::Forward | Step::Wait(_) => {
            let upstream = entry.target(place.target).ok_or(Reason::Internal)?.upstream;
            outcome.backend_path = Some(text(request.head.target()));
            outcome.head = Some(head(&request, config, &snapshot.upstreams[upstream]));
        }
    }
    Ok(())
}

/// Notes what routes were matched with and, if asked, what became of each.
fn note_subject(
    request: &mut Request,
    config: &Config,
    listener: &Listener,
    outcome: &mut Outcome,
    verdicts: Option<&mut Vec<(usize, Verdict)>>,
) -> Result<(), Reason> {
    let subject = super::subject(request)?;
    (outcome.host, outcome.path) = (text(subject.host), text(subject.path));
    let Some(verdicts) = verdicts else { return Ok(()) };
    // The listener's table was compiled from these, in this order.
    let all = config.routes.iter().enumerate();
    let routes: Vec<(usize, &config::Route)> =
        all.filter(|(_, route)| route.is_on(&listener.name)).collect();
    let specs: Vec<RouteSpec> = routes.iter().map(|(_, route)| RouteSpec::from(*route)).collect();
    let explained = listener.routes.explain(&subject, &specs);
    verdicts.extend(explained.into_iter().map(|(index, verdict)| (routes[index].0, verdict)));
    Ok(())
}

/// Where requests like this one can go.
fn shares(snapshot: &Snapshot, entry: &RouteEntry, request: &Request, chosen: usize) -> Vec<Share> {
    let share = |index: usize, percent: f64| {
        let target = entry.target(index)?;
        Some(Share { upstream: snapshot.upstreams[target.upstream].name.to_string(), percent })
    };
    match &entry.action {
        Action::Split(split) if !super::split::is_decided(split, &request.head) => {
            // The chosen one first: it is the one whose head is shown.
            let weights = weights(split);
            let sum: f64 = weights.iter().sum();
            let mut order: Vec<usize> =
                (0..weights.len()).filter(|&index| weights[index] > 0.0).collect();
            order.sort_by_key(|&index| (index != chosen, index));
            order.iter().filter_map(|&index| share(index, weights[index] / sum * 100.0)).collect()
        }
        _ => share(chosen, 100.0).into_iter().collect(),
    }
}

fn weights(split: &Split) -> Vec<f64> {
    let weight = |before: &mut u64, until: &u64| {
        let weight = until - *before;
        *before = *until;
        Some(weight as f64)
    };
    split.until.iter().scan(0, weight).collect()
}

/// The answer as the route's filters leave it.
fn answered(
    request: &mut Request,
    response: &mut ResponseHead,
    entry: &RouteEntry,
    policy: &Policy,
    body: &[u8],
) -> Answered {
    let through = super::on_response(request, response, entry, policy, "");
    let body = match through {
        Some(mut through) => filter::whole(&mut *through, body),
        None => body.to_vec(),
    };
    let headers = response.fields.iter().map(|(_, name, value)| (text(name), text(value)));
    Answered { status: response.status, headers: headers.collect(), body }
}

/// The head as a backend of `upstream` gets it: as the first of them does, where they are told apart.
fn head(request: &Request, config: &Config, upstream: &Upstream) -> Vec<u8> {
    let written = config.upstreams.get(&*upstream.name);
    // A name that is not resolved has no member, and still its authority.
    let first = written.and_then(|written| written.backends.first());
    let authority = match first.map(|first| &first.address) {
        Some(config::BackendAddress::Name(host, port)) => format!("{host}:{port}"),
        _ => String::new(),
    };
    let host = match upstream.members.first() {
        Some(member) => super::backend_host(request, upstream, &member.backend),
        None if !request.backend_host.is_empty() => Some(&request.backend_host[..]),
        None => match &upstream.host {
            config::Host::Literal(host) => Some(host.as_bytes()),
            config::Host::Preserve if request.head.host().is_some() => None,
            config::Host::Preserve | config::Host::Backend => Some(authority.as_bytes()),
        },
    };
    let mut out = Vec::new();
    request.head.write_to(host, &mut out);
    out.extend_from_slice(b"\r\n");
    out
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One line: what happened.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "on listener `{}`", self.listener)?;
        if let Some(route) = &self.route {
            write!(f, " the request takes route `{route}`")?;
        }
        let joint = if self.route.is_some() { " and" } else { " the request" };
        if let Some(reason) = self.refused {
            let status =
                super::status(reason).map_or_else(String::new, |status| format!("{status} "));
            return write!(f, "{joint} is refused: {status}{reason}");
        }
        if let Some(answer) = &self.answer {
            return write!(f, "{joint} is answered with {}", answer.status);
        }
        let targets: Vec<String> =
            self.targets.iter().map(|target| format!("`{}`", target.upstream)).collect();
        let path = self.backend_path.as_deref().unwrap_or_default();
        write!(f, "{joint} goes to {} as `{path}`", targets.join(" or "))
    }
}
