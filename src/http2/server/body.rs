//! Bodies and heads of streams on their way through the connection: data read out and credited, answers put into what
//! is to be sent.

use std::io::{self, Write as _};

use super::core::Core;
use super::stream::{Answer, wants};
use crate::http2::frame::{Code, Frame, HEAD_BYTES, PAYLOAD_BYTES_MAX, flag, kind};
use crate::message::ResponseHead;

/// Room for a chunk's size line and the line end behind its data.
const CHUNK_FRAMING_BYTES: usize = 24;

impl Core {
    /// See [`crate::net::Channel::try_read`].
    pub(super) fn read(&mut self, place: u32, buffer: &mut [u8]) -> io::Result<usize> {
        let stream = self.streams.at(place);
        if stream.broken.is_some() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if stream.n_unread() == 0 {
            return match stream.read_tail(buffer) {
                0 if !stream.remote_ended => Err(io::ErrorKind::WouldBlock.into()),
                n => Ok(n),
            };
        }
        let framing_bytes = if stream.chunked { CHUNK_FRAMING_BYTES } else { 0 };
        let n = stream.n_unread().min(buffer.len().saturating_sub(framing_bytes));
        if n == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no room for a chunk"));
        }
        let data = &stream.data[stream.n_read..][..n];
        let n_read = if stream.chunked {
            let room = buffer.len();
            let mut rest = buffer;
            write!(rest, "{n:x}\r\n")?;
            rest.write_all(data)?;
            rest.write_all(b"\r\n")?;
            room - rest.len()
        } else {
            buffer[..n].copy_from_slice(data);
            n
        };
        stream.advance(n);
        self.credit_stream(place, n);
        Ok(n_read)
    }

    /// Puts a response's head into what is to be sent. `ends`: nothing follows.
    pub(super) fn send_head(&mut self, place: u32, head: &ResponseHead, ends: bool) {
        let start = self.begin_block();
        let out = &mut self.out.bytes;
        self.encoder.begin(out);
        self.encoder.status(head.status, out);
        for (known, name, value) in head.fields.iter() {
            // What arrives here was read by a codec that takes no name or value that cannot be said.
            if !known.is_of_http1() {
                self.encoder.field(name, value, out);
            }
        }
        self.end_block(place, start, ends);
        self.guard.sent_head();
    }

    /// The same of trailers: lines that were checked before. `false`: there are none.
    pub(super) fn send_trailers(&mut self, place: u32, lines: &[u8]) -> bool {
        let mut fields = lines
            .split(|byte| *byte == b'\n')
            .filter_map(|line| Some((line, memchr::memchr(b':', line)?)))
            .peekable();
        if fields.peek().is_none() {
            return false;
        }
        let start = self.begin_block();
        self.encoder.begin(&mut self.out.bytes);
        for (line, colon) in fields {
            let value = line[colon + 1..].trim_ascii();
            self.encoder.field(&line[..colon], value, &mut self.out.bytes);
        }
        self.end_block(place, start, true);
        true
    }

    fn begin_block(&mut self) -> usize {
        let start = self.out.bytes.len();
        self.out.bytes.extend_from_slice(&[0; HEAD_BYTES]);
        start
    }

    /// Writes the heads of the frames that a block takes which begins at `start`.
    fn end_block(&mut self, place: u32, start: usize, ends: bool) {
        let id = self.streams.at(place).id;
        let flags = if ends { flag::END_STREAM } else { 0 };
        let out = &mut self.out.bytes;
        let len = out.len() - start - HEAD_BYTES;
        let is_whole = len <= PAYLOAD_BYTES_MAX;
        let frame = Frame {
            kind: kind::HEADERS,
            flags: if is_whole { flags | flag::END_HEADERS } else { flags },
            stream: id,
            len: len.min(PAYLOAD_BYTES_MAX),
        };
        out[start..start + HEAD_BYTES].copy_from_slice(&frame.head());
        if !is_whole {
            let rest = out.split_off(start + HEAD_BYTES + PAYLOAD_BYTES_MAX);
            let mut pieces = rest.chunks(PAYLOAD_BYTES_MAX).peekable();
            while let Some(piece) = pieces.next() {
                let flags = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
                let (kind, len) = (kind::CONTINUATION, piece.len());
                Frame { kind, flags, stream: id, len }.write(out);
                out.extend_from_slice(piece);
            }
        }
        self.sent(place, ends);
    }

    /// Puts data into what is to be sent, for which there is room.
    pub(super) fn send_data(&mut self, place: u32, parts: [&[u8]; 2], ends: bool) {
        let stream = self.streams.at(place);
        let (id, n) = (stream.id, parts[0].len() + parts[1].len());
        stream.send_window -= n as i64;
        self.send_window -= n as i64;
        let mut n_left = n;
        self.out.bytes.reserve(n + HEAD_BYTES * (1 + n / PAYLOAD_BYTES_MAX));
        for part in parts {
            for data in part.chunks(PAYLOAD_BYTES_MAX) {
                n_left -= data.len();
                let flags = if ends && n_left == 0 { flag::END_STREAM } else { 0 };
                Frame { kind: kind::DATA, flags, stream: id, len: data.len() }
                    .write(&mut self.out.bytes);
                self.out.bytes.extend_from_slice(data);
                self.guard.sent_data(data.len());
            }
        }
        if n == 0 && ends {
            let flags = flag::END_STREAM;
            Frame { kind: kind::DATA, flags, stream: id, len: 0 }.write(&mut self.out.bytes);
            self.guard.sent_data(0);
        }
        self.sent(place, ends);
    }

    fn sent(&mut self, place: u32, ends: bool) {
        if ends {
            self.streams.at(place).answer = Answer::Ended;
        }
        self.call();
    }

    /// Gives a stream up: what the client got is not all.
    pub(super) fn give_up(&mut self, place: u32, code: Code) {
        let stream = self.streams.at(place);
        if stream.answer == Answer::Ended {
            return;
        }
        stream.answer = Answer::Ended;
        if stream.broken.is_none() {
            let id = stream.id;
            self.send_reset(id, code);
        }
        self.leave_line(place);
    }

    /// Nobody serves the stream any more.
    pub(super) fn drop_stream(&mut self, place: u32) {
        // Whatever was not answered whole must not look as if it were.
        self.give_up(place, Code::Internal);
        let stream = self.streams.at(place);
        let (id, n_unread) = (stream.id, stream.n_unread());
        let is_needless = stream.broken.is_none() && !stream.remote_ended;
        if is_needless && !self.streams.was_reset(id) {
            // The client need not send the rest.
            self.send_reset(id, Code::NoError);
        }
        self.leave_line(place);
        if n_unread > 0 {
            self.credit(n_unread);
        }
        self.streams.at(place).wake(wants::GONE);
        self.streams.close(place);
    }
}
