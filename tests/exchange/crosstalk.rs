//! Many clients at once, backends with moods: everybody gets the answer to their own request, whole.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use forebay::error::Reason;

use crate::support::{Message, Proxy, Service, Setup};

const CLIENTS: u64 = 8;
const TIME: Duration = Duration::from_millis(1500);

/// xorshift64*, one stream a client, so that a failure can be run again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

/// The answer tells what was asked: target, and the length and sum of the body. Its framing varies, and
/// now and then the connection is closed behind it, with and without a word.
fn moody(request: &Message, n: u64) -> Vec<u8> {
    let sum: u64 = request.body.iter().map(|byte| u64::from(*byte)).sum();
    let mut body = format!("{} {} {sum}", request.target(), request.body.len());
    if n.is_multiple_of(5) {
        body.push_str(&"x".repeat(100_000));
    }
    match n % 4 {
        0 | 1 => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        2 => {
            let (first, second) = body.split_at(body.len() / 2);
            format!(
                "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                 {:x};a=b\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\nX-Sum: 1\r\n\r\n",
                first.len(),
                second.len()
            )
        }
        _ => format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    }
    .into_bytes()
}

#[test]
fn nobody_gets_the_answer_to_another_request() {
    let n = AtomicU64::new(0);
    let services = [0, 1].map(|_| {
        Service::start({
            let n = AtomicU64::new(n.fetch_add(3, Ordering::Relaxed));
            move |request| moody(request, n.fetch_add(1, Ordering::Relaxed))
        })
    });
    let setup = Setup { workers: 2, upstream: "pool = { max_idle = 4 }", ..Setup::default() };
    let proxy = Proxy::with(setup, &services.each_ref().map(Service::address));
    let n_served: u64 = std::thread::scope(|scope| {
        let clients: Vec<_> = (1..=CLIENTS)
            .map(|id| {
                scope.spawn({
                    let proxy = &proxy;
                    move || client(proxy, id)
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client was served well")).sum()
    });
    assert!(n_served > 100, "only {n_served} requests were served");
    for reason in Reason::ALL {
        assert_eq!(proxy.count(*reason), 0, "{reason}");
    }
}

/// Sends requests of all kinds, several at once, and checks each answer.
fn client(proxy: &Proxy, id: u64) -> u64 {
    let mut dice = Dice(0x9E37_79B9 * id);
    let (mut wire, mut n) = (proxy.connect(), 0);
    let end = Instant::now() + TIME;
    while Instant::now() < end {
        let mut expected = Vec::new();
        let mut bytes = Vec::new();
        for _ in 0..=dice.below(3) {
            n += 1;
            let target = format!("/{id}/{n}");
            let (request, length, sum) = request(&target, &mut dice);
            bytes.extend_from_slice(&request);
            expected.push(format!("{target} {length} {sum}"));
        }
        let cut = dice.below(bytes.len() as u64) as usize;
        wire.send(&bytes[..cut]);
        wire.send(&bytes[cut..]);
        for expected in expected {
            let mut answer = wire.response();
            while answer.status() == 103 {
                answer = wire.response();
            }
            let text = answer.text();
            assert_eq!((answer.status(), text.trim_end_matches('x')), (200, expected.as_str()));
        }
        if dice.below(10) == 0 {
            wire = proxy.connect();
        }
    }
    n
}

/// A request, and the length and sum of its body. Only what may be sent again: backends close connections
/// without a warning that could not cross a request on its way.
fn request(target: &str, dice: &mut Dice) -> (Vec<u8>, usize, u64) {
    let body: Vec<u8> = match dice.below(4) {
        0 => Vec::new(),
        1 => vec![b'a'; dice.below(100) as usize],
        2 => vec![b'b'; dice.below(20_000) as usize],
        _ => vec![b'c'; dice.below(200_000) as usize],
    };
    let sum = body.iter().map(|byte| u64::from(*byte)).sum();
    let mut bytes = format!("PUT {target} HTTP/1.1\r\nHost: test\r\n").into_bytes();
    if body.is_empty() && dice.below(2) == 0 {
        bytes = format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n").into_bytes();
    } else if dice.below(2) == 0 {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(&body);
    } else {
        bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(1 + dice.below(9000) as usize) {
            bytes.extend_from_slice(format!("{:x};q=1\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
    (bytes, body.len(), sum)
}

#[test]
fn a_client_that_sends_thousands_of_requests_before_it_reads_is_served_in_order() {
    const N: usize = 3000;
    let service = Service::echo();
    let proxy = Proxy::to(&[service.address()]);
    let mut client = proxy.connect();
    let sender = std::thread::spawn({
        let requests: String =
            (0..N).map(|i| format!("GET /{i} HTTP/1.1\r\nHost: test\r\n\r\n")).collect();
        let mut client = client.again();
        move || client.send(requests)
    });
    for i in 0..N {
        assert_eq!(client.response().text(), format!("/{i}"));
    }
    sender.join().expect("all was sent");
}

#[test]
fn requests_behind_a_large_body_are_served_in_order() {
    const BODY: usize = 100_000;
    let service = Service::echo();
    let proxy = Proxy::to(&[service.address()]);
    let body = "x".repeat(BODY);
    for framed in [
        format!("Content-Length: {BODY}\r\n\r\n{body}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{BODY:x}\r\n{body}\r\n0\r\n\r\n"),
    ] {
        let mut client = proxy.connect();
        let mut sender = client.again();
        let sender = std::thread::spawn(move || {
            let more: String =
                (0..500).map(|i| format!("GET /{i} HTTP/1.1\r\nHost: test\r\n\r\n")).collect();
            sender.send(format!("POST /first HTTP/1.1\r\nHost: test\r\n{framed}{more}"));
        });
        assert_eq!(client.response().text(), "/first");
        for i in 0..500 {
            assert_eq!(client.response().text(), format!("/{i}"));
        }
        sender.join().expect("all was sent");
    }
}
