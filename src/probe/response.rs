//! Reading the answer to an HTTP check: interim heads, the final one, its body as far as it matters; each bounded.

use std::future::poll_fn;

use memchr::{memchr, memmem};
use tokio::task::coop::consume_budget;

use super::{ProbeError, Stage};
use crate::config::HealthExpect;
use crate::http1::{
    Decoder, Framing, Parsed, Pieces, RESPONSE_HEAD_BYTES_MAX, ResponseFacts, parse_response,
};
use crate::message::ResponseHead;
use crate::net::Stream;

/// Bytes of a body that are searched for what it must contain. A body that says that it is longer is read no
/// further, and its connection closed.
pub const SEARCHED_BYTES_MAX: usize = 64 << 10;

/// Bytes of a body that does not say how long it is, framing included, before it counts as endless.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// Bytes of all heads together, interim ones included.
const HEADS_BYTES_MAX: usize = 2 * RESPONSE_HEAD_BYTES_MAX;

/// Interim heads before the final one.
const INTERIMS_MAX: u32 = 32;

/// Bytes read at once.
const READ_BYTES: usize = 4 << 10;

/// A final answer with an expected status.
#[derive(Debug)]
pub(super) struct Answer {
    /// The first bytes of the body, if anybody wants to search them.
    body: Vec<u8>,
    /// Whether another request may follow on the connection.
    pub(super) can_be_followed: bool,
}

impl Answer {
    /// Whether `text` stands in what was read of the body.
    pub(super) fn contains(&self, text: &str) -> bool {
        memmem::find(&self.body, text.as_bytes()).is_some()
    }
}

/// Reads an answer. `to_head`: to a HEAD request. `stage` follows.
///
/// # Errors
/// It is broken, beyond a bound, or its status is not the expected one.
pub(super) async fn read_answer(
    stream: &mut Stream,
    to_head: bool,
    expect: &HealthExpect,
    stage: &mut Stage,
) -> Result<Answer, ProbeError> {
    let mut read = Vec::new();
    let mut head = ResponseHead::default();
    let facts = read_head(stream, to_head, &mut read, &mut head, stage).await?;
    if !expect.status.contains(head.status) {
        return Err(ProbeError::Status(head.status, expect.status));
    }
    let wanted = expect.body_contains.is_some();
    read_body(stream, &facts, read, wanted).await
}

/// Reads up to the final head; what came behind it is left in `read`.
async fn read_head(
    stream: &mut Stream,
    to_head: bool,
    read: &mut Vec<u8>,
    head: &mut ResponseHead,
    stage: &mut Stage,
) -> Result<ResponseFacts, ProbeError> {
    let (mut n_interims, mut n_bytes) = (0, 0);
    loop {
        let before = read.len();
        let n = read_some(stream, read).await.map_err(ProbeError::Broken)?;
        if n == 0 {
            return Err(match *stage {
                Stage::Asked => ProbeError::Closed,
                _ => ProbeError::Truncated,
            });
        }
        *stage = Stage::Answering;
        n_bytes += n;
        // A head that comes byte by byte is looked at line by line.
        let has_line = before == 0 || memchr(b'\n', &read[before..]).is_some();
        while has_line || read.len() >= RESPONSE_HEAD_BYTES_MAX {
            match parse_response(read, to_head, head) {
                Err(_) if read.len() >= RESPONSE_HEAD_BYTES_MAX => {
                    return Err(ProbeError::HeadTooLong);
                }
                Err(_) => return Err(ProbeError::Malformed),
                Ok(Parsed::Partial) => break,
                Ok(Parsed::Complete { head_bytes, facts }) => {
                    read.drain(..head_bytes);
                    match head.status {
                        100 | 102..=199 if n_interims < INTERIMS_MAX => n_interims += 1,
                        100..=199 => return Err(ProbeError::Interims),
                        _ => {
                            *stage = Stage::Reading;
                            return Ok(facts);
                        }
                    }
                    if read.is_empty() {
                        break;
                    }
                }
            }
        }
        if n_bytes >= HEADS_BYTES_MAX {
            return Err(ProbeError::HeadTooLong);
        }
    }
}

/// Reads the body, which begins with `read`; keeps what is to be searched if that is `wanted`.
async fn read_body(
    stream: &mut Stream,
    facts: &ResponseFacts,
    mut read: Vec<u8>,
    wanted: bool,
) -> Result<Answer, ProbeError> {
    let is_long = matches!(facts.framing, Framing::Length(n) if n > SEARCHED_BYTES_MAX as u64);
    let mut decoder = Decoder::new(facts.framing);
    let (mut body, mut spill) = (Vec::new(), Vec::new());
    let mut n_bytes = 0;
    loop {
        let mut pieces = Pieces::new(&read, &mut spill, false);
        pieces.copy = wanted.then_some(&mut body);
        let taken = decoder.feed(&mut pieces).map_err(|_| ProbeError::Malformed)?;
        spill.clear();
        read.drain(..taken);
        body.truncate(SEARCHED_BYTES_MAX);
        if decoder.is_done() {
            let can_be_followed = facts.keep_alive && read.is_empty();
            return Ok(Answer { body, can_be_followed });
        }
        if is_long && (!wanted || body.len() == SEARCHED_BYTES_MAX) {
            return Ok(Answer { body, can_be_followed: false });
        }
        n_bytes += taken;
        if n_bytes >= BODY_BYTES_MAX {
            return Err(ProbeError::Endless);
        }
        if read_some(stream, &mut read).await.map_err(ProbeError::Broken)? == 0 {
            return match facts.framing {
                Framing::UntilClose => Ok(Answer { body, can_be_followed: false }),
                _ => Err(ProbeError::Truncated),
            };
        }
    }
}

/// Appends what comes next; 0 is the end of the stream.
async fn read_some(stream: &mut Stream, read: &mut Vec<u8>) -> std::io::Result<usize> {
    // A peer that sends without a pause must not hold up the thread.
    consume_budget().await;
    let before = read.len();
    read.resize(before + READ_BYTES, 0);
    let rest = &mut read[before..];
    let result = poll_fn(move |cx| stream.poll_read(cx, rest)).await;
    read.truncate(before + result.as_ref().map_or(0, |n| *n));
    result
}
