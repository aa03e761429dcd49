//! Request heads.

use std::mem::MaybeUninit;

use httparse::{Error, Header, ParserConfig, Status};

use super::lines::{FramingFields, Layout, index_fields, offset};
use super::{ConnectionOptions, Framing, Parsed};
use crate::error::Reason;
use crate::message::{Known, RequestHead, Version};

/// Limits on a request head.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes of the whole head.
    pub header_bytes: usize,
    /// Number of fields.
    pub headers: usize,
    /// Bytes of the request target.
    pub uri_bytes: usize,
}

impl HeadLimits {
    /// Those that `text` keeps, which begins with a head of our own.
    pub fn kept_by(text: &[u8]) -> Self {
        let head_bytes = memchr::memmem::find(text, b"\r\n\r\n").map_or(text.len(), |at| at + 4);
        let headers = memchr::memchr_iter(b'\n', &text[..head_bytes]).count();
        HeadLimits { header_bytes: head_bytes + 1, headers, uri_bytes: head_bytes }
    }
}

/// What a request's `Expect` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    #[default]
    None,
    /// `100-continue`.
    Continue,
    /// Something nobody can promise.
    Unknown,
}

/// What a request head says about its message and connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestFacts {
    /// How the body is delimited; never [`Framing::UntilClose`].
    pub framing: Framing,
    /// All `Connection` options.
    pub connection: ConnectionOptions,
    /// `Expect`.
    pub expectation: Expectation,
    /// There is an `Upgrade` field.
    pub upgrade: bool,
    /// `TE` names `trailers`.
    pub te_trailers: bool,
    /// Number of `Host` fields.
    pub n_hosts: u32,
}

/// Headers that fit the stack; a higher configured limit takes the heap.
const HEADERS_ON_STACK: usize = 128;

/// Parses a request head at the start of `input` into `head`.
///
/// # Errors
/// [`Reason::BadRequest`] for anything malformed or framed in two ways, [`Reason::UriLimit`] and
/// [`Reason::HeaderLimit`] for what is too long. The connection cannot be used any further.
pub fn parse_request(
    input: &[u8],
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<Parsed<RequestFacts>, Reason> {
    let start = skip_blank_lines(input)?;
    if limits.headers <= HEADERS_ON_STACK {
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_ON_STACK];
        parse_into(input, start, limits, head, &mut headers[..limits.headers])
    } else {
        let mut headers = Vec::new();
        headers.resize_with(limits.headers, MaybeUninit::uninit);
        parse_into(input, start, limits, head, &mut headers)
    }
}

/// RFC 9112, section 2.2: ignore at least one empty line before the request line. We ignore two.
fn skip_blank_lines(input: &[u8]) -> Result<usize, Reason> {
    let start = match input {
        [b'\r', b'\n', b'\r', b'\n', ..] => 4,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    };
    match input[start..] {
        [b'\n', ..] | [b'\r', _, ..] => Err(Reason::BadRequest),
        _ => Ok(start),
    }
}

fn parse_into<'b>(
    input: &'b [u8],
    start: usize,
    limits: &HeadLimits,
    head: &mut RequestHead,
    headers: &mut [MaybeUninit<Header<'b>>],
) -> Result<Parsed<RequestFacts>, Reason> {
    let mut request = httparse::Request::new(&mut []);
    let parsed = ParserConfig::default().parse_request_with_uninit_headers(
        &mut request,
        &input[start..],
        headers,
    );
    let end = match parsed {
        Ok(Status::Complete(n)) => start + n,
        Ok(Status::Partial) => return partial(&input[start..], limits, request.path),
        Err(Error::TooManyHeaders) => return Err(Reason::HeaderLimit),
        // A long garbage target is told as too long only where it is a target at all.
        Err(_) => return Err(Reason::BadRequest),
    };
    let (Some(method), Some(path)) = (request.method, request.path) else {
        return Err(Reason::BadRequest);
    };
    if path.len() > limits.uri_bytes {
        return Err(Reason::UriLimit);
    }
    if end - start > limits.header_bytes {
        return Err(Reason::HeaderLimit);
    }
    let version = if request.version == Some(0) { Version::Http10 } else { Version::Http11 };
    let target = offset(input, path.as_bytes()) - start;
    head.start(&input[start..end - 2], version, 0..method.len(), target..target + path.len());

    let mut facts = Gathered::default();
    let layout = Layout { start, end };
    let strict = index_fields(input, request.headers, &layout, &mut head.fields, |known, value| {
        facts.see(known, value)
    });
    if !strict || !start_line_is_exact(&input[start..], method, path) {
        return Err(Reason::BadRequest);
    }
    Ok(Parsed::Complete { head_bytes: end, facts: facts.finish(version)? })
}

/// One space between method, target and version, and CRLF behind them.
fn start_line_is_exact(line: &[u8], method: &str, path: &str) -> bool {
    let version_start = method.len() + 1 + path.len() + 1;
    line[method.len()] == b' '
        && line[version_start - 1] == b' '
        && line.get(version_start..version_start + 5) == Some(b"HTTP/")
        && line.get(version_start + 8..version_start + 10) == Some(b"\r\n")
}

/// Not all there yet: wait for more, unless what is there is too long already.
fn partial(
    head: &[u8],
    limits: &HeadLimits,
    path: Option<&str>,
) -> Result<Parsed<RequestFacts>, Reason> {
    let uri_bytes = match path {
        Some(path) => path.len(),
        None => {
            head.iter().position(|byte| *byte == b' ').map_or(0, |space| head.len() - space - 1)
        }
    };
    if uri_bytes > limits.uri_bytes {
        return Err(Reason::UriLimit);
    }
    if head.len() >= limits.header_bytes {
        return Err(Reason::HeaderLimit);
    }
    Ok(Parsed::Partial)
}

#[derive(Default)]
struct Gathered {
    framing: FramingFields,
    connection: ConnectionOptions,
    expectation: Expectation,
    upgrade: bool,
    te_trailers: bool,
    n_hosts: u32,
}

impl Gathered {
    #[inline]
    fn see(&mut self, known: Known, value: &[u8]) {
        match known {
            Known::Other => {}
            Known::Host => self.n_hosts += 1,
            Known::Connection => self.connection.see(value),
            Known::ContentLength | Known::TransferEncoding => self.framing.see(known, value),
            Known::Upgrade => self.upgrade = true,
            Known::Te => self.te_trailers |= names_trailers(value),
            Known::Expect => self.expectation = self.expectation.and(value),
            _ => {}
        }
    }

    fn finish(self, version: Version) -> Result<RequestFacts, Reason> {
        // HTTP/1.0 knows no codings: a chunked 1.0 request has two readings.
        if version == Version::Http10 && self.framing.has_coding() {
            return Err(Reason::BadRequest);
        }
        let framing =
            self.framing.resolve().map_err(|()| Reason::BadRequest)?.unwrap_or(Framing::None);
        Ok(RequestFacts {
            framing,
            connection: self.connection,
            expectation: self.expectation,
            upgrade: self.upgrade,
            te_trailers: self.te_trailers,
            n_hosts: self.n_hosts,
        })
    }
}

impl Expectation {
    fn and(self, value: &[u8]) -> Expectation {
        match self {
            Expectation::Unknown => self,
            _ if value.eq_ignore_ascii_case(b"100-continue") => Expectation::Continue,
            _ => Expectation::Unknown,
        }
    }
}

/// Whether a `TE` value accepts trailers, with whatever weight.
fn names_trailers(value: &[u8]) -> bool {
    let mut codings = value.split(|byte| *byte == b',');
    codings.any(|coding| {
        let name = coding.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"trailers")
    })
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
