//! How late we ourselves were: a check that our own stall made late says nothing about the backend.

use std::time::{Duration, Instant};

/// Counts by how much the control thread came too late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lag {
    total: Duration,
}

impl Lag {
    /// Lateness that any machine has now and then: not counted.
    const USUAL: Duration = Duration::from_millis(10);

    /// Takes note that the thread wanted to run at `planned` and does at `now`.
    pub(super) fn woke(&mut self, planned: Instant, now: Instant) {
        let late = now.saturating_duration_since(planned);
        if late > Self::USUAL {
            self.total += late;
        }
    }

    /// All lateness so far.
    pub(super) fn total(&self) -> Duration {
        self.total
    }

    /// Whether a check with this `timeout`, begun when the lateness was `before`, had so little of its time that
    /// its failure may be ours.
    pub(super) fn spoils(&self, before: Duration, timeout: Duration) -> bool {
        let lost = self.total.saturating_sub(before);
        lost > Self::USUAL && lost >= timeout / 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_spoils_a_check_and_usual_lateness_does_not() {
        let (start, millis) = (Instant::now(), Duration::from_millis);
        let timeout = millis(2000);
        let mut lag = Lag::default();
        for _ in 0..1000 {
            lag.woke(start, start + millis(9));
            lag.woke(start + millis(9), start);
        }
        assert!(!lag.spoils(Duration::ZERO, timeout), "a usual machine");
        lag.woke(start, start + millis(150));
        assert!(!lag.spoils(Duration::ZERO, timeout), "most of its time was left");
        let before = lag.total();
        lag.woke(start, start + millis(1000));
        assert!(lag.spoils(before, timeout));
        assert!(!lag.spoils(lag.total(), timeout), "the next check has its whole time");
    }
}
