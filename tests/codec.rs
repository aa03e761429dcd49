//! The codec alone under noise, thousands of messages a second: it reads the same however the bytes arrive,
//! and whatever it accepts the strictest reader accepts and understands alike.

mod support;

use forebay::http1::{Decoder, Framing, HeadLimits, Parsed, Pieces, parse_request, parse_response};
use forebay::message::{RequestHead, ResponseHead};
use support::{Noise, REPLIES, REQUESTS, rounds, show};

const LIMITS: HeadLimits = HeadLimits { header_bytes: 4096, headers: 20, uri_bytes: 2048 };

/// How a head was read: its length, framing and the bytes it would be written as; or why it was refused.
type Reading = Option<Result<(usize, Framing, Vec<u8>), String>>;

fn request(bytes: &[u8]) -> Reading {
    let mut head = RequestHead::default();
    match parse_request(bytes, &LIMITS, &mut head) {
        Ok(Parsed::Partial) => None,
        Ok(Parsed::Complete { head_bytes, facts }) => {
            let mut out = Vec::new();
            head.write_to(None, &mut out);
            out.extend_from_slice(b"\r\n");
            Some(Ok((head_bytes, facts.framing, out)))
        }
        Err(reason) => Some(Err(reason.to_string())),
    }
}

fn response(bytes: &[u8]) -> Reading {
    let mut head = ResponseHead::default();
    match parse_response(bytes, false, &mut head) {
        Ok(Parsed::Partial) => None,
        Ok(Parsed::Complete { head_bytes, facts }) => {
            let mut out = Vec::new();
            head.write_to(&mut out);
            out.extend_from_slice(b"\r\n");
            Some(Ok((head_bytes, facts.framing, out)))
        }
        Err(malformed) => Some(Err(format!("{malformed:?}"))),
    }
}

/// A head is complete with its last byte, not before, and what comes behind it changes nothing; what is
/// refused early stays refused.
fn read_alike_in_parts(bytes: &[u8], read: impl Fn(&[u8]) -> Reading) {
    let whole = read(bytes);
    for n in 0..bytes.len() {
        match (read(&bytes[..n]), &whole) {
            (None, _) | (Some(Err(_)), Some(Err(_))) => {}
            (Some(Ok(early)), Some(Ok(all))) => {
                assert!(n >= all.0 && early == *all, "read in two ways: {}", show(bytes));
            }
            (early, all) => panic!("{early:?} after {n} bytes, then {all:?}: {}", show(bytes)),
        }
    }
}

#[test]
fn heads_read_the_same_however_they_arrive() {
    rounds(|noise| {
        let bytes = noise.mutated(REQUESTS);
        read_alike_in_parts(&bytes[..bytes.len().min(600)], request);
        let bytes = noise.mutated(REPLIES);
        read_alike_in_parts(&bytes[..bytes.len().min(600)], response);
    });
}

#[test]
fn whatever_is_accepted_is_unambiguous_to_the_strictest_reader() {
    let mut n_accepted = 0;
    rounds(|noise| {
        let bytes = noise.mutated(REQUESTS);
        let Some(Ok((_, framing, mut out))) = request(&bytes) else { return };
        n_accepted += 1;
        out.extend_from_slice(match framing {
            Framing::Chunked => b"0\r\n\r\n",
            _ => b"",
        });
        let mut head = RequestHead::default();
        let Ok(Parsed::Complete { facts, .. }) = parse_request(&bytes, &LIMITS, &mut head) else {
            return;
        };
        // Hosts are the proxy's affair, not the codec's.
        if facts.n_hosts == 1 {
            same_framing(framing, &support::parse_request(&out), &out);
        }
        let Some(Ok((_, framing, mut out))) = response(&noise.mutated(REPLIES)) else { return };
        out.extend_from_slice(match framing {
            Framing::Chunked => b"0\r\n\r\n",
            _ => b"",
        });
        let status = head_status(&out);
        // The proxy takes framing off where there can be no body; the codec only says that there is none.
        if !matches!(status, 100..=199 | 204 | 304) {
            same_framing(framing, &support::parse_response(&out, "GET", true), &out);
        }
    });
    assert!(n_accepted > 100, "only {n_accepted} messages were accepted: noise is too loud");
}

fn head_status(out: &[u8]) -> u16 {
    std::str::from_utf8(&out[9..12]).ok().and_then(|digits| digits.parse().ok()).expect("a status")
}

#[track_caller]
fn same_framing(ours: Framing, strict: &support::Parsed, bytes: &[u8]) {
    let theirs = match strict {
        support::Parsed::Complete(message, _) => Some(message.framing),
        // The body behind the head is not there.
        support::Parsed::Partial if matches!(ours, Framing::Length(n) if n > 0) => return,
        support::Parsed::Partial => None,
        support::Parsed::Bad(fault) => panic!("accepted, but {fault}: {}", show(bytes)),
    };
    let same = match ours {
        Framing::None => theirs == Some(support::Framing::None),
        Framing::Length(n) => theirs == Some(support::Framing::Length(n)),
        Framing::Chunked => theirs == Some(support::Framing::Chunked),
        Framing::UntilClose => theirs == Some(support::Framing::Close),
    };
    assert!(same, "{ours:?} to us, {theirs:?} to others: {}", show(bytes));
}

/// What came of a body: whether it ended, the bytes it took, what is passed on. `None`: malformed.
fn decode(
    bytes: &[u8],
    keep_framing: bool,
    mut next: impl FnMut(usize) -> usize,
) -> Option<(bool, usize, Vec<u8>)> {
    let mut decoder = Decoder::new(Framing::Chunked);
    let (mut at, mut out) = (0, Vec::new());
    while at < bytes.len() && !decoder.is_done() {
        let n = next(bytes.len() - at);
        let mut spill = Vec::new();
        let mut pieces = Pieces::new(&bytes[at..at + n], &mut spill, keep_framing);
        let taken = decoder.feed(&mut pieces).ok()?;
        let run = pieces.run.clone();
        out.extend_from_slice(&spill);
        out.extend_from_slice(&bytes[at..][run]);
        assert!(taken == n || decoder.is_done(), "bytes of the body were left");
        at += taken;
    }
    Some((decoder.is_done(), at, out))
}

/// A chunked body with faults or without, extensions and trailers.
fn body(noise: &mut Noise) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..noise.below(4) {
        let n = 1 + noise.below(40);
        let extension = ["", ";a", ";a=b", ";a=\"b;c\"", "; x"][noise.below(5)];
        let size = if noise.below(2) == 0 { format!("{n:x}") } else { format!("{n:04X}") };
        bytes.extend_from_slice(format!("{size}{extension}\r\n").as_bytes());
        bytes.extend_from_slice(&noise.bytes(n));
        bytes.extend_from_slice(b"\r\n");
    }
    let end = [
        "0\r\n\r\n",
        "0;a\r\n\r\n",
        "000\r\nX: y\r\n\r\n",
        "0\r\nHost: a\r\nX: y\r\nContent-Length: 5\r\n\r\n",
    ];
    bytes.extend_from_slice(end[noise.below(4)].as_bytes());
    if noise.below(3) > 0 {
        let at = noise.below(bytes.len());
        match noise.below(4) {
            0 => bytes[at] = noise.next() as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, b"\r\n;: 0\0"[noise.below(7)]),
            _ => bytes.extend_from_slice(b"GET / HTTP/1.1\r\n"),
        }
    }
    bytes
}

#[test]
fn chunked_bodies_read_the_same_however_they_arrive_and_pass_on_strictly() {
    let mut n_accepted = 0;
    rounds(|noise| {
        let bytes = body(noise);
        let whole = decode(&bytes, true, |n| n);
        let byte_by_byte = decode(&bytes, true, |_| 1);
        let scattered = decode(&bytes, true, |n| 1 + noise.below(n));
        assert_eq!(whole, byte_by_byte, "{}", show(&bytes));
        assert_eq!(whole, scattered, "{}", show(&bytes));
        let data = decode(&bytes, false, |n| n);
        let (Some((true, taken, passed)), Some((_, _, data))) = (whole, data) else { return };
        n_accepted += 1;
        assert!(taken <= bytes.len());
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let message = [&head[..], &passed].concat();
        match support::parse_request(&message) {
            support::Parsed::Complete(request, n) => {
                assert_eq!(n, message.len(), "more than a body was passed on: {}", show(&message));
                assert_eq!(request.body, data, "another body was passed on: {}", show(&message));
                let forbidden = |name: &str| ["host", "content-length"].contains(&name);
                assert!(!request.trailers.iter().any(|(name, _)| forbidden(name)));
            }
            other => panic!("accepted, but {other:?}: {} became {}", show(&bytes), show(&message)),
        }
    });
    assert!(n_accepted > 100, "only {n_accepted} bodies were accepted: noise is too loud");
}
