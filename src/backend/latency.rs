//! How long a backend takes to answer: an average that forgets in ten seconds and believes a slow answer at
//! once (the "peak EWMA" of Finagle and linkerd). Written when a permit settles, read by `peak_ewma`.
//!
//! One atomic word: the estimate in seconds (`f32`, upper half) and when it was made (lower half, in ticks of
//! 65.536 µs, which wrap after 78 hours). No lock; a sample that loses too many races is left out.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::Outcome;

/// How long it takes to forget all but a third (1/e).
const DECAY_SECONDS: f32 = 10.0;

/// Seconds of a tick.
const TICK_SECONDS: f32 = 65_536e-9;

/// A failure counts as an answer that took this many times what the backend takes: each one in a row makes it
/// so many times less attractive, so that one that fails fast is soon left alone.
pub const FAILURE_FACTOR: f32 = 4.0;

/// A failure counts as at least this, in seconds.
const FAILURE_MIN: f32 = 0.010;

/// No estimate is beyond this, in seconds: a backend that failed is tried again after minutes, not hours.
const ESTIMATE_MAX: f32 = 60.0;

/// No estimate is below this, in seconds.
const ESTIMATE_MIN: f32 = 1e-6;

/// Races that a sample may lose.
const RACES_MAX: u32 = 4;

/// An estimate of the time to the first byte.
#[derive(Debug)]
pub struct Latency {
    /// 0: nothing is known.
    state: AtomicU64,
    /// What ticks are counted from.
    epoch: Instant,
}

impl Latency {
    /// Nothing is known; no sample is from before `epoch`.
    pub(super) fn new(epoch: Instant) -> Self {
        Latency { state: AtomicU64::new(0), epoch }
    }

    /// Seconds to the first byte as estimated at `now`; `None` as long as nothing was measured. It falls as time
    /// passes without a sample, so that a backend that was slow once is tried again.
    #[inline]
    pub fn estimate(&self, now: Instant) -> Option<f32> {
        match self.state.load(Relaxed) {
            0 => None,
            state => Some(seconds(state) * decay(state, self.ticks(now))),
        }
    }

    /// Takes a sample.
    pub fn observe(&self, outcome: Outcome, latency: Duration, now: Instant) {
        let ticks = self.ticks(now);
        let measured = latency.as_secs_f32();
        let mut state = self.state.load(Relaxed);
        for _ in 0..RACES_MAX {
            let Some(next) = next(state, ticks, outcome, measured) else { return };
            match self.state.compare_exchange_weak(state, next, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(other) => state = other,
            }
        }
    }

    fn ticks(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.epoch);
        ((since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos())) >> 16) as u32
    }
}

/// The state after a sample; `None` if it changes nothing.
fn next(state: u64, ticks: u32, outcome: Outcome, measured: f32) -> Option<u64> {
    let before = seconds(state);
    let keep = decay(state, ticks);
    let sample = match outcome {
        Outcome::Success => measured,
        Outcome::Failure => (measured.max(before * keep) * FAILURE_FACTOR).max(FAILURE_MIN),
    };
    let sample = sample.clamp(ESTIMATE_MIN, ESTIMATE_MAX);
    let after = match sample > before {
        true => sample,
        // Within a tick the first sample speaks for all.
        false if keep >= 1.0 => return None,
        false => before * keep + sample * (1.0 - keep),
    };
    // Late samples do not turn the clock back.
    let stamp = if elapsed(state, ticks) == 0 && state != 0 { state as u32 } else { ticks };
    Some(u64::from(after.to_bits()) << 32 | u64::from(stamp))
}

fn seconds(state: u64) -> f32 {
    f32::from_bits((state >> 32) as u32)
}

/// Ticks since `state` was made; 0 when that is in the future, as other threads may have it.
fn elapsed(state: u64, ticks: u32) -> u32 {
    let elapsed = ticks.wrapping_sub(state as u32);
    if elapsed > u32::MAX / 2 { 0 } else { elapsed }
}

/// What is left of the estimate, 0..=1.
#[inline]
fn decay(state: u64, ticks: u32) -> f32 {
    let x = elapsed(state, ticks) as f32 * (TICK_SECONDS / DECAY_SECONDS);
    // Nearly always it was made just now: two terms of the series are exact to 1e-6 there.
    if x < 0.01 { 1.0 - x + x * x * 0.5 } else { (-x).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn estimate_ms(latency: &Latency, at: Duration) -> f32 {
        latency.estimate(latency.epoch + at).expect("something was measured") * 1000.0
    }

    fn observe(latency: &Latency, outcome: Outcome, measured: Duration, at: Duration) {
        latency.observe(outcome, measured, latency.epoch + at);
    }

    #[test]
    fn a_slow_answer_counts_at_once_and_fast_ones_bring_it_down_in_ten_seconds() {
        let latency = Latency::new(Instant::now());
        assert_eq!(latency.estimate(latency.epoch), None);
        observe(&latency, Outcome::Success, ms(10), ms(0));
        assert!((estimate_ms(&latency, ms(0)) - 10.0).abs() < 0.01);
        observe(&latency, Outcome::Success, ms(100), ms(1));
        assert!((estimate_ms(&latency, ms(1)) - 100.0).abs() < 0.1);
        for at in (100..=10_000).step_by(100) {
            observe(&latency, Outcome::Success, ms(10), ms(at));
        }
        // 10 + 90/e
        assert!((estimate_ms(&latency, ms(10_000)) - 43.1).abs() < 0.5);
    }

    #[test]
    fn without_samples_it_falls_towards_nothing() {
        let latency = Latency::new(Instant::now());
        observe(&latency, Outcome::Success, ms(100), ms(0));
        assert!((estimate_ms(&latency, ms(10_000)) - 36.8).abs() < 0.1);
        assert!(estimate_ms(&latency, ms(120_000)) < 0.01);
    }

    #[test]
    fn failures_in_a_row_multiply_up_to_a_bound() {
        let latency = Latency::new(Instant::now());
        for expected in [10.0, 40.0, 160.0, 640.0] {
            observe(&latency, Outcome::Failure, ms(1), ms(0));
            assert!((estimate_ms(&latency, ms(0)) - expected).abs() < 0.1, "{expected}");
        }
        (0..20).for_each(|_| observe(&latency, Outcome::Failure, ms(1), ms(0)));
        assert!((estimate_ms(&latency, ms(0)) - ESTIMATE_MAX * 1000.0).abs() < 1.0);
        observe(&latency, Outcome::Success, Duration::from_secs(500), ms(0));
        assert!((estimate_ms(&latency, ms(0)) - ESTIMATE_MAX * 1000.0).abs() < 1.0);
    }

    #[test]
    fn an_earlier_now_and_an_instant_answer_do_no_harm() {
        let latency = Latency::new(Instant::now());
        observe(&latency, Outcome::Success, Duration::ZERO, ms(500));
        let early = latency.epoch - ms(5);
        assert!(latency.estimate(early).is_some_and(|seconds| seconds > 0.0));
        latency.observe(Outcome::Success, ms(3), early);
        assert!((estimate_ms(&latency, ms(500)) - 3.0).abs() < 0.01);
    }
}
