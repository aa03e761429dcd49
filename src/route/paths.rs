//! The exact paths and prefixes of all buckets in one map: a lookup in it needs nothing that stands in the bucket, so
//! that a processor fetches both at once. Made by `draft`, walked by `table`.

use std::num::NonZeroU32;

use crate::hash::{Map, Seed};

use super::bucket::Leaf;
use super::key::Key;
use super::lengths::{Below, Lengths};

/// Lengths of prefixes that cost less to try than waiting for memory does.
const FEW_LENGTHS_MAX: u32 = 8;

/// Leaves by bucket, kind and path: open addressing over a power of two of slots, at most half of them taken. Made once,
/// never changed. The slots are larger than those of an [`super::index::Index`], as they hold what is looked for: one
/// access to memory finds it.
#[derive(Debug, Default)]
pub(super) struct Paths {
    slots: Box<[Option<Slot>]>,
    /// The paths, each once: hosts often share theirs.
    texts: Vec<Key>,
    /// Lengths of all prefixes.
    prefix_lengths: Lengths,
    /// There are not more of them than [`FEW_LENGTHS_MAX`].
    few_lengths: bool,
    /// Bytes of the longest prefix.
    prefix_bytes_max: usize,
}

/// The leaf of one path of one bucket.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The upper half of the hash; the lower one chose the slot.
    tag: u32,
    whose: NonZeroU32,
    /// Its index in [`Paths::texts`].
    text: u32,
    leaf: Leaf,
}

/// How a path is written in a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Exact = 0,
    Prefix = 1,
}

/// A bucket as a part of its paths' keys.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Owner {
    /// Its index, less than 2^31.
    pub(super) bucket: u32,
    /// What its host pattern hashes to.
    pub(super) hash: u64,
}

impl Owner {
    #[inline(always)]
    fn id(self, kind: Kind) -> NonZeroU32 {
        // Never 0, so that a slot which is free needs no further word to say so.
        NonZeroU32::MIN.saturating_add(self.bucket << 1 | kind as u32)
    }

    #[inline(always)]
    fn hash(self, kind: Kind, path: u64) -> u64 {
        // The kind goes into the tag: a prefix and an exact path that are equal are seldom mixed up.
        self.hash.wrapping_add(path) ^ (kind as u64) << 63
    }
}

impl Paths {
    /// Those of `leaves`.
    pub(super) fn new(leaves: &[(Owner, Kind, &[u8], Leaf)], seed: &Seed) -> Self {
        let mut paths = Paths::default();
        if leaves.is_empty() {
            return paths;
        }
        let mut places: Map<&[u8], u32> = Map::default();
        paths.slots = vec![None; (2 * leaves.len()).next_power_of_two()].into_boxed_slice();
        let mask = paths.slots.len() - 1;
        for &(owner, kind, path, leaf) in leaves {
            if kind == Kind::Prefix {
                paths.prefix_lengths.insert(path.len());
                paths.prefix_bytes_max = paths.prefix_bytes_max.max(path.len());
            }
            let text = *places.entry(path).or_insert_with(|| {
                paths.texts.push(Key::new(path));
                paths.texts.len() as u32 - 1
            });
            let hash = owner.hash(kind, seed.hash(path));
            let mut at = hash as usize & mask;
            while paths.slots[at].is_some() {
                at = (at + 1) & mask;
            }
            let tag = (hash >> 32) as u32;
            paths.slots[at] = Some(Slot { tag, whose: owner.id(kind), text, leaf });
        }
        paths.few_lengths = paths.prefix_lengths.len() <= FEW_LENGTHS_MAX;
        paths
    }

    /// The leaf of `path`, if it is one of this kind in the bucket.
    #[inline(always)]
    pub(super) fn find(&self, seed: &Seed, owner: Owner, kind: Kind, path: &[u8]) -> Option<&Leaf> {
        let hash = owner.hash(kind, seed.hash(path));
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            // No slot at all when the table is empty; else the mask holds `at` inside, and some slot is free.
            let slot = self.slots.get(at)?.as_ref()?;
            if slot.tag == (hash >> 32) as u32
                && slot.whose == owner.id(kind)
                && self.texts.get(slot.text as usize).is_some_and(|text| text.is(path))
            {
                return Some(&slot.leaf);
            }
            at = (at + 1) & mask;
        }
    }

    /// The lengths up to `bound`, that of a slice, that prefixes of a bucket may have, the longest first; `own` are those they do have.
    ///
    /// While all buckets have few, they are tried for each, and `own` is left to be asked: what is hashed then does not
    /// wait for the bucket to come from memory.
    #[inline(always)]
    pub(super) fn lengths_up_to(&self, bound: usize, own: Lengths) -> Below {
        let lengths = if self.few_lengths { self.prefix_lengths } else { own };
        lengths.below(bound + 1, self.prefix_bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::bucket::Places;
    use crate::route::table::Entry;

    #[test]
    fn two_slots_share_a_cache_line() {
        assert_eq!(size_of::<Option<Slot>>(), 32);
    }

    #[test]
    fn at_most_half_of_the_slots_are_taken_and_equal_paths_are_kept_once() {
        let first = Entry { route: 0, priority: 0, conditions: Entry::UNCONDITIONAL };
        let leaf = Leaf { first, rest: Places::default() };
        for n_buckets in [0, 1, 2, 3, 4, 5, 64, 65] {
            let owner = |bucket| Owner { bucket, hash: u64::from(bucket) };
            let leaves: Vec<_> = (0..n_buckets)
                .flat_map(|n| {
                    [Kind::Exact, Kind::Prefix].map(|kind| (owner(n), kind, &b"/a"[..], leaf))
                })
                .collect();
            let seed = Seed::default();
            let paths = Paths::new(&leaves, &seed);
            assert!(paths.slots.len() >= 2 * leaves.len());
            assert!(paths.texts.len() <= 1);
            assert!(paths.find(&seed, owner(n_buckets), Kind::Exact, b"/a").is_none());
        }
    }
}
