//! The end of the process in mid-exchange, once `shutdown_grace` is over: an exchange is counted and logged like any
//! other. Called by `connection` for HTTP/1.1 and by `stream` for HTTP/2.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use super::connection::After;
use super::exchange::Exchange;
use super::worker::Worker;
use crate::error::Reason;

/// Serves an exchange; `None`: the process ends before it is over.
#[inline]
pub(super) fn unless_cut<'a, F: Future<Output = After>>(
    worker: &'a Worker,
    mut serving: Pin<&'a mut F>,
) -> impl Future<Output = Option<After>> + 'a {
    poll_fn(move |cx| match serving.as_mut().poll(cx) {
        Poll::Ready(after) => Poll::Ready(Some(after)),
        Poll::Pending if worker.is_cut() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
}

/// Notes that the process ended first; whoever is to be told by a reset is told when the connection goes.
#[cold]
pub(super) fn note(exchange: &mut Exchange) -> After {
    exchange.record.reason = Some(Reason::Shutdown);
    After::Close
}
