//! A member at random, by weight, in constant time: Walker's alias method. Used by every strategy that samples.

use super::by_tier::Entry;
use crate::backend::{Backend, Candidates, Member};
use crate::rng::Rng;

/// Draws that may meet an ineligible member before all are looked at.
const DRAWS_MAX: u32 = 8;

/// One column of the alias table: `own` for a number up to `threshold`, else `alias`.
#[derive(Clone, Copy, Debug)]
struct Column {
    threshold: u32,
    own: u32,
    alias: u32,
}

/// An alias table over members.
#[derive(Debug)]
pub(super) struct Sampler {
    columns: Box<[Column]>,
}

impl Sampler {
    /// Vose's construction, in whole numbers: linear and exact to 2^-32.
    pub(super) fn build(entries: &[Entry]) -> Self {
        let n = entries.len() as u64;
        let total: u64 = entries.iter().map(|entry| u64::from(entry.weight)).sum();
        // What each column holds, of `total`.
        let mut held: Vec<u64> = entries.iter().map(|entry| u64::from(entry.weight) * n).collect();
        let full =
            |entry: &Entry| Column { threshold: u32::MAX, own: entry.index, alias: entry.index };
        let mut columns: Vec<Column> = entries.iter().map(full).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..entries.len()).partition(|column| held[*column] < total);
        while let (Some(&poor), Some(&rich)) = (small.last(), large.last()) {
            small.pop();
            columns[poor].threshold = ((u128::from(held[poor]) << 32) / u128::from(total)) as u32;
            columns[poor].alias = entries[rich].index;
            held[rich] -= total - held[poor];
            if held[rich] < total {
                large.pop();
                small.push(rich);
            }
        }
        Sampler { columns: columns.into() }
    }

    /// The index of a member by configured weight, eligible or not.
    #[inline]
    fn index(&self, random: &mut Rng) -> Option<usize> {
        let draw = random.next_u64();
        let column = ((draw >> 32) * self.columns.len() as u64) >> 32;
        let column = self.columns.get(column as usize)?;
        let own = draw as u32 <= column.threshold;
        Some(if own { column.own } else { column.alias } as usize)
    }

    /// One draw; `None` if it met a member that is not eligible.
    #[inline]
    pub(super) fn try_draw<'a>(
        &self,
        candidates: Candidates<'a>,
        random: &mut Rng,
    ) -> Option<&'a Member> {
        admitted(candidates, self.index(random)?, random)
    }

    /// An eligible member by weight; `None` only if there is none.
    #[inline]
    pub(super) fn draw<'a>(
        &self,
        candidates: Candidates<'a>,
        random: &mut Rng,
    ) -> Option<&'a Member> {
        for _ in 0..DRAWS_MAX {
            if let Some(member) = self.try_draw(candidates, random) {
                return Some(member);
            }
        }
        among_all(candidates, random)
    }

    /// Two eligible members, different ones where that is found in a few draws; the second may be the first again.
    #[inline]
    pub(super) fn draw_two<'a>(
        &self,
        candidates: Candidates<'a>,
        random: &mut Rng,
    ) -> Option<(&'a Member, &'a Member)> {
        let first = self.draw(candidates, random)?;
        if self.columns.len() > 1 {
            for _ in 0..DRAWS_MAX {
                match self.try_draw(candidates, random) {
                    Some(second) if !std::ptr::eq(first, second) => return Some((first, second)),
                    _ => {}
                }
            }
        }
        Some((first, first))
    }
}

/// The member at `index` if it is eligible, and as often as the share of a slow start says.
#[inline]
pub(super) fn admitted<'a>(
    candidates: Candidates<'a>,
    index: usize,
    random: &mut Rng,
) -> Option<&'a Member> {
    let member = candidates.eligible(index)?;
    let share = member.backend.share();
    if share < Backend::SHARE_FULL
        && (random.next_u64() >> 32) as u32 % Backend::SHARE_FULL >= share
    {
        return None;
    }
    Some(member)
}

/// An eligible member by the weight that holds now, after looking at all of them.
#[cold]
fn among_all<'a>(candidates: Candidates<'a>, random: &mut Rng) -> Option<&'a Member> {
    let total: u64 = candidates.iter().map(Member::effective_weight).sum();
    let mut left = if total == 0 { 0 } else { random.next_u64() % total };
    let mut last = None;
    for member in candidates.iter() {
        let weight = member.effective_weight();
        if left < weight {
            return Some(member);
        }
        left -= weight;
        last = Some(member);
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_the_weights_exactly() {
        for weights in [&[5, 1, 1][..], &[1], &[7, 7, 7, 7], &[1000, 1, 1, 999, 13]] {
            let entry =
                |(index, weight): (u32, &u32)| Entry { index, weight: *weight, identity: 0 };
            let entries: Vec<Entry> = (0..).zip(weights).map(entry).collect();
            let mut held = vec![0.0; weights.len()];
            for column in &Sampler::build(&entries).columns {
                let own = (f64::from(column.threshold) + 1.0) / 2_f64.powi(32);
                held[column.own as usize] += own;
                held[column.alias as usize] += 1.0 - own;
            }
            let total: u32 = weights.iter().sum();
            for (held, weight) in held.iter().zip(weights) {
                let expected = f64::from(*weight) / f64::from(total) * weights.len() as f64;
                assert!((held - expected).abs() < 1e-8, "{weights:?}: {held} {expected}");
            }
        }
    }
}
