//! Trailers behind a body of known length. HTTP/1.1 cannot say them, so they are no part of the bytes: where both sides
//! are streams of HTTP/2, they are taken from the one and given to the other once the body is through.

use std::task::{Context, Poll, ready};

use super::{Encoding, Pump, PumpError, Waiting};
use crate::http1::{Decoder, Framing, Pieces};
use crate::net::{Channel, Stream};

/// What stands behind a body of known length.
#[derive(Debug, Default)]
pub(super) enum Trailers {
    /// Nothing, or nobody to give it to.
    #[default]
    None,
    /// Something may come.
    Awaited,
    /// It came: the last chunk that carries them; empty where it was the end alone. Kept, so that it can be sent again.
    Read(Vec<u8>),
}

impl Trailers {
    #[inline]
    pub(super) fn forget(&mut self) {
        if !matches!(self, Trailers::None) {
            *self = Trailers::None;
        }
    }
}

impl Pump {
    /// To be called before the head of a message goes to `sink`: has it kept open for the trailers, where the body has
    /// no byte behind which to look for them, or is sent again.
    pub fn expect_trailers(&mut self, framing: Framing, source: &Stream, sink: &dyn Channel) {
        if framing == Framing::Length(0)
            && matches!(self.trailers, Trailers::None)
            && source.channel().is_some_and(Channel::has_more)
        {
            self.trailers = Trailers::Awaited;
        }
        if !matches!(self.trailers, Trailers::None) {
            sink.hold_end();
        }
    }

    /// The last byte was read, and not written yet.
    #[inline]
    pub(super) fn look_behind(&mut self, source: &Stream, sink: &Stream) {
        if let (Some(source), Some(sink)) = (source.channel(), sink.channel())
            && self.encoding == Encoding::AsReceived
            && source.has_more()
        {
            self.trailers = Trailers::Awaited;
            sink.hold_end();
        }
    }

    /// Passes on what stands behind the body, all of which was written.
    #[cold]
    pub(super) fn poll_trailers(
        &mut self,
        cx: &mut Context<'_>,
        source: &Stream,
        sink: &Stream,
    ) -> Poll<Result<(), PumpError>> {
        // Sent again to a peer that speaks HTTP/1.1.
        let Some(sink) = sink.channel() else { return Poll::Ready(Ok(())) };
        if let (Trailers::Awaited, Some(source)) = (&self.trailers, source.channel()) {
            self.waiting = Waiting::Source;
            let mut tail = Vec::new();
            ready!(source.poll_tail(cx, &mut tail)).map_err(PumpError::Source)?;
            self.trailers = Trailers::Read(passed_on(&tail)?);
            self.progressed = true;
        }
        match &self.trailers {
            Trailers::Read(tail) => Poll::Ready(sink.end_with(tail).map_err(PumpError::Sink)),
            Trailers::None | Trailers::Awaited => Poll::Ready(Ok(())),
        }
    }
}

/// What may be passed on of a last chunk, as of any other.
fn passed_on(tail: &[u8]) -> Result<Vec<u8>, PumpError> {
    let mut passed = Vec::new();
    if tail.is_empty() {
        return Ok(passed);
    }
    let mut decoder = Decoder::new(Framing::Chunked);
    let mut pieces = Pieces::new(tail, &mut passed, true);
    decoder.feed(&mut pieces).map_err(|_| PumpError::Malformed)?;
    let run = pieces.run;
    passed.extend_from_slice(&tail[run]);
    if decoder.is_done() { Ok(passed) } else { Err(PumpError::Malformed) }
}
