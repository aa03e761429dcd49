//! The same backend for the same key: consistent hashing on a ring, by weight, with bounded loads where asked for
//! (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2018).
//!
//! A key whose member is not eligible, or holds more than `bounded_load` times its fair share of what is in
//! flight, goes on to the next member on the ring. Up to [`COUNTED_MAX`] members what is in flight is counted at
//! each pick; above that each worker counts anew after a sixteenth as many picks as there are members.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

use super::by_tier::ByTier;
use super::rendezvous::{leaves_to_others, rendezvous};
use super::ring::Ring;
use super::{Balancer, Hint, Plan};
use crate::backend::{Candidates, Member};

/// Points on the ring that are looked at before all members are.
const POINTS_WALKED_MAX: usize = 256;

/// Members whose exchanges are counted at each pick.
const COUNTED_MAX: usize = 64;

/// The ring-hash strategy; `ip_hash` too.
#[derive(Debug)]
pub(super) struct RingHash {
    rings: ByTier<Ring>,
    bound: Option<Bound>,
}

impl RingHash {
    pub(super) fn build(plan: &Plan<'_>) -> Self {
        let vnodes = plan.options.vnodes;
        let bound = plan.options.bounded_load.map(|factor| Bound {
            factor,
            counts: (0..plan.n_workers).map(|_| CachePadded::default()).collect(),
        });
        RingHash {
            rings: ByTier::build(plan.members, |entries| Ring::build(entries, vnodes)),
            bound,
        }
    }
}

impl Balancer for RingHash {
    fn pick<'a>(&self, candidates: Candidates<'a>, hint: &mut Hint<'_>) -> Option<&'a Member> {
        let key = hint.key.unwrap_or_else(|| hint.random.next_u64());
        let fair = self.bound.as_ref().map(|bound| bound.fair(candidates, hint.worker));
        let has_room = |member: &Member| fair.is_none_or(|fair| fair.has_room(member));
        let mut last = usize::MAX;
        for index in self.rings.of(candidates).walk(key).take(POINTS_WALKED_MAX) {
            if std::mem::replace(&mut last, index) == index {
                continue;
            }
            if let Some(member) = candidates.eligible(index)
                && has_room(member)
                && !leaves_to_others(member, key)
            {
                return Some(member);
            }
        }
        rendezvous(candidates, key, has_room).or_else(|| rendezvous(candidates, key, |_| true))
    }
}

/// A bound on every member's load.
#[derive(Debug)]
struct Bound {
    factor: f64,
    /// For each worker, written by it alone.
    counts: Box<[CachePadded<Count>]>,
}

/// What was counted last.
#[derive(Debug, Default)]
struct Count {
    in_flight: AtomicU64,
    weight: AtomicU64,
    /// Picks until it is counted anew.
    n_left: AtomicU32,
}

/// What a member may hold for each unit of effective weight.
#[derive(Clone, Copy, Debug)]
struct Fair(f64);

impl Fair {
    /// Whether one exchange more at `member` is at most its share, rounded up.
    fn has_room(self, member: &Member) -> bool {
        let most = (self.0 * member.effective_weight() as f64).ceil();
        f64::from(member.backend.in_flight()) + 1.0 <= most
    }
}

impl Bound {
    fn fair(&self, candidates: Candidates<'_>, worker: usize) -> Fair {
        let counted = || {
            candidates.iter().fold((0, 0), |(in_flight, weight), member| {
                let more = u64::from(member.backend.in_flight());
                (in_flight + more, weight + member.effective_weight())
            })
        };
        let kept = self.counts.get(worker).filter(|_| candidates.len() > COUNTED_MAX);
        let (in_flight, weight) = match kept {
            None => counted(),
            Some(count) => match count.n_left.load(Relaxed) {
                0 => {
                    let (in_flight, weight) = counted();
                    count.in_flight.store(in_flight, Relaxed);
                    count.weight.store(weight, Relaxed);
                    count.n_left.store((candidates.len() / 16) as u32, Relaxed);
                    (in_flight, weight)
                }
                n_left => {
                    count.n_left.store(n_left - 1, Relaxed);
                    (count.in_flight.load(Relaxed), count.weight.load(Relaxed))
                }
            },
        };
        // With the one that is about to be placed.
        Fair(self.factor * (in_flight + 1) as f64 / weight.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, key, members, moved, shares};
    use super::*;
    use crate::config;
    use crate::rng::Rng;

    const KEYS: u64 = 100_000;

    fn ring(vnodes: u32, bounded_load: Option<f64>) -> config::Balance {
        config::Balance { vnodes, bounded_load, ..config::Balance::of("ring_hash") }
    }

    /// The load of n equal members is spread by about 1/√160 = 8 %; four of those are not met in 100 members.
    #[test]
    fn the_fullest_of_a_hundred_has_at_most_four_tenths_more_than_the_mean() {
        let mut bench = Bench::with(&ring(160, None), members(&[1; 100]), 1);
        let shares = shares(&mut bench, KEYS);
        let most = shares.iter().copied().fold(0.0, f64::max) * 100.0;
        let least = shares.iter().copied().fold(1.0, f64::min) * 100.0;
        assert!(most < 1.4 && least > 0.65, "{most} {least}");
    }

    /// With 1000 points a unit and 8 units, two standard deviations are 2 %.
    #[test]
    fn weights_hold_within_two_hundredths() {
        let mut bench = Bench::with(&ring(1000, None), members(&[5, 1, 2]), 1);
        let shares = shares(&mut bench, KEYS);
        for (share, weight) in shares.iter().zip([5.0, 1.0, 2.0]) {
            assert!((share - weight / 8.0).abs() < 0.02, "{shares:?}");
        }
    }

    #[test]
    fn one_of_n_coming_or_going_moves_its_own_keys_only() {
        let all = members(&[1; 20]);
        let without: Vec<Member> =
            all.iter().filter(|member| member.backend.id != 7).cloned().collect();
        let (n_moved, n_between_others) = moved(&ring(160, None), &all, &without.into(), KEYS, 7);
        assert_eq!(n_between_others, 0);
        let expected = KEYS as f64 / 20.0;
        assert!((n_moved as f64) < expected * 1.35 && n_moved as f64 > expected * 0.7, "{n_moved}");
    }

    #[test]
    fn no_load_exceeds_the_bound_whatever_the_keys() {
        for (factor, weights) in
            [(1.0, [1; 10]), (1.25, [1; 10]), (2.0, [4, 1, 1, 1, 1, 1, 1, 2, 3, 9])]
        {
            let mut bench = Bench::with(&ring(160, Some(factor)), members(&weights), 1);
            let total_weight: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
            let mut random = Rng::seeded(3);
            let mut permits = Vec::new();
            for _ in 0..20_000 {
                // A few hot keys and many others.
                let draw = random.next_u64();
                bench.key = Some(key(if draw.is_multiple_of(4) { draw % 3 } else { draw % 5000 }));
                let permit = bench.take().expect("a place");
                permits.push(permit);
                let placed = permits.last().map(|permit| permit.backend().id).unwrap_or_default();
                let member = &bench.members[placed as usize];
                let fair = permits.len() as f64 * f64::from(member.weight) / total_weight;
                let load = f64::from(member.backend.in_flight());
                assert!(load <= (factor * fair).ceil(), "{load} {fair}");
                if permits.len() > 500 {
                    permits.swap_remove(random.next_u64() as usize % 500);
                }
            }
        }
    }

    #[test]
    fn an_unavailable_member_s_keys_are_spread_and_come_back() {
        let mut bench = Bench::with(&ring(160, None), members(&[1; 10]), 1);
        let owner = |bench: &mut Bench, n| {
            bench.key = Some(key(n));
            bench.picks(1)[0]
        };
        let before: Vec<u64> = (0..5000).map(|n| owner(&mut bench, n)).collect();
        bench.members[4].backend.set_available(false);
        let mut others = [0; 10];
        for n in 0..5000 {
            let now = owner(&mut bench, n);
            match before[n as usize] {
                4 => others[now as usize] += 1,
                unmoved => assert_eq!(now, unmoved),
            }
        }
        assert_eq!(others[4], 0);
        assert!(others.iter().filter(|n| **n > 0).count() == 9, "{others:?}");
        bench.members[4].backend.set_available(true);
        assert!((0..5000).all(|n| owner(&mut bench, n) == before[n as usize]));
    }

    #[test]
    fn above_the_counted_size_the_bound_holds_nearly() {
        let mut bench = Bench::with(&ring(160, Some(1.25)), members(&[1; 200]), 1);
        bench.key = Some(key(1));
        let permits: Vec<_> = (0..2000).filter_map(|_| bench.take()).collect();
        let most = bench.members.iter().map(|member| member.backend.in_flight()).max();
        assert_eq!(permits.len(), 2000);
        assert!(most <= Some(13), "{most:?}: 1.25 of 10, rounded up");
    }
}
