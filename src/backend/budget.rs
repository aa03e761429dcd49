//! What further tries may cost an upstream: a share of the first ones, and a few a second in any case.
//!
//! In any ten seconds no more further tries are allowed than `ratio` × the first tries of the last ten seconds, and
//! `min_per_second` for each of them. First tries are counted by each worker for itself; only a further try, which is
//! rare, and the watch look at all of them, under a mutex.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::config;

/// One slot of the ring.
const SLOT: Duration = Duration::from_secs(1);

/// Slots that first tries are believed for: ten whole seconds at most.
const N_EARNING: usize = 10;

/// Slots that further tries are held against: ten whole seconds at least.
const N_SPENDING: usize = N_EARNING + 1;

/// The budget of one upstream, shared by all workers.
#[derive(Debug)]
pub struct RetryBudget {
    /// First tries, each written by one worker.
    first_tries: Box<[CachePadded<AtomicU64>]>,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    /// The newest first, the one that runs included.
    slots: [Slot; N_SPENDING],
    /// When the newest began; `None`: nobody has looked yet.
    began: Option<Instant>,
    /// First tries that are in a slot.
    n_counted: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    n_first: u64,
    n_further: u64,
}

impl RetryBudget {
    /// One for `n_workers` workers.
    pub fn new(n_workers: usize) -> Self {
        let first_tries = (0..n_workers).map(|_| CachePadded::default()).collect();
        RetryBudget { first_tries, ring: Mutex::default() }
    }

    /// A first try by the worker of this index. Only that worker may say so: it is a load and a store.
    #[inline]
    pub fn deposit(&self, worker: usize) {
        if let Some(count) = self.first_tries.get(worker) {
            count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }

    /// Takes what one further try costs; false if there is not enough left at `now`.
    pub fn withdraw(&self, options: &config::Budget, now: Instant) -> bool {
        let mut ring = self.lock();
        ring.roll(self.n_first_tries(), now);
        let fits = ring.n_further() < ring.n_allowed(options);
        ring.slots[0].n_further += u64::from(fits);
        fits
    }

    /// Further tries that could be paid for at `now`: what `withdraw` would allow.
    pub fn left(&self, options: &config::Budget, now: Instant) -> u64 {
        let mut ring = self.lock();
        ring.roll(self.n_first_tries(), now);
        ring.n_allowed(options).saturating_sub(ring.n_further())
    }

    /// Lets time pass, so that first tries count for when they were: for the watch.
    pub(super) fn roll(&self, now: Instant) {
        self.lock().roll(self.n_first_tries(), now);
    }

    fn n_first_tries(&self) -> u64 {
        self.first_tries.iter().fold(0, |sum, count| sum.wrapping_add(count.load(Relaxed)))
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        // Nothing in here panics half way.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// Begins as many slots as are due at `now`, and counts what came since somebody looked: where that is more than
    /// a slot ago, evenly over the time.
    fn roll(&mut self, n_first_tries: u64, now: Instant) {
        let n_new = n_first_tries.wrapping_sub(self.n_counted);
        self.n_counted = n_first_tries;
        let began = *self.began.get_or_insert(now);
        let n_due = now.saturating_duration_since(began).as_nanos() / SLOT.as_nanos();
        let Ok(n_due @ 1..) = u32::try_from(n_due) else {
            self.slots[0].n_first += n_new;
            return;
        };
        self.began = Some(began + SLOT * n_due);
        let n_rolled = (n_due as usize).min(N_SPENDING);
        self.slots.rotate_right(n_rolled);
        self.slots[..n_rolled].fill(Slot::default());
        // As many for each slot that has ended; what does not divide goes to the oldest, to be forgotten first.
        let each = n_new / u64::from(n_due);
        let rest = n_new - each * u64::from(n_due);
        for (at, slot) in self.slots.iter_mut().enumerate().skip(1).take(n_due as usize) {
            slot.n_first += each + if at as u32 == n_due { rest } else { 0 };
        }
    }

    fn n_further(&self) -> u64 {
        self.slots.iter().map(|slot| slot.n_further).sum()
    }

    fn n_allowed(&self, options: &config::Budget) -> u64 {
        let n_first: u64 = self.slots[..N_EARNING].iter().map(|slot| slot.n_first).sum();
        let at_least = u64::from(options.min_per_second) * N_EARNING as u64;
        (n_first as f64 * options.ratio + 1e-9) as u64 + at_least
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::rng::Rng;

    const OPTIONS: config::Budget = config::Budget { ratio: 0.2, min_per_second: 3 };

    fn n_withdrawn(budget: &RetryBudget, options: &config::Budget, now: Instant) -> u64 {
        (0..100_000).take_while(|_| budget.withdraw(options, now)).count() as u64
    }

    fn deposits(budget: &RetryBudget, n: u64) {
        (0..n).for_each(|n| budget.deposit(n as usize % 2));
    }

    #[test]
    fn a_share_of_the_first_tries_and_a_few_in_any_case() {
        let (budget, now) = (RetryBudget::new(2), Instant::now());
        assert_eq!(n_withdrawn(&budget, &OPTIONS, now), 30);
        deposits(&budget, 99);
        assert_eq!((budget.left(&OPTIONS, now), n_withdrawn(&budget, &OPTIONS, now)), (19, 19));
        let nothing = config::Budget { ratio: 0.0, min_per_second: 0 };
        assert_eq!(n_withdrawn(&budget, &nothing, now), 0);
        budget.deposit(7);
        assert_eq!(budget.left(&OPTIONS, now), 0, "of no worker");
    }

    #[test]
    fn both_are_forgotten_after_ten_seconds() {
        let (budget, start) = (RetryBudget::new(2), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        deposits(&budget, 100);
        assert_eq!(n_withdrawn(&budget, &OPTIONS, at(0)), 50);
        assert_eq!(n_withdrawn(&budget, &OPTIONS, at(9)), 0);
        assert_eq!(n_withdrawn(&budget, &OPTIONS, at(10)), 0, "spending is remembered longer");
        assert_eq!(n_withdrawn(&budget, &OPTIONS, at(11)), 30);
        assert_eq!(n_withdrawn(&budget, &OPTIONS, at(1000)), 30);
    }

    #[test]
    fn what_came_while_nobody_looked_counts_evenly_over_the_time() {
        let (budget, start) = (RetryBudget::new(2), Instant::now());
        let none = config::Budget { min_per_second: 0, ..OPTIONS };
        assert!(!budget.withdraw(&none, start));
        deposits(&budget, 2000);
        // 100 a second, of which nine seconds are over and within the ring.
        assert_eq!(budget.left(&none, start + Duration::from_secs(20)), 180);
    }

    #[test]
    fn it_is_never_overdrawn_in_any_ten_seconds() {
        for seed in 0..20 {
            let mut random = Rng::seeded(seed);
            let (budget, start) = (RetryBudget::new(2), Instant::now());
            let (mut first, mut further) = (VecDeque::new(), VecDeque::new());
            let mut at = Duration::ZERO;
            for _ in 0..3000 {
                at += Duration::from_millis(random.next_u64() % 20);
                budget.roll(start + at);
                let n_first = random.next_u64() % 4;
                deposits(&budget, n_first);
                first.extend((0..n_first).map(|_| at));
                for _ in 0..random.next_u64() % 4 {
                    if budget.withdraw(&OPTIONS, start + at) {
                        further.push_back(at);
                    }
                }
                // A roll may place a first try one look later than it was.
                let ten = Duration::from_secs(10);
                while first.front().is_some_and(|when| *when + ten + Duration::from_millis(20) < at)
                {
                    first.pop_front();
                }
                while further.front().is_some_and(|when| *when + ten < at) {
                    further.pop_front();
                }
                let allowed = first.len() as f64 * OPTIONS.ratio + 30.0;
                assert!(further.len() as f64 <= allowed, "{} of {allowed}", further.len());
            }
            assert!(further.len() > 30);
        }
    }
}
