//! Deadlines of an exchange: when a peer has taken too long, and what that is called.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::exchange::Exchange;
use super::held_back;
use super::hold::Hold;
use super::timer::earlier;
use crate::config::ExchangeTimeouts;
use crate::error::Reason;
use crate::relay::Waiting;

/// A deadline and what it means when it passes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry {
    at: Option<Instant>,
    reason: Reason,
}

impl Expiry {
    pub(super) fn at(at: Instant, reason: Reason) -> Self {
        Expiry { at: Some(at), reason }
    }

    pub(super) fn after(since: Option<Instant>, timeout: Option<Duration>, reason: Reason) -> Self {
        Expiry { at: since.zip(timeout).map(|(since, timeout)| since + timeout), reason }
    }

    /// The one that comes first.
    pub(super) fn or(self, other: Expiry) -> Self {
        match (self.at, other.at) {
            (Some(a), Some(b)) if b < a => other,
            (None, Some(_)) => other,
            _ => self,
        }
    }
}

impl Connection {
    /// When an upload that is not over has stalled, and whose fault that is.
    pub(super) fn upload_expiry(&self, exchange: &Exchange, timeouts: &ExchangeTimeouts) -> Expiry {
        let policy = exchange.hold.as_ref().and_then(Hold::policy);
        let body_idle = match exchange.request.call {
            Some(call) if call.may_be_silent => timeouts.tunnel_idle,
            _ => policy.and_then(|policy| policy.body_idle),
        };
        match exchange.upload.waiting {
            Waiting::Source => {
                Expiry::after(exchange.wait.upload_moved, body_idle, Reason::BodyTimeout)
            }
            Waiting::Sink => Expiry::after(
                exchange.wait.upload_moved,
                timeouts.send_idle,
                Reason::FirstByteTimeout,
            ),
        }
    }

    /// Ready with the reason once `expiry`, or the time for the whole exchange, has come.
    pub(super) fn poll_expiry<T>(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &Exchange,
        expiry: Expiry,
        timeouts: &ExchangeTimeouts,
    ) -> Poll<Result<T, Reason>> {
        let total = total_deadline(exchange, timeouts.total);
        let deadline = earlier(earlier(expiry.at, total), held_back::next_glance(exchange));
        self.timer.poll(cx, deadline).map(|()| {
            Err(match total.is_some_and(|total| expiry.at.is_none_or(|at| total <= at)) {
                true => Reason::TotalTimeout,
                false => expiry.reason,
            })
        })
    }
}

/// What bounds the exchange. A call of gRPC may be silent as a tunnel may, and takes no longer than its client waits.
pub(super) fn timeouts(exchange: &Exchange) -> ExchangeTimeouts {
    let policy = exchange.hold.as_ref().and_then(Hold::policy);
    let timeouts = policy.map_or_else(ExchangeTimeouts::off, |policy| policy.timeouts);
    let Some(call) = exchange.request.call else { return timeouts };
    let total = timeouts.total.into_iter().chain(call.timeout).min();
    match call.may_be_silent {
        false => ExchangeTimeouts { total, ..timeouts },
        true => ExchangeTimeouts {
            first_byte: timeouts.tunnel_idle,
            response_idle: timeouts.tunnel_idle,
            total,
            ..timeouts
        },
    }
}

pub(super) fn total_deadline(exchange: &Exchange, total: Option<Duration>) -> Option<Instant> {
    Some(exchange.record.started? + total?)
}
