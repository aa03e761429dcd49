//! Answers to what went wrong: a reason becomes words. Its status is chosen in [`crate::admit::status`].

use std::io::Write as _;

use crate::admit::{grpc_status, status};
use crate::error::Reason;
use crate::message::Version;

/// How an answer is to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    pub(super) reason: Reason,
    /// Empty when the request never got one.
    pub(super) request_id: &'a [u8],
    /// A HEAD request gets the head only.
    pub(super) head_only: bool,
    pub(super) keep_alive: bool,
    pub(super) version: Version,
    /// It is said to a client of gRPC.
    pub(super) to_call: bool,
}

/// What follows the status: its phrase and, for people, what it means.
fn phrases(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::BadRequest => ("Bad Request", "the request is malformed"),
        Reason::BadPath => ("Bad Request", "the path is ambiguous"),
        Reason::Misdirected => {
            ("Misdirected Request", "this host is not served on this connection")
        }
        Reason::NoRoute => ("Not Found", "no route matches this request"),
        Reason::MethodRefused => ("Method Not Allowed", "this method is not served here"),
        Reason::HeaderTimeout => ("Request Timeout", "the request head took too long"),
        Reason::BodyTimeout => ("Request Timeout", "the request body stalled"),
        Reason::BodyLimit => ("Content Too Large", "the request body is over the limit"),
        Reason::UriLimit => ("URI Too Long", "the request target is over the limit"),
        Reason::BadExpect => ("Expectation Failed", "only 100-continue can be expected"),
        Reason::RateLimited => ("Too Many Requests", "too many connections from this address"),
        Reason::HeaderLimit => {
            ("Request Header Fields Too Large", "the request head is over the limit")
        }
        Reason::ConnectFailed => ("Bad Gateway", "no connection to a backend could be made"),
        Reason::UpstreamReset => ("Bad Gateway", "the backend closed the connection"),
        Reason::RefusedStream => ("Bad Gateway", "the backend refused the request unseen"),
        Reason::TlsFailed => ("Bad Gateway", "no TLS session with a backend could be made"),
        Reason::UpstreamProtocol => ("Bad Gateway", "the backend's response is malformed"),
        Reason::NoBackend => ("Service Unavailable", "no backend is available"),
        Reason::QueueFull => ("Service Unavailable", "too many requests wait for a backend"),
        Reason::QueueTimeout => ("Service Unavailable", "no backend had a place in time"),
        Reason::PendingLimit => ("Service Unavailable", "too many requests wait for an answer"),
        Reason::Stalled => ("Gateway Timeout", "the backend answers nobody"),
        Reason::ConnectTimeout => ("Gateway Timeout", "connecting to the backend took too long"),
        Reason::FirstByteTimeout => ("Gateway Timeout", "the backend did not answer in time"),
        Reason::TotalTimeout => ("Gateway Timeout", "the exchange took too long"),
        Reason::FilterTimeout => ("Gateway Timeout", "a filter took too long to decide"),
        _ => ("Internal Server Error", "the proxy failed"),
    }
}

/// The error type of RFC 9209, section 2.3, for `Proxy-Status`.
fn proxy_error(reason: Reason) -> &'static str {
    match reason {
        Reason::NoRoute | Reason::NoBackend => "destination_unavailable",
        Reason::ConnectFailed => "connection_refused",
        Reason::UpstreamReset | Reason::RefusedStream => "connection_terminated",
        Reason::TlsFailed => "tls_protocol_error",
        Reason::UpstreamProtocol => "http_protocol_error",
        Reason::ConnectTimeout => "connection_timeout",
        Reason::FirstByteTimeout | Reason::Stalled | Reason::TotalTimeout => {
            "http_response_timeout"
        }
        Reason::Internal | Reason::FilterTimeout => "proxy_internal_error",
        Reason::RateLimited | Reason::QueueFull | Reason::QueueTimeout | Reason::PendingLimit => {
            "connection_limit_reached"
        }
        _ => "http_request_error",
    }
}

/// Appends the answer to `out`; returns its status and the length of its body. Reasons that have no
/// status are answered as a fault of ours.
pub(super) fn write(answer: Answer<'_>, out: &mut Vec<u8>) -> (u16, u64) {
    let reason = answer.reason;
    let status = status(reason).unwrap_or(500);
    let (phrase, meaning) = phrases(reason);
    if answer.to_call {
        write_to_call(&answer, meaning, out);
        return (200, 0);
    }
    let mut body = Vec::with_capacity(160);
    let _ = write!(body, "{status} {phrase}: {meaning}\nreason: {reason}\n");
    if !answer.request_id.is_empty() {
        body.extend_from_slice(b"request id: ");
        body.extend_from_slice(answer.request_id);
        body.push(b'\n');
    }
    let _ = write!(
        out,
        "HTTP/1.1 {status} {phrase}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         proxy-status: forebay; error={}; details=\"{reason}\"\r\n",
        body.len(),
        proxy_error(reason),
    );
    match reason {
        Reason::NoBackend
        | Reason::QueueFull
        | Reason::QueueTimeout
        | Reason::PendingLimit
        | Reason::RateLimited => {
            out.extend_from_slice(b"retry-after: 1\r\n");
        }
        Reason::MethodRefused => {
            out.extend_from_slice(b"allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS\r\n")
        }
        _ => {}
    }
    write_connection(answer.keep_alive, answer.version, out);
    out.extend_from_slice(b"\r\n");
    if answer.head_only {
        return (status, 0);
    }
    out.extend_from_slice(&body);
    (status, body.len() as u64)
}

/// Trailers without a body: what a client of gRPC takes for a refusal. The length is for those who ask by HTTP/1.1.
fn write_to_call(answer: &Answer<'_>, meaning: &str, out: &mut Vec<u8>) {
    let reason = answer.reason;
    let code = grpc_status(reason).unwrap_or(GRPC_INTERNAL);
    let _ = write!(
        out,
        "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\
         grpc-status: {code}\r\ngrpc-message: {meaning}; reason: {reason}",
    );
    if !answer.request_id.is_empty() {
        out.extend_from_slice(b"; request id: ");
        percent_encode(answer.request_id, out);
    }
    let (error, details) = (proxy_error(reason), reason);
    let _ = write!(out, "\r\nproxy-status: forebay; error={error}; details=\"{details}\"\r\n");
    write_connection(answer.keep_alive, answer.version, out);
    out.extend_from_slice(b"\r\n");
}

/// As `grpc-message` has it: everything but printable ASCII, and the percent sign.
fn percent_encode(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b' '..=b'~' if *byte != b'%' => out.push(*byte),
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
}

const GRPC_INTERNAL: u8 = 13;

/// Says what becomes of the client's connection: an HTTP/1.0 client must be told that it stays.
pub(super) fn write_connection(keep_alive: bool, version: Version, out: &mut Vec<u8>) {
    match (keep_alive, version) {
        (false, _) => out.extend_from_slice(b"connection: close\r\n"),
        (true, Version::Http10) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        (true, Version::Http11 | Version::Http2) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_refused_by_trailers_alone() {
        let mut out = Vec::new();
        let answer = Answer {
            reason: Reason::NoBackend,
            request_id: b"100%a",
            head_only: false,
            keep_alive: true,
            version: Version::Http2,
            to_call: true,
        };
        assert_eq!(write(answer, &mut out), (200, 0));
        let text = String::from_utf8(out).expect("ASCII");
        for line in [
            "HTTP/1.1 200 OK\r\n",
            "\r\ncontent-type: application/grpc\r\n",
            "\r\ngrpc-status: 14\r\n",
            "\r\ngrpc-message: no backend is available; reason: no_backend; request id: 100%25a\r\n",
            "details=\"no_backend\"\r\n\r\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let mut encoded = Vec::new();
        percent_encode("a\r\n€~%".as_bytes(), &mut encoded);
        assert_eq!(encoded, b"a%0D%0A%E2%82%AC~%25");
    }

    #[test]
    fn every_reason_with_a_status_has_its_own_words() {
        for reason in Reason::ALL {
            if let Some(status) = status(*reason) {
                let internal = phrases(*reason).0 == "Internal Server Error";
                assert_eq!(internal, status == 500, "{reason}");
            }
        }
    }
}
