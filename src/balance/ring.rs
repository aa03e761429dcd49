//! A ring of points, in the way of ketama: every member stands at many pseudo-random places, a key belongs to the
//! first point at or behind it. A member's points depend on itself alone, so that others coming and going move no
//! key between two that stay.

use super::by_tier::Entry;
use crate::hash::mix;

/// Points of a ring. Where there would be more, every member's number is halved until there are not.
pub(super) const POINTS_MAX: u64 = 1 << 20;

#[derive(Clone, Copy, Debug)]
struct Point {
    position: u32,
    /// The member's index.
    index: u32,
}

/// Points in order, and where to begin to look.
#[derive(Debug)]
pub(super) struct Ring {
    points: Box<[Point]>,
    /// For each value of a position's upper bits, the first point that has it or a larger one.
    starts: Box<[u32]>,
    /// Of a position, to get its upper bits.
    shift: u32,
}

impl Ring {
    /// `vnodes` points for each unit of weight, at least one for each entry.
    pub(super) fn build(entries: &[Entry], vnodes: u32) -> Self {
        let wanted = |entry: &Entry| u64::from(entry.weight) * u64::from(vnodes);
        let total: u64 = entries.iter().map(wanted).sum();
        let mut halvings = 0;
        while total >> halvings > POINTS_MAX {
            halvings += 1;
        }
        let mut points = Vec::with_capacity((total >> halvings) as usize + entries.len());
        for entry in entries {
            for n in 1..=(wanted(entry) >> halvings).max(1) {
                let hash = mix(entry.identity.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
                points.push(((hash >> 32) as u32, entry.identity, entry.index));
            }
        }
        // Where two meet, identity decides: the order of the file does not matter.
        points.sort_unstable();
        let points: Box<[Point]> =
            points.into_iter().map(|(position, _, index)| Point { position, index }).collect();
        let bits = points.len().next_power_of_two().trailing_zeros().max(1);
        let shift = 32 - bits;
        let mut starts = Vec::with_capacity(1 << bits);
        let mut at = 0;
        for upper in 0..1_u32 << bits {
            while points.get(at).is_some_and(|point| point.position >> shift < upper) {
                at += 1;
            }
            starts.push(at as u32);
        }
        Ring { points, starts: starts.into(), shift }
    }

    /// The members' indexes from `key` on, once round. A member comes up as often as it has points.
    #[inline]
    pub(super) fn walk(&self, key: u64) -> impl Iterator<Item = usize> {
        let position = (key >> 32) as u32;
        let start = self.starts[(position >> self.shift) as usize] as usize;
        let behind = self.points[start..].iter().position(|point| point.position >= position);
        let start = behind.map_or(0, |behind| start + behind);
        let (before, after) = self.points.split_at(start.min(self.points.len()));
        after.iter().chain(before).map(|point| point.index as usize)
    }

    /// Number of points.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.points.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::stable;

    fn entries(weights: &[u32]) -> Vec<Entry> {
        let entry = |(index, weight): (u32, &u32)| Entry {
            index,
            weight: *weight,
            identity: stable(format!("10.0.0.{index}:80").as_bytes()),
        };
        (0..).zip(weights).map(entry).collect()
    }

    proptest! {
        #[test]
        fn a_key_belongs_to_the_first_point_at_or_behind_it(key: u64, n in 1..20_u32, vnodes in 1..50_u32) {
            let ring = Ring::build(&entries(&vec![1; n as usize]), vnodes);
            let position = (key >> 32) as u32;
            let by_scan = ring.points.iter().find(|point| point.position >= position);
            let expected = by_scan.or(ring.points.first()).map(|point| point.index as usize);
            prop_assert_eq!(ring.walk(key).next(), expected);
            prop_assert_eq!(ring.walk(key).count(), ring.len());
        }
    }

    #[test]
    fn the_size_is_bounded_and_everybody_has_a_point() {
        let ring = Ring::build(&entries(&[1000, 1000, 1]), 1000);
        assert!(ring.len() as u64 <= POINTS_MAX + 3, "{}", ring.len());
        let mut weights = vec![1000; 200];
        weights.push(1);
        let ring = Ring::build(&entries(&weights), 160);
        assert!(ring.len() as u64 <= POINTS_MAX + 201, "{}", ring.len());
        assert!(ring.points.iter().any(|point| point.index == 200));
        assert_eq!(Ring::build(&[], 160).walk(1).next(), None);
    }
}
