//! gRPC, as far as a proxy has to know it: which requests are calls, how long their clients wait, and how a refusal
//! is said to them. `identify` looks; `proxy` holds calls to their time and answers them.
//!
//! Calls cannot be told apart by kind: whether one streams is in its service's description, which a proxy does not
//! have. So none is cut for being silent.

use std::time::Duration;

use super::status::status;
use crate::error::Reason;
use crate::message::{Known, RequestHead, ResponseHead, Version};

/// A request that is a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// How long its client waits for the whole of it; `None`: it did not say, or not so that it can be read.
    pub timeout: Option<Duration>,
    /// It may be silent for as long as a tunnel may. Not over HTTP/1, where nobody calls: any client could have longer
    /// timeouts for the asking.
    pub may_be_silent: bool,
}

impl Call {
    /// What `head` says; `None` if it is no call.
    #[inline]
    pub fn of(head: &RequestHead) -> Option<Call> {
        if head.method() != b"POST" {
            return None;
        }
        let content_type = head.fields.get(Known::ContentType)?;
        is_grpc(content_type).then(|| Call {
            timeout: head.fields.named(b"grpc-timeout").and_then(parse_timeout),
            may_be_silent: head.version == Version::Http2,
        })
    }
}

/// `application/grpc`, with a format or parameters or without. Not `application/grpc-web`, which is another protocol.
fn is_grpc(content_type: &[u8]) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let Some((start, rest)) = content_type.split_at_checked(TYPE.len()) else { return false };
    start.eq_ignore_ascii_case(TYPE) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// One to eight digits and a unit.
fn parse_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = digits.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(n * 3600),
        b'M' => Duration::from_secs(n * 60),
        b'S' => Duration::from_secs(n),
        b'm' => Duration::from_millis(n),
        b'u' => Duration::from_micros(n),
        b'n' => Duration::from_nanos(n),
        _ => return None,
    })
}

/// The `grpc-status` that a call is refused with: by gRPC's own mapping of statuses (http-grpc-status-mapping.md),
/// but that a 504 is `DEADLINE_EXCEEDED`, as it is us who know that it was time; statuses that the mapping does not
/// name have the code that says the same (google/rpc/code.proto). `None` where there is nobody to answer, or too late
/// to.
pub fn grpc_status(reason: Reason) -> Option<u8> {
    Some(match status(reason)? {
        400 | 417 | 500 => INTERNAL,
        404 | 405 => UNIMPLEMENTED,
        408 | 504 => DEADLINE_EXCEEDED,
        413 | 414 | 431 => RESOURCE_EXHAUSTED,
        421 | 429 | 502 | 503 => UNAVAILABLE,
        _ => UNKNOWN,
    })
}

/// The status that says what `head`, which answers a call, does: where the backend refused the call in its head, since
/// it is of no use just now, that is a 503. Other refusals are the service's own affair.
pub fn seen_status(head: &ResponseHead) -> u16 {
    let refused = head.status == 200 && head.fields.named(b"grpc-status") == Some(b"14");
    if refused { 503 } else { head.status }
}

const UNKNOWN: u8 = 2;
const DEADLINE_EXCEEDED: u8 = 4;
const RESOURCE_EXHAUSTED: u8 = 8;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_known_by_their_content_type() {
        for (content_type, is_call) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/gRPC; charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/grpcx", false),
            ("application/grp", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(content_type.as_bytes()), is_call, "{content_type}");
        }
    }

    #[test]
    fn nobody_has_longer_timeouts_over_http1_for_the_asking() {
        for (version, may_be_silent) in [(Version::Http2, true), (Version::Http11, false)] {
            let mut head = RequestHead::default();
            head.start(b"POST /", version, 0..4, 5..6);
            head.fields.append(Known::ContentType, b"content-type", &[b"application/grpc"]);
            let call = Call::of(&head).expect("a call");
            assert_eq!(call.may_be_silent, may_be_silent, "{version:?}");
        }
    }

    #[test]
    fn timeouts_have_up_to_eight_digits_and_a_unit() {
        let seconds = Duration::from_secs;
        for (value, expected) in [
            ("1H", Some(seconds(3600))),
            ("2M", Some(seconds(120))),
            ("3S", Some(seconds(3))),
            ("99999999m", Some(Duration::from_millis(99_999_999))),
            ("250u", Some(Duration::from_micros(250))),
            ("0n", Some(Duration::ZERO)),
            ("99999999H", Some(seconds(99_999_999 * 3600))),
            ("100000000n", None),
            ("S", None),
            ("5", None),
            ("", None),
            ("-1S", None),
            ("1.5S", None),
            ("1s", None),
            (" 1S", None),
        ] {
            assert_eq!(parse_timeout(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn whatever_has_a_status_has_a_code_and_no_refusal_is_a_success() {
        for reason in Reason::ALL {
            let code = grpc_status(*reason);
            assert_eq!(code.is_some(), status(*reason).is_some(), "{reason}");
            assert!(code.is_none_or(|code| (2..=16).contains(&code)), "{reason}");
        }
        for (reason, code) in [
            (Reason::NoBackend, 14),
            (Reason::ConnectFailed, 14),
            (Reason::TotalTimeout, 4),
            (Reason::NoRoute, 12),
            (Reason::RateLimited, 14),
            (Reason::BodyLimit, 8),
            (Reason::Internal, 13),
        ] {
            assert_eq!(grpc_status(reason), Some(code), "{reason}");
        }
    }
}
