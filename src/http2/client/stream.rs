//! One request's stream to a backend, as a [`Channel`].

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::Reason as Code;
use h2::client::{ResponseFuture, SendRequest};
use http::uri::Scheme;

use super::super::body::{Sink, Source};
use super::super::heads;
use super::{Lease, is_leaving};
use crate::error::Reason;
use crate::http1::{Framing, ResponseFacts};
use crate::message::{RequestHead, ResponseHead};
use crate::net::{BackendChannel, Channel};

/// One stream. Dropped before its end, it is cancelled; the connection stays as good as it was.
pub struct ClientStream {
    requests: RefCell<SendRequest<Bytes>>,
    secure: bool,
    parts: RefCell<Parts>,
    // Behind what it counts: the stream is over before somebody else has its place.
    _lease: Lease,
}

/// What there is of the stream so far.
#[derive(Default)]
struct Parts {
    to_head: bool,
    /// The end of the request is held, whatever its length.
    held: bool,
    sink: Option<Sink>,
    response: Option<ResponseFuture>,
    source: Option<Source>,
    /// The response's head was read.
    is_answered: bool,
}

impl fmt::Debug for ClientStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientStream").field("lease", &self._lease).finish_non_exhaustive()
    }
}

impl ClientStream {
    pub(super) fn new(requests: SendRequest<Bytes>, lease: Lease, secure: bool) -> Self {
        let parts = RefCell::default();
        ClientStream { requests: RefCell::new(requests), secure, parts, _lease: lease }
    }
}

impl Channel for ClientStream {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let parts = &mut *self.parts.borrow_mut();
        match &mut parts.source {
            Some(source) => source.try_read(buffer),
            None if parts.is_answered => Ok(0),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.parts.borrow_mut().sink {
            Some(sink) => sink.try_write(bytes),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let parts = &mut *self.parts.borrow_mut();
        match &mut parts.source {
            Some(source) => source.poll_readable(cx),
            None if parts.is_answered => Poll::Ready(Ok(())),
            // Whoever waits for a head asks for that.
            None => Poll::Pending,
        }
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.parts.borrow_mut().sink {
            Some(sink) => sink.poll_writable(cx),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.parts.borrow_mut().sink {
            Some(sink) => sink.poll_reset(cx),
            None => Poll::Pending,
        }
    }

    fn is_reset(&self) -> bool {
        false
    }

    fn reset(&self) {
        if let Some(sink) = &mut self.parts.borrow_mut().sink {
            sink.reset(Code::CANCEL);
        }
    }

    fn has_more(&self) -> bool {
        self.parts.borrow().source.as_ref().is_some_and(Source::has_more)
    }

    fn poll_tail(&self, cx: &mut Context<'_>, tail: &mut Vec<u8>) -> Poll<io::Result<()>> {
        match &mut self.parts.borrow_mut().source {
            Some(source) => source.poll_tail(cx, tail),
            None => Poll::Ready(Ok(())),
        }
    }

    fn hold_end(&self) {
        let parts = &mut *self.parts.borrow_mut();
        match &mut parts.sink {
            Some(sink) => sink.hold_end(),
            None => parts.held = true,
        }
    }

    fn end_with(&self, tail: &[u8]) -> io::Result<()> {
        match &mut self.parts.borrow_mut().sink {
            Some(sink) => sink.end_with(tail),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn backend(&self) -> Option<&dyn BackendChannel> {
        Some(self)
    }
}

impl BackendChannel for ClientStream {
    fn request(
        &self,
        head: &RequestHead,
        host: Option<&[u8]>,
        framing: Framing,
    ) -> Result<(), Reason> {
        let scheme = if self.secure { Scheme::HTTPS } else { Scheme::HTTP };
        let request = heads::write_request(head, scheme, host)?;
        let held = self.parts.borrow().held;
        let ends = matches!(framing, Framing::None | Framing::Length(0)) && !held;
        let sent = self.requests.borrow_mut().send_request(request, ends);
        // Whatever it is, nothing was sent.
        let (response, stream) =
            sent.map_err(|error| match error.is_go_away() || error.is_io() {
                true => Reason::RefusedStream,
                false => reason_of(&error),
            })?;
        let parts = &mut *self.parts.borrow_mut();
        parts.to_head = head.method() == b"HEAD";
        (parts.response, parts.sink) = (Some(response), Some(Sink::new(stream, framing, held)));
        Ok(())
    }

    fn poll_response(
        &self,
        cx: &mut Context<'_>,
        head: &mut ResponseHead,
    ) -> Poll<Result<ResponseFacts, Reason>> {
        let parts = &mut *self.parts.borrow_mut();
        let Some(response) = &mut parts.response else {
            return Poll::Ready(Err(Reason::Internal));
        };
        match response.poll_informational(cx) {
            Poll::Ready(Some(Ok(interim))) => {
                let (interim, ()) = interim.into_parts();
                return Poll::Ready(heads::read_response(&interim, false, false, head));
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(reason_of(&error))),
            Poll::Ready(None) | Poll::Pending => {}
        }
        let answered = ready!(Pin::new(response).poll(cx)).map_err(|error| reason_of(&error))?;
        let (answer, body) = answered.into_parts();
        let ends = body.is_end_stream();
        let facts = heads::read_response(&answer, ends, parts.to_head, head)?;
        parts.source = (!ends).then(|| Source::new(body, facts.framing));
        (parts.is_answered, parts.response) = (true, None);
        Poll::Ready(Ok(facts))
    }

    fn is_leaving(&self) -> bool {
        is_leaving(&mut self.requests.borrow_mut())
    }
}

/// Why there is no response.
fn reason_of(error: &h2::Error) -> Reason {
    match error.reason() {
        // Refused, or behind the last one that it will look at.
        Some(Code::REFUSED_STREAM) if error.is_remote() => Reason::RefusedStream,
        _ if error.is_go_away() && error.is_remote() => Reason::RefusedStream,
        // What came is not what a response may be.
        Some(_) if error.is_library() => Reason::UpstreamProtocol,
        _ => Reason::UpstreamReset,
    }
}
