//! What a connection knows of each of its streams (RFC 9113, section 5.1), and all of them together.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Waker};

use crate::hash::Map;

/// Streams that we reset and that are known for a while longer, so that what is on its way to them is no error.
const RESET_STREAMS_MAX: usize = 128;

/// Memory of a body that a place keeps while it is free.
const IDLE_BYTES_MAX: usize = 1024;

/// Who ended a stream before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    ByPeer,
    ByUs,
}

/// How far the answer has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Answer {
    #[default]
    Owed,
    Begun,
    Ended,
}

/// What somebody waits for on a stream.
pub(super) mod wants {
    pub(in super::super) const READ: u8 = 1;
    pub(in super::super) const WRITE: u8 = 2;
    pub(in super::super) const GONE: u8 = 4;
}

/// One stream, as long as somebody serves it.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) id: u32,
    /// Data that came; what is before `n_read` was read.
    pub(super) data: Vec<u8>,
    pub(super) n_read: usize,
    /// Data is read as chunks.
    pub(super) chunked: bool,
    /// The last chunk and what comes behind it, as far as that was not read.
    pub(super) tail: Vec<u8>,
    n_tail_read: usize,
    /// The client ended its side.
    pub(super) remote_ended: bool,
    /// Data that the client may send.
    pub(super) recv_window: i64,
    /// Data that was read and not yet credited.
    pub(super) uncredited: u32,
    /// What is left of the length that was told.
    pub(super) length: Option<u64>,
    /// Data that we may send.
    pub(super) send_window: i64,
    /// Data that it may send before the others in line.
    pub(super) granted: usize,
    pub(super) in_line: bool,
    pub(super) answer: Answer,
    pub(super) broken: Option<Broken>,
    waker: Option<Waker>,
    wanted: u8,
}

impl Stream {
    /// Has the task of `cx` woken for what it wants.
    pub(super) fn wait(&mut self, cx: &Context<'_>, wants: u8) {
        self.wanted |= wants;
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }

    /// Wakes whoever wants any of that.
    pub(super) fn wake(&mut self, wants: u8) {
        if self.wanted & wants != 0
            && let Some(waker) = &self.waker
        {
            self.wanted &= !wants;
            waker.wake_by_ref();
        }
    }

    #[cfg(test)]
    pub(super) fn is_waited_for(&self, wants: u8) -> bool {
        self.wanted & wants != 0
    }

    /// The client sends nothing more.
    pub(super) fn end_remote(&mut self) {
        self.remote_ended = true;
        if self.chunked {
            self.tail.extend_from_slice(b"0\r\n\r\n");
        }
    }

    /// The client sends nothing more than `tail`, the last chunk with trailers.
    pub(super) fn end_with(&mut self, tail: Vec<u8>) {
        self.remote_ended = true;
        self.tail = tail;
        self.wake(wants::READ);
    }

    /// Reads what stands behind the data, without more than fits. Behind a known length it does not stand there.
    pub(super) fn read_tail(&mut self, buffer: &mut [u8]) -> usize {
        if !self.chunked {
            return 0;
        }
        let rest = &self.tail[self.n_tail_read..];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.n_tail_read += n;
        n
    }

    /// Takes note that `n` bytes of data were read.
    pub(super) fn advance(&mut self, n: usize) {
        self.n_read += n;
        if self.n_read == self.data.len() {
            self.data.clear();
            self.n_read = 0;
        } else if self.n_read > self.data.len() / 2 {
            self.data.drain(..self.n_read);
            self.n_read = 0;
        }
    }

    /// Whether something may still come behind a body of known length.
    pub(super) fn has_more(&self) -> bool {
        !self.chunked && (!self.remote_ended || !self.tail.is_empty())
    }

    /// Whether a body may be written: the answer's head was sent, and its end was not.
    pub(super) fn may_be_written(&self) -> io::Result<()> {
        match (self.broken, self.answer) {
            (Some(_), _) => Err(io::ErrorKind::ConnectionReset.into()),
            (None, Answer::Owed) => Err(io::ErrorKind::NotConnected.into()),
            (None, Answer::Ended) => Err(io::ErrorKind::BrokenPipe.into()),
            (None, Answer::Begun) => Ok(()),
        }
    }

    /// Whether a read would come back with something, if only with the end.
    pub(super) fn is_readable(&self) -> bool {
        self.broken.is_some() || self.n_unread() > 0 || self.remote_ended
    }

    /// Data that can be read.
    pub(super) fn n_unread(&self) -> usize {
        self.data.len() - self.n_read
    }

    fn clear(&mut self) {
        let (mut data, mut tail) = (std::mem::take(&mut self.data), std::mem::take(&mut self.tail));
        data.clear();
        data.shrink_to(IDLE_BYTES_MAX);
        tail.clear();
        tail.shrink_to(IDLE_BYTES_MAX);
        *self = Stream { data, tail, ..Stream::default() };
    }
}

/// The streams of a connection that somebody serves, and the last ones that we reset.
#[derive(Debug, Default)]
pub(super) struct Streams {
    places: Vec<Stream>,
    free: Vec<u32>,
    by_id: Map<u32, u32>,
    reset: VecDeque<u32>,
    /// Streams that are not broken.
    pub(super) n_active: usize,
}

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    #[inline]
    pub(super) fn at(&mut self, place: u32) -> &mut Stream {
        &mut self.places[place as usize]
    }

    /// Where the stream `id` is.
    #[inline]
    pub(super) fn find(&self, id: u32) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// All of them.
    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.places.iter_mut().filter(|stream| stream.id != 0)
    }

    /// A place for the stream `id`.
    pub(super) fn open(&mut self, id: u32) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Stream::default());
            self.places.len() as u32 - 1
        });
        self.by_id.insert(id, place);
        self.at(place).id = id;
        self.n_active += 1;
        place
    }

    /// Frees a place.
    pub(super) fn close(&mut self, place: u32) {
        let stream = self.at(place);
        let (id, was_active) = (stream.id, stream.broken.is_none());
        stream.clear();
        self.n_active -= usize::from(was_active);
        self.by_id.remove(&id);
        self.free.push(place);
        if self.by_id.is_empty() && self.places.len() > IDLE_PLACES_MAX {
            self.places.truncate(IDLE_PLACES_MAX);
            self.places.shrink_to_fit();
            self.free = (0..IDLE_PLACES_MAX as u32).collect();
        }
    }

    /// Ends a stream before its time, and tells whoever serves it.
    pub(super) fn break_off(&mut self, place: u32, by: Broken) {
        let stream = self.at(place);
        if stream.broken.is_none() {
            stream.broken = Some(by);
            stream.wake(wants::READ | wants::WRITE | wants::GONE);
            self.n_active -= 1;
        }
    }

    /// Ends all of them.
    pub(super) fn break_all(&mut self) {
        for place in 0..self.places.len() as u32 {
            if self.at(place).id != 0 {
                self.break_off(place, Broken::ByPeer);
            }
        }
    }

    /// Remembers that we reset the stream `id`.
    pub(super) fn remember_reset(&mut self, id: u32) {
        if self.reset.len() == RESET_STREAMS_MAX {
            self.reset.pop_front();
        }
        self.reset.push_back(id);
    }

    /// Whether we reset the stream `id` not long ago.
    pub(super) fn was_reset(&self, id: u32) -> bool {
        self.reset.contains(&id)
    }
}

/// Places that a connection without streams keeps.
const IDLE_PLACES_MAX: usize = 8;
