//! Noise from both sides: random bytes, mutated messages, random cuts. Nothing panics, and the daemon
//! serves a good request afterwards. Deterministic; a failure prints its seed, and
//! `FOREBAY_FUZZ_SECONDS` and `FOREBAY_FUZZ_SEED` make a longer run by hand.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use support::{Origin, Proxy, Service, Setup, Wire};

const TIMEOUTS: &str = "header = \"50ms\"\nbody_idle = \"50ms\"\nkeepalive = \"50ms\"\n\
                        first_byte = \"50ms\"\nresponse_idle = \"50ms\"\nsend_idle = \"50ms\"\n\
                        tunnel_idle = \"50ms\"";

/// Good messages that mutations start from.
const REQUESTS: &[&str] = &[
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

const REPLIES: &[&str] = &[
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
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }

    /// A message that is not quite one of `seeds`.
    fn mutated(&mut self, seeds: &[&str]) -> Vec<u8> {
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

/// Runs `round` with one seed after another until the time is over.
fn rounds(mut round: impl FnMut(&mut Noise)) {
    let end = Instant::now() + seconds();
    let mut seed = first_seed();
    let mut n_rounds = 0_u32;
    while n_rounds == 0 || Instant::now() < end {
        let result = catch_unwind(AssertUnwindSafe(|| round(&mut Noise(seed))));
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

/// Sends in pieces that need not be those the sender thinks in; then ends, resets or waits.
fn scatter(wire: &mut Wire, bytes: &[u8], noise: &mut Noise) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let n = if noise.below(3) == 0 { 1 + noise.below(rest.len()) } else { rest.len() };
        if wire.try_send(&rest[..n]).is_err() {
            return;
        }
        rest = &rest[n..];
    }
}

fn leave(mut wire: Wire, noise: &mut Noise) {
    match noise.below(4) {
        0 => wire.finish(),
        1 => wire.reset(),
        2 => drop(wire),
        _ => assert!(
            wire.is_closed(),
            "neither served nor closed: {}",
            support::show(wire.received())
        ),
    }
}

#[test]
fn noise_from_clients_harms_nobody() {
    let service = Service::echo();
    let proxy = Proxy::with(Setup { timeouts: TIMEOUTS, ..Setup::default() }, &[service.address()]);
    rounds(|noise| {
        let mut client = proxy.connect();
        for _ in 0..=noise.below(2) {
            let bytes = noise.mutated(REQUESTS);
            scatter(&mut client, &bytes, noise);
        }
        leave(client, noise);
        let mut good = proxy.connect();
        assert_eq!(good.get("/good").text(), "/good");
    });
    proxy.stop();
    for record in service.finish() {
        if let Some(fault) = &record.fault {
            // A request that its client never finished is cut; anything else must be well-formed.
            assert!(fault.contains("cut short") || fault.contains("could not answer"), "{fault}");
        }
    }
}

#[test]
fn noise_from_a_backend_harms_nobody() {
    let (noisy, good) = (Origin::bind(), Service::echo());
    let text = format!(
        "[global]\nworkers = 1\nshutdown_grace = \"2s\"\n[defaults.timeouts]\n{TIMEOUTS}\n\
         [[listener]]\nbind = \"127.0.0.1:0\"\n\
         [[route]]\nname = \"good\"\nmatch = {{ path_prefix = \"/good\" }}\nupstream = \"good\"\n\
         [[route]]\nname = \"noisy\"\nupstream = \"noisy\"\n\
         [upstream.good]\nbackends = [\"{}\"]\n[upstream.noisy]\nbackends = [\"{}\"]\n",
        good.address(),
        noisy.address()
    );
    let proxy = Proxy::from_text(&text);
    let mut backend: Option<Wire> = None;
    rounds(|noise| {
        let mut client = proxy.connect();
        let request = REQUESTS[noise.below(REQUESTS.len())];
        client.send(request);
        // The request came on the connection that was kept, or on a new one, or was refused.
        support::eventually("the backend or the client hears of it", || {
            if let Some(new) = noisy.try_accept() {
                backend = Some(new);
            }
            backend.as_mut().is_some_and(Wire::has_news) || client.has_news()
        });
        if let Some(wire) = &mut backend {
            for _ in 0..=noise.below(2) {
                let bytes = noise.mutated(REPLIES);
                scatter(wire, &bytes, noise);
            }
        }
        if noise.below(3) > 0
            && let Some(wire) = backend.take()
        {
            match noise.below(3) {
                0 => wire.reset(),
                _ => drop(wire),
            }
        }
        leave(client, noise);
        let mut client = proxy.connect();
        assert_eq!(client.get("/good").text(), "/good");
    });
}
