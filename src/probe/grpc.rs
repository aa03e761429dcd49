//! `grpc`: the standard question `grpc.health.v1.Health/Check`, over HTTP/2, in the clear where the backend is not
//! spoken to through TLS.

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request};

use super::{Checking, Line, Probe, ProbeError, Stage, Target};
use crate::http2;
use crate::net;

/// The longest answer: a message of a few bytes.
const ANSWER_BYTES_MAX: usize = 4096;

/// Bytes in front of a message: whether it is compressed, and how long it is.
const PREFIX_BYTES: usize = 5;

/// `SERVING` of `HealthCheckResponse.ServingStatus`.
const SERVING: u64 = 1;

/// The probe.
pub(super) struct Grpc;

impl Probe for Grpc {
    fn check<'a>(
        &'a self,
        target: &'a Target,
        line: &'a mut Line,
        deadline: Instant,
    ) -> Checking<'a> {
        Box::pin(check(target, line, deadline))
    }
}

async fn check(target: &Target, line: &mut Line, deadline: Instant) -> Result<(), ProbeError> {
    let transport = target.transport.as_deref();
    let stream = net::dial(&target.address, transport).await?;
    if transport.is_some_and(|it| it.is_secure() && !it.is_http2(&stream)) {
        return Err(ProbeError::Tls("the backend does not agree on HTTP/2".into()));
    }
    line.stage = Stage::Asked;
    let service = target.options.service.as_deref().unwrap_or_default();
    let request = request(target, stream.tls().is_some(), deadline)?;
    let asking = http2::ask(stream, request, message(service), ANSWER_BYTES_MAX);
    let answer = asking.await.map_err(ProbeError::http2)?;
    if answer.status != 200 {
        return Err(ProbeError::Grpc(format!("answered {}, which is not gRPC", answer.status)));
    }
    judge(&answer, service).map_err(ProbeError::Grpc)
}

fn request(target: &Target, secure: bool, deadline: Instant) -> Result<Request<()>, ProbeError> {
    let host = target.options.host.as_deref().unwrap_or(&target.host);
    let scheme = if secure { "https" } else { "http" };
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    Request::post(format!("{scheme}://{host}/grpc.health.v1.Health/Check"))
        .version(http::Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", format!("{left}m"))
        .header("user-agent", super::USER_AGENT)
        .body(())
        .map_err(|error| ProbeError::Grpc(error.to_string()))
}

/// A `HealthCheckRequest`: its only field is the first, a string.
fn message(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        put_number(&mut message, service.len());
        message.put_slice(service.as_bytes());
    }
    let mut whole = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    whole.put_u8(0);
    whole.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    whole.put_slice(&message);
    whole.freeze()
}

fn put_number(out: &mut BytesMut, mut number: usize) {
    while number >= 0x80 {
        out.put_u8((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}

/// What is wrong with an answer.
fn judge(answer: &http2::Asked, service: &str) -> Result<(), String> {
    let field = |name: &str| {
        let of = |fields: &HeaderMap| {
            let value = fields.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        // An answer without a message has them in its head.
        of(&answer.trailers).or_else(|| of(&answer.fields))
    };
    let of_service = match service {
        "" => String::new(),
        service => format!(" `{service}`"),
    };
    match field("grpc-status").as_deref() {
        Some("0") => {}
        Some("5") => return Err(format!("it knows no service{of_service}")),
        Some("12") => return Err("it does not implement grpc.health.v1.Health".into()),
        Some(code) => {
            let told = field("grpc-message").map(|text| format!(": {text}")).unwrap_or_default();
            return Err(format!("answered the gRPC status {code}{told}"));
        }
        None => return Err("answered without a gRPC status".into()),
    }
    match serving_status(&answer.body) {
        Some(SERVING) => Ok(()),
        Some(2) => Err(format!("the service{of_service} is NOT_SERVING")),
        Some(3) => Err(format!("the service{of_service} is SERVICE_UNKNOWN")),
        Some(_) => Err(format!("how the service{of_service} is, is UNKNOWN")),
        None => Err("the answer is no HealthCheckResponse".into()),
    }
}

/// The status in a `HealthCheckResponse`, its only field: the first, a number, 0 where it is left out.
fn serving_status(body: &[u8]) -> Option<u64> {
    let (prefix, message) = body.split_at_checked(PREFIX_BYTES)?;
    let length = u32::from_be_bytes(prefix[1..].try_into().ok()?) as usize;
    // A compressed one was not asked for.
    let mut rest = message.get(..length).filter(|_| prefix[0] == 0)?;
    let mut status = 0;
    while !rest.is_empty() {
        let key = number(&mut rest)?;
        match (key >> 3, key & 7) {
            (1, 0) => status = number(&mut rest)?,
            // Fields that came later.
            (_, 0) => drop(number(&mut rest)?),
            (_, 2) => {
                let length = usize::try_from(number(&mut rest)?).ok()?;
                rest = rest.get(length..)?;
            }
            (_, 1) => rest = rest.get(8..)?,
            (_, 5) => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

/// The varint at the front of `bytes`, which it is taken from.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (nth, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * nth);
        if byte & 0x80 == 0 {
            *bytes = &bytes[nth + 1..];
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_its_service_or_none() {
        assert_eq!(&message("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&message("a.B")[..], [0, 0, 0, 0, 5, 0x0a, 3, b'a', b'.', b'B']);
        let long = message(&"x".repeat(300));
        assert_eq!(&long[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 2]);
    }

    #[test]
    fn an_answer_is_read_with_what_later_versions_add_to_it_and_never_believed_when_broken() {
        let table: [(&[u8], Option<u64>); 10] = [
            (&[0, 0, 0, 0, 2, 8, 1], Some(1)),
            (&[0, 0, 0, 0, 2, 8, 2], Some(2)),
            (&[0, 0, 0, 0, 0], Some(0)),
            (&[0, 0, 0, 0, 6, 0x12, 2, 8, 9, 8, 1], Some(1)),
            (&[0, 0, 0, 0, 2, 8], None),
            (&[0, 0, 0, 0, 1, 8], None),
            (&[1, 0, 0, 0, 2, 8, 1], None),
            (&[0, 0, 0], None),
            (&[0, 0, 0, 0, 3, 0x12, 200, 1], None),
            (&[0, 0, 0, 0, 11, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255], None),
        ];
        for (bytes, status) in table {
            assert_eq!(serving_status(bytes), status, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_words() {
        let answer = |status: &'static str, body: &[u8]| {
            let mut answer = http2::Asked { body: body.to_vec(), ..http2::Asked::default() };
            if !status.is_empty() {
                answer.trailers.insert("grpc-status", http::HeaderValue::from_static(status));
            }
            answer
        };
        let serving: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
        for (status, body, expected) in [
            ("0", serving, None),
            ("0", &[0, 0, 0, 0, 2, 8, 2], Some("the service `a.B` is NOT_SERVING")),
            ("0", b"", Some("the answer is no HealthCheckResponse")),
            ("5", b"", Some("it knows no service `a.B`")),
            ("12", b"", Some("it does not implement grpc.health.v1.Health")),
            ("14", b"", Some("answered the gRPC status 14")),
            ("", serving, Some("answered without a gRPC status")),
        ] {
            let judged = judge(&answer(status, body), "a.B");
            assert_eq!(judged.err().as_deref(), expected, "{status}");
        }
    }
}
