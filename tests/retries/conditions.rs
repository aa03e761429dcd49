//! After what, for whom, and how often.

use std::time::Duration;

use forebay::error::Reason;

use crate::support::{Origin, Proxy, Service, Wire, eventually, refused_address};
use crate::{AT_ONCE, GET, OK, answer_one, proxy, reset_one, sum};

/// A proxy before a backend that the test plays and one that answers `other`, and a client of it.
struct Scene {
    played: Origin,
    other: Service,
    proxy: Proxy,
    client: Wire,
}

impl Scene {
    /// With these members of `retry`; `request` was sent.
    #[track_caller]
    fn after(retry: &str, request: impl AsRef<[u8]>) -> Scene {
        let (played, other) = (Origin::bind(), Service::named("other"));
        let proxy = proxy(retry, &[played.address(), other.address()]);
        let mut client = proxy.connect();
        client.send(request);
        Scene { played, other, proxy, client }
    }
}

fn request(method: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi")
}

#[test]
fn a_reset_before_the_response_is_tried_on_another_backend() {
    for method in ["GET", "PUT", "DELETE"] {
        let mut scene = Scene::after(AT_ONCE, request(method));
        reset_one(&scene.played);
        assert_eq!(scene.client.response().text(), "other", "{method}");
        assert_eq!(sum(&scene.proxy, |worker| &worker.retries), 1);
        assert_eq!(scene.proxy.count(Reason::UpstreamReset), 0);
    }
}

#[test]
fn a_post_is_never_sent_twice_unless_the_operator_says_so() {
    let keyed =
        "POST / HTTP/1.1\r\nHost: test\r\nIdempotency-Key: 1\r\nContent-Length: 2\r\n\r\nhi";
    let listed = format!("{AT_ONCE}, methods = [\"POST\"]");
    let by_header = format!("{AT_ONCE}, idempotency_header = \"idempotency-key\"");
    for (retry, sent, twice) in [
        (AT_ONCE, &*request("POST"), false),
        (AT_ONCE, keyed, false),
        (&listed, &request("POST"), true),
        (&by_header, &request("POST"), false),
        (&by_header, keyed, true),
    ] {
        let mut scene = Scene::after(retry, sent);
        reset_one(&scene.played);
        let answer = scene.client.response();
        let expected = if twice { 200 } else { 502 };
        assert_eq!(answer.status(), expected, "{retry} {sent}");
        assert_eq!(scene.other.n_requests(), usize::from(twice), "{retry} {sent}");
    }
}

#[test]
fn nothing_is_tried_again_with_no_attempts_or_no_conditions() {
    for retry in ["attempts = 0", "on = [\"connect\"]"] {
        let mut scene = Scene::after(retry, GET);
        reset_one(&scene.played);
        assert_eq!(scene.client.response().status(), 502);
        assert_eq!(scene.other.n_requests(), 0);
    }
}

#[test]
fn an_unsent_request_goes_on_whatever_its_method_and_at_no_cost() {
    let (refusing, also) = (refused_address(), refused_address());
    let other = Service::named("other");
    let upstream = format!(
        "retry = {{ attempts = 1, {AT_ONCE} }}\nbudget = {{ ratio = 0.0, min_per_second = 0 }}"
    );
    let backends = [refusing.address(), also.address(), other.address()];
    let proxy = crate::with(&upstream, &backends);
    for _ in 0..20 {
        let mut client = proxy.connect();
        client.send(request("POST"));
        assert_eq!(client.response().text(), "other");
    }
    assert_eq!(sum(&proxy, |worker| &worker.retries_refused), 0);
}

#[test]
fn with_no_other_backend_left_the_same_are_asked_again() {
    let origins = [Origin::bind(), Origin::bind()];
    let proxy =
        proxy(&format!("{AT_ONCE}, attempts = 3"), &origins.each_ref().map(Origin::address));
    let mut client = proxy.connect();
    client.send(GET);
    reset_one(&origins[0]);
    reset_one(&origins[1]);
    reset_one(&origins[0]);
    // Never the same twice in a row while there is another.
    answer_one(&origins[1], OK);
    assert_eq!(client.response().text(), "ok");
    assert_eq!(sum(&proxy, |worker| &worker.retries), 3);
}

#[test]
fn the_only_backend_is_asked_again_and_its_last_failure_counts() {
    let origin = Origin::bind();
    let proxy = proxy(AT_ONCE, &[origin.address()]);
    let mut client = proxy.connect();
    client.send(GET);
    for _ in 0..3 {
        reset_one(&origin);
    }
    let answer = client.response();
    assert_eq!(answer.status(), 502);
    assert!(answer.text().contains("upstream_reset"), "{}", answer.text());
    proxy.counted(Reason::UpstreamReset, 1);
    assert!(origin.try_accept().is_none());
}

#[test]
fn one_try_takes_no_longer_than_per_try() {
    let retry = format!("{AT_ONCE}, per_try = \"100ms\"");
    let mut scene = Scene::after(&retry, GET);
    let mut held = scene.played.accept();
    held.request();
    assert_eq!(scene.client.response().text(), "other");
    held.closed();
    // What may not be tried again in silence ends with the try.
    let mut client = scene.proxy.connect();
    client.send(request("PUT"));
    let answer = client.response();
    assert_eq!(answer.status(), 504);
    assert!(answer.text().contains("first_byte_timeout"), "{}", answer.text());
}

#[test]
fn the_only_backend_is_asked_again_after_a_timeout_only_under_per_try() {
    for (retry, n_tries) in [(String::from("per_try = \"100ms\""), 3), (String::new(), 1)] {
        let origin = Origin::bind();
        let upstream =
            format!("retry = {{ {AT_ONCE}, {retry} }}\ntimeouts = {{ first_byte = \"200ms\" }}");
        let proxy = crate::with(&upstream, &[origin.address()]);
        let mut client = proxy.connect();
        client.send(GET);
        let mut held: Vec<_> = (0..n_tries).map(|_| origin.accept()).collect();
        held.iter_mut().for_each(|backend| drop(backend.request()));
        assert_eq!(client.response().status(), 504);
        assert!(origin.try_accept().is_none());
    }
}

#[test]
fn after_an_interim_response_nothing_is_tried_again() {
    let mut scene = Scene::after(AT_ONCE, GET);
    let mut backend = scene.played.accept();
    backend.request();
    backend.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    assert_eq!(scene.client.response().status(), 103);
    backend.reset();
    assert_eq!(scene.client.response().status(), 502);
    assert_eq!(scene.other.n_requests(), 0);
}

#[test]
fn a_response_head_that_breaks_off_is_a_reset_and_one_that_is_garbage_is_not() {
    for (sent, status) in [("HTTP/1.1 200 OK\r\nConte", 200), ("garbage\r\n\r\n", 502)] {
        let mut scene = Scene::after(AT_ONCE, GET);
        drop(answer_one(&scene.played, sent));
        assert_eq!(scene.client.response().status(), status, "{sent}");
    }
}

#[test]
fn a_client_that_leaves_in_the_pause_is_noticed() {
    let retry = "backoff = { base = \"60s\", max = \"60s\" }";
    let scene = Scene::after(retry, GET);
    reset_one(&scene.played);
    eventually("its connection is gone, and the pause has begun", || {
        sum(&scene.proxy, |worker| &worker.upstream_connects) == 1
    });
    drop(scene.client);
    scene.proxy.counted(Reason::ClientGone, 1);
    assert_eq!(scene.other.n_requests(), 0);
}

#[test]
fn the_total_time_ends_a_pause() {
    let dying = Origin::bind();
    let upstream = "retry = { backoff = { base = \"60s\", max = \"60s\" } }\n\
                    timeouts = { total = \"30ms\" }";
    let proxy = crate::with(upstream, &[dying.address()]);
    let mut client = proxy.connect();
    client.send(GET);
    reset_one(&dying);
    let answer = client.response();
    assert_eq!(answer.status(), 504);
    assert!(answer.text().contains("total_timeout"), "{}", answer.text());
}

#[test]
fn a_pause_is_taken_before_a_further_try() {
    let retry = "backoff = { base = \"60s\", max = \"60s\" }";
    let mut scene = Scene::after(retry, GET);
    reset_one(&scene.played);
    assert!(!scene.client.has_news_within(Duration::from_millis(30)), "answered without a pause");
    assert_eq!(scene.other.n_requests(), 0);
}
