//! In which order weighted members take turns: one period of smooth weighted round robin, written down once,
//! and for each worker where in it it stands. Used by `round_robin`, and by `least_conn` among equals.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

use super::by_tier::Entry;

/// Turns in a period. Weights that would need more are scaled down (each to at least 1).
const TURNS_MAX: u64 = 1 << 20;

/// Steps that writing down nginx's order may take; beyond it, turns are spread evenly instead.
const STEPS_MAX: u64 = 1 << 22;

/// A period of turns, and every worker's place in it.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Indexes of members.
    turns: Box<[u32]>,
    /// Each is written by one worker only, and starts elsewhere, so that together they do not favour the first
    /// member.
    cursors: Box<[CachePadded<AtomicUsize>]>,
}

impl Schedule {
    pub(super) fn build(entries: &[Entry], n_workers: usize) -> Self {
        let turns = turns(entries);
        let start = |worker: usize| {
            let offset = worker as u64 * turns.len() as u64 / n_workers.max(1) as u64;
            CachePadded::new(AtomicUsize::new(offset as usize))
        };
        Schedule { cursors: (0..n_workers.max(1)).map(start).collect(), turns: turns.into() }
    }

    /// Turns in a period.
    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }

    /// The first turn from this worker's place on whose member `take` accepts, among at most `n_turns_max`. The
    /// place is then behind it.
    #[inline]
    pub(super) fn next<T>(
        &self,
        worker: usize,
        n_turns_max: usize,
        mut take: impl FnMut(usize) -> Option<T>,
    ) -> Option<T> {
        let cursor = self.cursors.get(worker).or(self.cursors.first())?;
        let mut at = cursor.load(Relaxed);
        let mut taken = None;
        for _ in 0..n_turns_max {
            if at >= self.turns.len() {
                at = 0;
            }
            let Some(index) = self.turns.get(at) else { break };
            at += 1;
            taken = take(*index as usize);
            if taken.is_some() {
                break;
            }
        }
        cursor.store(at, Relaxed);
        taken
    }
}

fn turns(entries: &[Entry]) -> Vec<u32> {
    let weights = weights(entries);
    let total: u64 = weights.iter().sum();
    let n_distinct = weights.iter().collect::<std::collections::BTreeSet<_>>().len() as u64;
    match n_distinct {
        0 | 1 => entries.iter().map(|entry| entry.index).collect(),
        _ if total * n_distinct <= STEPS_MAX => smooth(entries, &weights, total),
        _ => spread(entries, &weights),
    }
}

/// In lowest terms, and so that a period has at most [`TURNS_MAX`] turns (or one for each entry).
fn weights(entries: &[Entry]) -> Vec<u64> {
    let gcd = |a: u64, b: u64| {
        let (mut a, mut b) = (a, b);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let divisor = entries.iter().map(|entry| u64::from(entry.weight)).fold(0, gcd).max(1);
    let total: u64 = entries.iter().map(|entry| u64::from(entry.weight) / divisor).sum();
    let scaled = |entry: &Entry| {
        let weight = u64::from(entry.weight) / divisor;
        if total > TURNS_MAX { (weight * TURNS_MAX / total).max(1) } else { weight }
    };
    entries.iter().map(scaled).collect()
}

/// nginx's order: at each turn every member's credit grows by its weight, the first of those with the largest credit
/// is taken and pays the total. Members of equal weight take turns among themselves in their order, so that only
/// one of each weight has to be looked at.
fn smooth(entries: &[Entry], weights: &[u64], total: u64) -> Vec<u32> {
    let mut queues: BTreeMap<u64, VecDeque<(usize, u64)>> = BTreeMap::new();
    for (position, weight) in weights.iter().enumerate() {
        queues.entry(*weight).or_default().push_back((position, 0));
    }
    let mut queues: Vec<_> = queues.into_iter().collect();
    let mut turns = Vec::with_capacity(total as usize);
    for turn in 1..=total {
        // Of a queue's front: credit, then the earlier position.
        let rank = |(weight, queue): &(u64, VecDeque<(usize, u64)>)| {
            let (position, n_taken) = queue.front().copied().unwrap_or_default();
            ((weight * turn) as i64 - (n_taken * total) as i64, usize::MAX - position)
        };
        let Some((_, queue)) = queues.iter_mut().max_by_key(|queue| rank(queue)) else { break };
        let Some((position, n_taken)) = queue.pop_front() else { break };
        queue.push_back((position, n_taken + 1));
        turns.push(entries[position].index);
    }
    turns
}

/// The k-th turn of a member of weight w stands at (k + ½)/w of the period.
fn spread(entries: &[Entry], weights: &[u64]) -> Vec<u32> {
    let turns_of = |(entry, weight): (&Entry, &u64)| {
        let (index, weight) = (entry.index, *weight);
        (0..weight).map(move |k| (((2 * k + 1) << 32) / (2 * weight), index))
    };
    let mut turns: Vec<(u64, u32)> = entries.iter().zip(weights).flat_map(turns_of).collect();
    turns.sort_unstable();
    turns.into_iter().map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(weights: &[u32]) -> Vec<Entry> {
        let entry = |(index, weight): (u32, &u32)| Entry { index, weight: *weight, identity: 0 };
        (0..).zip(weights).map(entry).collect()
    }

    /// As nginx does it, one credit for each member.
    fn nginx(weights: &[u32]) -> Vec<u32> {
        let total: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
        let mut credits = vec![0_i64; weights.len()];
        let turn = |_| {
            let mut best = 0;
            for (index, weight) in weights.iter().enumerate() {
                credits[index] += i64::from(*weight);
                if credits[index] > credits[best] {
                    best = index;
                }
            }
            credits[best] -= total;
            best as u32
        };
        (0..total).map(turn).collect()
    }

    #[test]
    fn the_order_is_nginxs() {
        assert_eq!(turns(&entries(&[5, 1, 1])), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(turns(&entries(&[10, 2, 2])), [0, 0, 1, 0, 2, 0, 0], "in lowest terms");
        assert_eq!(turns(&entries(&[3, 3, 3])), [0, 1, 2]);
        assert!(turns(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn queues_of_equal_weights_give_nginxs_order(weights in prop::collection::vec(1..9_u32, 2..12)) {
            let ours = turns(&entries(&weights));
            let whole = nginx(&weights);
            prop_assert_eq!(whole.len() % ours.len(), 0);
            for period in whole.chunks(ours.len()) {
                prop_assert_eq!(period, &ours[..]);
            }
        }
    }

    #[test]
    fn many_different_weights_are_spread_exactly_and_evenly() {
        let weights: Vec<u32> =
            (1..=1000).chain(1..=1000).chain(1..=1000).chain(1..=1000).collect();
        let entries = entries(&weights);
        let turns = turns(&entries);
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        assert!(total > TURNS_MAX && turns.len() as u64 <= TURNS_MAX + 4000);
        let last = turns.iter().filter(|index| **index == 999).count();
        let share = last as f64 / turns.len() as f64 / (1000.0 / total as f64);
        assert!((share - 1.0).abs() < 0.01, "{share}");
        let places: Vec<usize> = (0..turns.len()).filter(|place| turns[*place] == 999).collect();
        let mean = turns.len() / last;
        let widest = places.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        assert!(widest < 2 * mean, "{widest} {mean}");
    }

    #[test]
    fn every_worker_starts_elsewhere_and_goes_round() {
        let schedule = Schedule::build(&entries(&[5, 1, 1]), 7);
        let order = [0, 0, 1, 0, 2, 0, 0];
        for worker in 0..7 {
            for turn in 0..14 {
                assert_eq!(schedule.next(worker, 1, Some), Some(order[(worker + turn) % 7]));
            }
        }
        assert_eq!(schedule.next(0, 0, Some), None);
        assert_eq!(schedule.next(9, 1, Some), Some(0), "a worker that was not foreseen");
    }
}
