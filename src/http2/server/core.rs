//! The state of one connection, without I/O: what was received goes in (`receive`), what is to be sent comes out, and
//! the streams are read and written in between (`body`). Shared by the connection's task and those of its streams.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use super::CarrierLimits;
use super::fields::{JUDGED, Mark, judge};
use super::line::Line;
use super::stream::{Broken, Streams};
use crate::http2::frame::{self, Code, kind};
use crate::http2::guard::Guard;
use crate::http2::hpack::{Decoder, Encoder};

/// Data that a client may send on one stream before somebody took it.
pub(super) const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Data that a client may send on all streams before somebody took it.
pub(super) const WINDOW_BYTES: u32 = 1024 * 1024;

/// The window that everything begins with (RFC 9113, section 6.9.2).
pub(super) const FIRST_WINDOW_BYTES: u32 = 65_535;

/// Bytes of the dynamic table of what a client sends: what everybody has who says nothing.
const TABLE_BYTES: usize = 4096;

/// Memory for what is to be sent that a connection keeps while no stream is open on it.
const IDLE_BYTES_MAX: usize = 2 * 1024;

/// Identifiers of settings (section 6.5.2).
pub(super) mod setting {
    pub(in super::super) const ENABLE_PUSH: u16 = 2;
    pub(in super::super) const STREAMS_MAX: u16 = 3;
    pub(in super::super) const FIRST_WINDOW: u16 = 4;
    pub(in super::super) const FRAME_BYTES_MAX: u16 = 5;
    pub(in super::super) const HEADER_LIST_BYTES_MAX: u16 = 6;
}

/// What is in the PING that asks whether a goodbye arrived.
const GOODBYE_PING: [u8; 8] = *b"goodbye?";

/// The client broke the rules; it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionError {
    /// What it was told.
    pub code: Code,
    /// The same in words.
    pub what: &'static str,
}

/// How far the connection's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    No,
    /// The client was told and asked to say that it knows.
    Told,
    /// It knows. Streams that are newer are not served.
    Agreed,
    /// Nothing more is read.
    Over,
}

/// A header block that is not complete yet.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) stream: u32,
    pub(super) flags: u8,
    /// The stream depends on itself.
    pub(super) is_circular: bool,
    pub(super) bytes: Vec<u8>,
    pub(super) n_frames: usize,
}

/// What is to be sent.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) bytes: Vec<u8>,
    pub(super) n_sent: usize,
}

impl Out {
    /// Bytes that wait.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.n_sent
    }

    /// Forgets what was sent.
    pub(super) fn drop_sent(&mut self) {
        self.bytes.drain(..self.n_sent);
        self.n_sent = 0;
    }

    /// All was sent.
    pub(super) fn clear(&mut self) {
        self.n_sent = 0;
        self.bytes.clear();
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) limits: CarrierLimits,
    pub(super) guard: Guard,
    pub(super) decoder: Decoder<Mark>,
    pub(super) encoder: Encoder,
    pub(super) out: Out,
    pub(super) streams: Streams,
    pub(super) line: Line,
    pub(super) block: Option<Block>,
    /// For cookies that come in pieces.
    pub(super) cookies: Vec<u8>,
    /// Bytes of the preface that are still to come.
    pub(super) n_preface: usize,
    /// The newest stream of the client.
    pub(super) last_stream: u32,
    /// Data that the client may send.
    pub(super) recv_window: i64,
    /// Data that was taken and not yet credited.
    pub(super) uncredited: u32,
    /// Data that we may send.
    pub(super) send_window: i64,
    /// The same of a stream that is new.
    pub(super) first_send_window: i64,
    pub(super) end: End,
    /// The client said goodbye.
    pub(super) peer_leaves: bool,
    waker: Option<Waker>,
    /// The connection's task will look at what is to be sent by itself.
    awake: bool,
}

/// A connection as its tasks share it. Nobody else wants the lock while one of them runs: they run on one thread.
pub(super) type Shared = Arc<Mutex<Core>>;

/// The connection behind the lock.
#[inline]
pub(super) fn lock(shared: &Shared) -> MutexGuard<'_, Core> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    pub(super) fn new(limits: CarrierLimits) -> Self {
        Core {
            limits,
            guard: Guard::new(Instant::now()),
            decoder: Decoder::new(TABLE_BYTES, judge, &JUDGED),
            encoder: Encoder::default(),
            out: Out::default(),
            streams: Streams::default(),
            line: Line::default(),
            block: None,
            cookies: Vec::new(),
            n_preface: frame::PREFACE.len(),
            last_stream: 0,
            recv_window: i64::from(WINDOW_BYTES),
            uncredited: 0,
            send_window: i64::from(FIRST_WINDOW_BYTES),
            first_send_window: i64::from(FIRST_WINDOW_BYTES),
            end: End::No,
            peer_leaves: false,
            waker: None,
            awake: true,
        }
    }

    /// The preface came: now it is our turn.
    pub(super) fn greet(&mut self) {
        let settings = [
            (setting::STREAMS_MAX, self.limits.streams),
            (setting::FIRST_WINDOW, STREAM_WINDOW_BYTES),
            (
                setting::HEADER_LIST_BYTES_MAX,
                u32::try_from(self.limits.header_list_bytes).unwrap_or(u32::MAX),
            ),
        ];
        frame::write_settings(&settings, &mut self.out.bytes);
        let more = WINDOW_BYTES - FIRST_WINDOW_BYTES;
        frame::write_number(kind::WINDOW_UPDATE, 0, more, &mut self.out.bytes);
    }

    /// Has `waker` woken when a stream has something to be sent.
    pub(super) fn keep_waker(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
        self.awake = true;
    }

    /// The connection's task has sent what it could.
    pub(super) fn rest(&mut self) {
        self.awake = false;
    }

    /// Has the connection's task send what is new.
    #[inline]
    pub(super) fn call(&mut self) {
        if !std::mem::replace(&mut self.awake, true)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }

    /// Resets a stream, which is remembered.
    pub(super) fn send_reset(&mut self, id: u32, code: Code) {
        self.streams.remember_reset(id);
        frame::write_number(kind::RST_STREAM, id, code as u32, &mut self.out.bytes);
        self.guard.sent_reset(code, Instant::now);
        self.call();
    }

    /// An error of the client's on one stream, which may be served.
    pub(super) fn stream_error(&mut self, id: u32, code: Code) {
        self.send_reset(id, code);
        if let Some(place) = self.streams.find(id) {
            self.streams.break_off(place, Broken::ByUs);
        }
    }

    /// Ends everything with `code`.
    pub(super) fn terminate(&mut self, code: Code) {
        if self.end == End::Over {
            return;
        }
        if self.n_preface == 0 {
            frame::write_goaway(self.last_stream, code, &mut self.out.bytes);
        }
        self.hang_up();
    }

    /// Ends everything without a word.
    pub(super) fn hang_up(&mut self) {
        self.end = End::Over;
        self.block = None;
        self.streams.break_all();
        self.call();
    }

    /// Tells the client to open no more streams; `false` where it has yet to begin.
    pub(super) fn leave(&mut self) -> bool {
        if !self.guard.began() {
            return false;
        }
        if self.end == End::No {
            self.end = End::Told;
            frame::write_goaway(u32::MAX >> 1, Code::NoError, &mut self.out.bytes);
            frame::write_ping(false, &GOODBYE_PING, &mut self.out.bytes);
        }
        true
    }

    /// The client answered a PING.
    pub(super) fn ponged(&mut self, payload: &[u8]) {
        if self.end == End::Told && payload == GOODBYE_PING {
            self.agree();
        }
    }

    fn agree(&mut self) {
        self.end = End::Agreed;
        frame::write_goaway(self.last_stream, Code::NoError, &mut self.out.bytes);
    }

    /// Ends the connection where nothing is left to do.
    pub(super) fn finish(&mut self) {
        if self.streams.len() > 0 {
            return;
        }
        if self.peer_leaves && matches!(self.end, End::No | End::Told) {
            self.agree();
        }
        if self.end == End::Agreed {
            self.end = End::Over;
        }
    }

    /// Gives memory back: no stream is open.
    pub(super) fn shrink(&mut self) {
        if self.out.bytes.is_empty() {
            self.out.bytes.shrink_to(IDLE_BYTES_MAX);
        }
        self.cookies = Vec::new();
    }

    /// Whether nothing more is read because of what the client did.
    pub(super) fn is_condemned(&self) -> bool {
        self.guard.offence().is_some()
    }
}
