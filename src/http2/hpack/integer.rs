//! Integers with a prefix (RFC 7541, section 5.1).

use super::Undecodable;

/// Nothing in a header block is as large as this: sizes and indices are bounded far below.
const INTEGER_MAX: usize = 1 << 28;

/// Reads the integer whose first byte is `first`, of which the low `prefix` bits (1 to 8) belong to it; the rest stands
/// at the front of `input`.
#[inline]
pub(super) fn read(first: u8, prefix: u32, input: &mut &[u8]) -> Result<usize, Undecodable> {
    let mask = u8::MAX >> (8 - prefix);
    if first & mask < mask {
        return Ok(usize::from(first & mask));
    }
    let mut value = usize::from(mask);
    for shift in [0, 7, 14, 21] {
        let (&byte, rest) = input.split_first().ok_or(Undecodable)?;
        *input = rest;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return if value <= INTEGER_MAX { Ok(value) } else { Err(Undecodable) };
        }
    }
    Err(Undecodable)
}

/// Writes `value` with a prefix of `prefix` bits; the other bits of the first byte are those of `first`.
#[inline]
pub(super) fn write(first: u8, prefix: u32, value: usize, out: &mut Vec<u8>) {
    let mask = usize::from(u8::MAX >> (8 - prefix));
    if value < mask {
        return out.push(first | value as u8);
    }
    out.push(first | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
