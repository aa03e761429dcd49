//! Responses whose bodies a filter changes, from a backend's bytes to the client's: a worker, a client on a socket
//! pair, and a backend that says what the table says.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::filter::{Context as Cx, Filter, Flow, Wrap};
use crate::message::{RequestHead, ResponseHead};
use crate::proxy::stage::Stage;

/// Shouts: bodies in capitals, with a mark at the end. Notes what it saw of each response.
#[derive(Debug, Default)]
struct Shout {
    seen: Mutex<Vec<String>>,
}

impl Filter for Shout {
    fn on_request(&self, head: &mut RequestHead, cx: &mut Cx<'_>) -> Flow {
        *cx.slot = Some(Box::new(String::from_utf8_lossy(head.target()).into_owned()));
        Flow::Continue
    }

    fn on_response(&self, head: &mut ResponseHead, _: &RequestHead, cx: &mut Cx<'_>) -> Wrap {
        let target = cx.slot.take().and_then(|slot| slot.downcast::<String>().ok());
        let names = head.fields.iter().map(|(_, name, _)| String::from_utf8_lossy(name));
        let names = names.collect::<Vec<_>>().join(" ").to_lowercase();
        let target = target.map_or_else(String::new, |target| *target);
        let seen = format!("{target} {} {names}", head.status);
        self.seen.lock().expect("sound").push(seen);
        head.fields.append(Known::Other, b"x-loud", &[b"1"]);
        Wrap::Body(Box::new(Loud))
    }
}

struct Loud;

impl Transform for Loud {
    fn data(&mut self, data: &[u8], out: &mut Vec<u8>) {
        out.extend(data.iter().map(u8::to_ascii_uppercase));
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.push(b'!');
    }
}

/// What one exchange came to.
struct Outcome {
    /// All that the client got.
    got: String,
    /// What the filter saw.
    seen: Vec<String>,
    /// Body bytes counted towards the client.
    bytes_out: u64,
    /// Connections that went back to the pool.
    n_pooled: usize,
}

/// Sends `request`, to which the backend answers `reply` and, where `ends`, closes.
async fn exchange(request: &str, reply: &str, ends: bool) -> Outcome {
    let backend = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let shout = Arc::new(Shout::default());
    let address = backend.local_addr().expect("bound");
    let stage = Stage::new(&address.to_string(), Arc::new([Arc::<Shout>::clone(&shout)]));
    let (serving, mut client) = stage.serve();
    let answering = async {
        let (mut peer, _) = backend.accept().await.expect("a connection");
        let (mut read, mut buffer) = (Vec::new(), [0; 1024]);
        while !read.ends_with(b"\r\n\r\n") {
            let n = peer.read(&mut buffer).await.expect("open");
            read.extend_from_slice(&buffer[..n]);
        }
        peer.write_all(reply.as_bytes()).await.expect("open");
        // Kept open otherwise: whoever waits for the end of the stream waits in vain.
        if ends { None } else { Some(peer) }
    };
    let asking = async move {
        client.write_all(request.as_bytes()).await.expect("open");
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.expect("in order");
        String::from_utf8(got).expect("text")
    };
    let ((), _kept, got) = tokio::join!(serving, answering, asking);
    let seen = std::mem::take(&mut *shout.seen.lock().expect("sound"));
    let bytes_out = stage.metrics.sum(|worker| &worker.bytes_out);
    Outcome { got, seen, bytes_out, n_pooled: stage.worker.pool.len() }
}

const LAST: &str = "x-loud: 1\r\n";
const GET: &str = "GET /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const GET_10: &str = "GET /p HTTP/1.0\r\n\r\n";
const HEAD: &str = "HEAD /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_changed_response_is_framed_for_its_client_and_leaves_the_backends_connection_clean() {
    let chunks = "transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let close = "connection: close\r\n\r\n";
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nhello";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: t\r\nA: b\r\n\r\n\
                   3\r\nhel\r\n2\r\nlo\r\n0\r\nT: u\r\n\r\n";
    let until_close = "HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello";
    let empty = "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\n\r\n";
    let framed = "6\r\nHELLO!\r\n0\r\n\r\n";
    for (request, reply, ends, framing, body, n_body, n_pooled) in [
        (GET, length, false, chunks, framed, 6, 1),
        (GET, chunked, false, chunks, framed, 6, 1),
        (GET, empty, false, chunks, "1\r\n!\r\n0\r\n\r\n", 1, 1),
        (GET_10, length, false, close, "HELLO!", 6, 1),
        (GET_10, chunked, false, close, "HELLO!", 6, 1),
        (GET_10, until_close, true, close, "HELLO!", 6, 0),
    ] {
        let outcome = exchange(request, reply, ends).await;
        let expected = format!("HTTP/1.1 200 OK\r\nA: b\r\n{LAST}{framing}{body}");
        assert_eq!(outcome.got, expected, "{request}{reply}");
        assert_eq!(outcome.bytes_out, n_body, "what the client got is counted");
        assert_eq!(outcome.n_pooled, n_pooled, "{reply}");
    }
    // Whether the end is seen together with the last byte is the kernel's choice.
    let outcome = exchange(GET, until_close, true).await;
    let whole = outcome.got.ends_with(framed);
    assert!(whole || outcome.got.ends_with("5\r\nHELLO\r\n1\r\n!\r\n0\r\n\r\n"), "{}", outcome.got);
}

#[tokio::test]
async fn a_response_without_a_body_has_none_after_it_was_wrapped_either() {
    for (request, status, fields, kept) in [
        (HEAD, "200 OK", "Content-Length: 5\r\n", ""),
        (HEAD, "200 OK", "Transfer-Encoding: chunked\r\n", ""),
        (GET, "304 Not Modified", "Content-Length: 5\r\nETag: \"x\"\r\n", "ETag: \"x\"\r\n"),
        (GET, "204 No Content", "A: b\r\n", "A: b\r\n"),
    ] {
        let reply = format!("HTTP/1.1 {status}\r\n{fields}\r\n");
        let outcome = exchange(request, &reply, false).await;
        let expected = format!("HTTP/1.1 {status}\r\n{kept}{LAST}connection: close\r\n\r\n");
        assert_eq!(outcome.got, expected, "{reply}");
        assert_eq!((outcome.bytes_out, outcome.n_pooled), (0, 1), "{reply}");
        assert_eq!(outcome.seen.len(), 1, "the filter sees every head");
    }
}

#[tokio::test]
async fn a_filter_sees_what_concerns_it_and_what_it_put_by() {
    let reply = "HTTP/1.1 404 No\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\
                 Content-Length: 0\r\nX-B: 1\r\nUpgrade: h2c\r\n\r\n";
    let outcome = exchange(GET, reply, false).await;
    assert_eq!(outcome.seen, ["/p 404 content-length x-b"]);
}

#[tokio::test]
async fn a_changed_response_that_is_cut_short_never_looks_complete() {
    for reply in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        for request in [GET, GET_10] {
            let outcome = exchange(request, reply, true).await;
            assert!(outcome.got.contains("HELLO"), "{}", outcome.got);
            assert!(!outcome.got.contains('!') && !outcome.got.ends_with("0\r\n\r\n"));
            assert_eq!(outcome.n_pooled, 0);
        }
    }
}

#[tokio::test]
async fn a_body_that_is_malformed_from_the_start_is_a_502_that_no_filter_touched() {
    let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n";
    let outcome = exchange(GET, reply, true).await;
    assert!(outcome.got.starts_with("HTTP/1.1 502 "), "{}", outcome.got);
    assert!(!outcome.got.contains("x-loud"), "{}", outcome.got);
}
