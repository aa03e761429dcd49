//! Peers that break the rules of HTTP/2, or use them to the full: frames by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use forebay::backend::State;
use forebay::error::Reason;

use crate::http2::n_in_flight;
use crate::support::{Proxy, eventually};
use crate::with_upstream;

/// A peer of raw frames: what `answer` sends to the nth connection once a request came on it, then it holds.
fn raw(answer: impl Fn(usize) -> Vec<u8> + Send + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let n_requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&n_requests);
    std::thread::spawn(move || {
        let answer = Arc::new(Mutex::new(answer));
        for (nth, stream) in listener.incoming().flatten().enumerate() {
            let (answer, counter) = (Arc::clone(&answer), Arc::clone(&counter));
            std::thread::spawn(move || serve_raw(stream, nth, &answer, &counter));
        }
    });
    (address, n_requests)
}

fn serve_raw(
    mut stream: TcpStream,
    nth: usize,
    answer: &Mutex<impl Fn(usize) -> Vec<u8>>,
    n_requests: &AtomicUsize,
) -> Option<()> {
    stream.write_all(&frame(4, 0, 0, &[])).ok()?;
    stream.read_exact(&mut [0; 24]).ok()?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        stream.read_exact(&mut vec![0; length]).ok()?;
        match (head[3], head[4]) {
            (4, 0) => stream.write_all(&frame(4, 1, 0, &[])).ok()?,
            (1, _) => {
                n_requests.fetch_add(1, SeqCst);
                let bytes = answer.lock().ok()?(nth);
                stream.write_all(&bytes).ok()?;
                if bytes.is_empty() {
                    return None;
                }
            }
            _ => {}
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// 200 without a body, on this stream.
fn ok(stream: u32) -> Vec<u8> {
    frame(1, 5, stream, &[0x88])
}

fn go_away(last: u32) -> Vec<u8> {
    frame(7, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

fn to_raw(address: SocketAddr, more: &str) -> Proxy {
    let text = with_upstream(format!("backends = [\"h2c://{address}\"]\n{more}"));
    Proxy::from_text(&text.replace("workers = 4", "workers = 1"))
}

#[test]
fn a_post_behind_the_last_stream_of_a_connection_that_goes_away_is_sent_again_for_nothing() {
    // Its first request is answered; the second finds that the connection takes no more.
    let first = Mutex::new(true);
    let (address, n_requests) = raw(move |nth| match nth {
        0 if std::mem::take(&mut *first.lock().expect("a lock")) => ok(1),
        0 => go_away(1),
        _ => ok(1),
    });
    let proxy = to_raw(address, "budget = { ratio = 0.0, min_per_second = 0 }");
    let mut client = proxy.connect();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(client.response().status(), 200);
    }
    assert_eq!(n_requests.load(SeqCst), 3);
    assert_eq!(proxy.standing(address).map(|now| now.state), Some(State::Up));
}

#[test]
fn what_is_no_answer_is_told_as_what_it_is() {
    let peer = |bytes: Vec<u8>| raw(move |_| bytes.clone()).0;
    let field = |name: &str, value: &str| {
        let short = |text: &str| u8::try_from(text.len()).expect("short");
        [&[0, short(name)], name.as_bytes(), &[short(value)], value.as_bytes()].concat()
    };
    let with = |fields: &[u8]| frame(1, 5, 1, &[&[0x88], fields].concat());
    let length = [&[0x88], &field("content-length", "5")[..]].concat();
    // Two lengths, the first of which h2 believes: a client of HTTP/1.1 would have to choose.
    let two_lengths = |second: &str| {
        let lengths = [field("content-length", "2"), field("content-length", second)].concat();
        let head = frame(1, 4, 1, &[&[0x88], &lengths[..]].concat());
        [head, frame(0, 1, 1, b"hi")].concat()
    };
    for (bytes, reason) in [
        (two_lengths("9"), Reason::UpstreamProtocol),
        (two_lengths("2, 9"), Reason::UpstreamProtocol),
        (Vec::new(), Reason::UpstreamReset),
        (frame(3, 0, 1, &7_u32.to_be_bytes()), Reason::RefusedStream),
        (frame(3, 0, 1, &2_u32.to_be_bytes()), Reason::UpstreamReset),
        (frame(0, 1, 1, b"data before a head"), Reason::UpstreamProtocol),
        (with(&field("Upper", "case")), Reason::UpstreamProtocol),
        (with(&field("connection", "close")), Reason::UpstreamProtocol),
        (frame(1, 5, 1, &field("a", "no status")), Reason::UpstreamProtocol),
        (frame(1, 5, 1, &length), Reason::UpstreamProtocol),
        (frame(9, 4, 1, b"out of nothing"), Reason::UpstreamProtocol),
        (frame(5, 4, 1, &[0, 0, 0, 2, 0x82, 0x84, 0x86]), Reason::UpstreamProtocol),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), Reason::UpstreamProtocol),
        (go_away(0), Reason::RefusedStream),
    ] {
        let proxy = to_raw(peer(bytes.clone()), "retry = { attempts = 0 }");
        let mut client = proxy.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        let answer = client.response();
        assert!(answer.text().contains(reason.token()), "{bytes:?}: {}", answer.text());
        eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
    }
}
