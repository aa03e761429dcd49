//! Writes header blocks (RFC 7541, section 6), with nothing but the static table.
//!
//! Huffman's code and a dynamic table save bytes and cost work at both ends: names that everybody knows are one byte
//! as it is, and a date that is new each second is not worth keeping.

use super::integer;
use crate::message::is_name;

/// The blocks of one connection, in order.
#[derive(Debug, Default)]
pub(in super::super) struct Encoder {
    /// The peer knows that its table stays empty.
    began: bool,
}

impl Encoder {
    /// Begins a block in `out`.
    #[inline]
    pub(in super::super) fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.began {
            // Whatever size the peer offers: no table is needed, and none has to be kept (section 4.2).
            self.began = true;
            out.push(0x20);
        }
    }

    /// Writes a `:status` of three digits.
    #[inline]
    pub(in super::super) fn status(&mut self, status: u16, out: &mut Vec<u8>) {
        let index = match status {
            200 => 8,
            204 => 9,
            206 => 10,
            304 => 11,
            400 => 12,
            404 => 13,
            500 => 14,
            _ => {
                let digit = |n: u16| b'0' + (n % 10) as u8;
                let digits = [digit(status / 100), digit(status / 10), digit(status)];
                return out.extend_from_slice(&[0x08, 3, digits[0], digits[1], digits[2]]);
            }
        };
        out.push(0x80 | index);
    }

    /// Writes a field, its name in lower case.
    #[inline]
    pub(in super::super) fn field(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        // Representation, two lengths of at most five bytes each.
        out.reserve(name.len() + value.len() + 11);
        match index_of(name) {
            Some(index) => {
                // A cookie that is set is nobody's business but the client's.
                let kind = if index == SET_COOKIE { 0x10 } else { 0 };
                // No name of a response stands among the first, so that its index always has a second byte.
                out.extend_from_slice(&[kind | PREFIX_MAX, index - PREFIX_MAX]);
            }
            None => {
                out.push(0);
                integer::write(0, 7, name.len(), out);
                let start = out.len();
                out.extend_from_slice(name);
                out[start..].make_ascii_lowercase();
            }
        }
        integer::write(0, 7, value.len(), out);
        out.extend_from_slice(value);
    }
}

/// What an index's prefix of four bits holds; with all of them set, the rest comes behind it.
const PREFIX_MAX: u8 = 15;

/// The index of `set-cookie`.
const SET_COOKIE: u8 = 55;

/// The index of a name that responses have, in any case. None is below [`PREFIX_MAX`].
#[inline]
fn index_of(name: &[u8]) -> Option<u8> {
    let (same, index) = match (name.len(), name.first()? | 0x20) {
        (3, b'a') => (is_name(name, b"age"), 21),
        (3, b'v') => (is_name(name, b"via"), 60),
        (4, b'd') => (is_name(name, b"date"), 33),
        (4, b'e') => (is_name(name, b"etag"), 34),
        (4, b'l') => (is_name(name, b"link"), 45),
        (4, b'v') => (is_name(name, b"vary"), 59),
        (5, b'a') => (is_name(name, b"allow"), 22),
        (6, b's') => (is_name(name, b"server"), 54),
        (7, b'e') => (is_name(name, b"expires"), 36),
        (8, b'l') => (is_name(name, b"location"), 46),
        (10, b's') => (is_name(name, b"set-cookie"), SET_COOKIE),
        (11, b'r') => (is_name(name, b"retry-after"), 53),
        (12, b'c') => (is_name(name, b"content-type"), 31),
        (13, b'a') => (is_name(name, b"accept-ranges"), 18),
        (13, b'c') if name[1] | 0x20 == b'a' => (is_name(name, b"cache-control"), 24),
        (13, b'c') => (is_name(name, b"content-range"), 30),
        (13, b'l') => (is_name(name, b"last-modified"), 44),
        (14, b'c') => (is_name(name, b"content-length"), 28),
        (16, b'c') if name[8] | 0x20 == b'l' => (is_name(name, b"content-language"), 27),
        (16, b'c') => (is_name(name, b"content-encoding"), 26),
        (16, b'w') => (is_name(name, b"www-authenticate"), 61),
        (19, b'c') => (is_name(name, b"content-disposition"), 25),
        (25, b's') => (is_name(name, b"strict-transport-security"), 56),
        (27, b'a') => (is_name(name, b"access-control-allow-origin"), 20),
        _ => return None,
    };
    same.then_some(index)
}
