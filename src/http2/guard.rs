//! Keeps a client from sending frames that do no work faster than anybody means well with.
//!
//! An account of tokens: a frame that asks for no work costs some, work done on either side earns some, and a few
//! come with time. So the more a connection is used for, the more pings, window updates and cancellations are its
//! own affair; one that is used for nothing but them runs out. What h2 bounds by itself (frames of a header block, the
//! size of a header list, small DATA frames, streams reset before they were served) is not counted again.

use std::time::{Duration, Instant};

use super::frames::{Frame, Scanner, kind};

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

/// Bytes of the preface, before the first frame.
const PREFACE_BYTES: usize = 24;

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
    incoming: Scanner,
    outgoing: Scanner,
    tokens: i64,
    /// When tokens came with time last.
    refilled: Instant,
    /// The newest stream.
    last_stream: u32,
    began: bool,
    n_resets: u64,
    offence: Option<Offence>,
}

impl Guard {
    /// For a connection that begins `now`, with the preface yet to come.
    pub(super) fn new(now: Instant) -> Self {
        Guard {
            incoming: Scanner::new(PREFACE_BYTES),
            outgoing: Scanner::new(0),
            tokens: TOKENS_MAX,
            refilled: now,
            last_stream: 0,
            began: false,
            n_resets: 0,
            offence: None,
        }
    }

    /// What the client did first that it must not do.
    pub(super) fn offence(&self) -> Option<Offence> {
        self.offence
    }

    /// How often it gave up a stream.
    pub(super) fn n_resets(&self) -> u64 {
        self.n_resets
    }

    /// Whether its SETTINGS came.
    pub(super) fn began(&self) -> bool {
        self.began
    }

    /// Sees what the client sent. `clock` is asked only when the tokens are used up.
    pub(super) fn received(&mut self, bytes: &[u8], clock: impl Fn() -> Instant) {
        let mut scanner = std::mem::replace(&mut self.incoming, Scanner::new(0));
        scanner.scan(bytes, |frame| self.see_incoming(&frame, &clock));
        self.incoming = scanner;
    }

    /// Sees what it is sent.
    pub(super) fn sent(&mut self, bytes: &[u8], clock: impl Fn() -> Instant) {
        let mut scanner = std::mem::replace(&mut self.outgoing, Scanner::new(0));
        scanner.scan(bytes, |frame| self.see_outgoing(&frame, &clock));
        self.outgoing = scanner;
    }

    fn see_incoming(&mut self, frame: &Frame, clock: &impl Fn() -> Instant) {
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
            kind::RST_STREAM => {
                self.n_resets += 1;
                RESET_COSTS
            }
            kind::SETTINGS if !frame.is_ack() => SETTINGS_COST,
            kind::GOAWAY => GOAWAY_COSTS,
            // PRIORITY, PING, WINDOW_UPDATE, CONTINUATION, trailers, and whatever nobody knows, by its size.
            _ => FRAME_COSTS + (frame.len / DATA_BYTES_PER_TOKEN) as i64,
        };
        self.spend(costs, clock);
    }

    fn see_outgoing(&mut self, frame: &Frame, clock: &impl Fn() -> Instant) {
        let costs = match frame.kind {
            kind::HEADERS => -RESPONSE_EARNS,
            kind::DATA => -DATA_EARNS - (frame.len / DATA_BYTES_PER_TOKEN) as i64,
            kind::RST_STREAM if is_provoked(frame.code) => RESET_COSTS,
            _ => 0,
        };
        self.spend(costs, clock);
    }

    fn spend(&mut self, costs: i64, clock: &impl Fn() -> Instant) {
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

/// Whether a stream is reset with `code` because of what the client did: PROTOCOL_ERROR, FLOW_CONTROL_ERROR,
/// STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM.
fn is_provoked(code: u32) -> bool {
    matches!(code, 1 | 3 | 5 | 6 | 7)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
