//! Bodies: which bytes of the input belong to this message, and which of them go on.

use std::ops::Range;

use super::{ChunkedDecoder, Framing};

/// The peer's bytes do not follow the grammar; nothing after them can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads one body off a connection.
#[derive(Debug, Default)]
pub enum Decoder {
    /// The body ended.
    #[default]
    Done,
    /// This many bytes are still to come.
    Length(u64),
    /// Chunks are still to come.
    Chunked(ChunkedDecoder),
    /// Everything belongs to the body.
    UntilClose,
}

impl Decoder {
    /// A decoder at the start of a body.
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::None | Framing::Length(0) => Decoder::Done,
            Framing::Length(n) => Decoder::Length(n),
            Framing::Chunked => Decoder::Chunked(ChunkedDecoder::default()),
            Framing::UntilClose => Decoder::UntilClose,
        }
    }

    /// Whether the whole body was read.
    pub fn is_done(&self) -> bool {
        matches!(self, Decoder::Done)
    }

    /// Takes what belongs to the body from the front of `pieces.input`; returns how many bytes those were.
    ///
    /// # Errors
    /// The framing is broken; the message must not be passed on as complete.
    pub fn feed(&mut self, pieces: &mut Pieces<'_>) -> Result<usize, Malformed> {
        let available = pieces.input.len();
        match self {
            Decoder::Done => Ok(0),
            Decoder::UntilClose => {
                pieces.data(0..available);
                Ok(available)
            }
            Decoder::Length(left) => {
                let taken = available.min(usize::try_from(*left).unwrap_or(usize::MAX));
                pieces.data(0..taken);
                *left -= taken as u64;
                if *left == 0 {
                    *self = Decoder::Done;
                }
                Ok(taken)
            }
            Decoder::Chunked(chunked) => {
                let taken = chunked.feed(pieces)?;
                if chunked.is_done() {
                    *self = Decoder::Done;
                }
                Ok(taken)
            }
        }
    }

    /// Bytes that are certainly data and come next without any framing between them: what splice may move.
    pub fn plain_bytes_ahead(&self) -> u64 {
        match self {
            Decoder::Done => 0,
            Decoder::Length(left) => *left,
            Decoder::Chunked(chunked) => chunked.data_bytes_ahead(),
            Decoder::UntilClose => u64::MAX,
        }
    }

    /// Takes note of `n` bytes moved by other means, at most [`Decoder::plain_bytes_ahead`].
    pub fn advance(&mut self, n: u64) {
        debug_assert!(n <= self.plain_bytes_ahead(), "only what is ahead");
        match self {
            Decoder::Length(left) => {
                *left -= n;
                if *left == 0 {
                    *self = Decoder::Done;
                }
            }
            Decoder::Chunked(chunked) => chunked.advance(n),
            Decoder::Done | Decoder::UntilClose => {}
        }
    }
}

/// Collects what goes on: one run of the input as long as possible, and before it, only when the runs are
/// broken (a dropped chunk extension, a filtered trailer), copies in `spill`.
#[derive(Debug)]
pub struct Pieces<'a> {
    /// The bytes being decoded.
    pub input: &'a [u8],
    /// The last run, to be sent after `spill`.
    pub run: Range<usize>,
    /// Copies of earlier runs.
    pub spill: &'a mut Vec<u8>,
    /// Pass chunk framing and trailers on, or only the data.
    pub keep_framing: bool,
    /// Bytes of data (not framing) seen.
    pub data_bytes: u64,
    /// Where a copy of the data goes, if anybody wants one.
    pub copy: Option<&'a mut Vec<u8>>,
    /// Where the trailers' lines go that may be passed on, each with its line end, if anybody wants them.
    pub trailers: Option<&'a mut Vec<u8>>,
}

impl<'a> Pieces<'a> {
    /// Nothing collected yet.
    pub fn new(input: &'a [u8], spill: &'a mut Vec<u8>, keep_framing: bool) -> Self {
        Pieces { input, run: 0..0, spill, keep_framing, data_bytes: 0, copy: None, trailers: None }
    }

    /// Body data.
    #[inline]
    pub(super) fn data(&mut self, range: Range<usize>) {
        self.data_bytes += range.len() as u64;
        if let Some(copy) = &mut self.copy {
            copy.extend_from_slice(&self.input[range.clone()]);
        }
        self.push(range);
    }

    /// Framing bytes as received.
    #[inline]
    pub(super) fn framing(&mut self, range: Range<usize>) {
        if self.keep_framing {
            self.push(range);
        }
    }

    /// Framing bytes that do not stand in the input.
    pub(super) fn framing_bytes(&mut self, bytes: &[u8]) {
        if self.keep_framing {
            self.flush_run();
            self.spill.extend_from_slice(bytes);
        }
    }

    #[inline]
    fn push(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        if self.run.end != range.start || self.run.is_empty() {
            self.flush_run();
            self.run = range;
        } else {
            self.run.end = range.end;
        }
    }

    fn flush_run(&mut self) {
        self.spill.extend_from_slice(&self.input[self.run.clone()]);
        self.run = self.run.end..self.run.end;
    }
}
