//! The chunked coding (RFC 9112, section 7.1): strict, incremental, and such that a clean body goes on
//! as the very bytes that came in. Extensions are dropped, trailers checked and filtered.

use super::lines::{Layout, index_fields};
use super::{Malformed, Pieces};
use crate::message::{Fields, Known};

/// Bytes of a trailer section we accept.
pub const TRAILER_BYTES_MAX: usize = 16 * 1024;

/// Fields of a trailer section we accept.
const TRAILER_FIELDS_MAX: usize = 64;

/// Bytes of chunk extensions we accept in one body, all chunks together.
pub const EXTENSION_BYTES_MAX: u32 = 16 * 1024;

/// Hexadecimal digits of a chunk size we accept: a size of 15 digits cannot overflow a signed 64-bit reader.
const SIZE_DIGITS_MAX: u8 = 15;

/// Reads one chunked body.
#[derive(Debug, Default)]
pub struct ChunkedDecoder {
    state: State,
    /// What is left of the present chunk, or the size as far as it was read.
    size: u64,
    n_digits: u8,
    extension_bytes: u32,
    trailer: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailer,
    Done,
}

impl ChunkedDecoder {
    /// Whether the last chunk and the trailer section were read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Bytes of data that come next in the present chunk.
    pub(super) fn data_bytes_ahead(&self) -> u64 {
        if self.state == State::Data { self.size } else { 0 }
    }

    pub(super) fn advance(&mut self, n: u64) {
        self.size -= n;
        if self.size == 0 {
            self.state = State::DataCr;
        }
    }

    /// Reads from the front of `pieces.input`, returns how many bytes belonged to the body.
    ///
    /// # Errors
    /// The bytes are not a chunked body.
    pub fn feed(&mut self, pieces: &mut Pieces<'_>) -> Result<usize, Malformed> {
        let input = pieces.input;
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            at = match self.state {
                State::Data => self.data(at, pieces),
                State::Trailer => self.trailer(at, pieces)?,
                _ => self.framing(at, input[at], pieces)?,
            };
        }
        Ok(at)
    }

    fn data(&mut self, at: usize, pieces: &mut Pieces<'_>) -> usize {
        let available = pieces.input.len() - at;
        let taken = available.min(usize::try_from(self.size).unwrap_or(usize::MAX));
        pieces.data(at..at + taken);
        self.advance(taken as u64);
        at + taken
    }

    /// One byte of a chunk's size line or of the line end behind its data.
    fn framing(
        &mut self,
        at: usize,
        byte: u8,
        pieces: &mut Pieces<'_>,
    ) -> Result<usize, Malformed> {
        match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte)?,
            (State::Size, b'\r') if self.n_digits > 0 => self.state = State::SizeLf,
            (State::Size, b';') if self.n_digits > 0 => {
                self.state = State::Extension;
                return Ok(at + 1);
            }
            (State::Extension, b'\r') => self.state = State::SizeLf,
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extension_bytes += 1;
                return if self.extension_bytes > EXTENSION_BYTES_MAX {
                    Err(Malformed)
                } else {
                    Ok(at + 1)
                };
            }
            (State::SizeLf, b'\n') => {
                self.n_digits = 0;
                self.state = if self.size == 0 { State::Trailer } else { State::Data };
            }
            (State::DataCr, b'\r') => self.state = State::DataLf,
            (State::DataLf, b'\n') => self.state = State::Size,
            _ => return Err(Malformed),
        }
        pieces.framing(at..at + 1);
        Ok(at + 1)
    }

    fn digit(&mut self, byte: u8) -> Result<(), Malformed> {
        self.n_digits += 1;
        if self.n_digits > SIZE_DIGITS_MAX {
            return Err(Malformed);
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => (byte | 0x20) - b'a' + 10,
        };
        self.size = self.size << 4 | u64::from(digit);
        Ok(())
    }

    fn trailer(&mut self, at: usize, pieces: &mut Pieces<'_>) -> Result<usize, Malformed> {
        let input = pieces.input;
        if self.trailer.is_empty() && input[at..].starts_with(b"\r\n") {
            pieces.framing(at..at + 2);
            self.state = State::Done;
            return Ok(at + 2);
        }
        for (i, byte) in input[at..].iter().enumerate() {
            // A line end must be CR LF: whoever waits for one behind a bare LF waits for ever.
            let behind_cr = self.trailer.last() == Some(&b'\r');
            if behind_cr != (*byte == b'\n') || self.trailer.len() == TRAILER_BYTES_MAX {
                return Err(Malformed);
            }
            self.trailer.push(*byte);
            if *byte == b'\n' && (self.trailer.len() == 2 || self.trailer.ends_with(b"\r\n\r\n")) {
                let lines = passed_on(&self.trailer)?;
                if let Some(trailers) = &mut pieces.trailers {
                    trailers.extend_from_slice(lines.strip_suffix(b"\r\n").unwrap_or(&lines));
                }
                pieces.framing_bytes(&lines);
                self.trailer = Vec::new();
                self.state = State::Done;
                return Ok(at + i + 1);
            }
        }
        Ok(input.len())
    }
}

/// A trailer section without the fields that must not stand there: framing, routing, connection and
/// authentication (RFC 9110, section 6.5.1), which is every field the proxy itself acts on.
fn passed_on(section: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; TRAILER_FIELDS_MAX];
    let Ok(httparse::Status::Complete((end, headers))) =
        httparse::parse_headers(section, &mut headers)
    else {
        return Err(Malformed);
    };
    let mut fields = Fields::over(section);
    let layout = Layout { start: 0, end };
    let starts_at_once =
        headers.first().is_none_or(|first| first.name.as_ptr() == section.as_ptr());
    if end != section.len()
        || !starts_at_once
        || !index_trailers(section, headers, &layout, &mut fields)
    {
        return Err(Malformed);
    }
    fields.remove_if(|known, _| known != Known::Other);
    let mut out = Vec::with_capacity(section.len());
    fields.write_to(&mut out);
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

fn index_trailers(
    section: &[u8],
    headers: &[httparse::Header<'_>],
    layout: &Layout,
    fields: &mut Fields,
) -> bool {
    if headers.is_empty() {
        return section == b"\r\n";
    }
    index_fields(section, headers, layout, fields, |_, _| {})
}

#[cfg(test)]
#[path = "chunked_tests.rs"]
mod tests;
