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
}

impl Care {
    /// A request that tries a half-open backend is waited for no longer than this.
    pub const PROBE_TIMEOUT_MAX: Duration = Duration::from_secs(10);
}
