//! Lines of the access log: one exchange, one line, as JSON or in the combined format. Pure: appends to
//! the given buffer, allocates nothing else, reads no clock. Called by `proxy` when an exchange ends.

use std::net::IpAddr;
use std::time::Duration;

use super::escape;
use super::time::{TimeCache, decimals};
use crate::error::Reason;
use crate::message::Version;

/// All that a line can tell of one exchange. Bytes that a client or a backend sent go in as they are.
#[derive(Clone, Copy, Debug)]
pub struct AccessRecord<'a> {
    /// When the request began, since 1970.
    pub time: Duration,
    /// Who asked, by the trust rules; `None` for a peer on a unix socket that nobody vouches for.
    pub client: Option<IpAddr>,
    /// The peer of the connection as text, formatted once for each connection: an address, or `unix`.
    pub peer: &'a str,
    /// Whether `client` is the peer, so that its text is at hand.
    pub client_is_peer: bool,
    /// Empty when the request line could not be read, as are `target` and `host`.
    pub method: &'a [u8],
    /// The request target as received.
    pub target: &'a [u8],
    /// The Host as received.
    pub host: &'a [u8],
    /// Of HTTP, between the client and us.
    pub version: Version,
    /// The status sent; 0 when none was.
    pub status: u16,
    /// Why the exchange did not end with the backend's complete response.
    pub reason: Option<Reason>,
    /// The request id, made here or believed.
    pub request_id: &'a [u8],
    /// The listener's name.
    pub listener: &'a str,
    /// The route's name, once one matched.
    pub route: Option<&'a str>,
    /// The upstream's name, once a route matched.
    pub upstream: Option<&'a str>,
    /// [`names_json`] of the three above, where it is at hand.
    pub names_json: Option<&'a str>,
    /// The address of the last backend that was tried.
    pub backend: Option<&'a str>,
    /// Backends that were tried.
    pub attempts: u32,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the response body.
    pub bytes_out: u64,
    /// How long the last connect took; `None` when an idle connection was used.
    pub connect: Option<Duration>,
    /// How long it waited for a place at a backend; `None` where it did not.
    pub queued: Option<Duration>,
    /// From the beginning to the response head.
    pub first_byte: Option<Duration>,
    /// From the beginning to the end.
    pub total: Duration,
    /// For the combined format; JSON takes it from the headers it is given.
    pub referer: Option<&'a [u8]>,
    /// For the combined format; JSON takes it from the headers it is given.
    pub user_agent: Option<&'a [u8]>,
}

/// A request header in a JSON line.
#[derive(Clone, Copy, Debug)]
pub struct LoggedHeader<'a> {
    /// [`header_json`] of its name.
    pub name_json: &'a str,
    /// Its value; `None` writes that it was there and withheld.
    pub value: Option<&'a [u8]>,
}

/// Appends one JSON object and a newline. `headers` names each header at most once.
///
/// Every field is in every line; what is not known is `null`. Only `t_queued_ms` is left out where there was no
/// wait, which is nearly everywhere. Times are milliseconds with three decimals.
pub fn write_json<'a>(
    record: &AccessRecord<'a>,
    headers: impl Iterator<Item = LoggedHeader<'a>>,
    times: &mut TimeCache,
    out: &mut Vec<u8>,
) {
    out.reserve(LINE_BYTES);
    out.extend_from_slice(b"{\"ts\":\"");
    times.append_rfc3339(record.time, out);
    out.extend_from_slice(b"\",\"client\":\"");
    append_client(record, out);
    out.extend_from_slice(b"\",\"peer\":\"");
    out.extend_from_slice(record.peer.as_bytes());
    append_text(b"\",\"method\":\"", (!record.method.is_empty()).then_some(record.method), out);
    append_text(b",\"host\":\"", (!record.host.is_empty()).then_some(record.host), out);
    append_text(b",\"path\":\"", (!record.target.is_empty()).then_some(record.target), out);
    // What stands together is one piece: pieces are what a line costs.
    out.extend_from_slice(match record.version {
        Version::Http10 => b",\"proto\":\"HTTP/1.0\",\"status\":",
        Version::Http11 => b",\"proto\":\"HTTP/1.1\",\"status\":",
        Version::Http2 => b",\"proto\":\"HTTP/2.0\",\"status\":",
    });
    match record.status {
        0 => out.extend_from_slice(b"null"),
        status => append_number(status.into(), out),
    }
    match record.reason {
        None => out.extend_from_slice(b",\"reason\":null,\"request_id\":\""),
        Some(reason) => {
            append_text(b",\"reason\":\"", Some(reason.token().as_bytes()), out);
            out.extend_from_slice(b",\"request_id\":\"");
        }
    }
    escape::json(record.request_id, out);
    out.extend_from_slice(b"\",");
    match record.names_json {
        Some(names) => out.extend_from_slice(names.as_bytes()),
        None => append_names(record.listener, record.route, record.upstream, out),
    }
    append_text(b",\"backend\":\"", record.backend.map(str::as_bytes), out);
    if let (1, 0) = (record.attempts, record.bytes_in) {
        out.extend_from_slice(b",\"attempts\":1,\"bytes_in\":0,\"bytes_out\":");
    } else {
        out.extend_from_slice(b",\"attempts\":");
        append_number(record.attempts.into(), out);
        out.extend_from_slice(b",\"bytes_in\":");
        append_number(record.bytes_in, out);
        out.extend_from_slice(b",\"bytes_out\":");
    }
    append_number(record.bytes_out, out);
    if let (None, None) = (record.connect, record.queued) {
        out.extend_from_slice(b",\"t_connect_ms\":null,\"t_first_ms\":");
    } else {
        out.extend_from_slice(b",\"t_connect_ms\":");
        append_ms(record.connect, out);
        if record.queued.is_some() {
            out.extend_from_slice(b",\"t_queued_ms\":");
            append_ms(record.queued, out);
        }
        out.extend_from_slice(b",\"t_first_ms\":");
    }
    append_ms(record.first_byte, out);
    out.extend_from_slice(b",\"t_total_ms\":");
    append_ms(Some(record.total), out);
    append_headers(headers, out);
    out.extend_from_slice(b"}\n");
}

/// Appends one line of the combined log format: client, time, request line, status, bytes sent, referer,
/// user agent. What a client sent is escaped, so that every line has exactly these fields.
pub fn write_combined(record: &AccessRecord<'_>, times: &mut TimeCache, out: &mut Vec<u8>) {
    out.reserve(LINE_BYTES);
    append_client(record, out);
    out.extend_from_slice(b" - - ");
    times.append_bracketed(record.time, out);
    out.extend_from_slice(b" \"");
    if record.method.is_empty() {
        out.push(b'-');
    } else {
        escape::combined(record.method, out);
        out.push(b' ');
        escape::combined(record.target, out);
        out.push(b' ');
        out.extend_from_slice(match record.version {
            Version::Http10 => b"HTTP/1.0",
            Version::Http11 => b"HTTP/1.1",
            Version::Http2 => b"HTTP/2.0",
        });
    }
    out.extend_from_slice(b"\" ");
    match record.status {
        // The code that operators know from other servers for "the client left before an answer".
        0 => out.extend_from_slice(b"499"),
        status => append_number(status.into(), out),
    }
    out.push(b' ');
    append_number(record.bytes_out, out);
    for value in [record.referer, record.user_agent] {
        out.extend_from_slice(b" \"");
        escape::combined(value.unwrap_or(b"-"), out);
        out.push(b'"');
    }
    out.push(b'\n');
}

/// The part of a JSON line that names a header, up to the beginning of its value.
pub fn header_json(name: &str) -> Box<str> {
    let mut out = b"\"".to_vec();
    escape::json(name.as_bytes(), &mut out);
    out.extend_from_slice(b"\":\"");
    String::from_utf8(out).expect("escaped text is UTF-8").into_boxed_str()
}

/// The part of a JSON line that names listener, route and upstream: the same for every exchange on a route,
/// so it is made once.
pub fn names_json(listener: &str, route: Option<&str>, upstream: Option<&str>) -> Box<str> {
    let mut out = Vec::new();
    append_names(listener, route, upstream, &mut out);
    String::from_utf8(out).expect("escaped text is UTF-8").into_boxed_str()
}

fn append_names(listener: &str, route: Option<&str>, upstream: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"listener\":\"");
    escape::json(listener.as_bytes(), out);
    append_text(b"\",\"route\":\"", route.map(str::as_bytes), out);
    append_text(b",\"upstream\":\"", upstream.map(str::as_bytes), out);
}

fn append_headers<'a>(headers: impl Iterator<Item = LoggedHeader<'a>>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"headers\":{");
    for (index, header) in headers.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(header.name_json.as_bytes());
        escape::json(header.value.unwrap_or(b"(redacted)"), out);
        out.push(b'"');
    }
    out.push(b'}');
}

/// `key` ends with the quote that a text begins with.
#[inline]
fn append_text<const N: usize>(key: &[u8; N], text: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(text) = text else {
        out.extend_from_slice(&key[..N - 1]);
        out.extend_from_slice(b"null");
        return;
    };
    out.extend_from_slice(key);
    escape::json(text, out);
    out.push(b'"');
}

#[inline]
fn append_number(number: u64, out: &mut Vec<u8>) {
    match number {
        // Most of them are.
        0..10 => out.push(b'0' + number as u8),
        _ => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
    }
}

fn append_ms(duration: Option<Duration>, out: &mut Vec<u8>) {
    let Some(duration) = duration else {
        out.extend_from_slice(b"null");
        return;
    };
    let micros = duration.subsec_micros();
    let ms = duration.as_secs().saturating_mul(1000).saturating_add((micros / 1000).into());
    append_number(ms, out);
    out.extend_from_slice(decimals(micros % 1000));
}

fn append_client(record: &AccessRecord<'_>, out: &mut Vec<u8>) {
    match record.client {
        Some(_) if record.client_is_peer => out.extend_from_slice(record.peer.as_bytes()),
        None => out.extend_from_slice(b"unix"),
        Some(IpAddr::V4(address)) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        Some(IpAddr::V6(address)) => {
            use std::io::Write;
            write!(out, "{address}").expect("a Vec takes every write");
        }
    }
}

/// Room for a common line, so that a fresh buffer grows once.
const LINE_BYTES: usize = 768;

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
