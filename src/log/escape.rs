//! Arbitrary bytes inside log lines. What a client sent can neither end a line nor a string in it.
//! Both escapes look at eight bytes at a time, because nearly all strings have nothing to escape.

/// Appends `bytes` as the inside of a JSON string. Bytes that are not UTF-8 appear as `\xHH` in the text
/// (written `\\xHH`), so that a line is valid JSON whatever was sent.
#[inline]
pub fn json(bytes: &[u8], out: &mut Vec<u8>) {
    match first_special(bytes) {
        None => out.extend_from_slice(bytes),
        Some(index) => {
            out.extend_from_slice(&bytes[..index]);
            json_slow(&bytes[index..], out);
        }
    }
}

/// Appends `bytes` as the inside of a quoted string of the combined log format: quotes, backslashes,
/// control bytes and everything that is not ASCII become `\xHH`.
#[inline]
pub fn combined(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(index) = first_special(rest) {
        out.extend_from_slice(&rest[..index]);
        out.extend_from_slice(b"\\x");
        out.extend_from_slice(&hex(rest[index]));
        rest = &rest[index + 1..];
    }
    out.extend_from_slice(rest);
}

#[cold]
fn json_slow(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        for &byte in chunk.valid().as_bytes() {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0..0x20 | 0x7f => {
                    out.extend_from_slice(b"\\u00");
                    out.extend_from_slice(&hex(byte));
                }
                _ => out.push(byte),
            }
        }
        for &byte in chunk.invalid() {
            out.extend_from_slice(b"\\\\x");
            out.extend_from_slice(&hex(byte));
        }
    }
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// The index of the first byte that is a control byte, a quote, a backslash or not ASCII.
#[inline]
fn first_special(bytes: &[u8]) -> Option<usize> {
    if is_plain(bytes) { None } else { bytes.iter().position(|&byte| is_special(byte)) }
}

/// Whether no byte is special. The last word overlaps the one before it, so that no byte is looked at
/// alone: names and numbers of a few bytes are most of a line.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let (words, _) = bytes.as_chunks::<8>();
    let mut found = 0;
    for word in words {
        found |= special(u64::from_le_bytes(*word));
    }
    let last = match (bytes.last_chunk::<8>(), bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(word), ..) => u64::from_le_bytes(*word),
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => bytes.iter().fold(repeat(b' '), |word, &byte| word << 8 | u64::from(byte)),
    };
    (found | special(last)) & HIGH == 0
}

#[inline]
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte >= 0x7f
}

/// Sets the high bit of a byte where one is special. Borrows and carries may set more, but start only at
/// a special byte. Flipping a bit makes the quote the one byte between the control bytes and the rest.
#[inline]
fn special(word: u64) -> u64 {
    let below_space_or_quote = (word ^ repeat(0x02)).wrapping_sub(repeat(0x21));
    let backslash = (word ^ repeat(b'\\')).wrapping_sub(repeat(1));
    let delete = word.wrapping_add(repeat(1));
    below_space_or_quote | backslash | delete | word
}

/// The high bit of each byte.
const HIGH: u64 = repeat(0x80);

const fn repeat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(escape: fn(&[u8], &mut Vec<u8>), bytes: &[u8]) -> String {
        let mut out = Vec::new();
        escape(bytes, &mut out);
        String::from_utf8(out).expect("escaped text is UTF-8")
    }

    #[test]
    fn every_byte_is_found_at_every_place_of_short_and_long_strings() {
        for byte in 0..=255 {
            for length in 1..20 {
                for place in 0..length {
                    let mut bytes = [b'#'; 20];
                    bytes[place] = byte;
                    let expected = is_special(byte).then_some(place);
                    let found = first_special(&bytes[..length]);
                    assert_eq!(found, expected, "{byte} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn json_keeps_text_and_escapes_what_would_end_it() {
        for (bytes, expected) in [
            (&b"plain text, 100%"[..], "plain text, 100%"),
            (b"a\"b\\c", r#"a\"b\\c"#),
            (b"a\r\n\tb\0\x7f", r"a\r\n\tb\u0000\u007f"),
            ("grüße 你好".as_bytes(), "grüße 你好"),
            (b"bad \xff\xc3 end", r"bad \\xff\\xc3 end"),
            (b"", ""),
        ] {
            assert_eq!(run(json, bytes), expected);
        }
    }

    #[test]
    fn combined_escapes_quotes_backslashes_control_bytes_and_what_is_not_ascii() {
        for (bytes, expected) in [
            (&b"Mozilla/5.0 (X11)"[..], "Mozilla/5.0 (X11)"),
            (b"a\"b\\c", r"a\x22b\x5cc"),
            (b"a\r\n\x1b[31m", r"a\x0d\x0a\x1b[31m"),
            ("ü".as_bytes(), r"\xc3\xbc"),
        ] {
            assert_eq!(run(combined, bytes), expected);
        }
    }

    proptest! {
        #[test]
        fn json_strings_read_back_as_what_was_sent(text: String) {
            let line = format!("\"{}\"", run(json, text.as_bytes()));
            let back: String = serde_json::from_str(&line).expect("valid JSON");
            prop_assert_eq!(back, text);
        }

        #[test]
        fn any_bytes_make_valid_json_and_one_line(bytes: Vec<u8>) {
            let line = run(json, &bytes);
            prop_assert!(!line.bytes().any(|byte| byte < 0x20));
            let quoted = format!("\"{line}\"");
            prop_assert!(serde_json::from_str::<String>(&quoted).is_ok());
            let line = run(combined, &bytes);
            prop_assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"'));
        }
    }
}
