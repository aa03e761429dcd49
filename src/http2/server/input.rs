//! What was read of a connection and not yet taken apart.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};

use crate::http2::frame::{HEAD_BYTES, PAYLOAD_BYTES_MAX};
use crate::net::Stream;

/// Bytes that are read at once; the largest frame fits.
const READ_BYTES: usize = 32 * 1024;
const _: () = assert!(READ_BYTES >= HEAD_BYTES + PAYLOAD_BYTES_MAX, "else it never moves on");

/// Reads in one turn: somebody who sends without end must not keep the worker from others.
const READS_MAX: u32 = 16;

thread_local! {
    /// What is read goes here; lent to one connection at a time, and not zeroed for each read.
    static BUFFER: RefCell<Option<Box<[u8]>>> = const { RefCell::new(None) };
}

/// The bytes of one connection.
#[derive(Debug)]
pub(super) struct Input {
    buffer: Option<Box<[u8]>>,
    start: usize,
    end: usize,
    /// What is kept of them between turns: a part of a frame.
    rest: Vec<u8>,
    n_reads: u32,
}

impl Input {
    /// `before`: what was read already.
    pub(super) fn new(before: Vec<u8>) -> Self {
        Input { buffer: None, start: 0, end: 0, rest: before, n_reads: 0 }
    }

    pub(super) fn begin_turn(&mut self) {
        self.n_reads = 0;
    }

    /// What is there.
    pub(super) fn unread(&self) -> &[u8] {
        match &self.buffer {
            Some(buffer) => &buffer[self.start..self.end],
            None => &self.rest,
        }
    }

    /// Takes `n` bytes from the front.
    pub(super) fn consume(&mut self, n: usize) {
        match self.buffer {
            Some(_) => self.start += n,
            None => drop(self.rest.drain(..n)),
        }
    }

    /// Reads more; 0 is the end.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        stream: &Stream,
    ) -> Poll<io::Result<usize>> {
        if self.n_reads >= READS_MAX {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.rest.len() >= READ_BYTES {
            // Somebody read ahead more than a frame, and there is none in it.
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let buffer = self.buffer.get_or_insert_with(|| {
            let lent = BUFFER.with_borrow_mut(Option::take);
            let mut buffer = lent.unwrap_or_else(|| vec![0; READ_BYTES].into());
            buffer[..self.rest.len()].copy_from_slice(&self.rest);
            (self.start, self.end) = (0, self.rest.len());
            self.rest = Vec::new();
            buffer
        });
        if self.start > 0 {
            buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let n = ready!(stream.poll_read(cx, &mut buffer[self.end..]))?;
        self.end += n;
        self.n_reads += 1;
        Poll::Ready(Ok(n))
    }

    /// Gives the buffer back until there is more; what is left in it is kept.
    pub(super) fn park(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.rest = buffer[self.start..self.end].to_vec();
            BUFFER.with_borrow_mut(|lent| *lent = Some(buffer));
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.park();
    }
}
