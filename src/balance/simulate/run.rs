//! The loop over events.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::report::{Report, ServerReport, percentile};
use super::{Condition, KEYS_MAX, REQUESTS_MAX, Scenario, Server, Service};
use crate::backend::{self, Address, Backend, Cause, Member, Members, Outcome, Permit, Tried};
use crate::balance::{Balance, Hint};
use crate::hash::mix;
use crate::rng::Rng;

/// What happens at a time, in nanoseconds from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The change of this index.
    Change(usize),
    /// The request of this number is over.
    Done(usize),
    Arrival,
}

#[derive(Debug)]
struct Request {
    arrived: u64,
    server: usize,
    permit: Permit,
    /// It fails whatever the server does.
    fails: bool,
    /// It takes one of the server's places.
    served: bool,
}

#[derive(Debug)]
struct State {
    condition: Condition,
    n_busy: u32,
    waiting: VecDeque<usize>,
    report: ServerReport,
}

struct World<'a> {
    scenario: &'a Scenario,
    epoch: Instant,
    now: u64,
    members: Members,
    balance: Balance,
    random: Rng,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    states: Vec<State>,
    /// By number; numbers are used again.
    requests: Vec<Option<Request>>,
    free: Vec<usize>,
    latencies: Vec<u64>,
    /// For each key the server it had last.
    last: Vec<Option<u32>>,
    n_requests: u64,
    n_refused: u64,
    n_moved: u64,
}

/// Runs `scenario` to its end.
///
/// # Errors
/// The name of a strategy that there is not.
pub fn run(scenario: &Scenario) -> Result<Report, &'static str> {
    run_with(scenario, |_, _| {})
}

/// As [`run`]; `see` is told each request's time, from the beginning, and the server it went to.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    scenario: &Scenario,
    mut see: impl FnMut(Duration, usize),
) -> Result<Report, &'static str> {
    let mut world = World::new(scenario)?;
    while let Some(Reverse((at, event))) = world.events.pop() {
        world.now = at;
        match event {
            Event::Change(index) => world.change(index),
            Event::Done(number) => world.done(number),
            Event::Arrival => {
                if let Some(server) = world.arrive() {
                    see(Duration::from_nanos(at), server);
                }
            }
        }
    }
    Ok(world.report())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// An exponentially distributed number of nanoseconds.
fn exponential(random: &mut Rng, mean_nanos: f64) -> u64 {
    let uniform = ((random.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    (-uniform.ln() * mean_nanos) as u64
}

fn member(index: usize, server: &Server, epoch: Instant) -> Member {
    let ip = Ipv6Addr::from_bits(0xfd00 << 112 | index as u128);
    let address = Address::Tcp(SocketAddr::from((ip, 80)));
    let backend = Arc::new(Backend::known_since(index as u64, address, epoch));
    Member {
        weight: server.weight,
        max_connections: server.max_connections.unwrap_or(Member::UNLIMITED),
        ..Member::new(backend, "simulated")
    }
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario) -> Result<Self, &'static str> {
        let epoch = Instant::now();
        let servers = scenario.servers.iter().enumerate();
        let members: Vec<Member> = servers.map(|(n, server)| member(n, server, epoch)).collect();
        let members = Members::from(members);
        let balance = Balance::build(&scenario.balance, &members, scenario.n_workers.max(1))?;
        let changes = scenario.changes.iter().enumerate();
        let mut events: BinaryHeap<_> = changes
            .map(|(index, change)| Reverse((nanos(change.at), Event::Change(index))))
            .collect();
        events.push(Reverse((0, Event::Arrival)));
        let state = |_: &Server| State {
            condition: Condition::Well,
            n_busy: 0,
            waiting: VecDeque::new(),
            report: ServerReport::default(),
        };
        Ok(World {
            scenario,
            epoch,
            now: 0,
            members,
            balance,
            random: Rng::seeded(scenario.seed),
            events,
            states: scenario.servers.iter().map(state).collect(),
            requests: Vec::new(),
            free: Vec::new(),
            latencies: Vec::new(),
            last: vec![None; scenario.n_keys.min(KEYS_MAX) as usize],
            n_requests: 0,
            n_refused: 0,
            n_moved: 0,
        })
    }

    fn instant(&self) -> Instant {
        self.epoch + Duration::from_nanos(self.now)
    }

    /// A request comes; the server it goes to.
    fn arrive(&mut self) -> Option<usize> {
        let mean = 1e9 / self.scenario.arrivals_per_second.max(1e-9);
        let next = self.now.saturating_add(exponential(&mut self.random, mean));
        self.n_requests += 1;
        if next < nanos(self.scenario.duration) && self.n_requests < REQUESTS_MAX {
            self.events.push(Reverse((next, Event::Arrival)));
        }
        let key = match self.last.len() as u64 {
            0 => None,
            n_keys => Some(self.random.next_u64() % n_keys),
        };
        let worker = (self.random.next_u64() % self.scenario.n_workers.max(1) as u64) as usize;
        let now = self.instant();
        let hashed = key.map(|key| mix(key.wrapping_add(0x51ed_270b_0a1c_9d6f)));
        let mut hint = Hint { worker, now, key: hashed, random: &mut self.random };
        let Some(permit) = self.balance.take(&self.members, &Tried::default(), &mut hint) else {
            self.n_refused += 1;
            return None;
        };
        let server = permit.backend().id as usize;
        if let Some(last) = key.and_then(|key| self.last.get_mut(key as usize)) {
            self.n_moved += u64::from(last.is_some_and(|last| last as usize != server));
            *last = Some(server as u32);
        }
        self.give(server, permit);
        Some(server)
    }

    fn give(&mut self, server: usize, permit: Permit) {
        let state = &mut self.states[server];
        state.report.n_requests += 1;
        state.report.in_flight_max = state.report.in_flight_max.max(permit.backend().in_flight());
        let request = Request { arrived: self.now, server, permit, fails: false, served: false };
        let number = self.free.pop().unwrap_or(self.requests.len());
        match self.requests.get_mut(number) {
            Some(slot) => *slot = Some(request),
            None => self.requests.push(Some(request)),
        }
        match self.states[server].condition {
            Condition::FailsFast(after) => self.fail(number, nanos(after)),
            Condition::Gone => self.fail(number, 0),
            Condition::Well | Condition::Slow(_) => {
                self.states[server].waiting.push_back(number);
                self.serve(server);
            }
        }
    }

    fn fail(&mut self, number: usize, after: u64) {
        if let Some(request) = &mut self.requests[number] {
            request.fails = true;
            self.events.push(Reverse((self.now + after, Event::Done(number))));
        }
    }

    /// Begins to serve as many as the server can.
    fn serve(&mut self, server: usize) {
        let Server { service, n_parallel, .. } = self.scenario.servers[server];
        let state = &mut self.states[server];
        while state.n_busy < n_parallel.max(1) {
            let Some(number) = state.waiting.pop_front() else { break };
            state.n_busy += 1;
            let takes = match service {
                Service::Fixed(takes) => nanos(takes),
                Service::Exponential(mean) => exponential(&mut self.random, nanos(mean) as f64),
            };
            let takes = match state.condition {
                Condition::Slow(factor) => (takes as f64 * factor) as u64,
                _ => takes,
            };
            if let Some(request) = &mut self.requests[number] {
                request.served = true;
            }
            self.events.push(Reverse((self.now.saturating_add(takes), Event::Done(number))));
        }
    }

    fn done(&mut self, number: usize) {
        let Some(request) = self.requests[number].take() else { return };
        self.free.push(number);
        let latency = self.now - request.arrived;
        let state = &mut self.states[request.server];
        let failed = request.fails || state.condition == Condition::Gone;
        let outcome = if failed { Outcome::Failure } else { Outcome::Success };
        match outcome {
            Outcome::Success => self.latencies.push(latency),
            Outcome::Failure => state.report.n_failed += 1,
        }
        state.n_busy -= u32::from(request.served);
        let now = self.epoch + Duration::from_nanos(self.now);
        if self.balance.learns() {
            request.permit.settle(outcome, Duration::from_nanos(latency), now);
        }
        let server = request.server;
        drop(request);
        self.serve(server);
    }

    fn change(&mut self, index: usize) {
        let change = &self.scenario.changes[index];
        let Some(state) = self.states.get_mut(change.server) else { return };
        state.condition = change.to;
        let (says, cause) = match change.to {
            Condition::Gone => (backend::State::Down, Cause::ChecksFailed),
            _ => (backend::State::Up, Cause::ChecksPassed),
        };
        let now = self.epoch + Duration::from_nanos(self.now);
        let backend = &self.members[change.server].backend;
        backend.set_checked(says, cause, now);
        if cause == Cause::ChecksPassed {
            backend.check_passed(true, now);
        }
        if change.to == Condition::Gone {
            for number in std::mem::take(&mut state.waiting) {
                self.fail(number, 0);
            }
        }
    }

    fn report(mut self) -> Report {
        self.latencies.sort_unstable();
        let servers: Vec<ServerReport> = self.states.iter().map(|state| state.report).collect();
        Report {
            strategy: self.scenario.balance.strategy,
            n_requests: self.n_requests,
            n_failed: servers.iter().map(|server| server.n_failed).sum(),
            n_refused: self.n_refused,
            n_moved: self.n_moved,
            p50: percentile(&self.latencies, 0.5),
            p99: percentile(&self.latencies, 0.99),
            servers,
        }
    }
}
