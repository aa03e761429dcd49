//! What the backends of one upstream share, across reloads: the retry budget, the cap on ejections, the count of
//! requests that wait for a response head, and how often they changed their state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::budget::RetryBudget;
use super::pending::Waiting;
use super::standing::Cause;

/// The live state of an upstream as a whole.
#[derive(Debug)]
pub struct Cohort {
    /// The upstream's name.
    pub name: Arc<str>,
    /// What further tries may cost.
    pub budget: RetryBudget,
    /// Requests that wait for a response head.
    pub(super) pending: Waiting,
    /// Changes of state, by [`Cause`].
    pub(super) changes: [AtomicU64; Cause::ALL.len()],
    /// Backends out by soft ejections.
    pub(super) n_ejected: AtomicU32,
}

impl Cohort {
    /// One that nothing has happened to, of the upstream `name`, for `n_workers` workers.
    pub fn new(name: Arc<str>, n_workers: usize) -> Self {
        Cohort {
            name,
            budget: RetryBudget::new(n_workers),
            pending: Waiting::default(),
            changes: Default::default(),
            n_ejected: AtomicU32::new(0),
        }
    }

    /// How often a backend changed its state for `cause`.
    pub fn n_changes(&self, cause: Cause) -> u64 {
        self.changes[cause as usize].load(Relaxed)
    }
}
