//! What came out of a simulation.

use std::fmt;
use std::time::Duration;

/// What came out of a simulation.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The strategy's name.
    pub strategy: &'static str,
    /// Requests that arrived.
    pub n_requests: u64,
    /// Of those, answered with a failure.
    pub n_failed: u64,
    /// Of those, for whom no server was eligible.
    pub n_refused: u64,
    /// Requests with a key that went to another server than the one before with that key.
    pub n_moved: u64,
    /// Half of the successful requests took at most this.
    pub p50: Duration,
    /// All but a hundredth of them took at most this.
    pub p99: Duration,
    /// Each server, in file order.
    pub servers: Vec<ServerReport>,
}

/// What one server had to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerReport {
    /// Requests it was given.
    pub n_requests: u64,
    /// Of those, failed.
    pub n_failed: u64,
    /// The most it had at once.
    pub in_flight_max: u32,
}

impl Report {
    /// The largest number of requests of a server, as a multiple of the mean; 0 without requests.
    pub fn spread(&self) -> f64 {
        let most = self.servers.iter().map(|server| server.n_requests).max().unwrap_or(0);
        let total: u64 = self.servers.iter().map(|server| server.n_requests).sum();
        if total == 0 { 0.0 } else { most as f64 * self.servers.len() as f64 / total as f64 }
    }

    /// The most that any server had at once.
    pub fn in_flight_max(&self) -> u32 {
        self.servers.iter().map(|server| server.in_flight_max).max().unwrap_or(0)
    }
}

/// Reports beside each other, one a line.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a>(pub &'a [Report]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
        writeln!(
            f,
            "strategy     requests  failed  refused  spread   p50 ms   p99 ms  most at once  keys moved"
        )?;
        for report in self.0 {
            writeln!(
                f,
                "{:<12} {:>8}  {:>6}  {:>7}  {:>6.2}  {:>7.2}  {:>7.2}  {:>12}  {:>10}",
                report.strategy,
                report.n_requests,
                report.n_failed,
                report.n_refused,
                report.spread(),
                millis(report.p50),
                millis(report.p99),
                report.in_flight_max(),
                report.n_moved,
            )?;
        }
        Ok(())
    }
}

/// The latency that a `part` (0..=1) of `sorted` nanoseconds does not exceed.
pub(super) fn percentile(sorted: &[u64], part: f64) -> Duration {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    let nanos = sorted.get(rank.saturating_sub(1)).or(sorted.last());
    Duration::from_nanos(nanos.copied().unwrap_or(0))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
        writeln!(
            f,
            "{}: {} requests, {} failed, {} refused, {} moved, spread {:.2}, p50 {:.2} ms, p99 {:.2} ms",
            self.strategy,
            self.n_requests,
            self.n_failed,
            self.n_refused,
            self.n_moved,
            self.spread(),
            millis(self.p50),
            millis(self.p99),
        )?;
        writeln!(f, "  server  requests    failed  most at once")?;
        for (index, server) in self.servers.iter().enumerate() {
            writeln!(
                f,
                "  {index:>6}  {:>8}  {:>8}  {:>12}",
                server.n_requests, server.n_failed, server.in_flight_max
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let sorted: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&sorted, 0.5), Duration::from_nanos(50));
        assert_eq!(percentile(&sorted, 0.99), Duration::from_nanos(99));
        assert_eq!(percentile(&[7], 0.99), Duration::from_nanos(7));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }
}
