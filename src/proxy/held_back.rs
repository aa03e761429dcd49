//! A client whose upload waits for a slow backend: nothing is read from it meanwhile, and what it sent keeps
//! its socket readable, so no event tells when it is gone. It is looked at now and then.

use std::task::Context;
use std::time::{Duration, Instant};

use super::exchange::Exchange;
use crate::net::Stream;
use crate::relay::Waiting;

/// How often it is looked at.
pub(super) const GLANCE: Duration = Duration::from_millis(400);

/// When to look next, if it is held back at all. Lies ahead at each call, so that as a timer's deadline it is
/// never due: it only has the task polled again.
pub(super) fn next_glance(exchange: &Exchange) -> Option<Instant> {
    is_held_back(exchange).then(|| Instant::now() + GLANCE)
}

/// Whether `client` reset its connection, or its stream, while its upload was held back.
pub(super) fn client_was_lost(cx: &mut Context<'_>, client: &Stream, exchange: &Exchange) -> bool {
    if !is_held_back(exchange) {
        return false;
    }
    if let Some(channel) = client.channel() {
        // It tells by itself.
        return channel.poll_gone(cx).is_ready();
    }
    let stuck = |moved: Instant| moved.elapsed() >= GLANCE;
    exchange.wait.upload_moved.is_none_or(stuck) && client.is_reset()
}

fn is_held_back(exchange: &Exchange) -> bool {
    exchange.upload.waiting == Waiting::Sink && !exchange.upload.is_done()
}
