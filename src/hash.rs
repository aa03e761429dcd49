//! The hashers of the house: fast ones with a per-process seed for maps that clients can influence, and one
//! that says the same everywhere for keys that must find the same backend.

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
    #[inline(always)]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        match (bytes.first_chunk::<16>(), bytes.last_chunk::<16>()) {
            // Most hosts and many paths: in place, as two short ones that may overlap, so the length goes in apart.
            (Some(first), Some(last)) if bytes.len() <= 32 => {
                hasher.write(first);
                hasher.write(last);
                hasher.finish().rotate_left(bytes.len() as u32)
            }
            _ => {
                hasher.write(bytes);
                hasher.finish()
            }
        }
    }
}

/// The same 64 bits for the same bytes on every machine, in every process and version: XXH3 without a seed.
#[inline]
pub fn stable(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// Mixes all bits of `x` into all bits of the result, one to one: the finaliser of SplitMix64.
#[inline]
pub fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::stable;

    #[test]
    fn the_stable_hash_is_what_it_was() {
        // From the reference implementation; if this changes, every key moves.
        assert_eq!(stable(b""), 0x2d06_8005_38d3_94c2);
        assert_ne!(stable(b"10.0.0.1:80"), stable(b"10.0.0.2:80"));
    }
}
