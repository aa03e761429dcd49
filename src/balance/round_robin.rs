//! Each backend in turn, by weight, exactly and smoothly, per worker: weights 5, 1, 1 give a a b a c a a.
//!
//! The order is written down once (`schedule`); every worker keeps its own place in it on its own cache line, so
//! that no atomic moves between cores. Members that are not eligible lose their turns. Where that would be a
//! long run of turns, the worker reckons the next one anew among the eligible ones, as nginx does.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use super::by_tier::{ByTier, Entry};
use super::sampler::admitted;
use super::schedule::Schedule;
use super::{Balancer, Hint, Plan};
use crate::backend::{Candidates, Member};

/// Turns of ineligible members that are passed over before the next turn is reckoned anew.
const SKIPS_MAX: usize = 8;

/// The round-robin strategy.
#[derive(Debug)]
pub(super) struct RoundRobin {
    tables: ByTier<Table>,
}

#[derive(Debug)]
struct Table {
    schedule: Schedule,
    /// Turns that may be passed over.
    n_turns_max: usize,
    /// Indexes of members, and for each worker their credits; empty where all weights are equal.
    members: Box<[u32]>,
    credits: Box<[Box<[AtomicI64]>]>,
}

impl RoundRobin {
    pub(super) fn build(plan: &Plan<'_>) -> Self {
        RoundRobin { tables: ByTier::build(plan.members, |e| Table::build(e, plan.n_workers)) }
    }
}

impl Table {
    fn build(entries: &[Entry], n_workers: usize) -> Self {
        let schedule = Schedule::build(entries, n_workers);
        let equal = entries.windows(2).all(|pair| pair[0].weight == pair[1].weight);
        let (members, credits) = match equal {
            true => (Box::default(), Box::default()),
            false => {
                let credits = || entries.iter().map(|_| AtomicI64::new(0)).collect();
                let members = entries.iter().map(|entry| entry.index).collect();
                (members, (0..n_workers).map(|_| credits()).collect())
            }
        };
        let n_turns_max = if equal { schedule.len() } else { SKIPS_MAX.min(schedule.len()) };
        Table { schedule, n_turns_max, members, credits }
    }

    /// The turn after a long run of ineligible members.
    #[cold]
    fn anew<'a>(&self, candidates: Candidates<'a>, worker: usize) -> Option<&'a Member> {
        let Some(credits) = self.credits.get(worker).or(self.credits.first()) else {
            // Equal weights, and all have been looked at: whoever starts slowly has to do.
            return self
                .schedule
                .next(worker, self.n_turns_max, |index| candidates.eligible(index));
        };
        let mut best: Option<(i64, &AtomicI64, &Member)> = None;
        let mut total = 0;
        for (index, credit) in self.members.iter().zip(credits) {
            let Some(member) = candidates.eligible(*index as usize) else { continue };
            let weight = member.effective_weight() as i64;
            total += weight;
            let now = credit.load(Relaxed) + weight;
            credit.store(now, Relaxed);
            if best.is_none_or(|(most, ..)| now > most) {
                best = Some((now, credit, member));
            }
        }
        let (now, credit, member) = best?;
        credit.store(now - total, Relaxed);
        Some(member)
    }
}

impl Balancer for RoundRobin {
    #[inline]
    fn pick<'a>(&self, candidates: Candidates<'a>, hint: &mut Hint<'_>) -> Option<&'a Member> {
        let table = self.tables.of(candidates);
        let take = |index| admitted(candidates, index, hint.random);
        let picked = table.schedule.next(hint.worker, table.n_turns_max, take);
        picked.or_else(|| table.anew(candidates, hint.worker))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    fn ids(bench: &mut Bench, worker: usize, n: usize) -> Vec<u64> {
        bench.worker = worker;
        bench.picks(n)
    }

    #[test]
    fn each_worker_takes_every_backend_in_turn_from_its_own_offset() {
        let mut bench = Bench::new("round_robin", &[1, 1, 1], 2);
        assert_eq!(ids(&mut bench, 0, 7), [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(ids(&mut bench, 1, 4), [1, 2, 0, 1]);
    }

    #[test]
    fn weights_interleave_smoothly_on_every_worker_from_its_own_offset() {
        for name in ["round_robin", "weighted"] {
            let mut bench = Bench::new(name, &[5, 1, 1], 4);
            let order = [0, 0, 1, 0, 2, 0, 0];
            for worker in 0..4 {
                let offset = worker * 7 / 4;
                let expected: Vec<u64> = (0..21).map(|n| order[(offset + n) % 7]).collect();
                assert_eq!(ids(&mut bench, worker, 21), expected, "worker {worker}");
            }
        }
    }

    #[test]
    fn a_tried_backend_is_skipped_and_none_is_left_when_all_were_tried() {
        let mut bench = Bench::new("round_robin", &[1, 1, 1], 1);
        bench.try_(1);
        assert_eq!(bench.picks(4), [0, 2, 0, 2]);
        bench.try_(0);
        bench.try_(2);
        assert!(bench.picks(1).is_empty());
        assert!(Bench::new("round_robin", &[], 1).picks(1).is_empty());
    }

    #[test]
    fn without_the_heaviest_the_others_still_alternate_by_weight() {
        let mut bench = Bench::new("round_robin", &[1000, 2, 1], 1);
        bench.members[0].backend.set_available(false);
        let picks = bench.picks(3000);
        let n_second = picks.iter().filter(|id| **id == 2).count();
        assert!((990..=1010).contains(&n_second), "{n_second}");
        let longest = picks.chunk_by(|a, b| a == b).map(<[u64]>::len).max();
        assert!(longest <= Some(4), "{longest:?}");
    }

    #[test]
    fn a_slow_start_gets_its_share_and_nothing_is_lost_when_all_start_slowly() {
        let mut bench = Bench::new("round_robin", &[1, 1], 1);
        bench.members[0].backend.set_share(0.1);
        let n = bench.picks(11_000).iter().filter(|id| **id == 0).count();
        assert!((900..=1100).contains(&n), "{n}");
        bench.members[0].backend.set_share(0.0);
        bench.members[1].backend.set_share(0.0);
        assert_eq!(bench.picks(100).len(), 100);
    }
}
