//! One backend's live state, and the view of an upstream's members that strategies choose from.
//!
//! What an operator configures (weight, tier, limits) lives in the snapshot's [`Member`]; only what was
//! measured lives in [`Backend`], which survives a reload by (upstream, address).

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crossbeam_utils::CachePadded;

use breaker::{Gate, Phase};
use change::Record;
use flow::Flow;
use sensor::Sensor;
use share::Share;
use stall::Suspicion;

mod breaker;
mod budget;
mod candidates;
mod care;
mod change;
mod cohort;
mod flow;
mod latency;
mod member;
mod news;
mod pending;
mod permit;
mod quantile;
mod queue;
mod sensor;
mod share;
mod stall;
mod standing;
#[cfg(test)]
mod tests;
mod watch;

pub use budget::RetryBudget;
pub use candidates::{Candidates, Tried};
pub use care::Care;
pub use cohort::Cohort;
pub use latency::{FAILURE_FACTOR, Latency};
pub use member::{Member, Members, Tier};
pub use pending::Pending;
pub use permit::{Became, Outcome, Permit, Verdict};
pub use queue::{Attempt, Queue, Waited, Waiter};
pub use standing::{Cause, Standing, State};
pub use watch::{Watched, watch};

/// Where a backend listens, after name resolution.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A unix stream socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One address with live state, shared by all workers and by every snapshot that names it.
///
/// What moves with every request has cache lines of its own; the rest is read only, or nearly.
#[derive(Debug)]
pub struct Backend {
    /// Unique in this process, never reused: the key of the workers' pools.
    pub id: u64,
    /// Where to connect.
    pub address: Address,
    /// The address as text, for logs.
    pub label: Box<str>,
    /// Whether it may get requests.
    gate: Gate,
    /// What went wrong lately.
    sensor: Sensor,
    /// When the last request was sent that tries it while half-open, in nanoseconds from `epoch`.
    probe_sent: AtomicU64,
    /// When the world began for it.
    epoch: Instant,
    /// No new requests by its weight: it is not counted among those who are there for others. Written by the watch.
    drained: AtomicBool,
    /// The silence that the watch looks into.
    suspicion: Mutex<Option<Suspicion>>,
    /// Its last change.
    record: Mutex<Record>,
    /// The part of its weight that holds.
    share: Share,
    /// What moves with every request.
    flow: CachePadded<Flow>,
    /// How long it takes to answer.
    latency: CachePadded<Latency>,
    /// Who waits for a place at it, or at another backend of its upstream.
    queue: Arc<Queue>,
    /// What it shares with the other backends of its upstream.
    cohort: Arc<Cohort>,
}

impl Backend {
    /// A backend nothing is known of.
    pub fn new(id: u64, address: Address) -> Self {
        Self::known_since(id, address, Instant::now())
    }

    /// As [`Backend::new`], where the clock is not the system's: nothing will be told of it from before `epoch`.
    pub fn known_since(id: u64, address: Address, epoch: Instant) -> Self {
        let label = address.to_string().into_boxed_str();
        Backend {
            id,
            address,
            label,
            gate: Gate::default(),
            sensor: Sensor::default(),
            probe_sent: AtomicU64::new(0),
            epoch,
            drained: AtomicBool::new(false),
            suspicion: Mutex::default(),
            record: Mutex::new(Record::new(epoch)),
            share: Share::default(),
            flow: CachePadded::default(),
            latency: CachePadded::new(Latency::new(epoch)),
            queue: Arc::default(),
            cohort: Arc::new(Cohort::new("".into(), 0)),
        }
    }

    /// One whose places are waited for in `queue`.
    #[must_use]
    pub fn in_queue(self, queue: &Arc<Queue>) -> Self {
        Backend { queue: Arc::clone(queue), ..self }
    }

    /// One of `cohort`.
    #[must_use]
    pub fn in_cohort(self, cohort: &Arc<Cohort>) -> Self {
        Backend { cohort: Arc::clone(cohort), ..self }
    }

    /// Whether it was taken out since it answers nobody while its peers do: requests that wait on it are to be raced.
    #[inline]
    pub fn is_stalled(&self) -> bool {
        let word = self.gate.load();
        word.is_stalled() && word.phase() == Phase::Open
    }

    /// It is found stalled, as the watch would.
    #[cfg(test)]
    pub(crate) fn found_stalled(&self, care: &Care) {
        let generation = self.gate.load().generation();
        self.trip(change::Trip::soft(Cause::Stalled), generation, care, Instant::now());
    }

    /// Exchanges in use now, over all workers.
    #[inline]
    pub fn in_flight(&self) -> u32 {
        self.flow.in_flight.load(Relaxed)
    }

    /// How long it takes to answer, as far as a strategy wanted to know.
    #[inline]
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Whether it may get requests, by its health.
    #[inline]
    pub fn is_available(&self) -> bool {
        self.gate.load().is_available()
    }

    /// Whether it gets requests as usual, and not only such as try it.
    fn is_in_service(&self) -> bool {
        self.gate.load().is_in_service()
    }

    /// Takes it out of service, or back, as its checks would.
    #[cfg(test)]
    pub(crate) fn set_available(&self, available: bool) {
        let (state, cause) = match available {
            true => (State::Up, Cause::ChecksPassed),
            false => (State::Down, Cause::ChecksFailed),
        };
        self.set_checked(state, cause, Instant::now());
    }

    /// Keeps whether its weight is 0.
    fn set_drained(&self, is: bool) {
        if self.drained.load(Relaxed) != is {
            self.drained.store(is, Relaxed);
        }
    }

    /// Whether it is new, and no check has passed yet.
    fn is_new(&self) -> bool {
        self.gate.load().state() == State::Unproven
    }

    /// Whether its last connect succeeded, as far as is known.
    fn is_connectable(&self) -> bool {
        !self.gate.load().is_unconnected()
    }

    /// Nanoseconds from its beginning to `now`.
    #[inline]
    fn nanos(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch);
        since.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(since.subsec_nanos()))
    }

    /// A request that tries it was sent. Whether that was still of interest.
    #[cold]
    fn probe_sent(&self, generation: u32, now: Instant) -> bool {
        if !self.gate.load().is_trying(generation) {
            return false;
        }
        // First the time: the watch must not hold an older one against it.
        self.probe_sent.store(self.nanos(now), Relaxed);
        self.gate.probe_sent(generation)
    }
}
