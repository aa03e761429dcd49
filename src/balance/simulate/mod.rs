//! What a strategy would do: discrete events over the strategies that serve real requests, with a clock that
//! stands still while they think. Arrivals, service times and what befalls a server are given; how the load was
//! spread, how long requests took and which keys moved comes out. The same scenario gives the same report.
//!
//! Tests use it as their proof; a command for operators can be made of [`Scenario`], [`run`] and [`Report`].

use std::time::Duration;

use crate::config;

mod report;
mod run;
#[cfg(test)]
mod tests;

pub use report::{Report, ServerReport, Table};
pub use run::{run, run_with};

/// Requests of one simulation; further ones do not arrive.
pub const REQUESTS_MAX: u64 = 10_000_000;

/// Keys that requests can carry; larger numbers mean this one.
pub const KEYS_MAX: u64 = 1 << 20;

/// What happens.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Who chooses.
    pub balance: config::Balance,
    /// Among whom, in file order.
    pub servers: Vec<Server>,
    /// Requests per second on average; they arrive independently of each other (a Poisson process).
    pub arrivals_per_second: f64,
    /// For how long requests arrive. Those that have arrived are served to their end.
    pub duration: Duration,
    /// Different keys that requests carry, all equally likely; 0: they carry none. At most [`KEYS_MAX`].
    pub n_keys: u64,
    /// Workers that requests arrive at, at random; at least 1.
    pub n_workers: usize,
    /// What befalls servers.
    pub changes: Vec<Change>,
    /// Of all randomness.
    pub seed: u64,
}

/// A simulated backend: it serves some requests at once, the rest wait in the order they came.
#[derive(Clone, Debug)]
pub struct Server {
    /// 0..=1000.
    pub weight: u32,
    /// Requests served at once, at least 1.
    pub n_parallel: u32,
    /// How long serving one takes.
    pub service: Service,
    /// Requests that may be there at once, waiting ones included; `None`: no bound.
    pub max_connections: Option<u32>,
}

/// How long serving a request takes.
#[derive(Clone, Copy, Debug)]
pub enum Service {
    /// Always as long.
    Fixed(Duration),
    /// Random, exponentially distributed, with this mean.
    Exponential(Duration),
}

/// Something that befalls a server.
#[derive(Clone, Debug)]
pub struct Change {
    /// When, from the beginning.
    pub at: Duration,
    /// Its index.
    pub server: usize,
    /// What becomes of it.
    pub to: Condition,
}

/// How a server is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition {
    /// As described.
    Well,
    /// Serving takes this many times as long.
    Slow(f64),
    /// Every request fails after this time, without waiting.
    FailsFast(Duration),
    /// It is out of service, and what it has fails.
    Gone,
}

impl Scenario {
    /// Four servers with room for a hundred requests each, 10 ms for one on average, of which the last is ten times
    /// slower from the beginning on: what strategies that look at their backends are for.
    pub fn with_one_slow(strategy: &'static str) -> Self {
        let server = Server::new(100, Service::Exponential(Duration::from_millis(10)));
        Scenario {
            balance: config::Balance::of(strategy),
            servers: vec![server; 4],
            arrivals_per_second: 1000.0,
            duration: Duration::from_secs(20),
            n_keys: 0,
            n_workers: 2,
            changes: vec![Change { at: Duration::ZERO, server: 3, to: Condition::Slow(10.0) }],
            seed: 11,
        }
    }
}

impl Server {
    /// A server of weight 1, without a bound.
    pub fn new(n_parallel: u32, service: Service) -> Self {
        Server { weight: 1, n_parallel, service, max_connections: None }
    }
}
