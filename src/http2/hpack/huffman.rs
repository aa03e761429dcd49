//! Huffman's code for strings (RFC 7541, section 5.2 and appendix B): read by a table of its first ten bits, which is
//! all of most codes.

use super::Undecodable;

/// Bits of each byte's code. The code is canonical: the lengths say it all.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// Bits that one look at the table sees.
const LOOK_BITS: u32 = 10;

/// Bits of the longest code.
const LENGTH_MAX: usize = 30;

/// For each sequence of the first bits the byte and the bits of its code; 0 bits: the code is longer.
static SHORT: [(u8, u8); 1 << LOOK_BITS] = CODE.short;

/// Where the codes of each length begin, and with which of [`Code::by_code`].
static LONG: Code = CODE;

const CODE: Code = Code::new();

struct Code {
    short: [(u8, u8); 1 << LOOK_BITS],
    /// Bytes in the order of their codes.
    by_code: [u8; 256],
    /// For each length its first code, how many there are, and where they begin in `by_code`.
    lengths: [(u32, u32, u32); LENGTH_MAX + 1],
}

impl Code {
    const fn new() -> Self {
        let mut made = Code {
            short: [(0, 0); 1 << LOOK_BITS],
            by_code: [0; 256],
            lengths: [(0, 0, 0); LENGTH_MAX + 1],
        };
        let (mut code, mut n_coded, mut length) = (0_u32, 0_usize, 1_usize);
        while length <= LENGTH_MAX {
            code <<= 1;
            let (first, begin) = (code, n_coded);
            let mut byte = 0;
            while byte < 256 {
                if LENGTHS[byte] as usize == length {
                    made.by_code[n_coded] = byte as u8;
                    made.fill_short(byte as u8, code, length as u32);
                    n_coded += 1;
                    code += 1;
                }
                byte += 1;
            }
            made.lengths[length] = (first, code - first, begin as u32);
            length += 1;
        }
        made
    }

    const fn fill_short(&mut self, byte: u8, code: u32, length: u32) {
        if length > LOOK_BITS {
            return;
        }
        let first = code << (LOOK_BITS - length);
        let mut i = 0;
        while i < 1 << (LOOK_BITS - length) {
            self.short[(first + i) as usize] = (byte, length as u8);
            i += 1;
        }
    }
}

/// Appends what `input` stands for to `out`: at most 8 bytes for 5 of it.
pub(super) fn decode(mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Undecodable> {
    // The next `n_bits` are the high ones.
    let (mut bits, mut n_bits) = (0_u64, 0_u32);
    out.reserve(input.len() * 8 / 5);
    loop {
        while n_bits <= 56
            && let Some((&byte, rest)) = input.split_first()
        {
            bits |= u64::from(byte) << (56 - n_bits);
            (n_bits, input) = (n_bits + 8, rest);
        }
        let (byte, length) = SHORT[(bits >> (64 - LOOK_BITS)) as usize];
        let length = u32::from(length);
        if length != 0 && length <= n_bits {
            out.push(byte);
            bits <<= length;
            n_bits -= length;
            continue;
        }
        if n_bits < 8 && bits == !(u64::MAX.unbounded_shr(n_bits)) {
            // Nothing is left but the beginning of the code that ends everything, as it should be.
            return Ok(());
        }
        let (byte, length) = decode_long(bits, n_bits)?;
        out.push(byte);
        bits <<= length;
        n_bits -= length;
    }
}

#[cold]
fn decode_long(bits: u64, n_bits: u32) -> Result<(u8, u32), Undecodable> {
    for length in LOOK_BITS + 1..=n_bits.min(LENGTH_MAX as u32) {
        let (first, n_codes, begin) = LONG.lengths[length as usize];
        let code = (bits >> (64 - length)) as u32;
        if code >= first && code - first < n_codes {
            return Ok((LONG.by_code[(begin + code - first) as usize], length));
        }
    }
    Err(Undecodable)
}

/// Appends the code of `input` to `out`.
#[cfg(test)]
pub(super) fn encode(input: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut n_bits) = (0_u64, 0_u32);
    for byte in input {
        let length = u32::from(LENGTHS[usize::from(*byte)]);
        let (first, _, begin) = CODE.lengths[length as usize];
        let at = CODE.by_code[begin as usize..].iter().position(|coded| coded == byte);
        bits = bits << length | u64::from(first + at.expect("every byte has a code") as u32);
        n_bits += length;
        while n_bits >= 8 {
            n_bits -= 8;
            out.push((bits >> n_bits) as u8);
        }
    }
    if n_bits > 0 {
        out.push((bits << (8 - n_bits)) as u8 | u8::MAX >> n_bits);
    }
}
