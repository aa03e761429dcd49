//! One backend's live state, and the view of an upstream's members that strategies choose from.
//!
//! What an operator configures (weight, tier, limits) lives in the snapshot's [`Member`]; only what was
//! measured lives in [`Backend`], which survives a reload by (upstream, address).

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use crossbeam_utils::CachePadded;

mod budget;
mod candidates;
mod care;
mod cohort;
mod latency;
mod member;
mod pending;
mod permit;
mod queue;
mod standing;

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
    available: AtomicBool,
    /// The part of its weight that holds, of [`Backend::SHARE_FULL`].
    share: AtomicU32,
    /// Exchanges, tunnels and streams in use, over all workers.
    in_flight: CachePadded<AtomicU32>,
    /// How long it takes to answer.
    latency: CachePadded<Latency>,
    /// Who waits for a place at it, or at another backend of its upstream.
    queue: Arc<Queue>,
    /// What it shares with the other backends of its upstream.
    cohort: Option<Arc<Cohort>>,
}

impl Backend {
    /// A share that leaves the weight as it is written.
    pub const SHARE_FULL: u32 = 1 << 16;

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
            available: AtomicBool::new(true),
            share: AtomicU32::new(Self::SHARE_FULL),
            in_flight: CachePadded::default(),
            latency: CachePadded::new(Latency::new(epoch)),
            queue: Arc::default(),
            cohort: None,
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
        Backend { cohort: Some(Arc::clone(cohort)), ..self }
    }

    /// How it stands, since when and why.
    pub fn standing(&self) -> Standing {
        let state = if self.is_available() { State::Up } else { State::Down };
        Standing { state, since: Instant::now(), cause: Cause::Start }
    }

    /// Whether it was taken out since it answers nobody while its peers do: requests that wait on it are to be raced.
    #[inline]
    pub fn is_stalled(&self) -> bool {
        false
    }

    /// What its checks say now: `Up`, `Unproven` or `Down`; `Up` where there are none. For the control thread alone.
    pub fn set_checked(&self, state: State, _cause: Cause, _now: Instant) {
        self.set_available(state == State::Up);
    }

    /// Exchanges in use now, over all workers.
    #[inline]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// How long it takes to answer, as far as a strategy wanted to know.
    #[inline]
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Whether it may get requests, by its health.
    #[inline]
    pub fn is_available(&self) -> bool {
        self.available.load(Relaxed)
    }

    /// Takes it out of service, or back: for those who watch its health. Requests that wait for a place look again.
    pub fn set_available(&self, available: bool) {
        self.available.store(available, Relaxed);
        self.queue.members_changed();
    }

    /// The part of its weight that holds now, 0..=[`Backend::SHARE_FULL`].
    #[inline]
    pub fn share(&self) -> u32 {
        self.share.load(Relaxed)
    }

    /// Sets the part of its weight that holds, 0.0..=1.0 (clamped): for a slow start. Even at 0.0 it gets a request
    /// where no other backend can take it.
    pub fn set_share(&self, share: f64) {
        let share = (share.clamp(0.0, 1.0) * f64::from(Self::SHARE_FULL)) as u32;
        self.share.store(share, Relaxed);
    }
}
