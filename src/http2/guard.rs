//! Keeps a client from sending frames that do no work faster than anybody means well with.
//!
//! An account of tokens: a frame that asks for no work costs some, work done on either side earns some, and a few
//! come with time. So the more a connection is used for, the more pings, window updates and cancellations are its
//! own affair; one that is used for nothing but them runs out. Fed by `server` with every frame.

use std::time::{Duration, Instant};

use super::frame::{Code, Frame, kind};

/// The most tokens there are, and how many there are in the beginning.
const TOKENS_MAX: i64 = 2_000;

/// Tokens that come with time.
const TOKENS_PER_SECOND: i64 = 200;

/// What a request earns. Less than [`RESET_COSTS`]: asking and taking back is what rapid reset is.
const REQUEST_EARNS: i64 = 2;

/// What a response head earns: from here on a client may well have had enough.
const RESPONSE_EARNS: i64 = 8;

/// What a frame of data earns, in either direction: clients answer it with a ping and two window updates.
const DATA_EARNS: i64 = 3;

/// Bytes of data sent that earn one token more: some clients answer every 4 KiB with two window updates.
const DATA_BYTES_PER_TOKEN: usize = 1024;

/// What any frame costs that is no request and no data.
const FRAME_COSTS: i64 = 1;

/// What an empty frame of data costs.
const EMPTY_DATA_COSTS: i64 = 2;

/// What giving up a stream costs: its client's cancelling it, or an error of the client's that makes us.
const RESET_COSTS: i64 = 10;

/// What SETTINGS cost: all streams may have to be looked at.
const SETTINGS_COST: i64 = 20;

/// What GOAWAY costs.
const GOAWAY_COSTS: i64 = 10;

/// What a client has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// More frames than anybody means well with.
    Flood,
    /// The first frame was not its SETTINGS (RFC 9113, section 3.4).
    NoSettings,
}

/// Watches the frames of one connection to a client.
#[derive(Debug)]
pub(super) struct Guard {
    tokens: i64,
    /// When tokens came with time last.
    refilled: Instant,
    /// The newest stream.
    last_stream: u32,
    began: bool,
    offence: Option<Offence>,
}

impl Guard {
    /// For a connection that begins `now`.
    pub(super) fn new(now: Instant) -> Self {
        Guard { tokens: TOKENS_MAX, refilled: now, last_stream: 0, began: false, offence: None }
    }

    /// What the client did first that it must not do.
    pub(super) fn offence(&self) -> Option<Offence> {
        self.offence
    }

    /// Whether its SETTINGS came.
    pub(super) fn began(&self) -> bool {
        self.began
    }

    /// Sees a frame that the client sent. `clock` is asked only when the tokens are used up.
    #[inline]
    pub(super) fn received(&mut self, frame: &Frame, clock: impl Fn() -> Instant) {
        if !self.began {
            self.began = frame.kind == kind::SETTINGS && !frame.is_ack();
            if !self.began {
                self.offence.get_or_insert(Offence::NoSettings);
            }
        }
        let costs = match frame.kind {
            kind::DATA if frame.len > 0 => -DATA_EARNS,
            kind::DATA if frame.ends_stream() => FRAME_COSTS,
            kind::DATA => EMPTY_DATA_COSTS,
            kind::HEADERS if frame.stream > self.last_stream => {
                self.last_stream = frame.stream;
                -REQUEST_EARNS
            }
            kind::RST_STREAM => RESET_COSTS,
            kind::SETTINGS if !frame.is_ack() => SETTINGS_COST,
            kind::GOAWAY => GOAWAY_COSTS,
            // PRIORITY, PING, WINDOW_UPDATE, CONTINUATION, trailers, and whatever nobody knows, by its size.
            _ => FRAME_COSTS + (frame.len / DATA_BYTES_PER_TOKEN) as i64,
        };
        self.spend(costs, clock);
    }

    /// Sees that the DATA that came was padding and nothing else.
    pub(super) fn received_padding(&mut self, clock: impl Fn() -> Instant) {
        self.spend(DATA_EARNS + EMPTY_DATA_COSTS, clock);
    }

    /// Sees that it is sent a head.
    #[inline]
    pub(super) fn sent_head(&mut self) {
        self.earn(RESPONSE_EARNS);
    }

    /// Sees that it is sent a frame with `len` bytes of data.
    #[inline]
    pub(super) fn sent_data(&mut self, len: usize) {
        self.earn(DATA_EARNS + (len / DATA_BYTES_PER_TOKEN) as i64);
    }

    /// Sees that a stream of it is reset with `code`.
    pub(super) fn sent_reset(&mut self, code: Code, clock: impl Fn() -> Instant) {
        if is_provoked(code) {
            self.spend(RESET_COSTS, clock);
        }
    }

    #[inline]
    fn earn(&mut self, earned: i64) {
        self.tokens = (self.tokens + earned).min(TOKENS_MAX);
    }

    fn spend(&mut self, costs: i64, clock: impl Fn() -> Instant) {
        self.tokens = (self.tokens - costs).min(TOKENS_MAX);
        if self.tokens < 0 {
            self.refill(clock());
            if self.tokens < 0 {
                self.offence.get_or_insert(Offence::Flood);
            }
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled);
        let earned = passed.min(Duration::from_secs(60)).as_millis() as i64 * TOKENS_PER_SECOND;
        let earned = earned / 1000;
        if earned > 0 {
            self.tokens = (self.tokens + earned).min(TOKENS_MAX);
            self.refilled = now;
        }
    }
}

/// Whether a stream is reset with `code` because of what the client did.
fn is_provoked(code: Code) -> bool {
    matches!(
        code,
        Code::Protocol
            | Code::FlowControl
            | Code::StreamClosed
            | Code::FrameSize
            | Code::RefusedStream
    )
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
