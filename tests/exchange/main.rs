//! The exchange end to end: a raw client, the whole daemon, a backend that the test plays.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod balancing;
mod cancelling;
mod crosstalk;
mod forwarded;
mod interim;
mod pooling;
mod streaming;
mod truncation;
mod unix;
mod upgrade;
mod versions;
