//! One direction of an exchange: what was decoded from the source goes, re-framed if need be, to the sink.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::task::{Context, Poll, ready};

use feed::{Capture, Through};
use replay::Replay;
use trailers::Trailers;

use super::{BUFFER_BYTES, Buffer, Buffers, Pipe, Pipes};
use crate::http1::Decoder;
use crate::net::Stream;

mod bulk;
mod feed;
mod replay;
mod trailers;

/// Up to this size a run is copied behind the head that is written with it.
const JOINED_BYTES_MAX: usize = 4 * 1024;

/// Memory for heads and chunk framing that a finished pump keeps.
const IDLE_OUT_BYTES_MAX: usize = 8 * 1024;

/// Reads in a row before other connections get their turn.
const ROUNDS_MAX: u32 = 16;

/// How the sink frames the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As the source does.
    #[default]
    AsReceived,
    /// Data only: the sink counts, or reads until the connection closes.
    DataOnly,
    /// Whatever is read becomes a chunk.
    Chunks,
}

/// Why a pump stopped before the end.
#[derive(Debug)]
pub enum PumpError {
    /// Reading failed.
    Source(io::Error),
    /// The source ended in the middle of the body.
    Truncated,
    /// The source's framing is broken.
    Malformed,
    /// The body is longer than the limit.
    TooLong,
    /// Writing failed.
    Sink(io::Error),
}

/// Whom a pump that is not done waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// The source has nothing to read.
    #[default]
    Source,
    /// The sink does not take more.
    Sink,
}

/// What a pump borrows from its worker.
#[derive(Clone, Copy, Debug)]
pub struct Resources<'a> {
    /// Read buffers.
    pub buffers: &'a Buffers,
    /// Pipes.
    pub pipes: &'a Pipes,
}

/// One direction of an exchange.
///
/// What is pending leaves in this order: `out`, then `run` of `buffer`, then `tail`, then the pipe.
#[derive(Debug, Default)]
pub struct Pump {
    /// Bytes to write before anything else: heads, chunk framing.
    pub out: Vec<u8>,
    out_at: usize,
    buffer: Option<Buffer>,
    run: Range<usize>,
    tail: &'static [u8],
    decoder: Decoder,
    encoding: Encoding,
    pipe: Option<(Pipe, usize)>,
    /// The socket refused splice, or the source proved to be a trickle.
    copies: bool,
    /// The last read filled the buffer: an endless body that is worth a pipe.
    bulk: bool,
    replay: Replay,
    /// Bytes that were read behind the end of the body; at most one buffer.
    pub surplus: Vec<u8>,
    /// Who it waits for when it is pending.
    pub waiting: Waiting,
    /// Bytes of body data taken from the source or, where the body goes through a transform, made by that: what
    /// the sink gets, without the framing.
    pub data_bytes: u64,
    data_bytes_max: u64,
    /// Set at each step forward, for idle clocks to reset.
    pub progressed: bool,
    wrote: bool,
    /// Boxed: few bodies go through anything, and it is looked at with every read.
    through: Option<Box<Through>>,
    capture: Capture,
    trailers: Trailers,
}

impl Pump {
    /// Makes it ready for a body; what is left in `out` goes before it. `data_bytes_max` bounds the data.
    pub fn start(&mut self, decoder: Decoder, encoding: Encoding, data_bytes_max: u64) {
        debug_assert!(self.buffer.is_none() && self.pipe.is_none(), "released before");
        // Field by field: a whole new value would be built and the old one dropped, four times a request.
        self.decoder = decoder;
        self.encoding = encoding;
        self.data_bytes_max = data_bytes_max;
        self.replay.start();
        self.data_bytes = 0;
        (self.copies, self.bulk, self.progressed, self.wrote) = (false, false, false, false);
    }

    /// Gives what it borrowed back to the worker and forgets everything but the memory of `out`.
    pub fn release(&mut self, resources: Resources<'_>) {
        if let Some(buffer) = self.buffer.take() {
            resources.buffers.put(buffer);
        }
        self.give_pipe_back(resources);
        self.out.clear();
        if self.out.capacity() > IDLE_OUT_BYTES_MAX {
            self.out.shrink_to(IDLE_OUT_BYTES_MAX);
        }
        self.out_at = 0;
        self.run = 0..0;
        self.tail = b"";
        self.decoder = Decoder::Done;
        self.data_bytes = 0;
        (self.through, self.capture) = (None, Capture::Off);
        self.replay.give_up();
        self.trailers.forget();
        if self.surplus.capacity() > 0 {
            self.surplus = Vec::new();
        }
    }

    /// Whether the source's body was read to its end.
    pub fn is_read(&self) -> bool {
        self.decoder.is_done()
    }

    /// Whether everything that was read was also written.
    pub fn is_flushed(&self) -> bool {
        self.out_at == self.out.len()
            && self.run.is_empty()
            && self.tail.is_empty()
            && self.pipe.is_none()
    }

    /// Whether the body is through.
    pub fn is_done(&self) -> bool {
        self.is_read() && self.is_flushed()
    }

    /// Starts with bytes that were read along with the head: takes what belongs to the body from the front
    /// of `buffer[range]`, keeps the buffer until that is written and the rest as surplus.
    ///
    /// # Errors
    /// As [`Pump::poll`].
    pub fn prime(
        &mut self,
        buffer: Buffer,
        range: Range<usize>,
        resources: Resources<'_>,
    ) -> Result<(), PumpError> {
        let spilled = self.out.len();
        let result = self.feed(&buffer, range);
        self.replay.run = (self.out.len() == spilled).then(|| self.run.clone());
        self.keep(buffer, resources);
        result
    }

    /// Puts a head before everything that is pending; nothing of it was written yet.
    pub fn set_head(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let spilled = std::mem::take(&mut self.out);
        if spilled.is_empty() {
            self.out = spilled;
            write(&mut self.out);
        } else {
            write(&mut self.out);
            self.out.extend_from_slice(&spilled);
        }
    }

    /// Moves as much as both sockets allow; ready when the body is through.
    ///
    /// # Errors
    /// Why it can never be.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &Stream,
        sink: &Stream,
        resources: Resources<'_>,
    ) -> Poll<Result<(), PumpError>> {
        for _ in 0..ROUNDS_MAX {
            ready!(self.poll_flush(cx, sink, resources))?;
            if self.decoder.is_done() {
                return match self.trailers {
                    Trailers::None => Poll::Ready(Ok(())),
                    _ => self.poll_trailers(cx, source, sink),
                };
            }
            // The buffer is not kept while the rest of a body is waited for; one that has not begun needs none,
            // and its head can be sent again until it begins.
            self.move_to_kept();
            if self.buffer.is_some() {
                self.replay.run = None;
                self.give_buffer_back(resources);
            }
            self.waiting = Waiting::Source;
            match self.splice_bytes(source, sink, resources) {
                0 => ready!(self.poll_fill(cx, source, sink, resources))?,
                n => ready!(self.poll_fill_pipe(cx, source, n, resources))?,
            }
        }
        // Both sides are fast: let others have a turn, and come back.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what is pending.
    ///
    /// # Errors
    /// The sink failed.
    pub fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        sink: &Stream,
        resources: Resources<'_>,
    ) -> Poll<Result<(), PumpError>> {
        self.waiting = Waiting::Sink;
        ready!(self.poll_write_pending(cx, sink)).map_err(PumpError::Sink)?;
        if self.replay.run.is_none() {
            self.give_buffer_back(resources);
        }
        ready!(self.poll_drain_pipe(cx, sink, resources)).map_err(PumpError::Sink)?;
        Poll::Ready(Ok(()))
    }

    fn poll_write_pending(&mut self, cx: &mut Context<'_>, sink: &Stream) -> Poll<io::Result<()>> {
        self.join_small();
        loop {
            let out = &self.out[self.out_at..];
            let run = self.buffer.as_ref().map_or(&[][..], |buffer| &buffer[self.run.clone()]);
            let written = match (out.is_empty(), run.is_empty(), self.tail.is_empty()) {
                (true, true, true) => {
                    self.out.clear();
                    self.out_at = 0;
                    return Poll::Ready(Ok(()));
                }
                (false, true, true) => sink.poll_write(cx, out),
                (true, false, true) => sink.poll_write(cx, run),
                _ => sink.poll_write_vectored(
                    cx,
                    &[IoSlice::new(out), IoSlice::new(run), IoSlice::new(self.tail)],
                ),
            };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.consume(n),
            }
        }
    }

    /// A short body leaves in the same buffer as its head: copying it costs less than a vectored write.
    fn join_small(&mut self) {
        if self.out.is_empty() || self.run.is_empty() || self.run.len() > JOINED_BYTES_MAX {
            return;
        }
        if let Some(buffer) = &self.buffer {
            self.out.extend_from_slice(&buffer[self.run.clone()]);
            self.out.extend_from_slice(std::mem::take(&mut self.tail));
            self.run.start = self.run.end;
        }
    }

    fn consume(&mut self, mut n: usize) {
        self.progressed = true;
        self.wrote = true;
        let of_out = n.min(self.out.len() - self.out_at);
        self.out_at += of_out;
        n -= of_out;
        let of_run = n.min(self.run.len());
        self.run.start += of_run;
        n -= of_run;
        self.tail = &self.tail[n..];
    }

    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        source: &Stream,
        sink: &Stream,
        resources: Resources<'_>,
    ) -> Poll<Result<(), PumpError>> {
        let mut buffer = resources.buffers.take();
        let result = match source.poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(0)) => self.end_of_source(),
            Poll::Ready(Ok(n)) => {
                self.bulk = n == BUFFER_BYTES;
                let fed = self.feed(&buffer, 0..n);
                self.append_to_kept(&buffer);
                if self.decoder.is_done() {
                    self.look_behind(source, sink);
                }
                fed
            }
            Poll::Ready(Err(error)) => Err(PumpError::Source(error)),
            Poll::Pending => {
                resources.buffers.put(buffer);
                return Poll::Pending;
            }
        };
        self.keep(buffer, resources);
        Poll::Ready(result)
    }

    fn count(&mut self, data_bytes: u64) -> Result<(), PumpError> {
        self.replay.run = None;
        self.data_bytes += data_bytes;
        self.progressed = true;
        if self.data_bytes > self.data_bytes_max { Err(PumpError::TooLong) } else { Ok(()) }
    }

    fn keep(&mut self, buffer: Buffer, resources: Resources<'_>) {
        debug_assert!(self.buffer.is_none(), "one buffer at a time");
        if self.run.is_empty() {
            resources.buffers.put(buffer);
        } else {
            self.buffer = Some(buffer);
        }
    }

    fn give_buffer_back(&mut self, resources: Resources<'_>) {
        if let Some(buffer) = self.buffer.take() {
            resources.buffers.put(buffer);
        }
    }
}

#[cfg(test)]
mod tests;
