//! From what the operator wrote to what the data plane reads: a pure function of the configuration, the
//! resolved names and the registry (opening a log target is its one contact with the world).

use std::io;
use std::sync::Arc;

use super::names::{HostPort, Names};
use super::registry::{BindKey, Ids, Registry};
use super::{AccessLog, Forwarding, Listener, Policy, RouteEntry, Snapshot, SocketId, Upstream};
use crate::backend::{Address, Backend, Member};
use crate::balance::STRATEGIES;
use crate::config::{self, BackendAddress, Config};
use crate::hash::{Map, Set};
use crate::log::{Writer, names_json};
use crate::pool;
use crate::route::{BadPattern, RouteSpec, RouteTable};

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
    /// An expression that checking should have refused.
    Pattern {
        /// The route that has it.
        route: String,
        /// What is wrong with it.
        error: BadPattern,
    },
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
            CompileError::Unknown { what, name } => write!(f, "there is no {what} named {name}"),
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
    let mut next = Registry { ids: registry.ids, ..Registry::default() };
    let mut upstreams = Vec::with_capacity(config.upstreams.len());
    let mut index_of: Map<&str, usize> = Map::default();
    for (name, upstream) in &config.upstreams {
        let name_shared: Arc<str> = name.as_str().into();
        let (members, live) = members_of(&name_shared, upstream, names, registry, &mut next.ids);
        index_of.insert(name, upstreams.len());
        upstreams.push(Arc::new(build(&name_shared, upstream, members, n_workers)?));
        next.upstreams.insert(name_shared, Arc::new(live));
    }
    let access_log = access_log(config, registry, &mut next)?;
    let targets = config.routes.iter().map(|route| {
        let name = route.action.upstreams().next().unwrap_or_default();
        let unknown = || CompileError::Unknown { what: "upstream", name: name.to_owned() };
        index_of.get(name).copied().ok_or_else(unknown)
    });
    let targets: Vec<usize> = targets.collect::<Result<_, _>>()?;
    let table = RouteTable::compile(&specs(config)).map_err(|error| CompileError::Pattern {
        route: config.routes[error.route].name.clone(),
        error,
    })?;
    let table = Arc::new(table);
    let names: Vec<Arc<str>> =
        config.routes.iter().map(|route| route.name.as_str().into()).collect();
    let mut listeners = Vec::new();
    let mut sockets = Vec::new();
    for written in &config.listeners {
        let entries = entries(written, config, &targets, &names, &upstreams);
        let listener = Arc::new(listener(written, config, Arc::clone(&table), entries));
        for bind in &written.binds {
            let wanted = adopt_socket(bind, written, &listener, registry, &mut next);
            listeners.push((wanted.socket, Arc::clone(&listener)));
            sockets.push(wanted);
        }
    }
    let forwarding = forwarding(config);
    let snapshot = Snapshot { generation, listeners, upstreams, forwarding, access_log };
    Ok(Draft { snapshot, registry: next, sockets })
}

/// The snapshot that follows `current` when only the members of the upstreams that use one of `changed` differ:
/// everything else is shared with it. `config` and `registry` are those that `current` was made from.
///
/// Fails only by a fault of ours; see [`CompileError::Unknown`].
pub fn replace_members(
    current: &Snapshot,
    config: &Config,
    names: &Names,
    changed: &Set<HostPort>,
    registry: &Registry,
    n_workers: usize,
) -> Result<(Snapshot, Registry), CompileError> {
    let mut upstreams = current.upstreams.clone();
    let mut next = registry.copy();
    for (index, old) in current.upstreams.iter().enumerate() {
        let Some(written) = config.upstreams.get(&*old.name) else { continue };
        let uses = |backend: &config::Backend| match &backend.address {
            BackendAddress::Name(host, port) => {
                changed.contains(&HostPort { host: host.as_str().into(), port: *port })
            }
            BackendAddress::Tcp(_) | BackendAddress::Unix(_) => false,
        };
        if !written.backends.iter().any(uses) {
            continue;
        }
        let (members, live) = members_of(&old.name, written, names, registry, &mut next.ids);
        upstreams[index] = Arc::new(build(&old.name, written, members, n_workers)?);
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
fn members_of(
    name: &Arc<str>,
    upstream: &config::Upstream,
    names: &Names,
    registry: &Registry,
    ids: &mut Ids,
) -> (Vec<Member>, Map<Address, Arc<Backend>>) {
    let known = registry.upstreams.get(name);
    let mut members = Vec::with_capacity(upstream.backends.len());
    let mut live: Map<Address, Arc<Backend>> = Map::default();
    let mut add = |address: Address, authority: &str| {
        if live.contains_key(&address) {
            return;
        }
        let adopted = known.and_then(|known| known.get(&address)).cloned();
        let backend =
            adopted.unwrap_or_else(|| Arc::new(Backend::new(ids.backend(), address.clone())));
        live.insert(address, Arc::clone(&backend));
        members.push(Member { backend, authority: authority.into() });
    };
    for backend in &upstream.backends {
        match &backend.address {
            BackendAddress::Tcp(address) => add(Address::Tcp(*address), &address.to_string()),
            // A path is no authority; what HTTP clients of unix sockets commonly send is.
            BackendAddress::Unix(path) => add(Address::Unix(path.clone()), "localhost"),
            BackendAddress::Name(host, port) => {
                let authority = format!("{host}:{port}");
                let key = HostPort { host: host.as_str().into(), port: *port };
                for address in names.get(&key).map(|found| &**found).unwrap_or_default() {
                    add(Address::Tcp(*address), &authority);
                }
            }
        }
    }
    (members, live)
}

fn build(
    name: &Arc<str>,
    upstream: &config::Upstream,
    members: Vec<Member>,
    n_workers: usize,
) -> Result<Upstream, CompileError> {
    let strategy =
        STRATEGIES.iter().find(|strategy| strategy.name == upstream.balance).ok_or_else(|| {
            CompileError::Unknown { what: "balance strategy", name: upstream.balance.clone() }
        })?;
    Ok(Upstream {
        name: Arc::clone(name),
        members,
        balancer: (strategy.build)(n_workers),
        pool: pool::Policy::share(&upstream.pool, n_workers),
        host: upstream.host.clone(),
    })
}

fn specs(config: &Config) -> Vec<RouteSpec> {
    config.routes.iter().map(RouteSpec::from).collect()
}

/// One entry a route, with the timeouts that hold for this listener and the route's upstream.
fn entries(
    listener: &config::Listener,
    config: &Config,
    targets: &[usize],
    names: &[Arc<str>],
    upstreams: &[Arc<Upstream>],
) -> Vec<RouteEntry> {
    let timeouts: Vec<_> = config
        .upstreams
        .values()
        .map(|upstream| {
            upstream
                .default_timeouts
                .overridden_by(&listener.exchange_timeouts)
                .overridden_by(&upstream.timeouts)
        })
        .collect();
    let name: Arc<str> = listener.name.as_str().into();
    let entry = |(&upstream, route): (&usize, &Arc<str>)| RouteEntry {
        upstream,
        policy: Arc::new(Policy {
            listener: Arc::clone(&name),
            route: Arc::clone(route),
            upstream: Arc::clone(&upstreams[upstream].name),
            names_json: names_json(&name, Some(route), Some(&upstreams[upstream].name)),
            timeouts: timeouts[upstream],
            body_idle: listener.timeouts.body_idle,
        }),
    };
    targets.iter().zip(names).map(entry).collect()
}

fn listener(
    written: &config::Listener,
    config: &Config,
    routes: Arc<RouteTable>,
    entries: Vec<RouteEntry>,
) -> Listener {
    // Every upstream carries the same `[defaults.timeouts]`; without one there is nothing to send to, and
    // the documented default holds for our own answers.
    let default = config
        .upstreams
        .values()
        .next()
        .map_or(Some(SEND_IDLE_DEFAULT), |upstream| upstream.default_timeouts.send_idle);
    Listener {
        name: written.name.as_str().into(),
        limits: written.limits,
        path: written.path,
        timeouts: written.timeouts,
        send_idle: written.exchange_timeouts.send_idle.unwrap_or(default),
        routes,
        entries,
    }
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
    let mut headers: Vec<(Box<str>, bool)> = Vec::new();
    for name in written.headers.iter().chain(&written.redact) {
        if !headers.iter().any(|(known, _)| **known == **name) {
            headers.push((name.as_str().into(), written.redact.contains(name)));
        }
    }
    let sample_at_most = (written.sample.min(1.0) * f64::from(u32::MAX)) as u32;
    Ok(Some(AccessLog { sender, format: written.format, sample_at_most, headers }))
}

/// `send_idle` where nothing says otherwise.
const SEND_IDLE_DEFAULT: std::time::Duration = std::time::Duration::from_secs(60);
