//! Bodies flow as they come, both ways, at the pace of the slower end.

use std::time::Duration;

use crate::support::{Framing, Origin, Proxy, Service, Wire};

/// More than any pair of kernel buffers on the way holds, less than a body that was read ahead.
const BUFFERED_MAX: usize = 64 * 1024 * 1024;

/// A sender that made no progress for this long is held back.
const STALLED: Duration = Duration::from_millis(500);

#[test]
fn an_upload_by_length_reaches_the_backend_before_its_end_was_sent() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nfirst");
    let mut backend = origin.accept();
    assert!(backend.head().starts_with("POST /up HTTP/1.1\r\n"));
    assert_eq!(backend.exactly(5), b"first");
    client.send("-last");
    assert_eq!(backend.exactly(5), b"-last");
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn an_upload_in_chunks_reaches_the_backend_before_its_end_was_sent() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send(
        "POST /up HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
    );
    let mut backend = origin.accept();
    let head = backend.head();
    assert!(head.to_ascii_lowercase().contains("transfer-encoding: chunked\r\n"), "{head}");
    backend.until(b"first");
    client.send("4\r\nlast\r\n0\r\n\r\n");
    backend.until(b"last");
    backend.until(b"0\r\n\r\n");
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn half_a_chunk_is_passed_on_without_waiting_for_the_rest() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("POST /up HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\na\r\nfirst");
    let mut backend = origin.accept();
    backend.head();
    backend.until(b"first");
    client.send("-last\r\n0\r\n\r\n");
    backend.until(b"-last");
}

#[test]
fn a_download_reaches_the_client_before_its_end_was_sent() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("GET /down HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    client.head();
    client.until(b"first");
    backend.send("4\r\nlast\r\n0\r\n\r\n");
    client.until(b"last");
    client.until(b"0\r\n\r\n");
}

#[test]
fn the_head_reaches_the_client_before_any_body() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("GET /down HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
    backend.send("hello");
    assert_eq!(client.exactly(5), b"hello");
}

#[test]
fn a_close_delimited_download_flows_in_chunks_as_it_comes() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("GET /down HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\n\r\nfirst");
    client.head();
    client.until(b"first");
    backend.send("last");
    client.until(b"last");
    backend.finish();
    client.until(b"0\r\n\r\n");
    // The client's connection lives on.
    client.send("GET /again HTTP/1.1\r\nHost: test\r\n\r\n");
    origin.accept().request();
}

#[test]
fn a_backend_that_reads_nothing_holds_the_uploading_client_back() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: 10000000000\r\n\r\n");
    let mut backend = origin.accept();
    backend.head();
    let n_sent = client.send_until_stalled(&[b'x'; 64 * 1024], STALLED);
    assert!(n_sent < BUFFERED_MAX, "{n_sent} bytes went into nobody's hands");
    // What was held back flows on once the backend reads.
    assert_eq!(backend.exactly(n_sent).len(), n_sent);
}

#[test]
fn a_client_that_reads_nothing_holds_the_backend_back() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = Wire::connect_narrow(proxy.address(), 64 * 1024);
    client.send("GET /down HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
    let n_sent = backend.send_until_stalled(&[b'x'; 64 * 1024], STALLED);
    assert!(n_sent < BUFFERED_MAX, "{n_sent} bytes went into nobody's hands");
    client.head();
    assert_eq!(client.exactly(n_sent).len(), n_sent);
}

#[test]
fn large_uploads_arrive_byte_for_byte() {
    let service = Service::echo();
    let proxy = Proxy::to(&[service.address()]);
    let body = pattern(3 * 1024 * 1024 + 17);
    let mut client = proxy.connect();
    client.send(format!("PUT /l HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len()));
    client.send(&body);
    assert_eq!(client.response().text(), "/l");
    client.send("PUT /c HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (i, chunk) in body.chunks(40_961).enumerate() {
        // Sizes in several spellings, chunks that never match the reads of the proxy.
        let head = if i % 2 == 0 {
            format!("{:X}\r\n", chunk.len())
        } else {
            format!("{:06x}\r\n", chunk.len())
        };
        client.send([head.as_bytes(), chunk, b"\r\n"].concat());
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.response().text(), "/c");
    drop(client);
    proxy.stop();
    let requests: Vec<_> =
        service.finish().into_iter().flat_map(|record| record.requests).collect();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].framing, Framing::Length(body.len() as u64));
    assert_eq!(requests[1].framing, Framing::Chunked);
    assert!(requests.iter().all(|request| request.body == body), "a body was changed on its way");
}

#[test]
fn large_downloads_arrive_byte_for_byte() {
    let service = Service::start(|request| {
        let body = pattern(3 * 1024 * 1024 + 17);
        match request.target() {
            "/length" => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                [head.as_bytes(), &body].concat()
            }
            _ => {
                let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
                for chunk in body.chunks(70_001) {
                    bytes.extend_from_slice(format!("{:x};n=1\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
                bytes
            }
        }
    });
    let proxy = Proxy::to(&[service.address()]);
    let mut client = proxy.connect();
    let expected = pattern(3 * 1024 * 1024 + 17);
    for target in ["/length", "/chunks", "/length"] {
        assert!(client.get(target).body == expected, "{target} was changed on its way");
    }
}

#[test]
fn a_response_that_comes_before_the_end_of_the_upload_reaches_the_client() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\nfirst");
    let mut backend = origin.accept();
    backend.head();
    backend.until(b"first");
    backend.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    let answer = client.response();
    assert_eq!((answer.status(), answer.text().as_str()), (403, "no"));
}

#[test]
fn a_backend_that_refuses_an_upload_and_closes_is_heard() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\nfirst");
    let mut backend = origin.accept();
    backend.head();
    backend.until(b"first");
    backend.send("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
    drop(backend);
    let answer = client.response();
    assert_eq!((answer.status(), answer.text().as_str()), (413, "no"));
}

#[test]
fn a_client_that_pipelines_without_end_is_held_back_while_its_first_request_waits() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    let request = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    client.send(request);
    let mut backend = origin.accept();
    backend.request();
    let n_sent =
        client.send_until_stalled(request.repeat(1000).as_bytes(), Duration::from_millis(300));
    assert!(n_sent < 16 << 20, "{n_sent} bytes of requests were taken ahead");
}

/// Bytes that repeat with a period no buffer has.
fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i % 251) as u8).collect()
}
