//! What a client sends, frame by frame (RFC 9113, section 6), but for header blocks (`blocks`).

use std::time::Instant;

use super::core::{ConnectionError, Core, End, STREAM_WINDOW_BYTES, WINDOW_BYTES, setting};
use super::stream::{Broken, wants};
use crate::error::Reason;
use crate::http1::{HeadLimits, RequestFacts};
use crate::http2::frame::{self, Code, Frame, HEAD_BYTES, PAYLOAD_BYTES_MAX, PREFACE, flag, kind};
use crate::message::RequestHead;

/// The largest window there is.
const WINDOW_MAX: i64 = i32::MAX as i64;

/// A request that came.
pub(super) type Opened = (u32, Result<RequestFacts, Reason>);

/// What became of bytes.
pub(super) enum Received {
    /// Nothing whole is left.
    Starved,
    /// A request; its stream is at this place.
    Request(Opened),
}

/// Where a request's head goes, and what bounds it.
pub(super) struct Wanted<'a> {
    pub(super) head: &'a mut RequestHead,
    pub(super) limits: &'a HeadLimits,
}

pub(super) type Outcome<T> = Result<T, ConnectionError>;

#[cold]
pub(super) fn broken<T>(code: Code, what: &'static str) -> Outcome<T> {
    Err(ConnectionError { code, what })
}

impl Core {
    /// Takes whole frames from the front of `input`, up to a request.
    ///
    /// # Errors
    /// Nothing that follows is worth reading; the client was told.
    pub(super) fn receive(
        &mut self,
        input: &mut &[u8],
        wanted: &mut Wanted<'_>,
    ) -> Outcome<Received> {
        let received = self.receive_frames(input, wanted);
        if let Err(error) = &received {
            self.terminate(error.code);
        }
        received
    }

    fn receive_frames(&mut self, input: &mut &[u8], wanted: &mut Wanted<'_>) -> Outcome<Received> {
        if self.n_preface > 0 && !self.receive_preface(input)? {
            return Ok(Received::Starved);
        }
        while let Some((head, rest)) = input.split_first_chunk::<HEAD_BYTES>() {
            if self.is_condemned() || self.end == End::Over {
                break;
            }
            let frame = Frame::read(head);
            if frame.len > PAYLOAD_BYTES_MAX {
                return broken(Code::FrameSize, "a frame longer than allowed");
            }
            let Some((payload, rest)) = rest.split_at_checked(frame.len) else { break };
            *input = rest;
            self.guard.received(&frame, Instant::now);
            if self.is_condemned() {
                break;
            }
            if let Some(opened) = self.receive_frame(&frame, payload, wanted)? {
                return Ok(Received::Request(opened));
            }
        }
        Ok(Received::Starved)
    }

    /// Whether all of it came.
    fn receive_preface(&mut self, input: &mut &[u8]) -> Outcome<bool> {
        let expected = &PREFACE[PREFACE.len() - self.n_preface..];
        let n = expected.len().min(input.len());
        if input[..n] != expected[..n] {
            return broken(Code::Protocol, "no preface");
        }
        *input = &input[n..];
        self.n_preface -= n;
        if self.n_preface == 0 {
            self.greet();
        }
        Ok(self.n_preface == 0)
    }

    #[inline]
    fn receive_frame(
        &mut self,
        frame: &Frame,
        payload: &[u8],
        wanted: &mut Wanted<'_>,
    ) -> Outcome<Option<Opened>> {
        if self.block.is_some() && frame.kind != kind::CONTINUATION {
            return broken(Code::Protocol, "another frame amid a header block");
        }
        match frame.kind {
            kind::DATA => self.receive_data(frame, payload)?,
            kind::HEADERS => return self.receive_headers(frame, payload, wanted),
            kind::CONTINUATION => return self.receive_continuation(frame, payload, wanted),
            kind::PRIORITY => self.receive_priority(frame, payload)?,
            kind::RST_STREAM => self.receive_reset(frame, payload)?,
            kind::SETTINGS => self.receive_settings(frame, payload)?,
            kind::PUSH_PROMISE => return broken(Code::Protocol, "a push of a client's"),
            kind::PING => self.receive_ping(frame, payload)?,
            kind::GOAWAY => self.receive_goaway(frame, payload)?,
            kind::WINDOW_UPDATE => self.receive_window_update(frame, payload)?,
            // Section 4.1.
            _ => {}
        }
        Ok(None)
    }

    /// Whether a client's frame can be on this stream.
    pub(super) fn check_stream(&self, frame: &Frame) -> Outcome<()> {
        let is_idle = frame.stream > self.last_stream || frame.stream.is_multiple_of(2);
        if is_idle { broken(Code::Protocol, "a frame on a stream that is idle") } else { Ok(()) }
    }

    fn receive_data(&mut self, frame: &Frame, payload: &[u8]) -> Outcome<()> {
        self.check_stream(frame)?;
        let n_flowed = payload.len() as i64;
        if n_flowed > self.recv_window {
            return broken(Code::FlowControl, "more data than the window has room for");
        }
        self.recv_window -= n_flowed;
        let data = match frame.unpad(payload) {
            Ok(data) => data,
            Err(code) => return broken(code, "padding longer than the frame"),
        };
        if data.is_empty() && !payload.is_empty() {
            self.guard.received_padding(Instant::now);
        }
        let Some(place) = self.streams.find(frame.stream) else {
            self.credit(payload.len());
            if !self.streams.was_reset(frame.stream) {
                self.stream_error(frame.stream, Code::StreamClosed);
            }
            return Ok(());
        };
        let stream = self.streams.at(place);
        if stream.broken == Some(Broken::ByUs) {
            self.credit(payload.len());
            return Ok(());
        }
        let fault = if stream.remote_ended || stream.broken.is_some() {
            Some(Code::StreamClosed)
        } else if n_flowed > stream.recv_window {
            Some(Code::FlowControl)
        } else if stream.length.is_some_and(|left| {
            data.len() as u64 > left || (frame.ends_stream() && (data.len() as u64) < left)
        }) {
            Some(Code::Protocol)
        } else {
            None
        };
        if let Some(code) = fault {
            self.credit(payload.len());
            self.stream_error(frame.stream, code);
            return Ok(());
        }
        stream.recv_window -= n_flowed;
        stream.length = stream.length.map(|left| left - data.len() as u64);
        stream.data.extend_from_slice(data);
        if frame.ends_stream() {
            stream.end_remote();
        }
        stream.wake(wants::READ);
        let n_padding = payload.len() - data.len();
        if n_padding > 0 {
            self.credit_stream(place, n_padding);
        }
        Ok(())
    }

    /// Lets the client send `n` bytes more on the connection.
    pub(super) fn credit(&mut self, n: usize) {
        self.uncredited += n as u32;
        if self.uncredited < WINDOW_BYTES / 2 {
            return;
        }
        let n = std::mem::take(&mut self.uncredited);
        self.recv_window += i64::from(n);
        frame::write_number(kind::WINDOW_UPDATE, 0, n, &mut self.out.bytes);
        self.call();
    }

    /// Lets the client send `n` bytes more on a stream and on the connection.
    pub(super) fn credit_stream(&mut self, place: u32, n: usize) {
        self.credit(n);
        let stream = self.streams.at(place);
        stream.uncredited += n as u32;
        if stream.uncredited < STREAM_WINDOW_BYTES / 2 || stream.remote_ended {
            return;
        }
        let n = std::mem::take(&mut stream.uncredited);
        stream.recv_window += i64::from(n);
        let id = stream.id;
        frame::write_number(kind::WINDOW_UPDATE, id, n, &mut self.out.bytes);
        self.call();
    }

    fn receive_priority(&mut self, frame: &Frame, payload: &[u8]) -> Outcome<()> {
        if frame.stream == 0 {
            return broken(Code::Protocol, "PRIORITY on stream 0");
        }
        if payload.len() != 5 {
            return broken(Code::FrameSize, "PRIORITY of a wrong size");
        }
        // Of a stream that is idle there is nothing to be reset.
        if frame::number(payload) == Some(frame.stream) && frame.stream <= self.last_stream {
            self.stream_error(frame.stream, Code::Protocol);
        }
        Ok(())
    }

    fn receive_reset(&mut self, frame: &Frame, payload: &[u8]) -> Outcome<()> {
        self.check_stream(frame)?;
        if payload.len() != 4 {
            return broken(Code::FrameSize, "RST_STREAM of a wrong size");
        }
        if let Some(place) = self.streams.find(frame.stream) {
            self.streams.break_off(place, Broken::ByPeer);
        }
        Ok(())
    }

    fn receive_settings(&mut self, frame: &Frame, payload: &[u8]) -> Outcome<()> {
        if frame.stream != 0 {
            return broken(Code::Protocol, "SETTINGS on a stream");
        }
        if !payload.len().is_multiple_of(6) || (frame.is_ack() && !payload.is_empty()) {
            return broken(Code::FrameSize, "SETTINGS of a wrong size");
        }
        if frame.is_ack() {
            return Ok(());
        }
        for (id, value) in frame::read_settings(payload) {
            self.set(id, value)?;
        }
        Frame { kind: kind::SETTINGS, flags: flag::ACK, stream: 0, len: 0 }
            .write(&mut self.out.bytes);
        Ok(())
    }

    fn set(&mut self, id: u16, value: u32) -> Outcome<()> {
        match id {
            setting::ENABLE_PUSH if value > 1 => broken(Code::Protocol, "ENABLE_PUSH of 2 or more"),
            setting::FIRST_WINDOW => self.set_first_window(i64::from(value)),
            setting::FRAME_BYTES_MAX if !(1 << 14..1 << 24).contains(&value) => {
                broken(Code::Protocol, "MAX_FRAME_SIZE out of bounds")
            }
            // Frames of ours are never longer than everybody takes; our blocks need no table.
            _ => Ok(()),
        }
    }

    fn set_first_window(&mut self, window: i64) -> Outcome<()> {
        if window > WINDOW_MAX {
            return broken(Code::FlowControl, "INITIAL_WINDOW_SIZE out of bounds");
        }
        let more = window - self.first_send_window;
        self.first_send_window = window;
        for stream in self.streams.each() {
            stream.send_window += more;
            if stream.send_window > WINDOW_MAX {
                return broken(Code::FlowControl, "a window out of bounds");
            }
            if more > 0 {
                stream.wake(wants::WRITE);
            }
        }
        Ok(())
    }

    fn receive_ping(&mut self, frame: &Frame, payload: &[u8]) -> Outcome<()> {
        if frame.stream != 0 {
            return broken(Code::Protocol, "PING on a stream");
        }
        let Ok(payload) = <&[u8; 8]>::try_from(payload) else {
            return broken(Code::FrameSize, "PING of a wrong size");
        };
        match frame.is_ack() {
            true => self.ponged(payload),
            false => frame::write_ping(true, payload, &mut self.out.bytes),
        }
        Ok(())
    }

    fn receive_goaway(&mut self, frame: &Frame, payload: &[u8]) -> Outcome<()> {
        if frame.stream != 0 {
            return broken(Code::Protocol, "GOAWAY on a stream");
        }
        if payload.len() < 8 {
            return broken(Code::FrameSize, "GOAWAY of a wrong size");
        }
        self.peer_leaves = true;
        Ok(())
    }

    fn receive_window_update(&mut self, frame: &Frame, payload: &[u8]) -> Outcome<()> {
        let more = match (payload.len(), frame::number(payload)) {
            (4, Some(more)) => i64::from(more),
            _ => return broken(Code::FrameSize, "WINDOW_UPDATE of a wrong size"),
        };
        if frame.stream == 0 {
            self.send_window += more;
            if more == 0 {
                return broken(Code::Protocol, "a window update of nothing");
            }
            if self.send_window > WINDOW_MAX {
                return broken(Code::FlowControl, "a window out of bounds");
            }
            self.serve_line();
            return Ok(());
        }
        self.check_stream(frame)?;
        let Some(place) = self.streams.find(frame.stream) else { return Ok(()) };
        let stream = self.streams.at(place);
        if stream.broken.is_some() {
            return Ok(());
        }
        if more == 0 {
            self.stream_error(frame.stream, Code::Protocol);
        } else if stream.send_window + more > WINDOW_MAX {
            self.stream_error(frame.stream, Code::FlowControl);
        } else {
            stream.send_window += more;
            stream.wake(wants::WRITE);
        }
        Ok(())
    }
}
