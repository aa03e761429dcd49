//! One stream of a connection that carries many, as HTTP/2's do, seen as a stream of its own.
//!
//! Heads go beside the bytes. The bytes are bodies framed as HTTP/1.1 frames them: so many of them where the length is
//! known, else chunks with the trailers behind the last. So whoever moves bodies need not know what carries them. Only
//! what HTTP/1.1 cannot say, trailers behind a known length, goes beside the bytes as well.

use std::fmt;
use std::io;
use std::task::{Context, Poll};

use crate::error::Reason;
use crate::http1::{Framing, ResponseFacts};
use crate::message::{RequestHead, ResponseHead};

/// The bytes of one stream among many. All calls are as their namesakes of [`super::Stream`].
pub trait Channel: fmt::Debug + Send {
    /// Reads what is there; `WouldBlock` when nothing is.
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Takes what may be sent of `bytes`; `WouldBlock` when nothing may.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Waits until a read may succeed (or fail).
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Waits until what was refused last may be written (or fails).
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Ready once the peer gave the stream up, or its connection failed. An end of what it sends is neither.
    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()>;
    /// Whether the peer gave it up.
    fn is_reset(&self) -> bool;
    /// Gives it up, too: what the peer got is not all.
    fn reset(&self);
    /// As [`Channel::reset`], since its time is over: no fault of anybody.
    fn cancel(&self) {
        self.reset();
    }
    /// Whether something may still come behind a body of known length that was read to its last byte: trailers, or
    /// the end alone. Never behind one that is read as chunks.
    fn has_more(&self) -> bool {
        false
    }
    /// Waits for that. Trailers are appended to `tail` as the last chunk would carry them; for the end alone, nothing.
    fn poll_tail(&self, _cx: &mut Context<'_>, _tail: &mut Vec<u8>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    /// The last byte of a body of known length, which was not written yet, is not to end the stream:
    /// [`Channel::end_with`] will. Of one that has no byte, to be said before its head.
    fn hold_end(&self) {}
    /// Ends a stream whose end was held with `tail`, as [`Channel::poll_tail`] gives it.
    fn end_with(&self, _tail: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// The client's side of it, where we are the server.
    fn client(&self) -> Option<&dyn ClientChannel> {
        None
    }
    /// The backend's side of it, where we are the client.
    fn backend(&self) -> Option<&dyn BackendChannel> {
        None
    }
}

/// A stream that a client opened.
pub trait ClientChannel {
    /// Sends an interim head (1xx).
    ///
    /// # Errors
    /// [`Reason::ClientGone`].
    fn inform(&self, head: &ResponseHead) -> Result<(), Reason>;

    /// Sends the final head, without what frames an HTTP/1.1 body. `framing` is how the bytes are framed that will be
    /// written: none at all, [`Framing::Length`] or [`Framing::Chunked`].
    ///
    /// # Errors
    /// [`Reason::ClientGone`]; [`Reason::UpstreamProtocol`] where the head cannot be said in this version.
    fn respond(&self, head: &ResponseHead, framing: Framing) -> Result<(), Reason>;
}

/// A stream to a backend.
pub trait BackendChannel {
    /// Sends the head of a request, with `host` as its authority where one is given, without what frames an
    /// HTTP/1.1 body. `framing` is how the bytes are framed that will be written.
    ///
    /// # Errors
    /// [`Reason::RefusedStream`] when the connection is no more; nothing was sent then. [`Reason::BadRequest`] where
    /// the head cannot be said in this version.
    fn request(
        &self,
        head: &RequestHead,
        host: Option<&[u8]>,
        framing: Framing,
    ) -> Result<(), Reason>;

    /// Waits for the next response head, interim or final.
    ///
    /// # Errors
    /// Why there will be none. [`Reason::RefusedStream`]: the backend did nothing with the request.
    fn poll_response(
        &self,
        cx: &mut Context<'_>,
        head: &mut ResponseHead,
    ) -> Poll<Result<ResponseFacts, Reason>>;

    /// Whether its connection takes no more streams.
    fn is_leaving(&self) -> bool;
}
