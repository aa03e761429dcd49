//! How long a backend asks to be left alone: `Retry-After`, RFC 9110, section 10.2.3.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// Seconds, or a date, of which `now` is taken off. `None`: it is neither; a date that has passed asks for nothing.
pub(super) fn parse(value: &[u8], now: Timestamp) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let at = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_nothing_else() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().expect("a time");
        let seconds = |n| Some(Duration::from_secs(n));
        for (value, expected) in [
            (&b"0"[..], seconds(0)),
            (b"120", seconds(120)),
            (b"Sun, 06 Nov 1994 08:49:37 GMT", seconds(37)),
            (b"Sun, 06 Nov 1994 08:48:37 GMT", seconds(0)),
            (b"", None),
            (b"-1", None),
            (b"+1", None),
            (b"1.5", None),
            (b"soon", None),
            (b"99999999999999999999", None),
            (b"\xff", None),
        ] {
            assert_eq!(parse(value, now), expected, "{}", value.escape_ascii());
        }
    }
}
