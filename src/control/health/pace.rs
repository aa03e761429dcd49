//! When a backend is asked next. Pure: the time and the randomness are arguments.

use std::time::{Duration, Instant};

use crate::config::Health;
use crate::hash::mix;
use crate::rng::Rng;

/// First checks come within this, so that a start soon knows what it has.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// How often at most a backend is asked whose state is open.
const CHANGING_MIN: Duration = Duration::from_secs(1);

/// The first check of backend `id`, that is known since `now`: within a second, each at a moment of its own.
pub(super) fn first(id: u64, options: &Health, now: Instant) -> Instant {
    now + options.interval.min(FIRST_WITHIN).mul_f64(fraction(mix(id)))
}

/// The check behind the first one, which began at `began`: spreads over the whole interval what the start had
/// pressed into a second.
pub(super) fn second(id: u64, options: &Health, began: Instant) -> Instant {
    began + options.interval.mul_f64(0.2 + 0.8 * fraction(mix(!id)))
}

/// The check behind one that began at `began`: an interval later, ± 20 %; sooner while the state is `changing`.
pub(super) fn next(options: &Health, changing: bool, began: Instant, random: &mut Rng) -> Instant {
    let interval = match changing {
        true => options.interval.min(options.timeout.max(CHANGING_MIN)),
        false => options.interval,
    };
    began + interval.mul_f64(0.8 + 0.4 * fraction(random.next_u64()))
}

/// The repetition of a check at `now` that says nothing, since we were late: soon, not all at once.
pub(super) fn again(options: &Health, now: Instant, random: &mut Rng) -> Instant {
    now + options.interval.min(FIRST_WITHIN).mul_f64(fraction(random.next_u64()))
}

/// 64 random bits as a number in 0.0..1.0.
fn fraction(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(interval: Duration, timeout: Duration) -> Health {
        Health { interval, timeout, ..Health::default() }
    }

    /// How many of `times` fall into each of `n` parts of `within` from `now`.
    fn histogram(
        times: impl Iterator<Item = Instant>,
        now: Instant,
        within: Duration,
        n: usize,
    ) -> Vec<usize> {
        let mut parts = vec![0; n];
        for time in times {
            let at = time.duration_since(now).as_secs_f64() / within.as_secs_f64();
            parts[(at * n as f64) as usize] += 1;
        }
        parts
    }

    #[test]
    fn first_checks_are_spread_over_a_second_and_the_next_over_the_interval() {
        let (now, seconds) = (Instant::now(), Duration::from_secs);
        let options = options(seconds(5), seconds(2));
        let firsts = (0..10_000).map(|id| first(id, &options, now));
        for n in histogram(firsts, now, seconds(1), 10) {
            assert!((900..1100).contains(&n), "{n} of 10 000 in a tenth of a second");
        }
        let seconds_ones = (0..10_000).map(|id| second(id, &options, first(id, &options, now)));
        let parts = histogram(seconds_ones, now + seconds(1), seconds(5), 5);
        assert!(parts[1..4].iter().all(|n| *n < 2_800), "{parts:?}: the start is still seen");
        // A short interval is not stretched to a second.
        let short = self::options(Duration::from_millis(100), seconds(2));
        assert!((0..100).all(|id| first(id, &short, now) < now + short.interval));
    }

    #[test]
    fn the_pause_is_the_interval_give_or_take_a_fifth_and_shorter_while_changing() {
        let (now, seconds) = (Instant::now(), Duration::from_secs);
        let mut random = Rng::seeded(7);
        // (interval, timeout, pause while changing)
        let table = [(5, 2, 2), (60, 30, 30), (1, 2, 1), (5, 9, 5)];
        for (interval, timeout, while_changing) in table {
            let options = options(seconds(interval), seconds(timeout));
            for (changing, expected) in [(false, interval), (true, while_changing)] {
                let pauses: Vec<Duration> = (0..1000)
                    .map(|_| next(&options, changing, now, &mut random).duration_since(now))
                    .collect();
                let (low, high) = (seconds(expected).mul_f64(0.8), seconds(expected).mul_f64(1.2));
                assert!(pauses.iter().all(|pause| (low..=high).contains(pause)));
                let mean = pauses.iter().sum::<Duration>() / 1000;
                assert!((0.98..1.02).contains(&(mean.as_secs_f64() / expected as f64)));
            }
        }
        // Half a second is a timeout, but not a pause.
        let eager = self::options(seconds(60), Duration::from_millis(500));
        let pause = next(&eager, true, now, &mut random).duration_since(now);
        assert!((Duration::from_millis(800)..Duration::from_millis(1200)).contains(&pause));
    }
}
