//! Header blocks that a client sends: requests and trailers, or what has to be read only because the compression lives
//! on behind it (RFC 9113, sections 4.3 and 8.1).

use super::core::{Block, Core, End, STREAM_WINDOW_BYTES};
use super::fields::Mark;
use super::receive::{Opened, Outcome, Wanted, broken};
use super::request::{Malformed, Reader};
use super::stream::Broken;
use crate::error::Reason;
use crate::http1::{Framing, RequestFacts};
use crate::http2::frame::{self, Code, Frame, PAYLOAD_BYTES_MAX, flag};
use crate::http2::hpack::Field;

/// Frames of one block beside those that its size needs.
const SPARE_FRAMES: usize = 8;

/// How often a block may be longer, unfolded, than a header list may be: whoever goes on gets no answer.
const BOMB_FACTOR: usize = 16;

/// Bytes of a priority in front of a block.
const PRIORITY_BYTES: usize = 5;

impl Core {
    pub(super) fn receive_headers(
        &mut self,
        frame: &Frame,
        payload: &[u8],
        wanted: &mut Wanted<'_>,
    ) -> Outcome<Option<Opened>> {
        if frame.stream.is_multiple_of(2) {
            return broken(Code::Protocol, "HEADERS on a stream that is no client's");
        }
        let mut fragment = match frame.unpad(payload) {
            Ok(fragment) => fragment,
            Err(code) => return broken(code, "padding longer than the frame"),
        };
        let mut is_circular = false;
        if frame.has(flag::PRIORITY) {
            let Some((priority, rest)) = fragment.split_at_checked(PRIORITY_BYTES) else {
                return broken(Code::FrameSize, "no room for a priority");
            };
            is_circular = frame::number(priority) == Some(frame.stream);
            fragment = rest;
        }
        let (stream, flags) = (frame.stream, frame.flags);
        if frame.has(flag::END_HEADERS) {
            return self.receive_block(stream, flags, is_circular, fragment, wanted);
        }
        let bytes = fragment.to_vec();
        self.block = Some(Block { stream, flags, is_circular, bytes, n_frames: 1 });
        Ok(None)
    }

    pub(super) fn receive_continuation(
        &mut self,
        frame: &Frame,
        payload: &[u8],
        wanted: &mut Wanted<'_>,
    ) -> Outcome<Option<Opened>> {
        let Some(mut block) = self.block.take().filter(|block| block.stream == frame.stream) else {
            return broken(Code::Protocol, "CONTINUATION of nothing");
        };
        let bytes_max = 2 * self.limits.header_list_bytes + PAYLOAD_BYTES_MAX;
        block.bytes.extend_from_slice(payload);
        block.n_frames += 1;
        if block.bytes.len() > bytes_max
            || block.n_frames > SPARE_FRAMES + bytes_max / PAYLOAD_BYTES_MAX
        {
            return broken(Code::EnhanceYourCalm, "a header block that goes on and on");
        }
        if !frame.has(flag::END_HEADERS) {
            self.block = Some(block);
            return Ok(None);
        }
        self.receive_block(block.stream, block.flags, block.is_circular, &block.bytes, wanted)
    }

    fn receive_block(
        &mut self,
        id: u32,
        flags: u8,
        is_circular: bool,
        block: &[u8],
        wanted: &mut Wanted<'_>,
    ) -> Outcome<Option<Opened>> {
        let ends = flags & flag::END_STREAM != 0;
        if id <= self.last_stream {
            return self.receive_trailers(id, ends, is_circular, block).map(|()| None);
        }
        self.last_stream = id;
        let refused = if self.end == End::Agreed {
            // It was told that nobody looks at this.
            return self.skip(block).map(|()| None);
        } else if is_circular {
            Some(Code::Protocol)
        } else if self.streams.n_active >= self.limits.streams as usize
            // A client that had enough while we were busy means well, up to a bound.
            || self.streams.len() >= 2 * self.limits.streams as usize
        {
            Some(Code::RefusedStream)
        } else {
            None
        };
        if let Some(code) = refused {
            self.skip(block)?;
            self.stream_error(id, code);
            return Ok(None);
        }
        self.receive_request(id, ends, block, wanted)
    }

    fn receive_request(
        &mut self,
        id: u32,
        ends: bool,
        block: &[u8],
        wanted: &mut Wanted<'_>,
    ) -> Outcome<Option<Opened>> {
        let mut cookies = std::mem::take(&mut self.cookies);
        let mut reader = Reader::new(wanted.head, wanted.limits, &mut cookies);
        let decoded = self.decode(block, |field| reader.see(field));
        let length = reader.length();
        let finished = decoded.map(|()| reader.finish(ends));
        self.cookies = cookies;
        match finished? {
            Ok(facts) => Ok(Some((self.open(id, ends, length, &facts), facts))),
            Err(Malformed) => {
                self.stream_error(id, Code::Protocol);
                Ok(None)
            }
        }
    }

    fn open(
        &mut self,
        id: u32,
        ends: bool,
        length: Option<u64>,
        facts: &Result<RequestFacts, Reason>,
    ) -> u32 {
        let place = self.streams.open(id);
        let send_window = self.first_send_window;
        let stream = self.streams.at(place);
        stream.remote_ended = ends;
        stream.length = length;
        stream.chunked = facts.is_ok_and(|facts| facts.framing == Framing::Chunked);
        stream.recv_window = i64::from(STREAM_WINDOW_BYTES);
        stream.send_window = send_window;
        place
    }

    fn receive_trailers(
        &mut self,
        id: u32,
        ends: bool,
        is_circular: bool,
        block: &[u8],
    ) -> Outcome<()> {
        let Some(place) = self.streams.find(id) else {
            return match self.streams.was_reset(id) {
                true => self.skip(block),
                // Section 5.1.1; whether it was left out or is closed long since, nobody remembers.
                false => broken(Code::Protocol, "HEADERS of a stream that is not the newest"),
            };
        };
        let stream = self.streams.at(place);
        match stream.broken {
            Some(Broken::ByUs) => return self.skip(block),
            None if !stream.remote_ended => {}
            _ => return broken(Code::StreamClosed, "HEADERS behind a stream's end"),
        }
        let lacks = stream.length.is_some_and(|left| left > 0);
        let mut lines = std::mem::take(&mut stream.tail);
        lines.clear();
        lines.extend_from_slice(b"0\r\n");
        let (mut is_good, bytes_max) = (true, self.limits.header_list_bytes);
        self.decode(block, |field| {
            let fits = lines.len() + field.name.len() + field.value.len() < bytes_max;
            is_good &= fits && matches!(field.mark, Mark::Field(known) if !known.is_of_http1());
            if is_good {
                for part in [field.name, b": ", field.value, b"\r\n"] {
                    lines.extend_from_slice(part);
                }
            }
        })?;
        lines.extend_from_slice(b"\r\n");
        if !ends || lacks || is_circular || !is_good {
            self.stream_error(id, Code::Protocol);
            return Ok(());
        }
        self.streams.at(place).end_with(lines);
        Ok(())
    }

    /// Reads a block for nothing but the compression's sake.
    fn skip(&mut self, block: &[u8]) -> Outcome<()> {
        self.decode(block, |_| {})
    }

    #[inline]
    fn decode(&mut self, block: &[u8], mut see: impl FnMut(&Field<'_, Mark>)) -> Outcome<()> {
        let mut n_left = self.limits.header_list_bytes.saturating_mul(BOMB_FACTOR);
        let decoded = self.decoder.decode(block, |field| {
            let n = field.name.len() + field.value.len() + 1;
            let has_room = n <= n_left;
            n_left = n_left.saturating_sub(n);
            if has_room {
                see(&field);
            } else {
                n_left = 0;
            }
            has_room
        });
        match decoded {
            Ok(()) => Ok(()),
            Err(_) if n_left == 0 => {
                broken(Code::EnhanceYourCalm, "a header block that unfolds to far too much")
            }
            Err(_) => broken(Code::Compression, "a header block that cannot be read"),
        }
    }
}
