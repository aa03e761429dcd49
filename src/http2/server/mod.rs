//! The server's side of HTTP/2: one [`Carrier`] a connection, one [`ServerStream`] a request. Our own codec, since it
//! decodes heads straight into ours and copies data once; `proxy` drives it.

mod blocks;
mod body;
mod channel;
mod core;
mod fields;
mod input;
mod line;
mod receive;
mod request;
mod stream;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use self::core::{Core, End, Shared, lock};
use self::input::Input;
use self::receive::{Received, Wanted};
use super::frame::Code;
use super::guard::Offence;
use crate::error::Reason;
use crate::http1::{HeadLimits, RequestFacts};
use crate::message::RequestHead;
use crate::net::Stream;
pub use channel::ServerStream;
pub use core::ConnectionError;

/// Bytes that wait to be sent before nothing more is read: a client that takes no answers asks for none.
const UNSENT_BYTES_MAX: usize = 128 * 1024;

/// What a client may open and send. All of it together bounds the memory of one connection: with the defaults
/// 1 MiB of data received, and 80 KiB of data to send, 100 heads of answers, 100 × 32 KiB in pumps.
#[derive(Clone, Copy, Debug)]
pub struct CarrierLimits {
    /// Streams at once.
    pub streams: u32,
    /// Bytes of a header list, counted as RFC 9113, section 6.5.2, does.
    pub header_list_bytes: usize,
}

/// One connection to a client.
pub struct Carrier<'a> {
    stream: &'a Stream,
    input: Input,
    core: Shared,
    n_written: Cell<u64>,
}

impl fmt::Debug for Carrier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier").finish_non_exhaustive()
    }
}

/// A request's stream, and what its head says or why it is refused.
pub type Accepted = (ServerStream, Result<RequestFacts, Reason>);

impl<'a> Carrier<'a> {
    /// Over `stream`, of which `before` was read already.
    pub fn new(stream: &'a Stream, before: Vec<u8>, limits: CarrierLimits) -> Self {
        let core = Arc::new(Mutex::new(Core::new(limits)));
        Carrier { stream, input: Input::new(before), core, n_written: Cell::new(0) }
    }

    /// Begins a turn of the connection's task.
    pub fn begin_turn(&mut self, cx: &Context<'_>) {
        self.input.begin_turn();
        lock(&self.core).keep_waker(cx.waker());
    }

    /// Moves the connection on. Ready with the next stream that the client opened, whose request's head is in `head`
    /// then, or with `None` at the end.
    ///
    /// # Errors
    /// The client broke the rules; what tells it so is to be sent.
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut RequestHead,
        limits: &HeadLimits,
    ) -> Poll<Option<Result<Accepted, ConnectionError>>> {
        let mut wanted = Wanted { head, limits };
        loop {
            let mut core = lock(&self.core);
            let mut unread = self.input.unread();
            let n_before = unread.len();
            let received = core.receive(&mut unread, &mut wanted);
            let n_taken = n_before - unread.len();
            core.finish();
            let (end, n_unsent, stands_still) = (core.end, core.out.len(), core.is_condemned());
            drop(core);
            self.input.consume(n_taken);
            match received {
                Ok(Received::Starved) => {}
                Ok(Received::Request((place, facts))) => {
                    let stream = ServerStream::new(Arc::clone(&self.core), place);
                    return Poll::Ready(Some(Ok((stream, facts))));
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            if end == End::Over {
                self.input.park();
                return self.poll_flush(cx).map(|_| None);
            }
            if stands_still {
                // Whoever polls the connection looks at that next.
                return Poll::Pending;
            }
            if n_unsent >= UNSENT_BYTES_MAX {
                match self.poll_flush(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(None),
                    Poll::Pending => {
                        self.input.park();
                        return Poll::Pending;
                    }
                }
            }
            match self.input.poll_fill(cx, self.stream) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => {
                    lock(&self.core).hang_up();
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    self.input.park();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Sends what is to be sent. To be called after [`Carrier::poll_accept`] was pending.
    ///
    /// # Errors
    /// The connection failed.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let core = &mut *lock(&self.core);
        core.rest();
        let out = &mut core.out;
        let mut n_sent = 0;
        let flushed = loop {
            if out.len() == 0 {
                out.clear();
                break Poll::Ready(Ok(()));
            }
            match self.stream.poll_write(cx, &out.bytes[out.n_sent..]) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => {
                    out.n_sent += n;
                    n_sent += n;
                }
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => {
                    out.drop_sent();
                    break Poll::Pending;
                }
            }
        };
        if n_sent > 0 {
            self.n_written.set(self.n_written.get() + n_sent as u64);
            core.serve_line();
        }
        flushed
    }

    /// What the client did that it must not do. Nothing is read from it any more.
    pub fn offence(&self) -> Option<Offence> {
        lock(&self.core).guard.offence()
    }

    /// Whether the client's SETTINGS came.
    pub fn began(&self) -> bool {
        lock(&self.core).guard.began()
    }

    /// Bytes that the socket took.
    pub fn n_written(&self) -> u64 {
        self.n_written.get()
    }

    /// Whether bytes wait to be read or to be sent.
    pub fn has_bytes(&self) -> bool {
        self.stream.has_bytes() || lock(&self.core).out.len() > 0
    }

    /// Gives memory back: for now there is nothing to send.
    pub fn rest(&self) {
        lock(&self.core).shrink();
    }

    /// Whether a stream is open, or not everything of it was sent.
    pub fn has_streams(&self) -> bool {
        let core = lock(&self.core);
        core.streams.len() > 0 || core.out.len() > 0
    }

    /// Lets the client open no more streams, which it is told; the connection ends with the last one. `false`: it
    /// has not begun.
    pub fn leave(&mut self) -> bool {
        lock(&self.core).leave()
    }

    /// Ends the connection, and all its streams, with `code`. `false`: it has not begun.
    pub fn end(&mut self, code: Code) -> bool {
        let mut core = lock(&self.core);
        let began = core.n_preface == 0;
        core.terminate(code);
        began
    }
}

impl Drop for Carrier<'_> {
    fn drop(&mut self) {
        // Whatever is still served is told by this that the client is gone.
        lock(&self.core).hang_up();
    }
}

#[cfg(test)]
mod tests;
