//! The exact paths and prefixes of all buckets in one map: a lookup in it needs nothing that stands in the bucket, so
//! that a processor fetches both at once. Made by `draft`, walked by `table`.

use crate::hash::Seed;

use super::bucket::Leaf;
use super::index::Index;
use super::key::Key;
use super::lengths::{Below, Lengths};

/// Leaves by bucket, kind and path.
#[derive(Debug, Default)]
pub(super) struct Paths {
    index: Index,
    records: Vec<Record>,
    /// Lengths of all prefixes.
    prefix_lengths: Lengths,
    /// Bytes of the longest prefix.
    prefix_bytes_max: usize,
}

/// Just a cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Record {
    whose: u32,
    leaf: Leaf,
    path: Key,
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
    #[inline]
    fn id(self, kind: Kind) -> u32 {
        self.bucket << 1 | kind as u32
    }

    #[inline]
    fn hash(self, kind: Kind, path: u64) -> u64 {
        // The kind goes into the tag: a prefix and an exact path that are equal are seldom mixed up.
        self.hash.wrapping_add(path) ^ (kind as u64) << 63
    }
}

impl Paths {
    /// Those of `leaves`.
    pub(super) fn new(leaves: Vec<(Owner, Kind, &[u8], Leaf)>, seed: &Seed) -> Self {
        let mut paths = Paths::default();
        let mut hashes = Vec::with_capacity(leaves.len());
        paths.records.reserve_exact(leaves.len());
        for (owner, kind, path, leaf) in leaves {
            if kind == Kind::Prefix {
                paths.prefix_lengths.insert(path.len());
                paths.prefix_bytes_max = paths.prefix_bytes_max.max(path.len());
            }
            hashes.push((owner.hash(kind, seed.hash(path)), paths.records.len() as u32));
            paths.records.push(Record { whose: owner.id(kind), leaf, path: Key::new(path) });
        }
        paths.index = Index::new(&hashes);
        paths
    }

    /// The leaf of `path`, if it is one of this kind in the bucket.
    #[inline]
    pub(super) fn find(&self, seed: &Seed, owner: Owner, kind: Kind, path: &[u8]) -> Option<&Leaf> {
        self.index.find(owner.hash(kind, seed.hash(path)), |place| {
            let record = self.records.get(place)?;
            (record.whose == owner.id(kind) && record.path.is(path)).then_some(&record.leaf)
        })
    }

    /// The lengths up to `bound` that some bucket has a prefix of, the longest first.
    #[inline]
    pub(super) fn lengths_up_to(&self, bound: usize) -> Below {
        self.prefix_lengths.below(bound.saturating_add(1), self.prefix_bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_cache_line() {
        assert_eq!(size_of::<Record>(), 64);
    }
}
