//! HTTP/2 from clients, spoken frame by frame: what the RFCs say, what must come out of an exchange, and what hostile
//! clients must not get.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod along;
mod attacks;
mod battery;
mod connections;
mod streams;

use std::net::SocketAddr;

use support::{Proxy, Setup};

/// A daemon that speaks HTTP/2 in the clear, with `setup`, in front of `backends`.
#[track_caller]
fn proxy(setup: Setup<'_>, backends: &[SocketAddr]) -> Proxy {
    let listener = format!("http = {{ h2c = true }}\n{}", setup.listener);
    Proxy::with(Setup { listener: &listener, ..setup }, backends)
}
