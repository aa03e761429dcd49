//! The same backend for the same key: Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network
//! Load Balancer", 2016), by weight. One look at a table; more even than a ring, at the price of a few more keys
//! that move.

use std::collections::BinaryHeap;

use super::by_tier::{ByTier, Entry};
use super::rendezvous::{leaves_to_others, rendezvous};
use super::{Balancer, Hint, Plan};
use crate::backend::{Candidates, Member};
use crate::hash::mix;

/// Slots of the table, a prime. More members than that cannot all have one.
const SLOTS: usize = 65_537;

/// Slots that are looked at for an eligible member before all members are.
const PROBES_MAX: u64 = 8;

/// The Maglev strategy.
#[derive(Debug)]
pub(super) struct Maglev {
    tables: ByTier<Box<[u16]>>,
}

impl Maglev {
    pub(super) fn build(plan: &Plan<'_>) -> Self {
        Maglev { tables: ByTier::build(plan.members, table) }
    }
}

impl Balancer for Maglev {
    fn pick<'a>(&self, candidates: Candidates<'a>, hint: &mut Hint<'_>) -> Option<&'a Member> {
        let key = hint.key.unwrap_or_else(|| hint.random.next_u64());
        let table = self.tables.of(candidates);
        let mut probe = key;
        for _ in 0..PROBES_MAX {
            let slot = ((probe >> 32) * table.len() as u64) >> 32;
            let index = *table.get(slot as usize)?;
            if let Some(member) = candidates.eligible(usize::from(index))
                && !leaves_to_others(member, key)
            {
                return Some(member);
            }
            // Elsewhere, so that the keys of one that is gone are shared by all.
            probe = mix(probe.wrapping_add(0x9e37_79b9_7f4a_7c15));
        }
        rendezvous(candidates, key, |_| true)
    }
}

/// One member's way through the table.
struct Turn {
    /// When its next turn is: turns taken, and one, for its weight.
    due: f64,
    /// Its place by identity.
    place: usize,
    weight: f64,
    n_taken: u32,
    next: usize,
    skip: usize,
    index: u16,
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Turn {}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Turn {
    /// The one that is due first is the greatest; of two, the one that stands first.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.due.total_cmp(&self.due).then(other.place.cmp(&self.place))
    }
}

/// Members take turns, as often as their weight says, each taking the next free slot of its own permutation.
/// The order is that of their identities: that of the file does not matter.
fn table(entries: &[Entry]) -> Box<[u16]> {
    let mut by_identity: Vec<&Entry> = entries.iter().collect();
    by_identity.sort_unstable_by_key(|entry| (entry.identity, entry.index));
    let turn = |(place, entry): (usize, &&Entry)| {
        let weight = f64::from(entry.weight);
        Some(Turn {
            due: 1.0 / weight,
            place,
            weight,
            n_taken: 0,
            next: (mix(entry.identity) % SLOTS as u64) as usize,
            skip: (mix(!entry.identity) % (SLOTS as u64 - 1)) as usize + 1,
            index: u16::try_from(entry.index).ok()?,
        })
    };
    let mut turns: BinaryHeap<Turn> = by_identity.iter().enumerate().filter_map(turn).collect();
    if turns.is_empty() {
        return Box::default();
    }
    const FREE: u32 = u32::MAX;
    let mut slots = vec![FREE; SLOTS];
    for _ in 0..SLOTS {
        let Some(mut turn) = turns.peek_mut() else { break };
        while slots[turn.next] != FREE {
            turn.next = (turn.next + turn.skip) % SLOTS;
        }
        slots[turn.next] = u32::from(turn.index);
        turn.n_taken += 1;
        turn.due = f64::from(turn.n_taken + 1) / turn.weight;
    }
    slots.into_iter().map(|index| index as u16).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, members, moved, shares};
    use super::*;
    use crate::config;

    const KEYS: u64 = 100_000;

    #[test]
    fn every_slot_is_taken_and_members_differ_by_at_most_one() {
        let members = members(&[1; 100]);
        let tables = ByTier::build(&members, table);
        let view = Candidates::new(&members, &crate::backend::Tried::default()).tier();
        assert_eq!(view, crate::backend::Tier::Primary);
        let mut n_slots = [0; 100];
        let tried = crate::backend::Tried::default();
        for index in tables.of(Candidates::new(&members, &tried)).iter() {
            n_slots[usize::from(*index)] += 1;
        }
        assert_eq!(n_slots.iter().sum::<usize>(), SLOTS);
        let (least, most) = (n_slots.iter().min(), n_slots.iter().max());
        assert!(least >= Some(&655) && most <= Some(&656), "{least:?} {most:?}");
    }

    #[test]
    fn weights_hold_within_a_hundredth() {
        let balance = config::Balance::of("maglev");
        let mut bench = Bench::with(&balance, members(&[5, 1, 2]), 1);
        let shares = shares(&mut bench, KEYS);
        for (share, weight) in shares.iter().zip([5.0, 1.0, 2.0]) {
            assert!((share - weight / 8.0).abs() < 0.01, "{shares:?}");
        }
    }

    /// The paper's figure 12 has a few per cent of others' keys moved where one of many backends goes.
    #[test]
    fn one_of_n_going_moves_its_own_keys_and_few_others() {
        let all = members(&[1; 20]);
        let without: Vec<Member> =
            all.iter().filter(|member| member.backend.id != 7).cloned().collect();
        let balance = config::Balance::of("maglev");
        let (n_moved, n_between_others) = moved(&balance, &all, &without.into(), KEYS, 7);
        assert!((n_moved as f64) < KEYS as f64 / 20.0 * 2.0, "{n_moved}");
        assert!((n_between_others as f64) < KEYS as f64 * 0.05, "{n_between_others}");
    }
}
