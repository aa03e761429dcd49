//! Bodies that are changed or copied as they pass.

use proptest::prelude::*;

use super::*;
use crate::filter::Transform;

/// Doubles every byte, keeps what it has been given until a full stop comes, and says when it was ended.
#[derive(Default)]
struct Echo {
    held: Vec<u8>,
    n_widest: usize,
}

impl Transform for Echo {
    fn data(&mut self, data: &[u8], out: &mut Vec<u8>) {
        assert!(!data.is_empty(), "called for nothing");
        self.n_widest = self.n_widest.max(data.len());
        assert!(self.n_widest <= BUFFER_BYTES);
        self.held.extend(data.iter().flat_map(|byte| [*byte, *byte]));
        if data.contains(&b'.') {
            out.append(&mut self.held);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        out.push(b'!');
    }
}

fn through(framing: Framing, encoding: Encoding) -> Bench {
    let mut bench = Bench::new(framing, encoding);
    bench.pump.pass_through(Box::<Echo>::default());
    bench
}

const TWO_CHUNKS: &[u8] = b"2;x=y\r\nab\r\n2\r\nc.\r\n0\r\nX-T: 1\r\n\r\n";

#[tokio::test]
async fn a_changed_body_is_framed_anew_and_ended_after_its_last_byte() {
    use Encoding::{Chunks, DataOnly};
    for (framing, encoding, sent, arrives, n_data) in [
        (Framing::Length(4), Chunks, &b"abc."[..], &b"9\r\naabbcc..!\r\n0\r\n\r\n"[..], 9),
        (Framing::Length(4), DataOnly, b"abc.", b"aabbcc..!", 9),
        (Framing::Chunked, Chunks, TWO_CHUNKS, b"9\r\naabbcc..!\r\n0\r\n\r\n", 9),
        (Framing::Chunked, DataOnly, TWO_CHUNKS, b"aabbcc..!", 9),
        (Framing::UntilClose, Chunks, b"a.", b"4\r\naa..\r\n1\r\n!\r\n0\r\n\r\n", 5),
        (Framing::UntilClose, DataOnly, b"ab", b"aabb!", 5),
        (Framing::UntilClose, Chunks, b"", b"1\r\n!\r\n0\r\n\r\n", 1),
        (Framing::Length(0), Chunks, b"", b"1\r\n!\r\n0\r\n\r\n", 1),
        (Framing::Length(0), DataOnly, b"", b"!", 1),
        (Framing::Chunked, Chunks, b"0\r\n\r\n", b"1\r\n!\r\n0\r\n\r\n", 1),
    ] {
        let mut bench = through(framing, encoding);
        let until_close = framing == Framing::UntilClose;
        let (result, arrived) = bench.run(sent, until_close).await;
        assert!(result.is_ok(), "{framing:?} {result:?}");
        assert_eq!(show(&arrived), show(arrives), "{framing:?} {encoding:?}");
        assert_eq!(bench.pump.data_bytes, n_data, "{framing:?}: what the sink got is counted");
        assert!(bench.pump.is_done());
    }
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[tokio::test]
async fn what_comes_behind_the_body_is_not_changed() {
    for (framing, sent) in [(Framing::Length(1), &b"a"[..]), (Framing::Length(0), b"")] {
        let mut bench = through(framing, Encoding::Chunks);
        let mut buffer = bench.shop.buffers.take();
        let whole = [sent, b"HTTP/1.1"].concat();
        buffer[..whole.len()].copy_from_slice(&whole);
        bench.pump.prime(buffer, 0..whole.len(), bench.shop.resources()).expect("good");
        let (result, arrived) = bench.run(b"", false).await;
        assert!(result.is_ok());
        assert!(arrived.ends_with(b"!\r\n0\r\n\r\n"), "{}", show(&arrived));
        assert_eq!(arrived.iter().filter(|byte| **byte == b'!').count(), 1, "ended twice");
        assert_eq!(bench.pump.surplus, b"HTTP/1.1");
    }
}

#[tokio::test]
async fn a_changed_body_that_is_cut_short_or_broken_never_looks_complete() {
    for (framing, sent) in [
        (Framing::Length(5), &b"hel."[..]),
        (Framing::Chunked, b"5\r\nhel."),
        (Framing::Chunked, b"5\r\nhell.\r\n"),
        (Framing::Chunked, b"5\r\nhell.\r\n0\r\n"),
        (Framing::Chunked, b"5\r\nhell.\r\nX\r\n"),
    ] {
        for encoding in [Encoding::Chunks, Encoding::DataOnly] {
            let mut bench = through(framing, encoding);
            let (result, arrived) = bench.run(sent, true).await;
            let cut = matches!(result, Err(PumpError::Truncated | PumpError::Malformed));
            assert!(cut, "{framing:?} {result:?}");
            assert!(!arrived.contains(&b'!'), "{framing:?} was ended");
            assert!(!arrived.ends_with(b"0\r\n\r\n"), "{framing:?} looks complete");
        }
    }
}

/// Makes a buffer of each byte.
struct Swell;

impl Transform for Swell {
    fn data(&mut self, data: &[u8], out: &mut Vec<u8>) {
        out.resize(out.len() + data.len() * 64, b'x');
    }

    fn end(&mut self, _: &mut Vec<u8>) {}
}

#[tokio::test]
async fn what_a_read_became_is_sent_before_more_is_read_and_no_pipe_is_taken() {
    const N: usize = 4 << 20;
    for framing in [Framing::Length(N as u64), Framing::UntilClose] {
        let mut bench = Bench::new(framing, Encoding::DataOnly);
        bench.pump.pass_through(Box::new(Swell));
        let body = pattern(N);
        let mut n_sent = 0;
        while let Ok(n) = bench.sender.try_write(&body[n_sent..]) {
            n_sent += n;
        }
        assert!(bench.poll_until_stuck().await.is_pending());
        assert_eq!(bench.pump.waiting, Waiting::Sink);
        assert!(bench.pump.pipe.is_none() && bench.pump.buffer.is_none());
        assert!(bench.pump.out.len() <= BUFFER_BYTES * 64, "one read's worth at most");
    }
}

#[tokio::test]
async fn a_released_pump_forgets_what_its_last_body_went_through() {
    let mut bench = through(Framing::Length(5), Encoding::Chunks);
    bench.pump.release(bench.shop.resources());
    bench.pump.start(Decoder::new(Framing::Length(2)), Encoding::AsReceived, u64::MAX);
    let (result, arrived) = bench.run(b"ab", false).await;
    assert!(result.is_ok() && arrived == b"ab");
}

/// Primes the pump with `first`, asks for a copy, sends the rest; what arrived and the copy.
async fn copied(
    framing: Framing,
    first: &[u8],
    rest: &[u8],
    bytes_max: usize,
) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut bench = Bench::new(framing, Encoding::AsReceived);
    let mut buffer = bench.shop.buffers.take();
    buffer[..first.len()].copy_from_slice(first);
    bench.pump.prime(buffer, 0..first.len(), bench.shop.resources()).expect("good");
    bench.pump.capture(framing, bytes_max);
    bench.pump.set_head(|out| out.extend_from_slice(b"head:"));
    let (result, arrived) = bench.run(rest, false).await;
    assert!(result.is_ok(), "{result:?}");
    (arrived, bench.pump.take_captured())
}

#[tokio::test]
async fn a_copy_is_the_data_however_much_of_it_came_with_the_head() {
    let reframed = &b"head:2\r\nab\r\n2\r\nc.\r\n0\r\nX-T: 1\r\n\r\n"[..];
    for (framing, whole, arrives) in [
        (Framing::Length(4), &b"abc."[..], &b"head:abc."[..]),
        (Framing::Chunked, TWO_CHUNKS, reframed),
    ] {
        for at in 0..=whole.len() {
            let (arrived, copy) = copied(framing, &whole[..at], &whole[at..], 4).await;
            assert_eq!(show(&arrived), show(arrives), "{at}");
            assert_eq!(copy.as_deref(), Some(&b"abc."[..]), "{at}");
            let (arrived, copy) = copied(framing, &whole[..at], &whole[at..], 3).await;
            assert_eq!(show(&arrived), show(arrives), "the original is as it was");
            assert_eq!(copy, None, "too long a body is not copied");
        }
    }
    let (_, copy) = copied(Framing::None, b"", b"", 0).await;
    assert_eq!(copy, Some(Vec::new()));
}

#[tokio::test]
async fn a_body_that_is_copied_takes_no_pipe_until_the_copy_is_given_up() {
    const N: usize = 1 << 20;
    let mut bench = Bench::new(Framing::Length(N as u64), Encoding::AsReceived);
    bench.pump.capture(Framing::Length(N as u64), BUFFER_BYTES);
    let mut n_arrived = 0;
    for (n_bytes, copies) in [(BUFFER_BYTES, true), (2 * BUFFER_BYTES, false)] {
        bench.sender.write_all(&pattern(BUFFER_BYTES)).await.expect("fits the socket");
        while n_arrived < n_bytes {
            assert!(bench.poll_until_stuck().await.is_pending());
            n_arrived += bench.arrived().len();
        }
        assert_eq!(bench.pump.capture.is_on(), copies);
    }
    let body = pattern(N);
    while bench.pump.pipe.is_none() {
        while bench.sender.try_write(&body).is_ok() {}
        assert!(bench.poll_until_stuck().await.is_pending());
    }
    assert_eq!(bench.pump.take_captured(), None);
}

proptest! {
    #[test]
    fn whatever_the_pieces_a_changed_body_carries_the_same_data(
        chunks in proptest::collection::vec("[a-z.]{1,9}", 0..8),
        cuts in proptest::collection::vec(1_usize..12, 1..40),
    ) {
        let mut sent: Vec<u8> = chunks.iter().flat_map(|c| format!("{:x}\r\n{c}\r\n", c.len()).into_bytes()).collect();
        sent.extend_from_slice(b"0\r\n\r\n");
        let mut pump = Pump::default();
        pump.start(Decoder::new(Framing::Chunked), Encoding::Chunks, u64::MAX);
        pump.pass_through(Box::<Echo>::default());
        let mut at = 0;
        for cut in cuts.into_iter().cycle() {
            let end = (at + cut).min(sent.len());
            prop_assert!(pump.feed(&sent, at..end).is_ok());
            at = end;
            if at == sent.len() { break; }
        }
        prop_assert!(pump.is_read() && pump.run.is_empty());
        let expected: String = chunks.concat().chars().flat_map(|c| [c, c]).chain(['!']).collect();
        prop_assert_eq!(unchunked(&pump.out), expected.as_bytes());
    }
}
