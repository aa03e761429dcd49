//! What a request holds under a name: values of header fields, cookies and query parameters, read where they
//! stand. Called by `conditions` and `explain`.

use std::cell::RefCell;

use crate::message::{Fields, Known};

use super::Subject;
use super::key::same;

/// Memory that a thread keeps for decoded query values, in bytes: what the default limit on a request target lets in.
pub(super) const DECODED_BYTES_KEPT: usize = 16 << 10;

thread_local! {
    /// Where a query value with escapes is decoded for an expression.
    static DECODED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The values of all live fields called `name` (lower case), which is `known`, without white space around them. None
/// of those that tell of forwarding, if the peer is not trusted.
#[inline]
pub(super) fn of_header<'a>(
    subject: &Subject<'a>,
    known: Known,
    name: &[u8],
) -> impl Iterator<Item = &'a [u8]> {
    let believed = subject.trusted || !known.tells_of_forwarding();
    subject.fields.all_named(known, name).take_while(move |_| believed).map(trim)
}

/// The values of all cookies called `name`, of all Cookie fields, without the quotes around them.
#[inline]
pub fn of_cookie<'a>(fields: &'a Fields, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let pairs = fields.all(Known::Cookie).flat_map(|value| Pieces::new(value, b';'));
    pairs.filter_map(move |pair| {
        let (found, value) = trim_start(pair).split_at_checked(name.len())?;
        let value = value.strip_prefix(b"=")?;
        // A name with an equals sign is none, and would be found as the start of a value.
        (same(found, name) && memchr::memchr(b'=', name).is_none())
            .then(|| unquote(trim_end(value)))
    })
}

/// The values of all parameters of `query` whose name is, once decoded, `name`. One without `=` has an empty value.
#[inline]
pub(super) fn of_parameter<'a>(query: &'a [u8], name: &[u8]) -> impl Iterator<Item = Encoded<'a>> {
    let parameters = Pieces::new(query, b'&').filter(|parameter| !parameter.is_empty());
    parameters.filter_map(move |parameter| match after(parameter, name)? {
        [] => Some(Encoded(&[])),
        [b'=', value @ ..] => Some(Encoded(value)),
        _ => None,
    })
}

/// What follows in `text`, a part of a query, after that which stands for `start`; an equals sign only ends things. Most
/// names differ in their first byte.
#[inline]
fn after<'a>(mut text: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    for wanted in start {
        let (byte, rest) = match text.first()? {
            b'=' => return None,
            _ => decode(text)?,
        };
        if byte != *wanted {
            return None;
        }
        text = rest;
    }
    Some(text)
}

/// What stands between separators.
#[derive(Debug)]
struct Pieces<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Pieces<'a> {
    #[inline]
    fn new(text: &'a [u8], separator: u8) -> Self {
        Pieces { rest: Some(text), separator }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let split = memchr::memchr(self.separator, rest).and_then(|at| rest.split_at_checked(at));
        let (piece, after) = split.unwrap_or((rest, &[]));
        self.rest = after.get(1..);
        Some(piece)
    }
}

/// A part of a query as received: `+` is a space, `%` with two hexadecimal digits a byte, any other `%` itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoded<'a>(&'a [u8]);

impl<'a> Encoded<'a> {
    /// Whether it is `text` once decoded.
    #[inline]
    pub(super) fn is(self, text: &[u8]) -> bool {
        // Decoding never makes it longer.
        self.0.len() >= text.len() && self.bytes().eq(text.iter().copied())
    }

    /// Calls `use_it` with the decoded bytes. Allocates only to grow a buffer that the thread keeps.
    pub(super) fn with_decoded<T>(self, use_it: impl FnOnce(&[u8]) -> T) -> T {
        if self.is_plain() {
            return use_it(self.0);
        }
        DECODED.with_borrow_mut(|decoded| {
            decoded.clear();
            decoded.extend(self.bytes());
            let result = use_it(decoded);
            decoded.clear();
            decoded.shrink_to(DECODED_BYTES_KEPT);
            result
        })
    }

    fn is_plain(self) -> bool {
        memchr::memchr2(b'%', b'+', self.0).is_none()
    }

    #[inline]
    fn bytes(self) -> impl Iterator<Item = u8> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (byte, after) = decode(rest)?;
            rest = after;
            Some(byte)
        })
    }
}

/// The first byte of a part of a query, decoded, and what follows.
#[inline]
fn decode(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, after) = text.split_first()?;
    Some(match (first, after) {
        (b'+', _) => (b' ', after),
        (b'%', [high, low, rest @ ..]) => match hex(*high).zip(hex(*low)) {
            Some((high, low)) => (high << 4 | low, rest),
            None => (b'%', after),
        },
        _ => (first, after),
    })
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

/// Without the spaces and tabs around it.
#[inline]
fn trim(value: &[u8]) -> &[u8] {
    trim_end(trim_start(value))
}

/// Without the spaces and tabs before it.
#[inline]
fn trim_start(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    value
}

/// Without the spaces and tabs after it.
#[inline]
fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Without the double quotes around it.
fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inside @ .., b'"'] => inside,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Vec<u8> {
        Encoded(text.as_bytes()).with_decoded(<[u8]>::to_vec)
    }

    #[test]
    fn a_query_value_is_decoded_once_and_broken_escapes_stand_for_themselves() {
        for (text, expected) in [
            ("", &b""[..]),
            ("plain", b"plain"),
            ("a+b", b"a b"),
            ("a%20b", b"a b"),
            ("%2B", b"+"),
            ("%2f%2F", b"//"),
            ("%2541", b"%41"),
            ("%00%ff", b"\0\xff"),
            ("%", b"%"),
            ("%4", b"%4"),
            ("%4g%41", b"%4gA"),
            ("%%41", b"%A"),
            ("%+1", b"% 1"),
        ] {
            assert_eq!(decoded(text), expected, "{text}");
            assert!(Encoded(text.as_bytes()).is(expected), "{text}");
            assert!(!Encoded(text.as_bytes()).is(b"other"), "{text}");
        }
    }

    #[test]
    fn a_long_value_is_decoded_whole_and_its_memory_is_given_back() {
        let kept = || DECODED.with_borrow(Vec::capacity);
        let long = "+".repeat(3 * DECODED_BYTES_KEPT);
        assert_eq!(decoded(&long), " ".repeat(long.len()).as_bytes());
        assert!(kept() <= DECODED_BYTES_KEPT, "{} bytes are kept", kept());
        assert_eq!(decoded("a+b"), b"a b");
    }

    #[test]
    fn white_space_and_quotes_go_only_where_they_surround() {
        assert_eq!(trim(b" \t a b \t"), b"a b");
        assert_eq!(trim(b" \t "), b"");
        for (value, expected) in
            [("\"a\"", "a"), ("\"", "\""), ("\"\"", ""), ("a\"", "a\""), ("\"a", "\"a")]
        {
            assert_eq!(unquote(value.as_bytes()), expected.as_bytes(), "{value}");
        }
    }
}
