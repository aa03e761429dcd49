//! From what the operator wrote to what the data plane reads: a pure function of the configuration, the
//! resolved names and the registry (opening a log target is its one contact with the world).

use std::io;
use std::sync::Arc;

use super::entries::Routes;
use super::names::{HostPort, Names};
use super::registry::{BindKey, Ids, Registry};
use super::transports::Transports;
use super::{
    AccessLog, Forwarding, Listener, RecordedHeader, RouteEntry, Snapshot, SocketId, Upstream,
};
use crate::backend::{Address, Backend, Care, Cohort, Member, Members, Queue, Tier};
use crate::balance::{Balance, Sticky};
use crate::config::{self, BackendAddress, Config};
use crate::hash::{Map, Set, stable};
use crate::log::{Writer, header_json};
use crate::message::Known;
use crate::metrics::Seldom;
use crate::net::Settings;
use crate::pool;
use crate::route::RouteTable;
use crate::tls;

/// A compiled configuration that nobody reads yet. Dropping it leaves everything as it was.
#[derive(Debug)]
pub struct Draft {
    /// What the data plane would read.
    pub snapshot: Snapshot,
    /// The live state it has adopted or made.
    pub registry: Registry,
    /// Every socket it listens on, in the order of the configuration.
    pub sockets: Vec<Wanted>,
}

/// A socket that a snapshot wants to be listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its identity: known from before when the same address was bound before.
    pub socket: SocketId,
    /// Where, as configured.
    pub key: BindKey,
    /// The name of the listener it belongs to.
    pub listener: Arc<str>,
    /// Length of the accept queue.
    pub backlog: u32,
}

/// Why a configuration could not be compiled.
#[derive(Debug)]
pub enum CompileError {
    /// A log target could not be opened.
    Log(config::LogTarget, io::Error),
    /// A name that checking should have refused: a fault of ours, told instead of a panic.
    Unknown {
        /// What kind of thing.
        what: &'static str,
        /// The name that nothing has.
        name: String,
    },
    /// The TLS of the listener of this name cannot be set up.
    ListenerTls(String, rustls::Error),
    /// An expression that checking should have refused.
    Pattern {
        /// The route that has it.
        route: String,
        /// What is wrong with it.
        error: String,
    },
    /// TLS settings that checking should have refused.
    Tls(String),
}

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CompileError::Log(target, error) => {
                let target = match target {
                    config::LogTarget::Stdout => "standard output".into(),
                    config::LogTarget::Stderr => "standard error".into(),
                    config::LogTarget::File(path) => path.display().to_string(),
                };
                write!(
                    f,
                    "log.access.to: cannot open {target}: {error}; \
                     create its directory and make it writable for this user"
                )
            }
            CompileError::ListenerTls(listener, error) => {
                write!(f, "listener {listener}: tls: {error}")
            }
            CompileError::Unknown { what, name } => write!(f, "there is no {what} named {name}"),
            CompileError::Tls(error) => write!(f, "TLS to backends: {error}"),
            CompileError::Pattern { route, error } => write!(f, "route {route}: {error}"),
        }
    }
}

impl std::error::Error for CompileError {}

/// Compiles `config` into snapshot number `generation`, adopting live state from `registry`.
///
/// Fails when a log target cannot be opened. Linear in the size of the configuration.
pub fn compile(
    config: &Config,
    names: &Names,
    registry: &Registry,
    generation: u64,
    n_workers: usize,
) -> Result<Draft, CompileError> {
    let mut draft = compile_without_log(config, names, registry, generation, n_workers)?;
    draft.snapshot.access_log = access_log(config, registry, &mut draft.registry)?;
    Ok(draft)
}

/// A snapshot of `config` that touches nothing: no log is opened, no name resolved, no live state shared. For
/// tests of the configuration and for those who explain it.
///
/// Fails where [`compile`] does, but for the log.
pub fn compile_offline(config: &Config) -> Result<Snapshot, CompileError> {
    let draft = compile_without_log(config, &Names::default(), &Registry::default(), 1, 1)?;
    Ok(draft.snapshot)
}

/// As [`compile`], without opening a log: the draft has none.
fn compile_without_log(
    config: &Config,
    names: &Names,
    registry: &Registry,
    generation: u64,
    n_workers: usize,
) -> Result<Draft, CompileError> {
    let tickets = Arc::clone(&registry.tickets);
    let mut next = Registry { ids: registry.ids, tickets, ..Registry::default() };
    let mut upstreams = Vec::with_capacity(config.upstreams.len());
    let mut index_of: Map<&str, usize> = Map::default();
    for (name, upstream) in &config.upstreams {
        let name_shared: Arc<str> = name.as_str().into();
        let queue = registry.queues.get(&name_shared).cloned().unwrap_or_default();
        let known = registry.cohorts.get(&name_shared).cloned();
        let cohort =
            known.unwrap_or_else(|| Arc::new(Cohort::new(Arc::clone(&name_shared), n_workers)));
        let live = (registry, (&queue, &cohort), &mut next.ids);
        let (members, live, spoken) = members_of(&name_shared, upstream, names, live);
        let transports = Transports::make(upstream, &spoken, registry, &mut next)?;
        index_of.insert(name, upstreams.len());
        next.queues.insert(Arc::clone(&name_shared), Arc::clone(&queue));
        next.cohorts.insert(Arc::clone(&name_shared), Arc::clone(&cohort));
        let shared = (queue, cohort);
        let mut built = build(&name_shared, upstream, members, shared, n_workers)?;
        built.transports = transports;
        upstreams.push(Arc::new(built));
        next.upstreams.insert(name_shared, Arc::new(live));
    }
    let mut routes = Routes::new(config, &upstreams, &index_of)?;
    let mut listeners = Vec::new();
    let mut sockets = Vec::new();
    for written in &config.listeners {
        let (table, entries) = routes.of(written)?;
        let tls = server(written, registry, &mut next)?;
        let listener = Arc::new(listener(written, config, tls, (table, entries)));
        for bind in &written.binds {
            let wanted = adopt_socket(bind, written, &listener, registry, &mut next);
            listeners.push((wanted.socket, Arc::clone(&listener)));
            sockets.push(wanted);
        }
    }
    let forwarding = forwarding(config);
    let snapshot = Snapshot { generation, listeners, upstreams, forwarding, access_log: None };
    Ok(Draft { snapshot, registry: next, sockets })
}

/// What a snapshot that follows another is made from.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The one that it follows.
    pub current: &'a Snapshot,
    /// What holds now.
    pub config: &'a Config,
    /// The addresses of names.
    pub names: &'a Names,
    /// That with which `current` was made.
    pub registry: &'a Registry,
    /// Workers that serve it.
    pub n_workers: usize,
}

/// The snapshot that follows when only the members of the upstreams that use one of `changed` differ: everything else
/// is shared.
///
/// Fails only by a fault of ours; see [`CompileError::Unknown`].
pub fn replace_members(
    given: Given<'_>,
    changed: &Set<HostPort>,
) -> Result<(Snapshot, Registry), CompileError> {
    let uses = |backend: &config::Backend| match &backend.address {
        BackendAddress::Name(host, port) => {
            changed.contains(&HostPort { host: host.as_str().into(), port: *port })
        }
        BackendAddress::Tcp(_) | BackendAddress::Unix(_) => false,
    };
    let concerns = |name: &str| {
        let written = given.config.upstreams.get(name);
        written.is_some_and(|written| written.backends.iter().any(uses))
    };
    replace_upstreams(given, concerns)
}

/// The snapshot that follows when only the files of certificates differ that the upstreams for which `concerns` holds
/// name: everything else is shared.
///
/// # Errors
/// What checking the files should have refused.
pub fn replace_tls(
    given: Given<'_>,
    concerns: impl Fn(&str) -> bool,
) -> Result<(Snapshot, Registry), CompileError> {
    let (snapshot, mut next) = replace_upstreams(given, concerns)?;
    // Certificates are renewed for as long as the process runs: the sessions of old ones are not to pile up.
    let used = given.config.upstreams.values();
    let used = used.map(|upstream| Settings::fingerprint(&upstream.tls, upstream.protocol));
    let used: Set<[u8; 32]> = used.collect();
    next.tls.retain(|fingerprint, _| used.contains(fingerprint));
    Ok((snapshot, next))
}

/// Builds the upstreams for which `concerns` holds.
fn replace_upstreams(
    given: Given<'_>,
    concerns: impl Fn(&str) -> bool,
) -> Result<(Snapshot, Registry), CompileError> {
    let Given { current, config, names, registry, n_workers } = given;
    let mut upstreams = current.upstreams.clone();
    let mut next = registry.copy();
    for (index, old) in current.upstreams.iter().enumerate() {
        let written = config.upstreams.get(&*old.name).filter(|_| concerns(&old.name));
        let Some(written) = written else { continue };
        let (queue, cohort) = (Arc::clone(&old.queue), Arc::clone(&old.cohort));
        let live = (registry, (&queue, &cohort), &mut next.ids);
        let (members, live, spoken) = members_of(&old.name, written, names, live);
        let shared = (queue, cohort);
        let mut built = build(&old.name, written, members, shared, n_workers)?;
        built.transports = Transports::make(written, &spoken, registry, &mut next)?;
        upstreams[index] = Arc::new(built);
        next.upstreams.insert(Arc::clone(&old.name), Arc::new(live));
    }
    let snapshot = Snapshot {
        generation: current.generation + 1,
        listeners: current.listeners.clone(),
        upstreams,
        forwarding: current.forwarding.clone(),
        access_log: current.access_log.clone(),
    };
    Ok((snapshot, next))
}

/// The members of one upstream in file order, a name's addresses in theirs; an address that comes up twice
/// counts once, where it came first.
#[expect(clippy::type_complexity, reason = "three lists that come about together")]
fn members_of<'a>(
    name: &Arc<str>,
    upstream: &'a config::Upstream,
    names: &Names,
    (registry, (queue, cohort), ids): (&Registry, (&Arc<Queue>, &Arc<Cohort>), &mut Ids),
) -> (Vec<Member>, Map<Address, Arc<Backend>>, Vec<(u64, &'a config::Backend)>) {
    let known = registry.upstreams.get(name);
    let mut members = Vec::with_capacity(upstream.backends.len());
    let mut live: Map<Address, Arc<Backend>> = Map::default();
    let mut spoken = Vec::with_capacity(upstream.backends.len());
    let mut add = |written: &'a config::Backend, address: Address, authority: &str| {
        if live.contains_key(&address) {
            return;
        }
        let adopted = known.and_then(|known| known.get(&address)).cloned();
        let mut made =
            || Backend::new(ids.backend(), address.clone()).in_queue(queue).in_cohort(cohort);
        let backend = adopted.unwrap_or_else(|| Arc::new(made()));
        live.insert(address, Arc::clone(&backend));
        spoken.push((backend.id, written));
        let member = Member::new(backend, authority);
        members.push(Member {
            identity: identity(&written.address, &member.backend.address),
            weight: written.weight,
            max_connections: written.max_connections.unwrap_or(Member::UNLIMITED),
            tier: if written.backup { Tier::Backup } else { Tier::Primary },
            slow_start: written.slow_start,
            ..member
        });
    };
    for backend in &upstream.backends {
        match &backend.address {
            BackendAddress::Tcp(address) => {
                add(backend, Address::Tcp(*address), &address.to_string());
            }
            // A path is no authority; what HTTP clients of unix sockets commonly send is.
            BackendAddress::Unix(path) => {
                add(backend, Address::Unix(path.clone()), "localhost");
            }
            BackendAddress::Name(host, port) => {
                let authority = format!("{host}:{port}");
                let key = HostPort { host: host.as_str().into(), port: *port };
                for address in names.get(&key).map(|found| &**found).unwrap_or_default() {
                    add(backend, Address::Tcp(*address), &authority);
                }
            }
        }
    }
    (members, live, spoken)
}

/// What strategies that hash know a member by: the address as configured, of a name's addresses each with it.
fn identity(written: &BackendAddress, address: &Address) -> u64 {
    match written {
        BackendAddress::Name(host, port) => stable(format!("{host}:{port}={address}").as_bytes()),
        BackendAddress::Tcp(_) | BackendAddress::Unix(_) => stable(address.to_string().as_bytes()),
    }
}

fn build(
    name: &Arc<str>,
    upstream: &config::Upstream,
    members: Vec<Member>,
    (queue, cohort): (Arc<Queue>, Arc<Cohort>),
    n_workers: usize,
) -> Result<Upstream, CompileError> {
    let fails_open = upstream.breaker.is_none_or(|breaker| breaker.fail_open);
    let members = Members::from(members).failing_open(fails_open);
    let unknown =
        |name: &str| CompileError::Unknown { what: "balance strategy", name: name.into() };
    let balancer = Balance::build(&upstream.balance, &members, n_workers).map_err(unknown)?;
    let sticky = upstream.sticky.as_ref();
    let timeouts = upstream.default_timeouts.overridden_by(&upstream.timeouts);
    let first_byte = timeouts.first_byte.unwrap_or(Care::PROBE_TIMEOUT_MAX);
    let care = Care {
        passive: upstream.passive,
        breaker: upstream.breaker,
        is_checked: upstream.health.is_some(),
        learns: balancer.learns(),
        probe_timeout: first_byte.min(Care::PROBE_TIMEOUT_MAX),
        unsent_timeout: timeouts.connect.unwrap_or_default() + Care::PROBE_TIMEOUT_MAX,
        n_members: members.iter().filter(|member| member.weight > 0).count() as u32,
    };
    Ok(Upstream {
        sticky: sticky.map(|options| Sticky::build(options, name, &members)),
        name: Arc::clone(name),
        members,
        balancer,
        queue,
        queueing: upstream.queue,
        pool: pool::Policy::share(&upstream.pool, n_workers),
        transports: None,
        host: upstream.host.clone(),
        care,
        cohort,
        budget: upstream.budget,
        health: upstream.health.clone().map(Arc::new),
        max_pending: upstream.max_pending,
        timeouts,
    })
}

fn listener(
    written: &config::Listener,
    config: &Config,
    tls: Option<Arc<tls::Server>>,
    (routes, entries): (Arc<RouteTable>, Vec<RouteEntry>),
) -> Listener {
    Listener {
        http: written.http,
        tls,
        not_in_the_clear: Seldom::default(),
        name: written.name.as_str().into(),
        limits: written.limits,
        path: written.path,
        timeouts: written.timeouts,
        send_idle: config.default_timeouts.overridden_by(&written.exchange_timeouts).send_idle,
        routes,
        entries,
    }
}

/// What a listener begins TLS sessions with: the one of before, where nothing has changed.
fn server(
    written: &config::Listener,
    registry: &Registry,
    next: &mut Registry,
) -> Result<Option<Arc<tls::Server>>, CompileError> {
    let Some(tls) = &written.tls else { return Ok(None) };
    let known = registry.servers.get(&*written.name);
    let server = match known.filter(|known| known.is(tls, written.http)) {
        Some(known) => Arc::clone(known),
        None => {
            let made = tls::Server::new(tls, written.http, &next.tickets);
            Arc::new(made.map_err(|error| CompileError::ListenerTls(written.name.clone(), error))?)
        }
    };
    next.servers.insert(written.name.as_str().into(), Arc::clone(&server));
    Ok(Some(server))
}

fn adopt_socket(
    bind: &config::Bind,
    written: &config::Listener,
    listener: &Listener,
    registry: &Registry,
    next: &mut Registry,
) -> Wanted {
    let mut key = (bind.clone(), 0);
    while next.sockets.contains_key(&key) {
        key.1 += 1;
    }
    let known = registry.sockets.get(&key).copied();
    let socket = known.unwrap_or_else(|| next.ids.socket());
    next.sockets.insert(key.clone(), socket);
    Wanted { socket, key, listener: Arc::clone(&listener.name), backlog: written.backlog }
}

fn forwarding(config: &Config) -> Forwarding {
    Forwarding {
        trusted: config.global.trusted_proxies.clone(),
        client_ip_header: config.global.client_ip_header,
        forwarded: config.global.forwarded,
        request_id: config.telemetry.request_id.as_str().into(),
    }
}

fn access_log(
    config: &Config,
    registry: &Registry,
    next: &mut Registry,
) -> Result<Option<AccessLog>, CompileError> {
    let Some(written) = config.log.access.as_ref().filter(|access| access.sample > 0.0) else {
        return Ok(None);
    };
    let writer = match registry.writers.get(&written.to) {
        Some(writer) => Arc::clone(writer),
        None => match Writer::open(&written.to) {
            Ok(writer) => Arc::new(writer),
            Err(error) => return Err(CompileError::Log(written.to.clone(), error)),
        },
    };
    let sender = writer.sender();
    next.writers.insert(written.to.clone(), writer);
    // A redacted header is recorded too, as having been there.
    let mut headers: Vec<RecordedHeader> = Vec::new();
    for name in written.headers.iter().chain(&written.redact) {
        if !headers.iter().any(|header| *header.name == **name) {
            headers.push(RecordedHeader {
                name: name.as_str().into(),
                known: Known::of(name.as_bytes()),
                name_json: header_json(name),
                redacted: written.redact.contains(name),
            });
        }
    }
    let sample_at_most = (written.sample.min(1.0) * f64::from(u32::MAX)) as u32;
    Ok(Some(AccessLog { sender, format: written.format, sample_at_most, headers }))
}
