//! Strategies: given the eligible backends, choose one. A strategy is one file and one entry in
//! [`STRATEGIES`]; health, limits and retries are around it, never in it.

use std::fmt;
use std::sync::Arc;

use crate::backend::{Backend, Candidates};

mod round_robin;

pub use round_robin::RoundRobin;

/// What a strategy may look at besides the candidates.
#[derive(Clone, Copy, Debug)]
pub struct Hint {
    /// Index of the asking worker.
    pub worker: usize,
}

/// A strategy.
pub trait Balancer: Send + Sync + fmt::Debug {
    /// Chooses a backend; `None` only if no candidate is eligible. Must not block, allocate or read the clock.
    fn pick<'a>(&self, candidates: Candidates<'a>, hint: Hint) -> Option<&'a Arc<Backend>>;
}

/// How to build a strategy for an upstream.
#[derive(Debug)]
pub struct Strategy {
    /// The name in TOML.
    pub name: &'static str,
    /// Builds it for a number of workers.
    pub build: fn(n_workers: usize) -> Arc<dyn Balancer>,
}

/// Every strategy that a configuration can name.
pub const STRATEGIES: &[Strategy] =
    &[Strategy { name: "round_robin", build: |n_workers| Arc::new(RoundRobin::new(n_workers)) }];
