//! Places of records by the hash of their key. The slots hold no keys, so that eight of them share a cache line and
//! the index of a large table stays near. Used by `table` for hosts.

/// Open addressing over a power of two of slots, at most half of them taken. Made once, never changed.
#[derive(Debug, Default)]
pub(super) struct Index {
    slots: Box<[Slot]>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The upper half of the hash; the lower one chose the slot.
    tag: u32,
    /// Where the record stands, or [`Slot::FREE`].
    place: u32,
}

impl Slot {
    const FREE: u32 = u32::MAX;
}

impl Index {
    /// An index of `records`: the hash of each and its place, which is less than `u32::MAX`.
    pub(super) fn new(records: &[(u64, u32)]) -> Self {
        if records.is_empty() {
            return Index::default();
        }
        let free = Slot { tag: 0, place: Slot::FREE };
        let mut slots = vec![free; (2 * records.len()).next_power_of_two()].into_boxed_slice();
        let mask = slots.len() - 1;
        for &(hash, place) in records {
            let mut at = hash as usize & mask;
            while slots[at].place != Slot::FREE {
                at = (at + 1) & mask;
            }
            slots[at] = Slot { tag: (hash >> 32) as u32, place };
        }
        Index { slots }
    }

    /// The places whose record may have this hash: few others, those whose hash has the same upper half.
    #[inline(always)]
    pub(super) fn find(&self, hash: u64) -> Found<'_> {
        Found { slots: &self.slots, tag: (hash >> 32) as u32, at: hash as usize }
    }

    /// Whether nothing can be found.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// Places where a record may stand.
#[derive(Debug)]
pub(super) struct Found<'a> {
    slots: &'a [Slot],
    tag: u32,
    at: usize,
}

impl Iterator for Found<'_> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        loop {
            // There is none in an empty index; in any other one the mask holds it inside.
            let slot = self.slots.get(self.at & self.slots.len().wrapping_sub(1))?;
            self.at = self.at.wrapping_add(1);
            if slot.place == Slot::FREE {
                return None;
            }
            if slot.tag == self.tag {
                return Some(slot.place as usize);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_found_in_an_empty_index() {
        for hash in [0, 1, u64::MAX] {
            assert_eq!(Index::default().find(hash).next(), None);
            assert_eq!(Index::new(&[]).find(hash).next(), None);
        }
    }

    #[test]
    fn records_of_one_hash_are_all_found_and_the_search_for_another_ends() {
        let records: Vec<(u64, u32)> = (0..100).map(|place| (u64::MAX, place)).collect();
        let index = Index::new(&records);
        let found: Vec<usize> = index.find(u64::MAX).collect();
        assert_eq!(found, (0..100).collect::<Vec<_>>());
        // The same slot, another tag: no record is asked for.
        assert_eq!(index.find(u64::from(u32::MAX)).next(), None);
    }

    #[test]
    fn at_most_half_of_the_slots_are_taken() {
        for n_records in [1, 2, 3, 4, 5, 64, 65] {
            let records: Vec<(u64, u32)> = (0..n_records).map(|n| (u64::from(n), n)).collect();
            assert!(Index::new(&records).slots.len() >= 2 * records.len());
        }
    }

    proptest! {
        #[test]
        fn what_was_put_in_is_found_and_nothing_else(
            hashes in prop::collection::hash_set((0u64..4, 0u64..70), 0..64),
            other: u64,
        ) {
            let hashes: Vec<u64> = hashes.iter().map(|(high, low)| high << 32 | low).collect();
            let records: Vec<(u64, u32)> =
                hashes.iter().zip(0..).map(|(hash, place)| (*hash, place)).collect();
            let index = Index::new(&records);
            for &(hash, place) in &records {
                let found = index.find(hash).find(|found| hashes[*found] == hash);
                prop_assert_eq!(found, Some(place as usize));
            }
            let found = index.find(other).find(|found| hashes[*found] == other);
            prop_assert_eq!(found.is_some(), hashes.contains(&other));
        }
    }
}
