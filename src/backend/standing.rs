//! How a backend stands, and why: what `status` shows and what an event says.

use std::time::Instant;

/// Whether a backend gets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It does.
    Up,
    /// New in a set that serves already: it waits for its first passing check.
    Unproven,
    /// Its checks fail.
    Down,
    /// Its breaker is open.
    Open,
    /// Its breaker lets a few requests try it.
    HalfOpen,
}

/// Why a state was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The process, or this backend, is new.
    Start,
    /// Checks passed.
    ChecksPassed,
    /// Checks failed.
    ChecksFailed,
    /// Failures in a row.
    Failures,
    /// Connections failed, in a row.
    Connect,
    /// The share of failures in the window.
    ErrorRatio,
    /// It is slower than its peers.
    Latency,
    /// It answers nobody while its peers do.
    Stalled,
    /// Its time out is over.
    OpenOver,
    /// Requests that tried it were answered.
    ProbesPassed,
    /// A request that tried it failed.
    ProbeFailed,
    /// A request that tried it was not answered in time.
    ProbeLate,
    /// It answered.
    Answered,
    /// The configuration does not check or eject any more.
    Configured,
}

impl State {
    /// As operators see it.
    pub const fn token(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Unproven => "unproven",
            State::Down => "down",
            State::Open => "open",
            State::HalfOpen => "half_open",
        }
    }
}

impl Cause {
    /// Every cause, in declaration order; `cause as usize` is its index here.
    pub const ALL: &[Cause] = &[
        Cause::Start,
        Cause::ChecksPassed,
        Cause::ChecksFailed,
        Cause::Failures,
        Cause::Connect,
        Cause::ErrorRatio,
        Cause::Latency,
        Cause::Stalled,
        Cause::OpenOver,
        Cause::ProbesPassed,
        Cause::ProbeFailed,
        Cause::ProbeLate,
        Cause::Answered,
        Cause::Configured,
    ];

    /// As operators see it.
    pub const fn token(self) -> &'static str {
        match self {
            Cause::Start => "start",
            Cause::ChecksPassed => "checks_passed",
            Cause::ChecksFailed => "checks_failed",
            Cause::Failures => "failures",
            Cause::Connect => "connect",
            Cause::ErrorRatio => "error_ratio",
            Cause::Latency => "latency",
            Cause::Stalled => "stalled",
            Cause::OpenOver => "open_over",
            Cause::ProbesPassed => "probes_passed",
            Cause::ProbeFailed => "probe_failed",
            Cause::ProbeLate => "probe_late",
            Cause::Answered => "answered",
            Cause::Configured => "configured",
        }
    }
}

/// How a backend stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Whether it gets requests.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Why.
    pub cause: Cause,
}
