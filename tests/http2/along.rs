//! What else becomes of a request, which is the same on streams: log lines, filters, mirrors, retries.

use crate::proxy;
use crate::support::frames::{END_STREAM, Framed, all, data, headers, post, request};
use crate::support::{Origin, Proxy, Service, Setup, eventually};

#[test]
fn the_access_log_says_which_version_and_has_a_line_for_each_stream() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("access.log");
    let more = format!("[log.access]\nformat = \"combined\"\nto = \"{}\"\n", path.display());
    let service = Service::echo();
    let proxy = proxy(Setup { more: &more, ..Setup::default() }, &[service.address()]);
    let mut client = Framed::connect(proxy.address());
    assert_eq!(client.get(1, "/logged").status(), 200);
    client.send(headers(3, END_STREAM, &request("TRACE", "/refused")));
    assert_eq!(client.answer(3).status(), 405);
    drop(client);
    proxy.stop();
    let log = std::fs::read_to_string(&path).expect("a log");
    assert!(log.contains("\"GET /logged HTTP/2.0\" 200 "), "{log}");
    assert!(log.contains("\"TRACE /refused HTTP/2.0\" 405 "), "{log}");
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn filters_and_mirrors_see_streams_as_they_see_requests() {
    let (service, mirrored) = (Service::echo(), Service::echo());
    let text = format!(
        "[[listener]]\nbind = \"127.0.0.1:0\"\nhttp = {{ h2c = true }}\n\
         [filter.mark]\nheaders = {{ request = {{ set = {{ x-mark = \"h\" }} }}, \
         response = {{ set = {{ x-seen = \"yes\" }} }} }}\n\
         [[route]]\nfilters = [\"mark\"]\nupstream = \"app\"\nmirror = {{ upstream = \"copy\" }}\n\
         [upstream.app]\nbackends = [\"{}\"]\n[upstream.copy]\nbackends = [\"{}\"]\n",
        service.address(),
        mirrored.address()
    );
    let proxy = Proxy::from_text(&text);
    let mut client = Framed::connect(proxy.address());
    client.wire.send(all(&[post(1, "/up"), data(1, 0, "so"), data(1, END_STREAM, "me")]));
    let answer = client.answer(1);
    assert_eq!((answer.status(), answer.field("x-seen")), (200, Some("yes")));
    eventually("a copy", || mirrored.n_requests() == 1);
    for of in [&service, &mirrored] {
        let request = of.records()[0].requests[0].clone();
        assert_eq!((request.body.as_slice(), request.field("x-mark")), (&b"some"[..], Some("h")));
    }
}

#[test]
fn a_request_that_failed_is_sent_again_with_its_body() {
    let origin = Origin::bind();
    let upstream = "retry = { attempts = 1, methods = [\"POST\"] }";
    let proxy = proxy(Setup { upstream, ..Setup::default() }, &[origin.address()]);
    let mut client = Framed::connect(proxy.address());
    client.wire.send(all(&[post(1, "/up"), data(1, 0, "so"), data(1, END_STREAM, "me")]));
    let mut first = origin.accept();
    first.until(b"0\r\n\r\n");
    drop(first);
    let mut second = origin.accept();
    second.until(b"0\r\n\r\n");
    second.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.answer(1).text(), "ok");
}

#[test]
fn without_a_backend_the_stream_is_answered_and_the_next_one_served() {
    let refused = crate::support::refused_address();
    let proxy = proxy(Setup::default(), &[refused.address()]);
    let mut client = Framed::connect(proxy.address());
    for stream in [1, 3] {
        let answer = client.get(stream, "/");
        assert_eq!(answer.status() / 100, 5);
        assert_eq!(answer.end, Some("END_STREAM"));
        assert!(answer.text().contains("reason: "), "{}", answer.text());
        assert_eq!(answer.field("connection"), None);
    }
}
