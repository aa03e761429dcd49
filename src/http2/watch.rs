//! Keeps a backend from sending frames that do no work faster than any server has reason to: what [`super::guard`] is
//! towards clients. The h2 crate bounds the memory of that, but would answer pings and settings for ever.
//!
//! An account of tokens: frames that carry nothing cost some, what is sent to the backend earns some, and a few come
//! with time. Fed by `io` with the bytes in both directions.

use std::time::Instant;

use super::frame::{Frame, HEAD_BYTES, PAYLOAD_BYTES_MAX, kind};

/// The most tokens there are, and how many there are in the beginning.
const TOKENS_MAX: i64 = 2_000;

/// Tokens that come with time.
const TOKENS_PER_SECOND: u128 = 200;

/// Bytes sent that earn a token: a frame with a byte of data may be answered with a window update, and the next one with
/// a second.
const BYTES_PER_TOKEN: usize = 8;

/// What a PING costs: more than its own answer earns.
const PING_COSTS: i64 = 3;

/// What SETTINGS cost: all streams may have to be looked at.
const SETTINGS_COST: i64 = 20;

/// What giving up a stream costs: its request has earned more.
const RESET_COSTS: i64 = 4;

/// What an empty frame of data costs that does not end its stream.
const EMPTY_DATA_COSTS: i64 = 2;

/// Bytes of a frame that nobody knows that cost a token more.
const UNKNOWN_BYTES_PER_TOKEN: usize = 1024;

/// Watches the frames of one connection to a backend.
#[derive(Debug)]
pub(super) struct Watch {
    /// The head of the next frame, as far as it came.
    head: [u8; HEAD_BYTES],
    n_head: usize,
    /// What is left of the payload of the last one.
    n_payload: usize,
    tokens: i64,
    /// When tokens came with time last.
    refilled: Instant,
}

impl Watch {
    /// For a connection that begins `now`.
    pub(super) fn new(now: Instant) -> Self {
        let (head, n_head, n_payload) = ([0; HEAD_BYTES], 0, 0);
        Watch { head, n_head, n_payload, tokens: TOKENS_MAX, refilled: now }
    }

    /// Sees that `n` bytes were sent.
    #[inline]
    pub(super) fn sent(&mut self, n: usize) {
        self.tokens = (self.tokens + (n / BYTES_PER_TOKEN) as i64).min(TOKENS_MAX);
    }

    /// Sees what came next; `false`: it is too much. `clock` is asked only when the tokens are used up.
    pub(super) fn received(&mut self, mut bytes: &[u8], clock: impl Fn() -> Instant) -> bool {
        loop {
            let n = self.n_payload.min(bytes.len());
            self.n_payload -= n;
            bytes = &bytes[n..];
            let n = (HEAD_BYTES - self.n_head).min(bytes.len());
            if n == 0 {
                return true;
            }
            self.head[self.n_head..self.n_head + n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            self.n_head += n;
            if self.n_head < HEAD_BYTES {
                return true;
            }
            self.n_head = 0;
            let frame = Frame::read(&self.head);
            self.n_payload = frame.len;
            self.tokens -= costs(&frame);
            if self.tokens < 0 && !self.refill(clock()) {
                return false;
            }
        }
    }

    /// Adds what came with time; whether that is enough.
    #[cold]
    fn refill(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.refilled);
        let earned = i64::try_from(passed.as_millis() * TOKENS_PER_SECOND / 1000);
        let earned = earned.unwrap_or(TOKENS_MAX);
        if earned > 0 {
            self.tokens = (self.tokens + earned).min(TOKENS_MAX);
            self.refilled = now;
        }
        self.tokens >= 0
    }
}

fn costs(frame: &Frame) -> i64 {
    match frame.kind {
        // Tiny ones are h2's to count.
        kind::DATA if frame.len > 0 || frame.ends_stream() => 0,
        kind::DATA => EMPTY_DATA_COSTS,
        kind::RST_STREAM => RESET_COSTS,
        kind::SETTINGS if !frame.is_ack() => SETTINGS_COST,
        kind::PING => PING_COSTS,
        kind::HEADERS | kind::CONTINUATION => 1,
        // Longer ones than allowed are h2's to refuse.
        _ => 1 + (frame.len.min(PAYLOAD_BYTES_MAX) / UNKNOWN_BYTES_PER_TOKEN) as i64,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::http2::frame::flag;

    fn frame(kind: u8, flags: u8, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        Frame { kind, flags, stream: 1, len }.write(&mut bytes);
        bytes.resize(HEAD_BYTES + len, 0);
        bytes
    }

    /// How many of `bytes` are borne at once, each answered with as many bytes; at most 100 000.
    fn n_borne(bytes: &[u8], n_answer: usize) -> usize {
        let now = Instant::now();
        let mut watch = Watch::new(now);
        let borne = (0..100_000).take_while(|_| {
            let borne = watch.received(bytes, || now);
            watch.sent(n_answer);
            borne
        });
        borne.count()
    }

    #[test]
    fn what_does_no_work_is_borne_so_often() {
        for (bytes, n_answer, n_max) in [
            (frame(kind::PING, 0, 8), 17, 2_000),
            (frame(kind::PING, flag::ACK, 8), 0, 700),
            (frame(kind::SETTINGS, 0, 6), 9, 110),
            (frame(kind::SETTINGS, flag::ACK, 0), 0, 2_000),
            (frame(kind::RST_STREAM, 0, 4), 13, 700),
            (frame(kind::WINDOW_UPDATE, 0, 4), 0, 2_000),
            (frame(kind::DATA, 0, 0), 0, 1_000),
            (frame(kind::HEADERS, 0, 100), 0, 2_000),
            (frame(kind::GOAWAY, 0, 8), 0, 2_000),
            (frame(0xab, 0, 16_000), 0, 130),
        ] {
            let n = n_borne(&bytes, n_answer);
            assert!((n_max / 10..=n_max).contains(&n), "{n} of {bytes:?}");
        }
    }

    #[test]
    fn servers_that_mean_well_are_borne_for_ever() {
        let all = |frames: &[Vec<u8>]| frames.concat();
        for (frames, n_sent) in [
            // Answers to small requests, with trailers.
            (all(&[frame(1, 4, 20), frame(0, 0, 5), frame(1, 5, 20)]), 40),
            // A download, which is answered with window updates.
            (all(&[frame(0, 0, 16_384), frame(0, 1, 0)]), 0),
            // Each byte of an upload is credited twice, and a round trip measured.
            (all(&[frame(8, 0, 4), frame(8, 0, 4), frame(6, 0, 8)]), 10 + 10 + 17 + 10),
            // Every request is refused.
            (frame(3, 0, 4), 40),
        ] {
            assert_eq!(n_borne(&frames, n_sent), 100_000, "{} bytes", frames.len());
        }
    }

    #[test]
    fn tokens_come_with_time() {
        let start = Instant::now();
        let mut watch = Watch::new(start);
        let update = frame(kind::WINDOW_UPDATE, 0, 4);
        for ms in 0..60_000 {
            assert!(watch.received(&update, || start + Duration::from_millis(5 * ms)));
        }
    }

    proptest! {
        #[test]
        fn frames_cost_the_same_in_whatever_pieces_they_come(
            frames in prop::collection::vec((0_u8..12, any::<u8>(), 0_usize..40), 1..40),
            pieces in prop::collection::vec(1_usize..60, 1..40),
        ) {
            let bytes: Vec<u8> =
                frames.iter().flat_map(|(kind, flags, len)| frame(*kind, *flags, *len)).collect();
            let now = Instant::now();
            let (mut whole, mut torn) = (Watch::new(now), Watch::new(now));
            prop_assert!(whole.received(&bytes, || now));
            let (mut rest, mut pieces) = (&bytes[..], pieces.iter().cycle());
            while let Some(n) = pieces.next().filter(|_| !rest.is_empty()) {
                let (piece, behind) = rest.split_at((*n).min(rest.len()));
                prop_assert!(torn.received(piece, || now));
                rest = behind;
            }
            prop_assert_eq!(whole.tokens, torn.tokens);
            prop_assert_eq!((torn.n_head, torn.n_payload), (0, 0));
        }
    }
}
