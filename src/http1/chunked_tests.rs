//! The chunked coding at its edges: every bound, every broken byte, every place to be cut in two.

use super::super::{Decoder, Framing};
use super::*;

/// What passes on of a body that arrives in the given parts, and what is left over; or that it is malformed.
fn decode(parts: &[&[u8]], keep_framing: bool) -> Result<(Vec<u8>, usize, bool), Malformed> {
    let mut decoder = Decoder::new(Framing::Chunked);
    let (mut out, mut n_left) = (Vec::new(), 0);
    for part in parts {
        let mut pieces = Pieces::new(part, &mut out, keep_framing);
        let taken = decoder.feed(&mut pieces)?;
        let run = pieces.run.clone();
        out.extend_from_slice(&part[run]);
        n_left += part.len() - taken;
    }
    Ok((out, n_left, decoder.is_done()))
}

fn whole(body: &[u8]) -> Result<Vec<u8>, Malformed> {
    decode(&[body], true).map(|(out, n_left, done)| {
        assert!(done && n_left == 0, "not the whole of it");
        out
    })
}

#[test]
fn bodies_pass_without_extensions_and_with_harmless_trailers_only() {
    for (body, passed) in [
        (&b"0\r\n\r\n"[..], &b"0\r\n\r\n"[..]),
        (b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        (b"005\r\nhello\r\n000\r\n\r\n", b"005\r\nhello\r\n000\r\n\r\n"),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"A\r\n0123456789\r\n0\r\n\r\n"),
        (b"5;a=b\r\nhello\r\n0;c\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        (b"5;\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        (b"5;a=\"q;\"\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        (b"0\r\nX: 1\r\n\r\n", b"0\r\nX: 1\r\n\r\n"),
        (b"0\r\nX: 1\r\nContent-Length: 5\r\nY: 2\r\n\r\n", b"0\r\nX: 1\r\nY: 2\r\n\r\n"),
        (b"0\r\nHost: x\r\n\r\n", b"0\r\n\r\n"),
        (b"0\r\nTransfer-Encoding: chunked\r\nConnection: x\r\n\r\n", b"0\r\n\r\n"),
        (b"0\r\nAuthorization: x\r\nCookie: y\r\n\r\n", b"0\r\n\r\n"),
    ] {
        assert_eq!(whole(body).as_deref(), Ok(passed), "{}", body.escape_ascii());
    }
}

#[test]
fn whatever_has_two_readings_is_malformed() {
    for body in [
        &b"\r\n"[..],
        b";a\r\n",
        b" 5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"5 ;a\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"-1\r\n",
        b"g\r\n",
        b"5\nhello\r\n",
        b"5\rhello\r\n",
        b"5\r\rhello",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\rX",
        b"5\r\nhelloX\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5;a\nhello\r\n",
        b"5;a\0\r\nhello\r\n",
        b"5;a\x7f\r\nhello\r\n",
        b"0\r\n\n",
        b"0\r\n\rX",
        b"0\r\nX: 1\n\r\n",
        b"0\r\nX: 1\r\n\n",
        b"0\r\nX : 1\r\n\r\n",
        b"0\r\n X: 1\r\n\r\n",
        b"0\r\nX: 1\r\n folded\r\n\r\n",
        b"0\r\nnot a field\r\n\r\n",
        b"0\r\nX: \0\r\n\r\n",
        b"0\r\n: empty\r\n\r\n",
    ] {
        assert_eq!(decode(&[body], true), Err(Malformed), "{}", body.escape_ascii());
    }
}

#[test]
fn a_body_reads_the_same_wherever_it_is_cut_in_three() {
    const BODY: &[u8] =
        b"5;ext=1\r\nhello\r\n00A;x\r\n0123456789\r\n0;last\r\nX: 1\r\nHost: no\r\nY: 2\r\n\r\nGET / ";
    for keep_framing in [true, false] {
        let whole = decode(&[BODY], keep_framing).expect("good");
        assert!(whole.2 && whole.1 == "GET / ".len());
        for a in 0..=BODY.len() {
            for b in a..=BODY.len() {
                let parts = [&BODY[..a], &BODY[a..b], &BODY[b..]];
                assert_eq!(decode(&parts, keep_framing).as_ref(), Ok(&whole), "cut at {a} and {b}");
            }
        }
    }
}

#[test]
fn a_size_has_as_many_digits_as_cannot_overflow() {
    let line = |n_digits: usize| [&vec![b'f'; n_digits][..], b"\r\n"].concat();
    let mut decoder = Decoder::new(Framing::Chunked);
    let (longest, mut out) = (line(SIZE_DIGITS_MAX.into()), Vec::new());
    decoder.feed(&mut Pieces::new(&longest, &mut out, true)).expect("good");
    assert_eq!(decoder.plain_bytes_ahead(), (1 << (4 * SIZE_DIGITS_MAX)) - 1);
    assert_eq!(decode(&[&line(usize::from(SIZE_DIGITS_MAX) + 1)], true), Err(Malformed));
    assert_eq!(decode(&[&[b'0'; 16]], true), Err(Malformed), "leading zeros count");
}

#[test]
fn extensions_are_bounded_over_all_chunks_together() {
    let n = EXTENSION_BYTES_MAX as usize;
    let body = |first: usize, second: usize| {
        let chunk = |n: usize| [b"1;", &vec![b'e'; n][..], b"\r\nx\r\n"].concat();
        [&chunk(first)[..], &chunk(second), b"0\r\n\r\n"].concat()
    };
    assert_eq!(whole(&body(n, 0)).as_deref(), Ok(&b"1\r\nx\r\n1\r\nx\r\n0\r\n\r\n"[..]));
    assert!(whole(&body(n / 2, n - n / 2)).is_ok());
    assert_eq!(decode(&[&body(n, 1)], true), Err(Malformed));
    assert_eq!(decode(&[&body(n + 1, 0)], true), Err(Malformed));
}

#[test]
fn trailers_are_bounded_in_bytes_and_in_fields() {
    let long = |n: usize| [b"0\r\nX: ", &vec![b'v'; n - 7][..], b"\r\n\r\n"].concat();
    assert!(whole(&long(TRAILER_BYTES_MAX)).is_ok());
    assert_eq!(decode(&[&long(TRAILER_BYTES_MAX + 1)], true), Err(Malformed));
    // It need not end for that.
    assert_eq!(decode(&[b"0\r\n", &[b'v'; TRAILER_BYTES_MAX + 1]], true), Err(Malformed));
    let many = |n: usize| [b"0\r\n", "X: 1\r\n".repeat(n).as_bytes(), b"\r\n"].concat();
    assert!(whole(&many(TRAILER_FIELDS_MAX)).is_ok());
    assert_eq!(decode(&[&many(TRAILER_FIELDS_MAX + 1)], true), Err(Malformed));
}

#[test]
fn data_moved_by_other_means_counts() {
    let mut decoder = Decoder::new(Framing::Chunked);
    let mut out = Vec::new();
    decoder.feed(&mut Pieces::new(b"ff\r\n", &mut out, true)).expect("good");
    assert_eq!(decoder.plain_bytes_ahead(), 255);
    decoder.advance(200);
    assert_eq!(decoder.plain_bytes_ahead(), 55);
    decoder.advance(55);
    assert_eq!(decoder.plain_bytes_ahead(), 0);
    assert_eq!(decoder.feed(&mut Pieces::new(b"\r\n0\r\n\r\n", &mut out, true)), Ok(7));
    assert!(decoder.is_done());
}
