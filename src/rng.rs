//! Randomness that needs to be fast, not secret: picks, sampling, request ids.
//!
//! xoshiro256++ (Blackman and Vigna, 2019) seeded from the system once per worker.

/// A generator owned by one thread.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// A generator with the given seed, for tests and simulations. The state is filled by SplitMix64.
    pub fn seeded(seed: u64) -> Self {
        let mut x = seed;
        let state = std::array::from_fn(|_| {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Rng { state }
    }

    /// A generator nobody can predict from another process.
    pub fn from_entropy() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Rng { state: std::array::from_fn(|i| RandomState::new().hash_one(i) | 1) }
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c1, d1) = (c ^ a, d ^ b);
        self.state = [a ^ d1, b ^ c1, c1 ^ (b << 17), d1.rotate_left(45)];
        result
    }
}
