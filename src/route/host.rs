//! Host values: checked against RFC 9110 and 3986, and brought into the form that routes are matched
//! with: lower case, no port, no trailing dot. Stricter than the RFCs where a name that resolves never
//! goes: no percent-encoding, no sub-delims, no user information. Pure; called by `proxy` per request.

use std::fmt;
use std::io::Write;
use std::net::Ipv6Addr;

/// A Host value taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// Lower case, without port and trailing dot; an IPv6 address in brackets. Empty for an empty value.
    pub host: &'a [u8],
    /// The port, if one was written.
    pub port: Option<u16>,
}

/// Why a Host value is refused. All of them are the client's fault and answered 400 `bad_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHost {
    /// A byte that no host name has.
    ForbiddenByte,
    /// Two dots in a row, a leading dot, or nothing before the port.
    EmptyLabel,
    /// What is in brackets is not an IPv6 address, or something other than a port follows them.
    BadAddress,
    /// The port is not a number up to 65535.
    BadPort,
    /// Longer than [`HOST_BYTES_MAX`].
    TooLong,
}

impl fmt::Display for BadHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadHost::ForbiddenByte => "the host contains a byte that host names do not have",
            BadHost::EmptyLabel => "the host has an empty label",
            BadHost::BadAddress => "the host is not an IPv6 address in brackets",
            BadHost::BadPort => "the port of the host is not a number up to 65535",
            BadHost::TooLong => "the host is longer than 255 bytes",
        })
    }
}

impl std::error::Error for BadHost {}

/// Longest host name, in bytes, without its port.
pub const HOST_BYTES_MAX: usize = 255;

/// Takes `authority` (a Host value without surrounding white space) apart. The result borrows from
/// `authority` when it is in normal form already, from `out` otherwise, which is then overwritten.
///
/// # Errors
/// A [`BadHost`] when no server could be meant; the request must be refused.
#[inline]
pub fn normalize_host<'a>(
    authority: &'a [u8],
    out: &'a mut Vec<u8>,
) -> Result<Authority<'a>, BadHost> {
    if authority.first() == Some(&b'[') {
        return bracketed(authority, out);
    }
    // One look at each byte, and no branch but for the colon: what was seen is judged afterwards.
    let mut end = authority.len();
    let (mut seen, mut previous, mut dots_in_a_row) = (0, DOT, 0);
    for (index, &byte) in authority.iter().enumerate() {
        let class = CLASSES[byte as usize];
        if class == COLON {
            end = index;
            break;
        }
        seen |= class;
        dots_in_a_row |= class & previous & DOT;
        previous = class;
    }
    if seen & FORBIDDEN != 0 {
        return Err(BadHost::ForbiddenByte);
    }
    if dots_in_a_row != 0 {
        return Err(BadHost::EmptyLabel);
    }
    let (has_upper, after_dot) = (seen & UPPER != 0, previous == DOT);
    let port = port(&authority[end..])?;
    if end == 0 {
        return if authority.is_empty() {
            Ok(Authority { host: b"", port: None })
        } else {
            Err(BadHost::EmptyLabel)
        };
    }
    // Only a dot at the end can leave this set: any other was followed by a byte that cleared it.
    let host = &authority[..end - usize::from(after_dot)];
    if host.len() > HOST_BYTES_MAX {
        return Err(BadHost::TooLong);
    }
    if !has_upper {
        return Ok(Authority { host, port });
    }
    out.clear();
    out.extend(host.iter().map(u8::to_ascii_lowercase));
    Ok(Authority { host: out, port })
}

/// `[IPv6]` with an optional port. The address is written the one way that RFC 5952 recommends.
#[cold]
fn bracketed<'a>(authority: &'a [u8], out: &'a mut Vec<u8>) -> Result<Authority<'a>, BadHost> {
    let close = memchr::memchr(b']', authority).ok_or(BadHost::BadAddress)?;
    let address: Ipv6Addr = std::str::from_utf8(&authority[1..close])
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(BadHost::BadAddress)?;
    let rest = &authority[close + 1..];
    if !rest.is_empty() && rest[0] != b':' {
        return Err(BadHost::BadAddress);
    }
    let port = port(rest)?;
    out.clear();
    write!(out, "[{address}]").expect("a Vec takes every write");
    Ok(Authority { host: out, port })
}

/// Reads `:digits`; nothing and a bare colon are no port.
fn port(text: &[u8]) -> Result<Option<u16>, BadHost> {
    let Some(digits) = text.get(1..) else { return Ok(None) };
    if digits.is_empty() {
        return Ok(None);
    }
    if digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(BadHost::BadPort);
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    u16::try_from(value).map(Some).map_err(|_| BadHost::BadPort)
}

const FORBIDDEN: u8 = 1;
const UPPER: u8 = 2;
const DOT: u8 = 4;
const COLON: u8 = 8;

/// What each byte is in a host name; 0: just a part of it.
static CLASSES: [u8; 256] = {
    let mut classes = [FORBIDDEN; 256];
    let mut byte = 0u8;
    while byte < 128 {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() {
            classes[byte as usize] = 0;
        } else if byte.is_ascii_uppercase() {
            classes[byte as usize] = UPPER;
        }
        byte += 1;
    }
    classes[b'-' as usize] = 0;
    classes[b'_' as usize] = 0;
    classes[b'~' as usize] = 0;
    classes[b'.' as usize] = DOT;
    classes[b':' as usize] = COLON;
    classes
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(authority: &str) -> Result<(String, Option<u16>), BadHost> {
        let mut out = b"old".to_vec();
        let authority = normalize_host(authority.as_bytes(), &mut out)?;
        Ok((String::from_utf8_lossy(authority.host).into_owned(), authority.port))
    }

    #[test]
    fn valid_hosts_lose_case_port_and_trailing_dot() {
        for (authority, host, port) in [
            ("", "", None),
            ("shop.example", "shop.example", None),
            ("Shop.EXAMPLE", "shop.example", None),
            ("shop.example.", "shop.example", None),
            ("SHOP.example.:8080", "shop.example", Some(8080)),
            ("localhost:80", "localhost", Some(80)),
            ("localhost:", "localhost", None),
            ("a:0", "a", Some(0)),
            ("a:65535", "a", Some(65535)),
            ("a:00080", "a", Some(80)),
            ("my_app", "my_app", None),
            ("a-b.c~d", "a-b.c~d", None),
            ("127.0.0.1:9001", "127.0.0.1", Some(9001)),
            ("[::1]", "[::1]", None),
            ("[2001:DB8::A]:443", "[2001:db8::a]", Some(443)),
            ("[0:0:0:0:0:0:0:1]:", "[::1]", None),
            ("[::ffff:10.0.0.1]", "[::ffff:10.0.0.1]", None),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
        ] {
            assert_eq!(run(authority), Ok((host.to_owned(), port)), "{authority:?}");
        }
    }

    #[test]
    fn malformed_hosts_are_refused() {
        for (authority, reason) in [
            ("a b", BadHost::ForbiddenByte),
            (" a", BadHost::ForbiddenByte),
            ("a/b", BadHost::ForbiddenByte),
            ("a?b", BadHost::ForbiddenByte),
            ("a#b", BadHost::ForbiddenByte),
            ("user@a", BadHost::ForbiddenByte),
            ("a,b", BadHost::ForbiddenByte),
            ("a%41", BadHost::ForbiddenByte),
            ("a\\b", BadHost::ForbiddenByte),
            ("a\0", BadHost::ForbiddenByte),
            ("bücher.example", BadHost::ForbiddenByte),
            ("*.example", BadHost::ForbiddenByte),
            ("\"a\"", BadHost::ForbiddenByte),
            ("a]", BadHost::ForbiddenByte),
            (".", BadHost::EmptyLabel),
            (".a", BadHost::EmptyLabel),
            ("a..b", BadHost::EmptyLabel),
            ("a..", BadHost::EmptyLabel),
            (":80", BadHost::EmptyLabel),
            (":", BadHost::EmptyLabel),
            ("a:b", BadHost::BadPort),
            ("user:pw@a", BadHost::BadPort),
            ("a:65536", BadHost::BadPort),
            ("a:999999", BadHost::BadPort),
            ("a:+80", BadHost::BadPort),
            ("a:-1", BadHost::BadPort),
            ("a:80:80", BadHost::BadPort),
            ("a:80 ", BadHost::BadPort),
            ("::1", BadHost::EmptyLabel),
            ("[::1", BadHost::BadAddress),
            ("[]", BadHost::BadAddress),
            ("[127.0.0.1]", BadHost::BadAddress),
            ("[::1%25eth0]", BadHost::BadAddress),
            ("[v1.x]", BadHost::BadAddress),
            ("[::1]x", BadHost::BadAddress),
            ("[::1]:x", BadHost::BadPort),
            ("[::1]:65536", BadHost::BadPort),
        ] {
            // `::1` has its first colon at the start: nothing stands before the "port".
            let found = run(authority);
            assert!(found.is_err(), "{authority:?} was accepted as {found:?}");
            if authority != "::1" {
                assert_eq!(found, Err(reason), "{authority:?}");
            }
        }
    }

    #[test]
    fn a_host_may_be_255_bytes_long_and_not_one_more() {
        let longest = "a".repeat(HOST_BYTES_MAX);
        assert_eq!(run(&longest), Ok((longest.clone(), None)));
        assert_eq!(run(&format!("{longest}.:80")), Ok((longest.clone(), Some(80))));
        assert_eq!(run(&format!("{longest}a")), Err(BadHost::TooLong));
    }

    #[test]
    fn a_normal_host_is_borrowed_and_the_buffer_left_alone() {
        let mut out = b"old".to_vec();
        normalize_host(b"shop.example:80", &mut out).expect("valid");
        assert_eq!(out, b"old");
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_in_normal_form(authority in "[aB.:\\[\\]0-9-]{0,12}") {
            let Ok((host, _)) = run(&authority) else { return Ok(()) };
            prop_assert_eq!(run(&host), Ok((host.clone(), None)));
            prop_assert!(!host.bytes().any(|byte| byte.is_ascii_uppercase()));
            prop_assert!(!host.ends_with('.'));
        }

        #[test]
        fn no_bytes_make_it_panic(authority: Vec<u8>) {
            let _ = normalize_host(&authority, &mut Vec::new());
        }
    }
}
