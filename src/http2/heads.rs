//! Heads between [`crate::message`] and the `http` crate's, in which h2 knows them (RFC 9113, section 8), towards
//! backends.
//!
//! What arrives was checked by h2 already: names in lower case, no field that concerns a connection, pseudo-fields
//! first and each once, no length that the body belies.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Uri, response};

use crate::error::Reason;
use crate::http1::{Framing, ResponseFacts};
use crate::message::{Fields, Known, RequestHead, ResponseHead, Version};

/// Digits and nothing else.
fn length(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok().filter(|_| !value.is_empty())?;
    value.iter().all(u8::is_ascii_digit).then(|| digits.parse().ok()).flatten()
}

/// A request's head for a backend: `scheme` and `host` (else the head's own Host) become pseudo-fields.
///
/// # Errors
/// [`Reason::BadRequest`]: target or Host cannot be said in this version.
pub(super) fn write_request(
    head: &RequestHead,
    scheme: Scheme,
    host: Option<&[u8]>,
) -> Result<Request<()>, Reason> {
    let bad = |_| Reason::BadRequest;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method()).map_err(|_| Reason::BadRequest)?;
    let host = host.or_else(|| head.host()).unwrap_or_default();
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(scheme);
    uri.authority = Some(Authority::try_from(host).map_err(bad)?);
    uri.path_and_query = Some(path(head.target())?);
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| Reason::BadRequest)?;
    *request.version_mut() = http::Version::HTTP_2;
    let omit = |known: Known| known == Known::Host || known.is_of_http1();
    *request.headers_mut() = headers(&head.fields, omit).ok_or(Reason::BadRequest)?;
    Ok(request)
}

/// A request's target. What the `http` crate does not take of it, though HTTP/1.1 peers do, is percent-encoded.
fn path(target: &[u8]) -> Result<PathAndQuery, Reason> {
    let is_taken = |byte: &u8| byte.is_ascii_graphic() && !b"#<>`".contains(byte);
    if target.iter().all(is_taken)
        && let Ok(path) = PathAndQuery::try_from(target)
    {
        return Ok(path);
    }
    let mut encoded = Vec::with_capacity(target.len() + 16);
    for byte in target {
        match is_taken(byte) && !b"\"{}|\\^".contains(byte) {
            true => encoded.push(*byte),
            false => encoded.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    PathAndQuery::try_from(encoded).map_err(|_| Reason::BadRequest)
}

/// Brings a response's head into ours. `ends`: no body comes. `to_head_request`: it answers a HEAD.
///
/// # Errors
/// [`Reason::UpstreamProtocol`]: a length is none, or there are two. h2 looks at the first alone, and a client of
/// HTTP/1.1 would be told both.
pub(super) fn read_response(
    parts: &response::Parts,
    ends: bool,
    to_head_request: bool,
    head: &mut ResponseHead,
) -> Result<ResponseFacts, Reason> {
    let phrase = parts.status.canonical_reason().unwrap_or_default();
    let status = parts.status.as_u16();
    head.start(phrase.as_bytes(), Version::Http2, status, 0..phrase.len());
    let mut content_length = None;
    for (name, value) in &parts.headers {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        let known = Known::of(name);
        if known == Known::ContentLength {
            let length = length(value).ok_or(Reason::UpstreamProtocol)?;
            match content_length.replace(length) {
                None => {}
                Some(before) if before == length => continue,
                Some(_) => return Err(Reason::UpstreamProtocol),
            }
        }
        head.fields.append(known, name, &[value]);
    }
    let bodiless = to_head_request || status < 200 || status == 204 || status == 304;
    let framing = match content_length {
        _ if bodiless => Framing::None,
        Some(length) => Framing::Length(length),
        None if ends => Framing::Length(0),
        None => Framing::Chunked,
    };
    Ok(ResponseFacts { framing, connection: Default::default(), keep_alive: true })
}

/// The fields, without those to `omit`; `None` where one cannot be said.
fn headers(fields: &Fields, omit: impl Fn(Known) -> bool) -> Option<HeaderMap> {
    // One copy that all values share.
    let whole = Bytes::copy_from_slice(fields.bytes());
    let mut headers = HeaderMap::with_capacity(fields.n_indexed());
    for (known, name, value) in fields.ranges() {
        if omit(known) {
            continue;
        }
        let name = HeaderName::from_bytes(&whole[name]).ok()?;
        let mut value = HeaderValue::from_maybe_shared(whole.slice(value)).ok()?;
        value.set_sensitive(stays_out_of_tables(&name));
        headers.append(name, value);
    }
    Some(headers)
}

/// Whether a field is of one call alone, so that it must not be kept in the table of a connection that many clients
/// share. A server of gRPC's C core remembers with an entry of its table that it could not read the value, and refuses
/// every later call whose field of that name refers to it: one client could break the calls of all others.
fn stays_out_of_tables(name: &HeaderName) -> bool {
    let name = name.as_str();
    (name.starts_with("grpc-") && name != "grpc-accept-encoding") || name.ends_with("-bin")
}

/// Writes trailers as field lines. Those that must not stand there are left to whoever reads them.
pub(super) fn write_trailers(trailers: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in trailers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads a trailer section that was checked before; `None`: there are none.
pub(super) fn read_trailers(section: &[u8]) -> Option<HeaderMap> {
    let mut trailers = HeaderMap::new();
    for line in section.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(mut value)) = (name, value) {
            value.set_sensitive(stays_out_of_tables(&name));
            trailers.append(name, value);
        }
    }
    (!trailers.is_empty()).then_some(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_of_grpc_may_not_be_able_to_read_stays_out_of_tables() {
        let names = [
            ("grpc-timeout", true),
            ("grpc-encoding", true),
            ("grpc-previous-rpc-attempts", true),
            ("x-trace-bin", true),
            ("grpc-accept-encoding", false),
            ("x-binary", false),
            ("te", false),
        ];
        let mut fields = Fields::default();
        let mut section = String::new();
        for (name, _) in names {
            fields.append(Known::Other, name.as_bytes(), &[b"x"]);
            section += &format!("{name}: x\r\n");
        }
        let head = headers(&fields, |_| false).expect("all can be said");
        let trailers = read_trailers(section.as_bytes()).expect("there are some");
        for (name, stays_out) in names {
            assert_eq!(head[name].is_sensitive(), stays_out, "{name}");
            assert_eq!(trailers[name].is_sensitive(), stays_out, "{name}");
        }
    }
}
