//! What every battery stands on: the whole daemon in this process on port 0, raw clients, raw
//! backends, and a parser of messages that forgives nothing. Everything blocks with a deadline;
//! nothing sleeps.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test crate uses its own part")]

use std::time::{Duration, Instant};

mod crowd;
pub mod frames;
mod message;
mod moody;
mod noise;
mod origin;
mod pki;
mod process;
mod proxy;
mod service;
mod wire;

pub use crowd::{Crowd, Tally};
pub use message::{Framing, Message, Parsed, parse_request, parse_response, show};
pub use moody::{Death, Mood, Moody};
pub use noise::{Noise, REPLIES, REQUESTS, rounds};
pub use origin::{BlackHole, Origin, refused_address};
pub use pki::{PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, Pki, TlsWire};
pub use process::Process;
pub use proxy::{Proxy, Setup};
pub use service::{Record, Service};
pub use wire::Wire;

/// How long anything that must happen may take before the test fails.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Waits until `condition` holds, looking every millisecond.
///
/// # Panics
/// With `what` when it did not within the deadline.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "never happened: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
