//! Bytes through a pump, between sockets: what arrives, what is held back, what is refused.

use std::future::poll_fn;
use std::task::Waker;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::*;
use crate::http1::{Framing, Pieces};

mod feed;

/// What a worker would own.
struct Shop {
    buffers: Buffers,
    pipes: Pipes,
}

impl Default for Shop {
    fn default() -> Self {
        Shop { buffers: Buffers::default(), pipes: Pipes::new(4) }
    }
}

impl Shop {
    fn resources(&self) -> Resources<'_> {
        Resources { buffers: &self.buffers, pipes: &self.pipes }
    }
}

/// A pump between two sockets, with the test at both far ends.
struct Bench {
    shop: Shop,
    pump: Pump,
    source: Stream,
    sink: Stream,
    sender: UnixStream,
    receiver: UnixStream,
}

impl Bench {
    fn new(framing: Framing, encoding: Encoding) -> Bench {
        let ((source, sender), (sink, receiver)) = (pair(), pair());
        let mut pump = Pump::default();
        pump.start(Decoder::new(framing), encoding, u64::MAX);
        Bench { shop: Shop::default(), pump, source, sink, sender, receiver }
    }

    /// Sends `bytes` and, where `end`, the end of the stream behind them, while the pump runs; what it came to
    /// and what arrived.
    async fn run(&mut self, bytes: &[u8], end: bool) -> (Result<(), PumpError>, Vec<u8>) {
        self.sender.write_all(bytes).await.expect("fits the socket");
        if end {
            self.sender.shutdown().await.expect("open");
        }
        let Bench { shop, pump, source, sink, .. } = self;
        let result = poll_fn(|cx| pump.poll(cx, source, sink, shop.resources())).await;
        (result, self.arrived())
    }

    /// One poll that wakes nobody.
    fn poll(&mut self) -> Poll<Result<(), PumpError>> {
        let Bench { shop, pump, source, sink, .. } = self;
        pump.poll(&mut Context::from_waker(Waker::noop()), source, sink, shop.resources())
    }

    /// Polls until the pump gives its turn away because nothing moves, or is done.
    async fn poll_until_stuck(&mut self) -> Poll<Result<(), PumpError>> {
        loop {
            // Lets the reactor see what the sockets have.
            tokio::task::yield_now().await;
            self.pump.progressed = false;
            let polled = self.poll();
            if polled.is_ready() || !self.pump.progressed {
                return polled;
            }
        }
    }

    /// What the far end has got by now.
    fn arrived(&mut self) -> Vec<u8> {
        let (mut arrived, mut buffer) = (Vec::new(), [0; 4096]);
        let flags = rustix::net::RecvFlags::DONTWAIT;
        while let Ok((n @ 1.., _)) = rustix::net::recv(&self.receiver, &mut buffer, flags) {
            arrived.extend_from_slice(&buffer[..n]);
        }
        arrived
    }
}

fn pair() -> (Stream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    (Stream::from(ours), theirs)
}

async fn tcp_pair() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (theirs, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (Stream::from(accepted.expect("accepted").0), theirs.expect("connected"))
}

fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i % 251) as u8).collect()
}

const CHUNKED: &[u8] = b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\nHost: no\r\n\r\n";

#[tokio::test]
async fn each_encoding_frames_for_its_sink_and_leaves_the_surplus() {
    use Encoding::{AsReceived, Chunks, DataOnly};
    let chunks = &b"5\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n"[..];
    for (framing, encoding, sent, arrives, n_data) in [
        (Framing::None, AsReceived, &b""[..], &b""[..], 0),
        (Framing::Length(5), AsReceived, b"hello", b"hello", 5),
        (Framing::Chunked, AsReceived, CHUNKED, chunks, 11),
        (Framing::Chunked, DataOnly, CHUNKED, b"hello world", 11),
        (Framing::UntilClose, DataOnly, b"hello", b"hello", 5),
        (Framing::UntilClose, Chunks, b"hello", b"5\r\nhello\r\n0\r\n\r\n", 5),
        (Framing::UntilClose, Chunks, b"", b"0\r\n\r\n", 0),
    ] {
        let mut bench = Bench::new(framing, encoding);
        let until_close = framing == Framing::UntilClose;
        let next: &[u8] = if until_close || sent.is_empty() { b"" } else { b"GET / HTTP/1.1" };
        let (result, arrived) = bench.run(&[sent, next].concat(), until_close).await;
        assert!(result.is_ok(), "{framing:?} {result:?}");
        assert_eq!(arrived, arrives, "{framing:?} {encoding:?}");
        assert_eq!(bench.pump.surplus, next, "{framing:?}");
        assert_eq!(bench.pump.data_bytes, n_data, "{framing:?}");
        assert!(bench.pump.is_done());
    }
}

#[tokio::test]
async fn a_source_that_ends_in_the_middle_is_never_complete() {
    for (framing, sent) in [
        (Framing::Length(5), &b"hell"[..]),
        (Framing::Length(5), b""),
        (Framing::Chunked, b"5\r\nhel"),
        (Framing::Chunked, b"5\r\nhello\r\n"),
        (Framing::Chunked, b"5\r\nhello\r\n0\r\n"),
        (Framing::Chunked, b"5\r\nhello\r\n0\r\nX: 1\r\n"),
        (Framing::Length(1 << 20), b"hello"),
    ] {
        for encoding in [Encoding::AsReceived, Encoding::DataOnly] {
            let mut bench = Bench::new(framing, encoding);
            let (result, arrived) = bench.run(sent, true).await;
            assert!(matches!(result, Err(PumpError::Truncated)), "{framing:?} {result:?}");
            assert!(!bench.pump.is_read());
            assert!(!arrived.ends_with(b"0\r\n\r\n"), "{framing:?} looks complete");
        }
    }
}

#[tokio::test]
async fn broken_framing_ends_it_before_the_last_chunk() {
    let mut bench = Bench::new(Framing::Chunked, Encoding::AsReceived);
    let (result, arrived) = bench.run(b"5\r\nhelloX\r\n0\r\n\r\n", false).await;
    assert!(matches!(result, Err(PumpError::Malformed)), "{result:?}");
    assert!(!arrived.ends_with(b"0\r\n\r\n"));
}

#[tokio::test]
async fn the_limit_counts_data_and_holds_exactly() {
    for (framing, sent) in [(Framing::Length(11), &b"hello world"[..]), (Framing::Chunked, CHUNKED)]
    {
        for (max, fits) in [(11, true), (10, false)] {
            let mut bench = Bench::new(framing, Encoding::AsReceived);
            bench.pump.start(Decoder::new(framing), Encoding::AsReceived, max);
            let (result, arrived) = bench.run(sent, false).await;
            match fits {
                true => assert!(result.is_ok() && !arrived.is_empty(), "{result:?}"),
                false => {
                    assert!(matches!(result, Err(PumpError::TooLong)), "{result:?}");
                    assert!(arrived.is_empty(), "what is too long was written");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_sink_that_is_gone_is_an_error_of_the_sink() {
    let mut bench = Bench::new(Framing::Length(10), Encoding::AsReceived);
    let (receiver, _) = UnixStream::pair().expect("a pair");
    drop(std::mem::replace(&mut bench.receiver, receiver));
    let (result, _) = bench.run(b"hello", false).await;
    assert!(matches!(result, Err(PumpError::Sink(_))), "{result:?}");
}

#[tokio::test]
async fn a_sink_that_does_not_read_holds_the_source_back_and_then_gets_every_byte() {
    // Chunks are copied, a known length goes through a pipe.
    const N: usize = 8 << 20;
    let chunked = [format!("{N:x}\r\n").into_bytes(), pattern(N), b"\r\n0\r\n\r\n".to_vec()];
    for (framing, encoding, body, splices) in [
        (Framing::Chunked, Encoding::AsReceived, chunked.concat(), true),
        (Framing::Length(N as u64), Encoding::AsReceived, pattern(N), true),
        (Framing::UntilClose, Encoding::Chunks, pattern(N), false),
    ] {
        let mut bench = Bench::new(framing, encoding);
        let mut n_sent = 0;
        loop {
            while let Ok(n) = bench.sender.try_write(&body[n_sent..]) {
                n_sent += n;
            }
            let before = bench.pump.data_bytes;
            assert!(bench.poll_until_stuck().await.is_pending());
            if bench.pump.data_bytes == before {
                break;
            }
        }
        assert_eq!(bench.pump.waiting, Waiting::Sink, "{framing:?}");
        assert!(n_sent < N / 2, "{n_sent} bytes were taken off a sender whose reader sleeps");
        assert_eq!(bench.pump.pipe.is_some(), splices, "{framing:?}");

        let Bench { shop, mut pump, source, sink, mut sender, mut receiver } = bench;
        let rest = body[n_sent..].to_vec();
        let sending = async {
            sender.write_all(&rest).await.expect("taken");
            sender.shutdown().await.expect("open");
        };
        let pumping = async {
            poll_fn(|cx| pump.poll(cx, &source, &sink, shop.resources())).await.expect("through");
            sink.shutdown_write().expect("open");
        };
        let mut arrived = Vec::new();
        let ((), (), n) = tokio::join!(sending, pumping, receiver.read_to_end(&mut arrived));
        n.expect("read");
        match encoding {
            Encoding::Chunks => assert_eq!(unchunked(&arrived), body),
            _ => assert!(arrived == body, "{framing:?}: other bytes arrived"),
        }
        assert_eq!(pump.data_bytes, N as u64);
    }
}

fn unchunked(bytes: &[u8]) -> Vec<u8> {
    let (mut decoder, mut out) = (Decoder::new(Framing::Chunked), Vec::new());
    let mut pieces = Pieces::new(bytes, &mut out, false);
    assert_eq!(decoder.feed(&mut pieces), Ok(bytes.len()));
    let run = pieces.run.clone();
    out.extend_from_slice(&bytes[run]);
    assert!(decoder.is_done());
    out
}

#[tokio::test]
async fn long_bodies_go_through_a_pipe_over_tcp_too_and_the_pipe_comes_back() {
    const N: usize = 3 << 20;
    let shop = Shop::default();
    let ((source, mut sender), (sink, mut receiver)) = (tcp_pair().await, tcp_pair().await);
    let mut pump = Pump::default();
    pump.start(Decoder::new(Framing::Length(N as u64)), Encoding::AsReceived, u64::MAX);
    pump.out.extend_from_slice(b"head");
    let body = pattern(N);
    let pumping = async {
        poll_fn(|cx| pump.poll(cx, &source, &sink, shop.resources())).await.expect("through");
        sink.shutdown_write().expect("open");
    };
    let mut arrived = Vec::new();
    let ((), sent, read) =
        tokio::join!(pumping, sender.write_all(&body), receiver.read_to_end(&mut arrived));
    sent.expect("sent");
    read.expect("read");
    assert!(arrived == [b"head", &body[..]].concat(), "other bytes arrived");
    assert!(shop.pipes.n_open() == 1 && pump.pipe.is_none());
}

#[tokio::test]
async fn a_pump_that_waits_for_its_source_borrows_nothing() {
    for framing in [Framing::Length(1 << 20), Framing::Chunked, Framing::UntilClose] {
        let mut bench = Bench::new(framing, Encoding::AsReceived);
        // A chunk that begins with a full buffer, so that each framing has had reason to take a pipe.
        let start = [&b"100000\r\n"[..], &pattern(2 * BUFFER_BYTES)].concat();
        bench.sender.write_all(&start).await.expect("fits the socket");
        let mut n_arrived = 0;
        while n_arrived < start.len() {
            assert!(bench.poll_until_stuck().await.is_pending());
            n_arrived += bench.arrived().len();
        }
        assert_eq!(bench.pump.waiting, Waiting::Source);
        assert!(bench.pump.buffer.is_none(), "{framing:?} keeps a buffer");
        assert!(bench.pump.pipe.is_none(), "{framing:?} keeps a pipe");
    }
}

#[tokio::test]
async fn what_was_read_with_the_head_goes_first_and_what_lies_behind_it_is_surplus() {
    let mut bench = Bench::new(Framing::Length(8), Encoding::AsReceived);
    let mut buffer = bench.shop.buffers.take();
    buffer[..9].copy_from_slice(b"HEADhello");
    bench.pump.prime(buffer, 4..9, bench.shop.resources()).expect("good");
    bench.pump.set_head(|out| out.extend_from_slice(b"head:"));
    let (result, arrived) = bench.run(b"!!!GET", false).await;
    assert!(result.is_ok());
    assert_eq!(arrived, b"head:hello!!!");
    assert_eq!(bench.pump.surplus, b"GET");
}

#[tokio::test]
async fn a_body_in_memory_can_be_sent_again_behind_another_head() {
    let mut bench = Bench::new(Framing::Length(5), Encoding::AsReceived);
    let mut buffer = bench.shop.buffers.take();
    buffer[..5].copy_from_slice(b"hello");
    bench.pump.prime(buffer, 0..5, bench.shop.resources()).expect("good");
    bench.pump.set_head(|out| out.extend_from_slice(b"first:"));
    assert!(bench.pump.wrote_nothing());
    let (result, arrived) = bench.run(b"", false).await;
    assert!(result.is_ok() && arrived == b"first:hello");
    assert!(!bench.pump.wrote_nothing() && bench.pump.can_replay());

    let (sink, receiver) = pair();
    (bench.sink, bench.receiver) = (sink, receiver);
    bench.pump.replay();
    assert!(bench.pump.wrote_nothing());
    bench.pump.set_head(|out| out.extend_from_slice(b"second:"));
    let (result, arrived) = bench.run(b"", false).await;
    assert!(result.is_ok() && arrived == b"second:hello");
    bench.pump.commit(bench.shop.resources());
    assert!(!bench.pump.can_replay() && bench.pump.buffer.is_none());
}

#[tokio::test]
async fn a_body_of_which_more_was_read_cannot_be_sent_again() {
    let mut bench = Bench::new(Framing::Length(10), Encoding::AsReceived);
    let mut buffer = bench.shop.buffers.take();
    buffer[..5].copy_from_slice(b"hello");
    bench.pump.prime(buffer, 0..5, bench.shop.resources()).expect("good");
    assert!(bench.pump.can_replay());
    let (result, _) = bench.run(b"world", false).await;
    assert!(result.is_ok() && !bench.pump.can_replay());
}

#[tokio::test]
async fn a_released_pump_gives_its_buffer_back_and_closes_a_pipe_with_bytes_in_it() {
    let mut bench = Bench::new(Framing::Length(1 << 30), Encoding::AsReceived);
    let body = pattern(1 << 20);
    while !matches!(bench.pump.pipe, Some((_, 1..))) {
        while bench.sender.try_write(&body).is_ok() {}
        assert!(bench.poll_until_stuck().await.is_pending());
    }
    bench.pump.release(bench.shop.resources());
    assert!(bench.pump.is_done() && bench.pump.pipe.is_none());
    let pipe = bench.shop.pipes.take().expect("a pipe");
    let mut byte = [0];
    assert!(rustix::io::read(&pipe.reader, &mut byte).is_err(), "bytes of another connection");
}

#[test]
fn a_short_run_joins_its_head_and_a_long_one_does_not() {
    for (n_bytes, joins) in [(JOINED_BYTES_MAX, true), (JOINED_BYTES_MAX + 1, false)] {
        let mut pump = Pump::default();
        pump.start(Decoder::new(Framing::Length(n_bytes as u64)), Encoding::AsReceived, u64::MAX);
        let shop = Shop::default();
        pump.prime(shop.buffers.take(), 0..n_bytes, shop.resources()).expect("good");
        pump.set_head(|out| out.extend_from_slice(b"head"));
        pump.join_small();
        assert_eq!(pump.out.len(), if joins { 4 + n_bytes } else { 4 });
        assert_eq!(pump.run.is_empty(), joins);
        assert!(pump.can_replay(), "the run is still in the buffer");
    }
}
