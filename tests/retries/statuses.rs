//! Answers that the policy would rather not pass on.

use forebay::error::Reason;

use crate::support::{Mood, Moody, Origin, Service};
use crate::{AT_ONCE, GET, OK, answer_one, proxy, sum, with};

const SICK: &str = "HTTP/1.1 503 Sick\r\nX-From: a\r\nContent-Length: 4\r\n\r\nsick";

#[test]
fn a_listed_status_is_tried_on_another_backend() {
    let (sick, other) = (Origin::bind(), Service::named("other"));
    let proxy = proxy(AT_ONCE, &[sick.address(), other.address()]);
    let mut client = proxy.connect();
    client.send(GET);
    let mut kept = answer_one(&sick, SICK);
    let answer = client.response();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "other"));
    assert_eq!(answer.field("x-from"), None, "a field of the answer that was dropped");
    // Its answer was all there, so that the connection is good for another request.
    client.send(GET);
    kept.request();
    kept.send(OK);
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn the_connection_of_an_answer_that_is_still_coming_is_closed() {
    let (sick, other) = (Origin::bind(), Service::named("other"));
    let proxy = proxy(AT_ONCE, &[sick.address(), other.address()]);
    let mut client = proxy.connect();
    client.send(GET);
    let mut backend = answer_one(&sick, "HTTP/1.1 503 Sick\r\nContent-Length: 100\r\n\r\nsick");
    assert_eq!(client.response().text(), "other");
    backend.closed();
}

#[test]
fn the_last_answer_is_passed_on_as_it_came() {
    let origins = [Origin::bind(), Origin::bind(), Origin::bind()];
    let proxy = proxy(AT_ONCE, &origins.each_ref().map(Origin::address));
    let mut client = proxy.connect();
    client.send(GET);
    for (n, origin) in origins.iter().enumerate() {
        answer_one(origin, &format!("HTTP/1.1 503 Sick\r\nContent-Length: 1\r\n\r\n{n}"));
    }
    let answer = client.response();
    assert_eq!((answer.line.as_str(), answer.text().as_str()), ("HTTP/1.1 503 Sick", "2"));
}

#[test]
fn the_only_backends_answer_is_passed_on_at_once() {
    let origin = Origin::bind();
    let proxy = proxy("backoff = { base = \"60s\", max = \"60s\" }", &[origin.address()]);
    let mut client = proxy.connect();
    client.send(GET);
    answer_one(&origin, SICK);
    assert_eq!(client.response().text(), "sick");
    assert_eq!(sum(&proxy, |worker| &worker.retries), 0);
}

#[test]
fn a_post_gets_the_first_answer_and_an_unlisted_status_passes() {
    let post = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi";
    for (request, answer) in
        [(post, SICK), (GET, "HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nsick")]
    {
        let (sick, other) = (Origin::bind(), Service::named("other"));
        let proxy = proxy(AT_ONCE, &[sick.address(), other.address()]);
        let mut client = proxy.connect();
        client.send(request);
        answer_one(&sick, answer);
        assert_eq!(client.response().text(), "sick");
        assert_eq!(other.n_requests(), 0);
    }
}

#[test]
fn an_early_answer_is_dropped_and_the_rest_of_the_body_goes_to_the_next() {
    let (sick, staying) = (Origin::bind(), Origin::bind());
    let proxy = proxy(AT_ONCE, &[sick.address(), staying.address()]);
    let mut client = proxy.connect();
    client.send("PUT /a HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nfirst");
    let mut backend = sick.accept();
    backend.until(b"first");
    backend.send(SICK);
    let mut backend = staying.accept();
    backend.until(b"first");
    client.send("after");
    backend.until(b"after");
    backend.send(OK);
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn with_no_time_left_behind_the_pause_the_answer_there_is_is_passed_on() {
    let backends = [Moody::start(), Moody::start()];
    backends.iter().for_each(|backend| backend.feels(Mood::Status(503)));
    // The pause is anything up to a minute: mostly longer than the time there is, and never does a 504 come of it.
    let retry = "retry = { backoff = { base = \"60s\", max = \"60s\" } }";
    let upstream = format!("{retry}\ntimeouts = {{ total = \"3s\" }}");
    let proxy = with(&upstream, &backends.each_ref().map(Moody::address));
    let clients = (0..8).map(|_| proxy.connect());
    let mut clients: Vec<_> = clients.collect();
    clients.iter_mut().for_each(|client| client.send(GET));
    for client in &mut clients {
        assert_eq!(client.response().status(), 503);
    }
    assert_eq!(proxy.count(Reason::TotalTimeout), 0);
}
