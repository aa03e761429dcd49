//! What the tests of strategies have in common: members, and a strategy over them that is asked again and again.

use std::sync::Arc;
use std::time::Instant;

use super::{Balance, Hint};
use crate::backend::{Address, Backend, Candidates, Member, Members, Permit, Tried};
use crate::config;
use crate::hash::mix;
use crate::rng::Rng;

/// Members of these weights, numbered from 0, at addresses of their own.
pub(super) fn members(weights: &[u32]) -> Members {
    members_with(weights, |_| {})
}

/// As [`members`], changed by `change`.
pub(super) fn members_with(weights: &[u32], change: impl FnOnce(&mut Vec<Member>)) -> Members {
    let member = |(id, weight): (u64, &u32)| {
        let address = format!("10.0.{}.{}:80", id / 256, id % 256).parse().expect("an address");
        let backend = Arc::new(Backend::new(id, Address::Tcp(address)));
        Member { weight: *weight, ..Member::new(backend, "x") }
    };
    let mut list = (0..).zip(weights).map(member).collect();
    change(&mut list);
    list.into()
}

/// A strategy, its members and who asks.
pub(super) struct Bench {
    pub(super) balance: Arc<Balance>,
    pub(super) members: Arc<Members>,
    pub(super) tried: Tried,
    pub(super) worker: usize,
    pub(super) key: Option<u64>,
    pub(super) now: Instant,
    pub(super) random: Rng,
}

impl Bench {
    pub(super) fn new(name: &'static str, weights: &[u32], n_workers: usize) -> Self {
        Self::over(name, members(weights), n_workers)
    }

    pub(super) fn over(name: &'static str, members: Members, n_workers: usize) -> Self {
        Self::with(&config::Balance::of(name), members, n_workers)
    }

    pub(super) fn with(options: &config::Balance, members: Members, n_workers: usize) -> Self {
        Bench {
            balance: Arc::new(Balance::build(options, &members, n_workers).expect("a strategy")),
            members: Arc::new(members),
            tried: Tried::default(),
            worker: 0,
            key: None,
            now: Instant::now(),
            random: Rng::seeded(7),
        }
    }

    /// The same strategy, asked by another worker.
    pub(super) fn for_worker(&self, worker: usize) -> Bench {
        Bench {
            balance: Arc::clone(&self.balance),
            members: Arc::clone(&self.members),
            random: Rng::seeded(worker as u64),
            worker,
            ..*self
        }
    }

    pub(super) fn try_(&mut self, index: usize) {
        self.tried.insert(&self.members[index].backend);
    }

    pub(super) fn pick(&mut self) -> Option<u64> {
        let Bench { worker, key, now, .. } = *self;
        let mut hint = Hint { worker, key, now, random: &mut self.random };
        let candidates = Candidates::new(&self.members, &self.tried);
        self.balance.pick(candidates, &mut hint).map(|member| member.backend.id)
    }

    /// The ids of `n` picks, those that found nobody left out.
    pub(super) fn picks(&mut self, n: usize) -> Vec<u64> {
        (0..n).filter_map(|_| self.pick()).collect()
    }

    pub(super) fn take(&mut self) -> Option<Permit> {
        let Bench { worker, key, now, .. } = *self;
        let mut hint = Hint { worker, key, now, random: &mut self.random };
        self.balance.take(&self.members, &self.tried, &mut hint)
    }
}

/// A well-mixed key, by number.
pub(super) fn key(n: u64) -> u64 {
    mix(n.wrapping_add(0x1234_5678_9abc_def1))
}

/// Each member's part of the picks for `n_keys` different keys.
pub(super) fn shares(bench: &mut Bench, n_keys: u64) -> Vec<f64> {
    let mut counts = vec![0_u64; bench.members.len()];
    for n in 0..n_keys {
        bench.key = Some(key(n));
        let id = bench.pick().expect("a backend");
        counts[id as usize] += 1;
    }
    counts.iter().map(|count| *count as f64 / n_keys as f64).collect()
}

/// How many of `n_keys` keys belong to another member in `after` than in `before`, and how many of those to
/// neither before nor after to the member `gone`.
pub(super) fn moved(
    options: &config::Balance,
    before: &Members,
    after: &Members,
    n_keys: u64,
    gone: u64,
) -> (u64, u64) {
    let mut before = Bench::with(options, before.clone(), 1);
    let mut after = Bench::with(options, after.clone(), 1);
    let (mut n_moved, mut n_between_others) = (0, 0);
    for n in 0..n_keys {
        (before.key, after.key) = (Some(key(n)), Some(key(n)));
        let (old, new) = (before.pick(), after.pick());
        if old != new {
            n_moved += 1;
            n_between_others += u64::from(old != Some(gone) && new != Some(gone));
        }
    }
    (n_moved, n_between_others)
}
