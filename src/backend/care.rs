//! What an operator wants to be done about backends that fail: the options, as a snapshot has them, of what live
//! state is told.

use std::time::Duration;

use crate::config;

/// How an upstream watches over its backends.
#[derive(Clone, Debug)]
pub struct Care {
    /// What is learnt from answers; `None`: nothing.
    pub passive: Option<config::Passive>,
    /// What is done about it; `None`: nothing.
    pub breaker: Option<config::Breaker>,
    /// Whether backends are asked how they are.
    pub is_checked: bool,
    /// Whether the strategy learns how long answers take.
    pub learns: bool,
    /// A probing request that is not answered after this has failed: the upstream's `first_byte`, at most 10 s.
    pub probe_timeout: Duration,
    /// A probing request that was not even sent after this, since it is being connected or its client is slow, keeps
    /// others from trying no longer.
    pub unsent_timeout: Duration,
    /// Backends that are not drained: what the cap on ejections is a share of.
    pub n_members: u32,
}

impl Care {
    /// A request that tries a half-open backend is waited for no longer than this.
    pub const PROBE_TIMEOUT_MAX: Duration = Duration::from_secs(10);

    /// Backends that may be out by soft ejections at once: the share rounded down, at least one of two or more
    /// unless the share is nothing.
    pub fn n_ejected_max(&self) -> u32 {
        let share = self.breaker.map_or(0.0, |breaker| breaker.max_ejected);
        match (share > 0.0 && self.n_members >= 2, f64::from(self.n_members) * share) {
            (true, of_all) => ((of_all + 1e-9) as u32).max(1),
            (false, _) => 0,
        }
    }

    /// Whether [`super::watch`] has anything to do.
    pub fn is_watched(&self) -> bool {
        self.breaker.is_some() || self.passive.is_some() || self.is_checked
    }
}
