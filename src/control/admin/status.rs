//! The state of everything, as `GET /v1/status` tells it and `forebay status` shows it. Fields may be added; those that
//! are there keep their meaning.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::super::controller::Bound;
use super::super::health::CheckInfo;
use super::site::Site;
use super::tls_status::{TlsStatus, UpstreamTlsStatus};
use crate::backend::{Backend, Candidates, Cause, Cohort, Member, Tier, Tried};
use crate::hash::Map;
use crate::log::TimeCache;
use crate::net;
use crate::snapshot::{Snapshot, Upstream};

/// The whole process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Of Forebay.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Where the configuration comes from: the file's whole path.
    pub configuration: String,
    /// When the process started, RFC 3339.
    pub started: String,
    /// Seconds since then.
    pub uptime_seconds: f64,
    /// 1 at start, one more at each change of what is in service.
    pub generation: u64,
    /// Data-plane threads.
    pub workers: usize,
    /// Client connections open now.
    pub connections: usize,
    /// Every address that is listened on.
    pub listeners: Vec<ListenerStatus>,
    /// By name.
    pub upstreams: Vec<UpstreamStatus>,
}

/// One address that is listened on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListenerStatus {
    /// The listener's name.
    pub name: String,
    /// As configured.
    pub bind: String,
    /// As bound: port 0 has become a number.
    pub bound: String,
    /// What it shows to clients; `null`: it is spoken to in the clear.
    pub tls: Option<TlsStatus>,
}

/// One upstream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpstreamStatus {
    /// Its name.
    pub name: String,
    /// How a backend is chosen.
    pub strategy: String,
    /// Whether its backends are asked how they are.
    pub checked: bool,
    /// Who gets requests: `usual`; `last_resort`: no backend is in service, so that they go to new ones that no check
    /// has passed for, or to those that can be connected to; `nobody`: they are refused.
    pub serves: String,
    /// Requests that wait for a place at a backend.
    pub queue: QueueStatus,
    /// Requests that wait for a response head, counted where `max_pending` bounds them.
    pub pending: QueueStatus,
    /// Further tries that the retry budget would pay for now.
    pub retries_left: u64,
    /// How often one of its backends changed its state, by cause; since the process has the upstream.
    pub changes: BTreeMap<String, u64>,
    /// What TLS with its backends is made with; `null`: all are spoken to in the clear.
    pub tls: Option<UpstreamTlsStatus>,
    /// In file order, a name's addresses together. None: no name of it has resolved yet.
    pub backends: Vec<BackendStatus>,
}

/// Those who wait, and how many may.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueStatus {
    /// How many wait now.
    pub waiting: u32,
    /// How many may; `null`: there is no queue, or no bound.
    pub max: Option<u32>,
}

/// One backend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendStatus {
    /// Where it is connected to.
    pub address: String,
    /// As it is written in the configuration.
    pub written: String,
    /// 0 (no new requests) to 1000.
    pub weight: u32,
    /// The part of its weight that holds now, 0.0 to 1.0.
    pub share: f64,
    /// It came back and gets more and more: its slow start.
    pub starts_slowly: bool,
    /// Seconds for which it is left alone, as it asked by `Retry-After`; `null`: it did not.
    pub rest_seconds: Option<f64>,
    /// `primary` or `backup`.
    pub tier: String,
    /// `up`, `unproven`, `down`, `open` or `half_open`.
    pub state: String,
    /// When that was entered, RFC 3339.
    pub since: String,
    /// Seconds since then.
    pub since_seconds: f64,
    /// Why it was entered.
    pub cause: String,
    /// How often it was taken out for what it did to requests.
    pub ejections: u64,
    /// Seconds until requests may try it again; `null`: it is not `open`.
    pub retry_seconds: Option<f64>,
    /// Exchanges that use it now.
    pub in_flight: u32,
    /// Of these at most; `null`: no bound.
    pub max_connections: Option<u32>,
    /// What asking it came to; `null`: it is not asked.
    pub check: Option<CheckStatus>,
}

/// What asking a backend how it is came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckStatus {
    /// Whether it passed; `null`: it was not asked yet, or was not done.
    pub passed: Option<bool>,
    /// What it answered, or why there is no answer.
    pub result: Option<String>,
    /// When, RFC 3339.
    pub at: Option<String>,
    /// Seconds since then.
    pub seconds_ago: Option<f64>,
    /// Seconds until it is asked next.
    pub next_seconds: f64,
}

impl Status {
    /// The state of what was looked up, at `now`. Holds no lock for longer than it takes to copy a few words.
    pub(super) fn gather(site: &Site, looked_up: &LookedUp, now: Instant) -> Self {
        let LookedUp { snapshot, wanted, checks } = looked_up;
        let wanted = &snapshot.upstreams[wanted.clone()];
        let mut clock = Clock { now, time: SystemTime::now(), cache: TimeCache::default() };
        let started = clock.rfc3339(site.started_at);
        let faults = site.faults.all();
        let listeners = site.bound();
        let listeners = listeners.iter().map(|bound| {
            let mut known = snapshot.listeners.iter().map(|(_, listener)| listener);
            let server =
                known.find(|it| *it.name == *bound.listener).and_then(|it| it.tls.as_ref());
            let tls = server.map(|server| TlsStatus::of(server, &faults, &mut clock));
            ListenerStatus { tls, ..ListenerStatus::of(bound) }
        });
        let listeners = listeners.collect();
        let upstreams = wanted.iter().map(|one| {
            let tls = one.tls().map(|tls| UpstreamTlsStatus::of(tls, &faults, &mut clock));
            UpstreamStatus { tls, ..UpstreamStatus::of(one, checks, &mut clock) }
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            configuration: site.configuration.clone(),
            started,
            uptime_seconds: seconds(now.saturating_duration_since(site.started)),
            generation: snapshot.generation,
            workers: site.n_workers,
            connections: site.fleet.open_connections(),
            listeners,
            upstreams: upstreams.collect(),
        }
    }
}

/// What a status is made of, as far as only the control thread may look at it.
pub(super) struct LookedUp {
    snapshot: Arc<Snapshot>,
    /// Upstreams that are asked for.
    wanted: Range<usize>,
    /// By id of the backend.
    checks: Map<u64, CheckInfo>,
}

impl LookedUp {
    /// Everything, or `upstream` and what is around it.
    ///
    /// Fails when there is no such upstream; says which there are.
    pub(super) fn of(site: &Site, upstream: Option<&str>) -> Result<Self, String> {
        let snapshot = site.snapshot.load_full();
        let wanted = match upstream {
            None => 0..snapshot.upstreams.len(),
            Some(name) => match snapshot.upstream_named(name) {
                Some(index) => index..index + 1,
                None => return Err(unknown(name, &snapshot)),
            },
        };
        let checked = snapshot.upstreams[wanted.clone()].iter().filter(|one| one.health.is_some());
        let ids = checked.flat_map(|one| &one.members).map(|member| member.backend.id);
        let checks = ids.filter_map(|id| Some((id, site.checks.of(id)?))).collect();
        Ok(LookedUp { snapshot, wanted, checks })
    }
}

/// `there is no upstream x; there are a, b`.
fn unknown(name: &str, snapshot: &Snapshot) -> String {
    const SHOWN_MAX: usize = 20;
    let names = snapshot.upstreams.iter().map(|upstream| &*upstream.name);
    let mut shown: Vec<&str> = names.take(SHOWN_MAX).collect();
    if snapshot.upstreams.len() > SHOWN_MAX {
        shown.push("…");
    }
    match shown.is_empty() {
        true => format!("there is no upstream {name}: no route of this configuration needs one"),
        false => format!("there is no upstream {name}; there are: {}", shown.join(", ")),
    }
}

impl ListenerStatus {
    fn of(bound: &Bound) -> Self {
        ListenerStatus {
            name: bound.listener.clone(),
            bind: net::display(&bound.written).to_string(),
            bound: net::display(&bound.bind).to_string(),
            tls: None,
        }
    }
}

impl UpstreamStatus {
    fn of(upstream: &Upstream, checks: &Map<u64, CheckInfo>, clock: &mut Clock) -> Self {
        UpstreamStatus {
            name: upstream.name.to_string(),
            strategy: upstream.balancer.name().to_owned(),
            checked: upstream.health.is_some(),
            serves: serves(upstream).to_owned(),
            queue: QueueStatus {
                waiting: upstream.queue.n_waiting(),
                max: upstream.queueing.as_ref().map(|queue| queue.max),
            },
            pending: QueueStatus {
                waiting: upstream.cohort.n_pending(),
                max: upstream.max_pending,
            },
            retries_left: upstream.cohort.budget.left(&upstream.budget, clock.now),
            changes: changes(&upstream.cohort),
            tls: None,
            backends: upstream
                .members
                .iter()
                .map(|member| BackendStatus::of(member, checks.get(&member.backend.id), clock))
                .collect(),
        }
    }
}

fn serves(upstream: &Upstream) -> &'static str {
    let mut weighted = upstream.members.iter().filter(|member| member.weight > 0);
    if weighted.any(|member| member.backend.is_available()) {
        return "usual";
    }
    match Candidates::last_resort(&upstream.members, &Tried::default()) {
        Some(_) => "last_resort",
        None => "nobody",
    }
}

fn changes(cohort: &Cohort) -> BTreeMap<String, u64> {
    let counted =
        Cause::ALL.iter().map(|cause| (cause.token().to_owned(), cohort.n_changes(*cause)));
    counted.filter(|(_, n)| *n > 0).collect()
}

impl BackendStatus {
    fn of(member: &Member, check: Option<&CheckInfo>, clock: &mut Clock) -> Self {
        let backend = &*member.backend;
        let standing = backend.standing();
        let age = clock.now.saturating_duration_since(standing.since);
        BackendStatus {
            address: backend.label.to_string(),
            written: member.authority.to_string(),
            weight: member.weight,
            share: f64::from(backend.share()) / f64::from(Backend::SHARE_FULL),
            starts_slowly: backend.starts_slowly(),
            rest_seconds: backend.rests(clock.now).map(seconds),
            tier: match member.tier {
                Tier::Primary => "primary".to_owned(),
                Tier::Backup => "backup".to_owned(),
            },
            state: standing.state.token().to_owned(),
            since: clock.rfc3339_before(age),
            since_seconds: seconds(age),
            cause: standing.cause.token().to_owned(),
            ejections: backend.n_ejections(),
            retry_seconds: backend.open_until().map(|then| clock.until(then)),
            in_flight: backend.in_flight(),
            max_connections: Some(member.max_connections).filter(|max| *max != Member::UNLIMITED),
            check: check.map(|check| CheckStatus::of(check, clock)),
        }
    }
}

impl CheckStatus {
    fn of(check: &CheckInfo, clock: &mut Clock) -> Self {
        let next_seconds = clock.until(check.next);
        let Some((passed, result, at)) = &check.last else {
            return CheckStatus { next_seconds, ..CheckStatus::default() };
        };
        let ago = clock.now.saturating_duration_since(*at);
        CheckStatus {
            passed: Some(*passed),
            result: Some(result.clone()),
            at: Some(clock.rfc3339_before(ago)),
            seconds_ago: Some(seconds(ago)),
            next_seconds,
        }
    }
}

/// The present, for the clock on the wall and for the one that never turns back.
pub(super) struct Clock {
    now: Instant,
    time: SystemTime,
    cache: TimeCache,
}

impl Clock {
    /// Whole days from now to `then`, which is in seconds since 1970; negative once it is over.
    pub(super) fn days_to(&self, then: i64) -> i64 {
        let now = self.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        then.saturating_sub(now).div_euclid(24 * 60 * 60)
    }

    /// RFC 3339 of `then`, which is in seconds since 1970.
    pub(super) fn rfc3339_of(&mut self, then: i64) -> String {
        let since = Duration::from_secs(u64::try_from(then).unwrap_or_default());
        self.rfc3339(SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH))
    }

    fn until(&self, then: Instant) -> f64 {
        seconds(then.saturating_duration_since(self.now))
    }

    fn rfc3339_before(&mut self, age: Duration) -> String {
        self.rfc3339(self.time.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH))
    }

    fn rfc3339(&mut self, time: SystemTime) -> String {
        let mut text = Vec::new();
        let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.cache.append_rfc3339(since_1970, &mut text);
        String::from_utf8(text).unwrap_or_default()
    }
}

/// With milliseconds.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
