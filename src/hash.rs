//! The hashers of the house: fast ones with a per-process seed for maps that clients can influence.

use std::hash::{BuildHasher, Hasher};

/// A hash map seeded per process, so that keys chosen by a client cannot collide on purpose.
pub type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::RandomState>;

/// A hash set seeded per process.
pub type Set<K> = hashbrown::HashSet<K, foldhash::fast::RandomState>;

/// What slices are hashed with where a table is laid out by hand: other for each table and process.
#[derive(Clone, Debug, Default)]
pub struct Seed(foldhash::fast::RandomState);

impl Seed {
    /// The hash of `bytes`, all 64 bits of it good.
    #[inline]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }
}
