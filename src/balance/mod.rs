//! Strategies: given the eligible backends, choose one. A strategy is one file and one entry in
//! [`STRATEGIES`]; health, limits and retries are around it, never in it.
//!
//! An upstream holds a [`Balance`]: a strategy over its members with what it asks for. `proxy` takes a [`Permit`]
//! from it for each request, and settles it when the answer comes. Tables are built once for a set of members;
//! a pick reads them, a few atomics of the backends, and what only its worker writes: no lock, no allocation.
//! The clock and randomness are arguments. [`simulate`] runs the same code under a virtual clock.

use std::fmt;
use std::time::Instant;

use crate::backend::{Candidates, Member, Members, Permit, Tried};
use crate::config::{self, KeySource};
use crate::rng::Rng;

mod by_tier;
#[cfg(test)]
mod conformance;
mod first;
mod ip_hash;
mod key;
mod least_conn;
mod maglev;
mod p2c;
mod peak_ewma;
mod random;
mod rendezvous;
mod ring;
mod ring_hash;
mod round_robin;
mod sampler;
mod schedule;
pub mod simulate;
mod sticky;
#[cfg(test)]
mod testing;

pub use key::key_of;
pub use sticky::Sticky;

/// Times that a place which another thread took first is given up and another backend is picked.
const RACES_MAX: u32 = 64;

/// What a strategy may look at besides the candidates.
#[derive(Debug)]
pub struct Hint<'a> {
    /// Index of the asking worker, below the number it was built for.
    pub worker: usize,
    /// The time, or a little before.
    pub now: Instant,
    /// What [`key_of`] made of the request; only looked at where [`Balance::key_source`] asks for it.
    pub key: Option<u64>,
    /// The worker's randomness.
    pub random: &'a mut Rng,
}

/// A strategy over one set of members.
pub trait Balancer: Send + Sync + fmt::Debug {
    /// Chooses a member; `None` only if no candidate is eligible. Must not block, allocate or read the clock.
    /// `candidates` are of the members that it was built for.
    fn pick<'a>(&self, candidates: Candidates<'a>, hint: &mut Hint<'_>) -> Option<&'a Member>;

    /// Whether it wants to know how long answers took.
    fn learns(&self) -> bool {
        false
    }
}

/// What a strategy is built from.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The members that its candidates will be of.
    pub members: &'a Members,
    /// Who will ask; at least 1.
    pub n_workers: usize,
    /// What the operator wrote.
    pub options: &'a config::Balance,
}

/// How to build a strategy.
#[derive(Debug)]
pub struct Strategy {
    /// The name in TOML.
    pub name: &'static str,
    /// Builds it.
    pub build: fn(&Plan<'_>) -> Box<dyn Balancer>,
}

/// Every strategy that a configuration can name.
pub const STRATEGIES: &[Strategy] = &[
    Strategy { name: "round_robin", build: |plan| Box::new(round_robin::RoundRobin::build(plan)) },
    Strategy { name: "weighted", build: |plan| Box::new(round_robin::RoundRobin::build(plan)) },
    Strategy { name: "random", build: |plan| Box::new(random::Random::build(plan)) },
    Strategy { name: "least_conn", build: |plan| Box::new(least_conn::LeastConn::build(plan)) },
    Strategy { name: "p2c", build: |plan| Box::new(p2c::P2c::build(plan)) },
    Strategy { name: "peak_ewma", build: |plan| Box::new(peak_ewma::PeakEwma::build(plan)) },
    Strategy { name: "ip_hash", build: |plan| Box::new(ip_hash::build(plan)) },
    Strategy { name: "ring_hash", build: |plan| Box::new(ring_hash::RingHash::build(plan)) },
    Strategy { name: "maglev", build: |plan| Box::new(maglev::Maglev::build(plan)) },
    Strategy { name: "first", build: |_| Box::new(first::First) },
];

/// A strategy over an upstream's members, with what it asks for and what happens without it.
#[derive(Debug)]
pub struct Balance {
    strategy: Box<dyn Balancer>,
    key: Option<KeySource>,
    /// For requests without a key.
    fallback: Option<Box<dyn Balancer>>,
    learns: bool,
    name: &'static str,
}

impl Balance {
    /// Builds what `options` say over `members`, for `n_workers` workers.
    ///
    /// # Errors
    /// The name of a strategy that there is not.
    pub fn build(
        options: &config::Balance,
        members: &Members,
        n_workers: usize,
    ) -> Result<Self, &'static str> {
        let plan = Plan { members, n_workers: n_workers.max(1), options };
        let build = |name: &'static str| {
            let found = STRATEGIES.iter().find(|strategy| strategy.name == name);
            found.map(|strategy| (strategy.build)(&plan)).ok_or(name)
        };
        let strategy = build(options.strategy)?;
        let fallback = options.key.as_ref().map(|_| build(options.fallback)).transpose()?;
        let learns = strategy.learns() || fallback.as_ref().is_some_and(|other| other.learns());
        Ok(Balance { strategy, key: options.key.clone(), fallback, learns, name: options.strategy })
    }

    /// The strategy's name in TOML.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What [`Hint::key`] is to be made of; `None` if nothing looks at it.
    #[inline]
    pub fn key_source(&self) -> Option<&KeySource> {
        self.key.as_ref()
    }

    /// Whether [`Permit::settle`] is of use to it.
    #[inline]
    pub fn learns(&self) -> bool {
        self.learns
    }

    /// Chooses a member; `None` only if no candidate is eligible.
    #[inline]
    pub fn pick<'a>(&self, candidates: Candidates<'a>, hint: &mut Hint<'_>) -> Option<&'a Member> {
        match &self.fallback {
            Some(fallback) if hint.key.is_none() => fallback.pick(candidates, hint),
            _ => self.strategy.pick(candidates, hint),
        }
    }

    /// Chooses a member that is not in `tried` and takes a place at it; `None` only if there is none, or other
    /// threads took what was picked again and again.
    #[inline]
    pub fn take(&self, members: &Members, tried: &Tried, hint: &mut Hint<'_>) -> Option<Permit> {
        let taken = self.take_of(|| Some(Candidates::new(members, tried)), hint);
        taken.or_else(|| self.take_of(|| Candidates::last_resort(members, tried), hint))
    }

    /// As [`Balance::take`], for a copy of a request: only at a backend in service.
    pub fn take_for_copy(&self, members: &Members, hint: &mut Hint<'_>) -> Option<Permit> {
        let tried = Tried::default();
        self.take_of(|| Some(Candidates::for_copy(members, &tried)), hint)
    }

    #[inline]
    fn take_of<'a>(
        &self,
        candidates: impl Fn() -> Option<Candidates<'a>>,
        hint: &mut Hint<'_>,
    ) -> Option<Permit> {
        for _ in 0..RACES_MAX {
            let candidates = candidates()?;
            let member = self.pick(candidates, hint)?;
            if let Some(permit) = candidates.acquire(member) {
                return Some(permit);
            }
        }
        None
    }
}
