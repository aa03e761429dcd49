//! What the fields of header blocks are, and whether they may be there at all (RFC 9113, sections 8.2 and 8.3). Asked
//! once for whatever the compression keeps.

use std::sync::LazyLock;

use crate::http2::hpack::judge_static;
use crate::message::Known;

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Method,
    Scheme,
    Authority,
    Path,
    /// No pseudo-field.
    Field(Known),
    /// Nothing that a request may have.
    Malformed,
}

/// What is judged of the static table, whose entries most requests begin with.
pub(super) static JUDGED: LazyLock<[Mark; 61]> = LazyLock::new(|| judge_static(judge));

/// Judges a name and a value as they stand in a block.
pub(super) fn judge(name: &[u8], value: &[u8]) -> Mark {
    let (mark, is_good) = match name {
        b":method" => (Mark::Method, !value.is_empty() && value.iter().all(|b| is(*b, TOKEN))),
        b":scheme" => (Mark::Scheme, is_scheme(value)),
        b":authority" => (Mark::Authority, value.iter().all(|b| is(*b, AUTHORITY))),
        b":path" => (Mark::Path, is_path(value)),
        _ => (Mark::Field(Known::of(name)), is_name(name) && is_value(value)),
    };
    if is_good { mark } else { Mark::Malformed }
}

fn is_scheme(value: &[u8]) -> bool {
    let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    value.first().is_some_and(u8::is_ascii_alphabetic) && value.iter().all(goes_on)
}

/// An absolute path with or without a query, or an asterisk.
fn is_path(value: &[u8]) -> bool {
    matches!(value, [b'/', ..] | b"*") && value.iter().all(|b| is(*b, PATH))
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| is(*b, NAME))
}

/// No control characters but tabs, and no white space around it.
fn is_value(value: &[u8]) -> bool {
    let (Some(first), Some(last)) = (value.first(), value.last()) else { return true };
    is(*first, AROUND) && is(*last, AROUND) && value.iter().all(|b| is(*b, VALUE))
}

/// Of a method.
const TOKEN: u8 = 1;
/// Of a name: a token without capitals.
const NAME: u8 = 2;
/// Of a value.
const VALUE: u8 = 4;
/// At the ends of a value.
const AROUND: u8 = 8;
/// Of a path.
const PATH: u8 = 16;
/// Of an authority. What is in order there is looked at where hosts are.
const AUTHORITY: u8 = 32;

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        let b = byte as u8;
        let token = b.is_ascii_alphanumeric()
            || matches!(b, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
        let visible = b > b' ' && b != 0x7f;
        classes[byte] = if token { TOKEN } else { 0 }
            | if token && !b.is_ascii_uppercase() { NAME } else { 0 }
            | if visible || b == b' ' || b == b'\t' { VALUE } else { 0 }
            | if visible { AROUND } else { 0 }
            | if visible && b != b'#' { PATH } else { 0 }
            | if visible && !matches!(b, b'/' | b'?' | b'#' | b'\\') { AUTHORITY } else { 0 };
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_from_what_must_not_be_there() {
        for (name, value, mark) in [
            (":method", "GET", Mark::Method),
            (":method", "", Mark::Malformed),
            (":method", "GE T", Mark::Malformed),
            (":scheme", "https", Mark::Scheme),
            (":scheme", "1", Mark::Malformed),
            (":authority", "a.test:80", Mark::Authority),
            (":authority", "a/b", Mark::Malformed),
            (":path", "/a?b", Mark::Path),
            (":path", "*", Mark::Path),
            (":path", "", Mark::Malformed),
            (":path", "a", Mark::Malformed),
            (":path", "/a b", Mark::Malformed),
            (":path", "/a#b", Mark::Malformed),
            (":status", "200", Mark::Malformed),
            (":protocol", "websocket", Mark::Malformed),
            ("", "", Mark::Malformed),
            ("Host", "a", Mark::Malformed),
            ("host", "a", Mark::Field(Known::Host)),
            ("x", "", Mark::Field(Known::Other)),
            ("x", "a\tb c\u{e9}", Mark::Field(Known::Other)),
            ("x", " a", Mark::Malformed),
            ("x", "a\t", Mark::Malformed),
            ("x", "a\nb", Mark::Malformed),
            ("x", "a\0", Mark::Malformed),
            ("x:", "a", Mark::Malformed),
            ("x y", "a", Mark::Malformed),
        ] {
            assert_eq!(judge(name.as_bytes(), value.as_bytes()), mark, "{name}: {value:?}");
        }
    }
}
