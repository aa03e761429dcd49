//! The HTTP/1 codec, sans I/O: bytes in; heads, framing and body pieces out.
//!
//! Heads are tokenised by httparse; everything that is stricter is checked here, once, in one pass:
//! line ends are CRLF, exactly one framing, no folding. Deliberately absent: repairing what a peer sent.
//! Whoever sends two lengths, a length and a coding, or a coding we do not know is refused, since two
//! readings of one message are how requests are smuggled (RFC 9112, section 11.2).

mod chunked;
mod decoder;
mod lines;
mod options;
mod request;
mod response;

pub use chunked::{ChunkedDecoder, EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX};
pub use decoder::{Decoder, Malformed, Pieces};
pub use options::{ConnectionOptions, connection_options};
pub use request::{Expectation, HeadLimits, RequestFacts, parse_request};
pub use response::{RESPONSE_FIELDS_MAX, RESPONSE_HEAD_BYTES_MAX, ResponseFacts, parse_response};

/// How a message's body is delimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    #[default]
    None,
    /// This many bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// Everything until the connection closes (responses only).
    UntilClose,
}

/// What parsing a head came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// More bytes are needed.
    Partial,
    /// A whole head of `head_bytes` bytes, with its empty line and whatever blank lines came before it.
    Complete {
        /// Bytes to drop from the input.
        head_bytes: usize,
        /// What the fields say about the message.
        facts: T,
    },
}
