//! What was read becomes what is written: decoded, re-framed, changed by a transform, copied for a mirror.

use std::fmt;
use std::io::Write as _;
use std::ops::Range;

use super::{Encoding, Pump, PumpError};
use crate::filter::Transform;
use crate::http1::{Decoder, Framing, Pieces};
use crate::relay::BUFFER_BYTES;

/// What a body goes through on its way.
pub(super) struct Through {
    transform: Box<dyn Transform>,
    /// Data in front of the last run of a read: only where chunks come several to a buffer.
    decoded: Vec<u8>,
    /// What the transform made of a read.
    made: Vec<u8>,
}

impl fmt::Debug for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Through").finish_non_exhaustive()
    }
}

impl Through {
    fn data(&mut self, data: &[u8]) {
        data.chunks(BUFFER_BYTES).for_each(|piece| self.transform.data(piece, &mut self.made));
    }
}

/// A copy of the body as it passes.
#[derive(Debug, Default)]
pub(super) enum Capture {
    /// Nobody wants one.
    #[default]
    Off,
    /// As far as it has come.
    On { bytes: Vec<u8>, bytes_max: usize },
    /// It was given up.
    TooLong,
}

impl Capture {
    pub(super) fn is_on(&self) -> bool {
        matches!(self, Capture::On { .. })
    }

    /// Where data is to be copied to.
    fn bytes(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Capture::On { bytes, .. } => Some(bytes),
            Capture::Off | Capture::TooLong => None,
        }
    }

    fn hold_to_the_bound(&mut self) {
        if matches!(self, Capture::On { bytes, bytes_max } if bytes.len() > *bytes_max) {
            *self = Capture::TooLong;
        }
    }
}

impl Pump {
    /// Lets the body go through `transform`, to be called between [`Pump::start`] (with
    /// [`Encoding::Chunks`] or [`Encoding::DataOnly`]) and the first byte of the body. Trailers are dropped, and
    /// no limit holds but the transform's own.
    pub fn pass_through(&mut self, transform: Box<dyn Transform>) {
        debug_assert!(self.encoding != Encoding::AsReceived, "its framing is ours");
        let mut through = Box::new(Through { transform, decoded: Vec::new(), made: Vec::new() });
        if self.decoder.is_done() {
            self.end_through(&mut through);
        }
        self.through = Some(through);
    }

    /// Copies the data of a body framed by `framing` from its first byte on, up to `bytes_max`; a longer one is not
    /// copied. To be called before a head is set, when nothing was read but what came with the head.
    pub fn capture(&mut self, framing: Framing, bytes_max: usize) {
        debug_assert!(self.wrote_nothing() && self.encoding == Encoding::AsReceived, "not begun");
        let (mut bytes, mut decoder) = (Vec::new(), Decoder::new(framing));
        let run = self.buffer.as_ref().map_or(&[][..], |buffer| &buffer[self.run.clone()]);
        // What is pending is framed as the source framed it: read once more, it gives the data.
        for pending in [&self.out[..], run] {
            let mut pieces = Pieces::new(pending, &mut bytes, false);
            if decoder.feed(&mut pieces).is_err() {
                self.capture = Capture::TooLong;
                return;
            }
            let run = pieces.run;
            bytes.extend_from_slice(&pending[run]);
        }
        self.capture = Capture::On { bytes, bytes_max };
        self.capture.hold_to_the_bound();
    }

    /// The copy so far; `None` where it grew too long, or none was asked for. Copying ends.
    pub fn take_captured(&mut self) -> Option<Vec<u8>> {
        match std::mem::take(&mut self.capture) {
            Capture::On { bytes, .. } => Some(bytes),
            Capture::Off | Capture::TooLong => None,
        }
    }

    /// Takes what belongs to the body from the front of `buffer[range]`; the rest is surplus.
    pub(super) fn feed(&mut self, buffer: &[u8], range: Range<usize>) -> Result<(), PumpError> {
        if let Some(mut through) = self.through.take() {
            let result = self.feed_through(&mut through, &buffer[range]);
            self.through = Some(through);
            return result;
        }
        let start = range.start;
        let mut pieces = Pieces::new(
            &buffer[range.clone()],
            &mut self.out,
            self.encoding == Encoding::AsReceived,
        );
        pieces.copy = self.capture.bytes();
        let taken = self.decoder.feed(&mut pieces).map_err(|_| PumpError::Malformed)?;
        let (run, data_bytes) = (pieces.run, pieces.data_bytes);
        self.run = start + run.start..start + run.end;
        self.capture.hold_to_the_bound();
        if start + taken < range.end {
            self.surplus.extend_from_slice(&buffer[start + taken..range.end]);
        }
        if self.encoding == Encoding::Chunks && !self.run.is_empty() {
            let _ = write!(self.out, "{:x}\r\n", self.run.len());
            self.tail = b"\r\n";
        }
        self.count(data_bytes)
    }

    fn feed_through(&mut self, through: &mut Through, input: &[u8]) -> Result<(), PumpError> {
        if self.decoder.is_done() {
            self.surplus.extend_from_slice(input);
            return Ok(());
        }
        let mut decoded = std::mem::take(&mut through.decoded);
        let mut pieces = Pieces::new(input, &mut decoded, false);
        let taken = self.decoder.feed(&mut pieces).map_err(|_| PumpError::Malformed)?;
        let run = pieces.run;
        self.surplus.extend_from_slice(&input[taken..]);
        through.data(&decoded);
        through.data(&input[run]);
        decoded.clear();
        through.decoded = decoded;
        match self.decoder.is_done() {
            true => self.end_through(through),
            false => self.pass_on(&mut through.made),
        }
        self.count(0)
    }

    fn end_through(&mut self, through: &mut Through) {
        through.transform.end(&mut through.made);
        self.pass_on(&mut through.made);
        self.end_chunks();
    }

    /// Frames what a transform made of a read.
    fn pass_on(&mut self, made: &mut Vec<u8>) {
        self.data_bytes += made.len() as u64;
        if self.encoding == Encoding::Chunks && !made.is_empty() {
            let _ = write!(self.out, "{:x}\r\n", made.len());
            self.out.extend_from_slice(made);
            self.out.extend_from_slice(b"\r\n");
        } else {
            self.out.extend_from_slice(made);
        }
        made.clear();
    }

    fn end_chunks(&mut self) {
        if self.encoding == Encoding::Chunks {
            self.out.extend_from_slice(b"0\r\n\r\n");
        }
    }

    pub(super) fn end_of_source(&mut self) -> Result<(), PumpError> {
        if !matches!(self.decoder, Decoder::UntilClose) {
            return Err(PumpError::Truncated);
        }
        self.decoder = Decoder::Done;
        match self.through.take() {
            Some(mut through) => {
                self.end_through(&mut through);
                self.through = Some(through);
            }
            None => self.end_chunks(),
        }
        Ok(())
    }
}
