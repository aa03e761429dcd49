//! A stream that a client opened, as a [`Channel`].

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason as Code, RecvStream};
use http::Request;

use super::body::{Sink, Source};
use super::heads;
use crate::error::Reason;
use crate::http1::{Framing, HeadLimits, RequestFacts};
use crate::message::{RequestHead, ResponseHead};
use crate::net::{Channel, ClientChannel};

/// One request's stream.
pub struct ServerStream {
    /// The body; none where the head ended the stream.
    source: RefCell<Option<Source>>,
    answer: RefCell<Answer>,
    gone: Cell<bool>,
}

/// How far the answer has come.
enum Answer {
    Owed(SendResponse<Bytes>),
    Begun(Sink),
}

impl fmt::Debug for ServerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerStream").field("gone", &self.gone).finish_non_exhaustive()
    }
}

impl ServerStream {
    /// Reads the head of `request` into `head`; its body is read from the stream.
    ///
    /// # Errors
    /// What is wrong with the head comes beside the stream, on which it can be answered.
    pub fn new(
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        limits: &HeadLimits,
        head: &mut RequestHead,
    ) -> (Self, Result<RequestFacts, Reason>) {
        let (parts, body) = request.into_parts();
        let ends = body.is_end_stream();
        let facts = heads::read_request(&parts, ends, limits, head);
        let framing = facts.map_or(Framing::None, |facts| facts.framing);
        let source = (!ends).then(|| Source::new(body, framing));
        let answer = RefCell::new(Answer::Owed(respond));
        (ServerStream { source: RefCell::new(source), answer, gone: Cell::new(false) }, facts)
    }
}

impl ServerStream {
    fn reset_by(&self, code: Code) {
        match &mut *self.answer.borrow_mut() {
            Answer::Begun(sink) => sink.reset(code),
            Answer::Owed(respond) => respond.send_reset(code),
        }
    }
}

impl Channel for ServerStream {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut *self.source.borrow_mut() {
            Some(source) => source.try_read(buffer),
            None => Ok(0),
        }
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *self.answer.borrow_mut() {
            Answer::Begun(sink) => sink.try_write(bytes),
            Answer::Owed(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.source.borrow_mut() {
            Some(source) => source.poll_readable(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.answer.borrow_mut() {
            Answer::Begun(sink) => sink.poll_writable(cx),
            Answer::Owed(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = match &mut *self.answer.borrow_mut() {
            Answer::Begun(sink) if sink.is_ended() => return Poll::Pending,
            Answer::Begun(sink) => sink.poll_reset(cx),
            Answer::Owed(respond) => respond.poll_reset(cx).map(|_| ()),
        };
        self.gone.set(self.gone.get() || polled.is_ready());
        polled
    }

    fn is_reset(&self) -> bool {
        self.gone.get()
    }

    fn reset(&self) {
        self.reset_by(Code::INTERNAL_ERROR);
    }

    fn cancel(&self) {
        self.reset_by(Code::CANCEL);
    }

    fn client(&self) -> Option<&dyn ClientChannel> {
        Some(self)
    }
}

impl ClientChannel for ServerStream {
    fn inform(&self, head: &ResponseHead) -> Result<(), Reason> {
        let response = heads::write_response(head)?;
        match &mut *self.answer.borrow_mut() {
            Answer::Owed(respond) => {
                respond.send_informational(response).map_err(|_| Reason::ClientGone)
            }
            Answer::Begun(_) => Err(Reason::Internal),
        }
    }

    fn respond(&self, head: &ResponseHead, framing: Framing) -> Result<(), Reason> {
        let response = heads::write_response(head)?;
        let ends = matches!(framing, Framing::None | Framing::Length(0));
        let mut answer = self.answer.borrow_mut();
        let Answer::Owed(respond) = &mut *answer else { return Err(Reason::Internal) };
        let stream = respond.send_response(response, ends).map_err(|_| Reason::ClientGone)?;
        *answer = Answer::Begun(Sink::new(stream, framing));
        Ok(())
    }
}

impl Drop for ServerStream {
    fn drop(&mut self) {
        // Whatever was not answered whole must not look as if it were.
        self.reset();
    }
}
