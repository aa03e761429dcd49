//! What moves a connection's frames: one task for each, which ends with it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::{Ping, PingPong};
use tokio::time::{Sleep, sleep_until};

use super::keep_alive::{KeepAlive, Next};
use super::{Io, Shared};

/// Bytes of the answer to a ping.
const PONG_BYTES: usize = 17;

/// Moves a connection's frames until it ends; dropped, it ends the connection.
pub struct Driver {
    connection: h2::client::Connection<Io, Bytes>,
    pings: Option<PingPong>,
    /// Bytes read since the last look.
    heard: Arc<AtomicUsize>,
    /// What the peer allowed at the last look.
    streams_max: usize,
    keep_alive: KeepAlive,
    timer: Option<Pin<Box<Sleep>>>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Driver {
    pub(super) fn new(
        connection: h2::client::Connection<Io, Bytes>,
        pings: Option<PingPong>,
        heard: Arc<AtomicUsize>,
        shared: Arc<Shared>,
    ) -> Self {
        let (keep_alive, timer) = (KeepAlive::default(), None);
        Driver { connection, pings, heard, streams_max: 0, keep_alive, timer, shared }
    }

    /// Takes note of what was heard; true if it was more than an answer to a ping.
    fn listen(&mut self, cx: &mut Context<'_>) -> bool {
        let mut n_heard = self.heard.swap(0, Relaxed);
        if n_heard == 0 {
            return false;
        }
        // The first that a peer says is how many streams it allows.
        self.shared.is_settled.store(true, Relaxed);
        let streams_max = self.connection.max_concurrent_send_streams();
        if streams_max > self.streams_max {
            self.shared.news.notify_waiters();
        }
        self.streams_max = streams_max;
        if let Some(pings) = &mut self.pings
            && let Poll::Ready(Ok(_)) = pings.poll_pong(cx)
        {
            self.keep_alive.answered(Instant::now());
            n_heard = n_heard.saturating_sub(PONG_BYTES);
        }
        n_heard > 0
    }

    /// Ready once nobody is there.
    fn poll_keep_alive(&mut self, cx: &mut Context<'_>, mut heard: bool) -> Poll<()> {
        let n_streams = self.shared.n_streams.load(Relaxed);
        loop {
            match self.keep_alive.step(Instant::now(), n_streams, std::mem::take(&mut heard)) {
                Next::Rest => {
                    self.timer = None;
                    return Poll::Pending;
                }
                Next::Dead => return Poll::Ready(()),
                Next::Ask => {
                    let Some(pings) = &mut self.pings else { return Poll::Pending };
                    // Fails where the connection has ended, which is seen elsewhere.
                    let _ = pings.send_ping(Ping::opaque());
                    let _ = pings.poll_pong(cx);
                }
                Next::Wait(until) => {
                    let timer =
                        self.timer.get_or_insert_with(|| Box::pin(sleep_until(until.into())));
                    // A timer that is too early is cheaper than one that is set anew with everything that is heard.
                    if timer.deadline() > until.into() {
                        timer.as_mut().reset(until.into());
                    }
                    if timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    timer.as_mut().reset(until.into());
                    if timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let driver = self.get_mut();
        if let Poll::Ready(ended) = Pin::new(&mut driver.connection).poll(cx) {
            if let Err(error) = ended {
                tracing::debug!(%error, "an HTTP/2 connection to a backend ended");
            }
            return Poll::Ready(());
        }
        let heard = driver.listen(cx);
        if driver.poll_keep_alive(cx, heard).is_ready() {
            tracing::debug!(
                "a backend that speaks HTTP/2 no longer answers: its connection is closed"
            );
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Relaxed);
        self.shared.news.notify_waiters();
    }
}
