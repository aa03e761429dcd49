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
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        if has_special(u64::from_le_bytes(*word)) {
            return word.iter().position(|&byte| is_special(byte)).map(|byte| index * 8 + byte);
        }
    }
    tail.iter().position(|&byte| is_special(byte)).map(|byte| words.len() * 8 + byte)
}

#[inline]
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte >= 0x7f
}

#[inline]
fn has_special(word: u64) -> bool {
    let any = below_space(word)
        | equal_to(word, b'"')
        | equal_to(word, b'\\')
        | equal_to(word, 0x7f)
        | word;
    any & HIGH != 0
}

/// The high bit of each byte.
const HIGH: u64 = repeat(0x80);

const fn repeat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Has a high bit set where any byte is below 0x20. Borrows may set more, but only when one is.
#[inline]
fn below_space(word: u64) -> u64 {
    word.wrapping_sub(repeat(0x20)) & !word
}

/// Has a high bit set where any byte equals `byte`. Borrows may set more, but only when one does.
#[inline]
fn equal_to(word: u64, byte: u8) -> u64 {
    let difference = word ^ repeat(byte);
    difference.wrapping_sub(repeat(1)) & !difference
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
    fn every_byte_is_found_alone_and_at_every_place_of_a_word() {
        for byte in 0..=255 {
            for place in 0..20 {
                let mut bytes = [b'a'; 20];
                bytes[place] = byte;
                let expected = is_special(byte).then_some(place);
                assert_eq!(first_special(&bytes), expected, "{byte} at {place}");
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
