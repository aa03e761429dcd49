//! Long runs of plain data go from socket to pipe to socket inside the kernel.

use std::io;
use std::task::{Context, Poll, ready};

use rustix::pipe::{SpliceFlags, splice};
use tokio::io::Interest;

use super::{Encoding, Pump, PumpError, Resources};
use crate::http1::Decoder;
use crate::net::Stream;
use crate::relay::BUFFER_BYTES;

/// From how many bytes ahead splice pays. Below it two more system calls cost more than one copy.
const SPLICE_BYTES_MIN: u64 = 64 * 1024;

impl Pump {
    /// How many bytes splice should move next; 0: copy.
    pub(super) fn splice_bytes(
        &mut self,
        source: &Stream,
        sink: &Stream,
        resources: Resources<'_>,
    ) -> usize {
        let ahead = self.decoder.plain_bytes_ahead();
        let endless = matches!(self.decoder, Decoder::UntilClose);
        if self.copies
            || ahead < SPLICE_BYTES_MIN
            || (endless && !self.bulk)
            || self.encoding == Encoding::Chunks
            || self.through.is_some()
            || self.capture.is_on()
            || source.plain().is_none()
            || sink.plain().is_none()
            || self.keeps(ahead)
        {
            return 0;
        }
        if self.pipe.is_none() {
            self.pipe = resources.pipes.take().map(|pipe| (pipe, 0));
        }
        match &self.pipe {
            Some((pipe, _)) => usize::try_from(ahead).unwrap_or(usize::MAX).min(pipe.capacity),
            None => 0,
        }
    }

    pub(super) fn poll_fill_pipe(
        &mut self,
        cx: &mut Context<'_>,
        source: &Stream,
        n_max: usize,
        resources: Resources<'_>,
    ) -> Poll<Result<(), PumpError>> {
        let (Some((pipe, held)), Some(socket)) = (&mut self.pipe, source.plain()) else {
            return Poll::Ready(Ok(()));
        };
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        loop {
            let moved = socket.try_io(Interest::READABLE, || {
                splice(socket, None, &pipe.writer, None, n_max, flags).map_err(io::Error::from)
            });
            match moved {
                Ok(0) => return Poll::Ready(self.end_of_source()),
                Ok(n) => {
                    *held += n;
                    self.bulk = n >= BUFFER_BYTES;
                    self.decoder.advance(n as u64);
                    return Poll::Ready(self.count(n as u64));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match socket.poll_readable(cx) {
                        Poll::Ready(result) => result.map_err(PumpError::Source)?,
                        Poll::Pending => {
                            // It is empty, and the source may be silent for an hour.
                            self.give_pipe_back(resources);
                            return Poll::Pending;
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.copies = true;
                    return Poll::Ready(Ok(()));
                }
                Err(error) => return Poll::Ready(Err(PumpError::Source(error))),
            }
        }
    }

    pub(super) fn poll_drain_pipe(
        &mut self,
        cx: &mut Context<'_>,
        sink: &Stream,
        resources: Resources<'_>,
    ) -> Poll<io::Result<()>> {
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        // Only what goes to a bare socket is ever in a pipe.
        let Some(socket) = sink.plain() else { return Poll::Ready(Ok(())) };
        while let Some((pipe, held)) = &mut self.pipe {
            if *held == 0 {
                self.give_pipe_back(resources);
                break;
            }
            let moved = socket.try_io(Interest::WRITABLE, || {
                splice(&pipe.reader, None, socket, None, *held, flags).map_err(io::Error::from)
            });
            match moved {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    *held -= n;
                    self.progressed = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(socket.poll_writable(cx))?
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// One that still has bytes in it is closed.
    pub(super) fn give_pipe_back(&mut self, resources: Resources<'_>) {
        if let Some((pipe, 0)) = self.pipe.take() {
            resources.pipes.put(pipe);
        }
    }
}
