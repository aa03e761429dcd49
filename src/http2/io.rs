//! A stream as tokio's traits have it, which is what h2 reads and writes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::Stream;

/// A stream, before which some bytes of it were read already.
#[derive(Debug)]
pub struct Io {
    stream: Stream,
    /// What is to be read before anything else.
    before: Vec<u8>,
}

impl Io {
    /// `before`: what was read of the stream already.
    pub fn new(stream: Stream, before: Vec<u8>) -> Self {
        Io { stream, before }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let n = self.before.len().min(buffer.remaining());
            buffer.put_slice(&self.before[..n]);
            self.before.drain(..n);
            return Poll::Ready(Ok(()));
        }
        self.stream.poll_read(cx, buffer.initialize_unfilled()).map_ok(|n| buffer.advance(n))
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown_write())
    }
}
