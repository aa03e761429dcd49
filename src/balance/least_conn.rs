//! The backend with the fewest exchanges in use for its weight, over all workers.
//!
//! Up to [`SCANNED_MAX`] members all are looked at; the turn of a weighted round robin decides among equals, so
//! that idle backends are used by weight as well. Above that it is the best of [`SAMPLES`] drawn by weight.

use std::ops::ControlFlow;

use super::by_tier::ByTier;
use super::sampler::{Sampler, admitted};
use super::schedule::Schedule;
use super::{Balancer, Hint, Plan};
use crate::backend::{Candidates, Member};

/// Members that are all looked at.
pub(super) const SCANNED_MAX: usize = 64;

/// Members that are looked at where there are more.
const SAMPLES: u32 = 8;

/// The least-connections strategy.
#[derive(Debug)]
pub(super) struct LeastConn {
    tables: ByTier<Table>,
}

#[derive(Debug)]
enum Table {
    Scan(Schedule),
    Sample(Sampler),
}

impl LeastConn {
    pub(super) fn build(plan: &Plan<'_>) -> Self {
        let build = |entries: &[_]| match plan.members.len() > SCANNED_MAX {
            true => Table::Sample(Sampler::build(entries)),
            false => Table::Scan(Schedule::build(entries, plan.n_workers)),
        };
        LeastConn { tables: ByTier::build(plan.members, build) }
    }
}

impl Balancer for LeastConn {
    fn pick<'a>(&self, candidates: Candidates<'a>, hint: &mut Hint<'_>) -> Option<&'a Member> {
        match self.tables.of(candidates) {
            Table::Scan(schedule) => {
                let start = schedule.next(hint.worker, 1, Some)?;
                let members = (start..candidates.len()).chain(0..start);
                // One that starts slowly is looked at as seldom as its share says: idle, it would be taken at once.
                let admitted = members.filter_map(|index| admitted(candidates, index, hint.random));
                least(admitted).or_else(|| least(candidates.iter()))
            }
            Table::Sample(sampler) => {
                let draws = (0..SAMPLES).filter_map(|_| sampler.try_draw(candidates, hint.random));
                least(draws).or_else(|| least(candidates.iter()))
            }
        }
    }
}

/// The first of those with the least in flight for their weight.
#[inline]
fn least<'a>(mut members: impl Iterator<Item = &'a Member>) -> Option<&'a Member> {
    let mut best: Option<(&Member, u32)> = None;
    let idle = members.try_for_each(|member| {
        let in_flight = member.backend.in_flight();
        // Nobody has less than nothing.
        if in_flight == 0 {
            return ControlFlow::Break(member);
        }
        if best.is_none_or(|(other, others)| is_less(member, in_flight, other, others)) {
            best = Some((member, in_flight));
        }
        ControlFlow::Continue(())
    });
    idle.break_value().or(best.map(|(member, _)| member))
}

/// Whether `in_flight` at `member` is less for its weight than `others` at `other`.
#[inline]
pub(super) fn is_less(member: &Member, in_flight: u32, other: &Member, others: u32) -> bool {
    u64::from(in_flight) * other.effective_weight() < u64::from(others) * member.effective_weight()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::super::testing::{Bench, members_with};
    use super::*;
    use crate::backend::Permit;
    use crate::rng::Rng;

    #[test]
    fn idle_backends_are_used_by_weight_and_in_turn() {
        let mut bench = Bench::new("least_conn", &[5, 1, 1], 1);
        assert_eq!(bench.picks(7), [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn the_least_used_for_its_weight_is_taken() {
        let mut bench = Bench::new("least_conn", &[2, 1], 1);
        let permits: Vec<_> = (0..9).filter_map(|_| bench.take()).collect();
        let in_flight: Vec<u32> = bench.members.iter().map(|m| m.backend.in_flight()).collect();
        assert_eq!(in_flight, [6, 3]);
        drop(permits);
    }

    #[test]
    fn above_the_bound_it_samples_and_still_finds_the_only_eligible_one() {
        for n in [SCANNED_MAX, SCANNED_MAX + 1] {
            let members = members_with(&vec![1; n], |_| {});
            members.iter().skip(1).for_each(|member| member.backend.set_available(false));
            let mut bench = Bench::over("least_conn", members, 1);
            assert_eq!(bench.picks(3), [0, 0, 0]);
        }
    }

    /// The most and the least in flight differ by this much.
    fn spread(counts: impl Iterator<Item = u32> + Clone) -> u32 {
        counts.clone().max().unwrap_or(0) - counts.min().unwrap_or(0)
    }

    /// The largest spread that is ever seen while `n_threads` read the counts, are stopped for as long as chance
    /// will have it, and then take a place; places are given back where most are taken.
    fn largest_spread(strategy: &'static str, n_members: usize, n_threads: usize) -> u32 {
        let bench = Bench::new(strategy, &vec![1; n_members], n_threads);
        let mut threads: Vec<(Bench, Option<usize>)> =
            (0..n_threads).map(|worker| (bench.for_worker(worker), None)).collect();
        let mut permits: Vec<Vec<Permit>> = (0..n_members).map(|_| Vec::new()).collect();
        let mut random = Rng::seeded(3);
        let mut largest = 0;
        for step in 0..8_000_usize {
            let draw = random.next_u64();
            let (thread, picked) = &mut threads[(draw >> 32) as usize % n_threads];
            match picked.take() {
                // Now and then all of them have picked before anybody takes, and are at it again afterwards.
                Some(index) if (step / 256).is_multiple_of(2) || draw % 128 < 16 => {
                    permits[index].extend(Permit::try_acquire(&bench.members[index]));
                }
                Some(index) => *picked = Some(index),
                None => *picked = thread.pick().map(|id| id as usize),
            }
            let fullest = permits.iter_mut().max_by_key(|permits| permits.len());
            if draw.is_multiple_of(16)
                && let Some(fullest) = fullest
            {
                fullest.pop();
            }
            let counts = bench.members.iter().map(|member| member.backend.in_flight());
            largest = largest.max(spread(counts));
        }
        largest
    }

    /// Who picks a backend that is not among the least used any more did so before it left them, and each thread does
    /// that at most once at a time; giving back where most are adds one.
    #[test]
    fn whenever_threads_are_stopped_the_spread_stays_within_their_number_and_one() {
        for n_members in [2, 10, SCANNED_MAX] {
            for n_threads in [1, 2, 8, 24] {
                let largest = largest_spread("least_conn", n_members, n_threads);
                assert!(largest <= n_threads as u32 + 1, "{largest} of {n_members}, {n_threads}");
            }
        }
        // What shows that the test can fail, and that picks were old when they were used.
        let (random, ours) = (largest_spread("random", 10, 8), largest_spread("least_conn", 2, 8));
        assert!(random > 9 && ours > 2, "{random} {ours}");
    }

    /// The same with real threads. What is counted first is at most, and what is counted last at least, what there was
    /// in between.
    #[test]
    fn under_threads_the_spread_stays_within_their_number_and_one_at_every_moment() {
        const THREADS: usize = 8;
        for n_members in [4, SCANNED_MAX] {
            let bench = Bench::new("least_conn", &vec![1; n_members], THREADS);
            let barrier = Barrier::new(THREADS);
            std::thread::scope(|scope| {
                for worker in 0..THREADS {
                    let (bench, barrier) = (&bench, &barrier);
                    scope.spawn(move || {
                        let mut mine = bench.for_worker(worker);
                        let mut permits = Vec::new();
                        barrier.wait();
                        for _ in 0..500 {
                            permits.push(mine.take().expect("a place"));
                            let counts =
                                || mine.members.iter().map(|member| member.backend.in_flight());
                            let most = counts().max().unwrap_or(0);
                            let least = counts().min().unwrap_or(0);
                            assert!(most.saturating_sub(least) as usize <= THREADS + 1);
                        }
                        barrier.wait();
                        let counts = mine.members.iter().map(|member| member.backend.in_flight());
                        assert!(spread(counts.clone()) as usize <= THREADS + 1);
                        assert_eq!(counts.sum::<u32>() as usize, THREADS * 500);
                        barrier.wait();
                    });
                }
            });
        }
    }
}
