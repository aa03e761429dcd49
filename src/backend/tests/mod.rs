//! Backends under an injected clock: what befalls them and what becomes of them.

mod breaker;
mod interleavings;
mod sensing;
mod stall;
mod walk;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    Address, Backend, Became, Candidates, Care, Cohort, Member, Members, Permit, State, Tried,
    Verdict, Watched, watch,
};
use crate::config;
use crate::config::Signal;

pub(super) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// An upstream whose time is told.
pub(super) struct World {
    pub(super) cohort: Arc<Cohort>,
    pub(super) members: Members,
    pub(super) care: Care,
    pub(super) now: Instant,
}

impl World {
    pub(super) fn new(n: u64) -> Self {
        Self::with(n, |_| {})
    }

    /// `n` backends with the default care, the list changed by `change`.
    pub(super) fn with(n: u64, change: impl FnOnce(&mut Vec<Member>)) -> Self {
        let now = Instant::now();
        let cohort = Arc::new(Cohort::new("app".into(), 1));
        let member = |id: u64| {
            let address = Address::Unix(format!("/{id}").into());
            let backend = Backend::known_since(id, address, now).in_cohort(&cohort);
            Member::new(Arc::new(backend), "x")
        };
        let mut list: Vec<Member> = (0..n).map(member).collect();
        change(&mut list);
        let care = Care {
            passive: Some(config::Passive::default()),
            breaker: Some(config::Breaker::default()),
            is_checked: false,
            learns: false,
            probe_timeout: Care::PROBE_TIMEOUT_MAX,
            unsent_timeout: Duration::from_secs(15),
            n_members: n as u32,
        };
        World { members: Members::from(list).failing_open(true), cohort, care, now }
    }

    pub(super) fn passive(&mut self) -> &mut config::Passive {
        self.care.passive.as_mut().expect("it is on")
    }

    pub(super) fn breaker(&mut self) -> &mut config::Breaker {
        self.care.breaker.as_mut().expect("it is on")
    }

    pub(super) fn after(&mut self, time: Duration) -> Watched {
        self.now += time;
        self.watch()
    }

    pub(super) fn watch(&self) -> Watched {
        watch(&self.members, &self.care, &self.cohort, self.now)
    }

    pub(super) fn backend(&self, n: usize) -> &Arc<Backend> {
        &self.members[n].backend
    }

    pub(super) fn state(&self, n: usize) -> State {
        self.backend(n).standing().state
    }

    pub(super) fn states(&self) -> Vec<State> {
        (0..self.members.len()).map(|n| self.state(n)).collect()
    }

    /// A request that was sent to this one; `None` if it does not get any.
    pub(super) fn send(&self, n: usize) -> Option<Permit> {
        let mut permit = Permit::try_acquire(&self.members[n])?;
        permit.sent(self.now);
        Some(permit)
    }

    pub(super) fn judge(&self, permit: &mut Permit, became: Became) {
        self.judge_after(permit, became, ms(5));
    }

    pub(super) fn judge_after(&self, permit: &mut Permit, became: Became, latency: Duration) {
        permit.judge(&Verdict { became, latency, now: self.now }, &self.care);
    }

    /// A whole request to this one, whatever its state.
    pub(super) fn request(&self, n: usize, became: Became) {
        let mut permit = Permit::try_acquire_anyway(&self.members[n]).expect("no bound");
        if became != Became::Failed(Signal::Connect) {
            permit.sent(self.now);
        }
        self.judge(&mut permit, became);
    }

    /// Those that a request may go to.
    pub(super) fn eligible(&self) -> Vec<u64> {
        let tried = Tried::default();
        let sound = Candidates::new(&self.members, &tried);
        let candidates = match sound.any() {
            true => Some(sound),
            false => Candidates::last_resort(&self.members, &tried),
        };
        let all = candidates.into_iter().flat_map(Candidates::iter);
        all.map(|member| member.backend.id).collect()
    }
}

pub(super) const OK: Became = Became::Answered(200, None);
pub(super) const BAD: Became = Became::Answered(503, None);
pub(super) const RESET: Became = Became::Failed(Signal::Reset);
pub(super) const REFUSED: Became = Became::Failed(Signal::Connect);
