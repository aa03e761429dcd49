//! Noise with a seed: messages that are not quite right, the same on every machine.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// Good messages that mutations start from.
pub const REQUESTS: &[&str] = &[
    "GET /a?b=c HTTP/1.1\r\nHost: test\r\nX: y\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello",
    "POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "GET http://a:80/b/../c HTTP/1.1\r\nHost: a\r\nConnection: close, x-a\r\nX-A: b\r\n\r\n",
    "GET /chat HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbytes",
    "HEAD /%61/./b HTTP/1.0\r\nHost: [::1]:80\r\nConnection: keep-alive\r\n\r\n",
    "PUT /a HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    "GET /1 HTTP/1.1\r\nHost: test\r\nForwarded: for=1\r\nX-Forwarded-For: 1\r\n\r\nGET /2 HTTP/1.1\r\nHost: test\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: test\r\nTE: trailers, gzip\r\n\r\n",
];

pub const REPLIES: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.0 200 OK\r\n\r\nhello",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbytes",
    "HTTP/1.1 304 Not Modified\r\nETag: a\r\nConnection: close, x-a\r\nX-A: b\r\n\r\n",
];

/// Pieces that parsers stumble over.
const SPICE: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"\r\n\r\n",
    b"\r\n ",
    b"%2f",
    b"%00",
    b"/../",
    b"-1",
    b"0",
    b"ffffffffffffffff",
    b"18446744073709551615",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: x\r\n",
    b"Connection: close\r\n",
    b"HTTP/1.1",
    b"\xff\xfe",
    b"\x80",
    b"0\r\n\r\n",
];

/// xorshift64*: small, and the same everywhere.
pub struct Noise(u64);

impl Noise {
    /// Neighbouring seeds make different noise.
    pub fn new(seed: u64) -> Noise {
        Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `n`, 0 when `n` is.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }

    /// A message that is not quite one of `seeds`.
    pub fn mutated(&mut self, seeds: &[&str]) -> Vec<u8> {
        if self.below(10) == 0 {
            let n = self.below(300);
            return self.bytes(n);
        }
        let mut bytes = seeds[self.below(seeds.len())].as_bytes().to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] = self.next() as u8,
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 => bytes.truncate(at),
                3 => {
                    let n = self.below(bytes.len() - at + 1).min(40);
                    bytes.drain(at..at + n);
                }
                4 => {
                    let n = self.below(bytes.len() - at + 1).min(40);
                    let again = bytes[at..at + n].to_vec();
                    bytes.splice(at..at, again);
                }
                5 => {
                    let long = vec![b'a'; self.below(3000)];
                    bytes.splice(at..at, long);
                }
                _ => {
                    let piece = SPICE[self.below(SPICE.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
        }
        bytes
    }
}

fn seconds() -> Duration {
    let seconds = std::env::var("FOREBAY_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or(3.0))
}

fn first_seed() -> u64 {
    let seed = std::env::var("FOREBAY_FUZZ_SEED").ok().and_then(|text| text.parse().ok());
    seed.unwrap_or(0x5eed_0001)
}

/// Runs `round` with one seed after another until the time is over: 3 s, or `FOREBAY_FUZZ_SECONDS`.
pub fn rounds(mut round: impl FnMut(&mut Noise)) {
    let end = Instant::now() + seconds();
    let mut seed = first_seed();
    let mut n_rounds = 0_u32;
    while n_rounds == 0 || Instant::now() < end {
        let result = catch_unwind(AssertUnwindSafe(|| round(&mut Noise::new(seed))));
        if let Err(panic) = result {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            if text.is_empty() {
                resume_unwind(panic);
            }
            panic!("with FOREBAY_FUZZ_SEED={seed}: {text}");
        }
        seed += 1;
        n_rounds += 1;
    }
}
