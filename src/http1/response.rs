//! Response heads.

use std::mem::MaybeUninit;

use httparse::{Error, Header, ParserConfig, Status};

use super::lines::{FramingFields, Layout, index_fields, offset};
use super::{ConnectionOptions, Framing, Malformed, Parsed};
use crate::message::{Known, ResponseHead, Version};

/// Bytes of a response head we accept from a backend.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 64 * 1024;

/// Fields of a response head we accept from a backend.
pub const RESPONSE_FIELDS_MAX: usize = 256;

/// What a response head says about its message and connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseFacts {
    /// How the body is delimited.
    pub framing: Framing,
    /// All `Connection` options.
    pub connection: ConnectionOptions,
    /// The backend will read another request on this connection.
    pub keep_alive: bool,
}

/// Parses a response head at the start of `input` into `head`. `to_head_request`: it answers a HEAD.
///
/// # Errors
/// Anything malformed, framed in two ways, or beyond [`RESPONSE_HEAD_BYTES_MAX`] and
/// [`RESPONSE_FIELDS_MAX`]: nothing of it may be passed on.
pub fn parse_response(
    input: &[u8],
    to_head_request: bool,
    head: &mut ResponseHead,
) -> Result<Parsed<ResponseFacts>, Malformed> {
    let mut headers: [MaybeUninit<Header<'_>>; RESPONSE_FIELDS_MAX] =
        [const { MaybeUninit::uninit() }; _];
    let mut response = httparse::Response::new(&mut []);
    // httparse would skip blank lines, and the bytes of a botched exchange look like that.
    if matches!(input.first(), Some(b'\r' | b'\n')) {
        return Err(Malformed);
    }
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        input,
        &mut headers,
    );
    let end = match parsed {
        Ok(Status::Complete(n)) if n <= RESPONSE_HEAD_BYTES_MAX => n,
        Ok(Status::Partial) if input.len() < RESPONSE_HEAD_BYTES_MAX => return Ok(Parsed::Partial),
        Ok(_) | Err(Error::TooManyHeaders | _) => return Err(Malformed),
    };
    let (Some(status), Some(reason)) = (response.code, response.reason) else {
        return Err(Malformed);
    };
    if !(100..=999).contains(&status) {
        return Err(Malformed);
    }
    let version = if response.version == Some(0) { Version::Http10 } else { Version::Http11 };
    let reason = if reason.is_empty() { 0..0 } else { within(input, reason.as_bytes()) };
    head.start(&input[..end - 2], version, status, reason);

    let mut framing = FramingFields::default();
    let mut connection = ConnectionOptions::default();
    let layout = Layout { start: 0, end };
    let strict = index_fields(
        input,
        response.headers,
        &layout,
        &mut head.fields,
        |known, value| match known {
            Known::Connection => connection.see(value),
            Known::ContentLength | Known::TransferEncoding => framing.see(known, value),
            _ => {}
        },
    );
    if !strict || (version == Version::Http10 && framing.has_coding()) {
        return Err(Malformed);
    }
    let framing = framing_of(status, to_head_request, framing.resolve().map_err(|()| Malformed)?);
    let persistent = match version {
        Version::Http11 | Version::Http2 => !connection.close,
        Version::Http10 => connection.keep_alive && !connection.close,
    };
    let keep_alive = persistent && framing != Framing::UntilClose;
    Ok(Parsed::Complete {
        head_bytes: end,
        facts: ResponseFacts { framing, connection, keep_alive },
    })
}

fn within(whole: &[u8], part: &[u8]) -> std::ops::Range<usize> {
    let start = offset(whole, part);
    start..start + part.len()
}

/// RFC 9112, section 6.3.
fn framing_of(status: u16, to_head_request: bool, written: Option<Framing>) -> Framing {
    match status {
        100..=199 | 204 | 304 => Framing::None,
        _ if to_head_request => Framing::None,
        _ => written.unwrap_or(Framing::UntilClose),
    }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
