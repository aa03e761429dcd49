//! The 95th percentile of how long a backend takes, in one word and a few nanoseconds a sample: the estimate goes up
//! a step with every sample above it and down a nineteenth of that with every sample below, so that it rests where
//! one in twenty is above. After "Frugal Streaming for Estimating Quantiles" (Ma, Muthukrishnan, Sandler, 2013), with
//! steps in the logarithm, so that they fit microseconds and minutes alike.
//!
//! Samples that race each other are lost: it is an estimate, and they are few.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A base-two logarithm of nanoseconds, in units of 1/65536, between powers of two as the crow flies.
pub(super) type Log = u32;

/// A step up, and nineteen times one down: an estimate rises by a fifth at a time, and halves in 80 samples.
const STEP: Log = 1 << 14;

/// The first samples move it so many times as far.
const EARLY_FACTOR: Log = 4;

/// How many those are.
const EARLY: u64 = 32;

/// The logarithm of `nanos`; none of less than one.
#[inline]
pub(super) fn log(nanos: u64) -> Log {
    let nanos = nanos.max(1);
    let zeros = nanos.leading_zeros();
    // The bits behind the first one.
    (63 - zeros) << 16 | ((nanos << zeros) >> 47) as u32 & 0xffff
}

/// The nanoseconds that `log` is the logarithm of.
pub(super) fn nanos(log: Log) -> u64 {
    let (whole, part) = (log >> 16 & 63, u128::from(log & 0xffff | 1 << 16));
    ((part << whole) >> 16) as u64
}

/// The estimate; of nothing before the first sample.
#[derive(Debug, Default)]
pub(super) struct Quantile(AtomicU32);

impl Quantile {
    pub(super) fn get(&self) -> Log {
        self.0.load(Relaxed)
    }

    /// Takes a sample; `n_before` came before it, and none at all means a new beginning.
    #[inline]
    pub(super) fn observe(&self, sample: Log, n_before: u64) {
        let estimate = self.0.load(Relaxed);
        let step = if n_before < EARLY { EARLY_FACTOR * STEP } else { STEP };
        let next = match sample > estimate {
            _ if n_before == 0 => sample,
            true => (estimate + step * 19 / 20).min(sample),
            false => estimate.saturating_sub(step / 20).max(sample),
        };
        if next != estimate {
            self.0.store(next, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn uniform(random: &mut Rng) -> f64 {
        ((random.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// The mean of the estimate over the last half of many samples, in its logarithm.
    fn settled(seed: u64, mut draw: impl FnMut(&mut Rng) -> f64) -> f64 {
        let (quantile, mut random) = (Quantile::default(), Rng::seeded(seed));
        let (mut sum, mut n_summed) = (0.0, 0);
        for n in 0..20_000 {
            quantile.observe(log(draw(&mut random) as u64), n);
            if n >= 10_000 {
                sum += f64::from(quantile.get()) / 65536.0;
                n_summed += 1;
            }
        }
        (sum / f64::from(n_summed)).exp2()
    }

    #[test]
    fn the_logarithm_is_monotonic_and_its_inverse_is_close() {
        let mut last = 0;
        for nanos_ in (0..63).flat_map(|bits| [1_u64 << bits, (1 << bits) + (1 << bits) / 3]) {
            let log = log(nanos_);
            assert!(log >= last, "{nanos_}");
            last = log;
            let back = nanos(log);
            assert!(back.abs_diff(nanos_) <= nanos_ / 30_000 + 1, "{nanos_}: {back}");
        }
        assert_eq!((log(0), log(1), log(1 << 20)), (0, 0, 20 << 16));
    }

    #[test]
    fn it_rests_near_the_95th_percentile_of_common_distributions() {
        for seed in 1..6 {
            let ms = 1e6;
            let even = settled(seed, |random| 10.0 * ms * uniform(random));
            assert!((8.0..11.5).contains(&(even / ms)), "{even}");
            let exponential = settled(seed, |random| -10.0 * ms * uniform(random).ln());
            assert!((22.0..38.0).contains(&(exponential / ms)), "{exponential}, not 30 ms");
            // A tenth takes a hundred times as long.
            let two = settled(seed, |random| if uniform(random) < 0.9 { ms } else { 100.0 * ms });
            assert!(two / ms > 25.0, "{two}, not 100 ms");
            let rare = settled(seed, |random| if uniform(random) < 0.99 { ms } else { 100.0 * ms });
            assert!(rare / ms < 1.3, "{rare}, not 1 ms");
        }
    }

    #[test]
    fn it_follows_a_rise_within_dozens_of_samples_and_a_fall_within_hundreds() {
        let quantile = Quantile::default();
        (0..1000).for_each(|n| quantile.observe(log(5_000_000), n));
        let samples = (0..).take_while(|n| {
            quantile.observe(log(2_000_000_000), 1000 + n);
            nanos(quantile.get()) < 1_900_000_000
        });
        assert!((20..50).contains(&samples.count()));
        let samples = (0..).take_while(|n| {
            quantile.observe(log(5_000_000), 2000 + n);
            nanos(quantile.get()) > 6_000_000
        });
        assert!((300..1000).contains(&samples.count()));
    }

    #[test]
    fn the_first_sample_counts_alone() {
        let quantile = Quantile::default();
        quantile.observe(log(80_000_000), 0);
        assert!(nanos(quantile.get()).abs_diff(80_000_000) < 10_000);
        quantile.observe(log(3_000_000), 0);
        assert!(nanos(quantile.get()).abs_diff(3_000_000) < 1000, "a new beginning");
    }
}
