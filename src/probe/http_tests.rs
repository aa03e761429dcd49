//! What answers pass, which fail, and what becomes of the connection.

use std::time::Duration;

use super::*;
use crate::config::{Health, HealthExpect, Statuses};
use crate::probe::scripted::{Act, Scripted, answer, send};
use crate::probe::{BODY_BYTES_MAX, SEARCHED_BYTES_MAX, check as check_in_time};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn quick() -> Health {
    Health { timeout: Duration::from_millis(250), ..Health::default() }
}

fn containing(text: &str) -> Health {
    let expect = HealthExpect { body_contains: Some(text.into()), ..Health::default().expect };
    Health { expect, timeout: Duration::from_secs(5), ..Health::default() }
}

async fn verdict(script: Vec<Act>, options: Health) -> String {
    let backend = Scripted::start(vec![script]).await;
    match check_in_time(&backend.target(options), &mut Line::default()).await {
        Ok(()) => "pass".into(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn an_answer_passes_by_its_status() {
    let table = [
        (OK.to_owned(), "pass"),
        ("HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".into(), "pass"),
        ("HTTP/1.1 204 No Content\r\n\r\n".into(), "pass"),
        ("HTTP/1.0 200 OK\r\n\r\nuntil it closes".into(), "pass"),
        (format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{OK}"), "pass"),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
            "answered 404, expected 200-399",
        ),
        (
            "HTTP/1.1 503 Busy\r\nContent-Length: 900\r\n\r\n".into(),
            "answered 503, expected 200-399",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\n\r\n".into(),
            "interim answers (1xx) without a final one",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(verdict(answer(&text), quick()).await, expected, "{text}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure() {
    let held = |text: &str| vec![Act::Await, send(text), Act::Hold];
    let table = [
        (answer("SSH-2.0-OpenSSH_9.6\r\n"), "the answer is not valid HTTP/1.1"),
        (answer("HTTP/1.1 200 OK\nContent-Length: 0\n\n"), "the answer is not valid HTTP/1.1"),
        (
            answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n"),
            "the answer is not valid HTTP/1.1",
        ),
        (vec![Act::Await], "connection closed without an answer"),
        (answer("HTTP/1.1 200 O"), "connection closed within the answer"),
        (
            answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
            "connection closed within the answer",
        ),
        (held(""), "no answer within 250ms"),
        (held("HTTP/1.1 200 OK\r\n"), "the answer's head did not end within 250ms"),
        (
            held("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
            "the body did not end within 250ms",
        ),
    ];
    for (script, expected) in table {
        assert_eq!(verdict(script.clone(), quick()).await, expected, "{script:?}");
    }
    let reset = verdict(vec![Act::Await, Act::Reset], quick()).await;
    assert_eq!(reset, "connection broken: connection reset by peer");
}

#[tokio::test]
async fn a_backend_that_sends_without_an_end_is_a_failure() {
    let patient = || Health { timeout: Duration::from_secs(10), ..Health::default() };
    let flood =
        |head: &str, part: String| vec![Act::Await, send(head), Act::Repeat(part.into_bytes())];
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let endless = format!(
        "the body does not end within {} KiB; check a path with a small answer",
        BODY_BYTES_MAX >> 10
    );
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    assert_eq!(verdict(flood(chunked, chunk), patient()).await, endless);
    let until_close = flood("HTTP/1.1 200 OK\r\n\r\n", "x".repeat(4096));
    assert_eq!(verdict(until_close, patient()).await, endless);
    let interims = flood("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".into());
    let too_many = "interim answers (1xx) without a final one";
    assert_eq!(verdict(interims, patient()).await, too_many);
    // One field of any length, or fields without an end.
    for part in ["x".repeat(4096), format!("x: {}\r\n", "y".repeat(1000))] {
        let text = verdict(flood("HTTP/1.1 200 OK\r\na: b\r\nx", part), patient()).await;
        assert!(
            text == "the answer's head is longer than 64 KiB" || text.contains("not valid"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_slow_trickle_is_a_failure_in_time() {
    let whole = OK.as_bytes().to_vec();
    let text = verdict(vec![Act::Await, Act::Trickle(whole)], quick()).await;
    assert_eq!(text, "the answer's head did not end within 250ms");
    let body = vec![
        Act::Await,
        send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Act::Trickle(b"1\r\nx\r\n".repeat(50)),
    ];
    assert_eq!(verdict(body, quick()).await, "the body did not end within 250ms");
}

#[tokio::test]
async fn the_body_is_searched_as_far_as_it_is_read() {
    let padded = |n: usize| format!("{}ready", "x".repeat(n));
    let sized = |body: &str| {
        answer(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    };
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nre\r\n3;x=y\r\nady\r\n0\r\n\r\n";
    let lacking = "the body does not contain \"ready\"";
    let last = SEARCHED_BYTES_MAX - 5;
    let table = [
        (sized("all is ready now"), "pass"),
        (sized("not yet"), lacking),
        (sized(""), lacking),
        (answer(chunked), "pass"),
        (sized(&padded(last)), "pass"),
        (sized(&padded(last + 1)), lacking),
        (answer(&format!("HTTP/1.1 200 OK\r\n\r\n{}", padded(last))), "pass"),
        (answer(&format!("HTTP/1.1 200 OK\r\n\r\n{}", padded(last + 1))), lacking),
    ];
    for (nth, (script, expected)) in table.into_iter().enumerate() {
        assert_eq!(verdict(script, containing("ready")).await, expected, "case {nth}");
    }
}

#[tokio::test]
async fn a_body_that_says_that_it_is_long_need_not_be_read() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1_u64 << 40);
    assert_eq!(verdict(vec![Act::Await, send(&head), Act::Hold], quick()).await, "pass");
}

#[tokio::test]
async fn a_connection_is_used_again_while_both_want_that() {
    let twice = [answer(OK), answer(OK), vec![Act::Hold]].concat();
    let backend = Scripted::start(vec![twice]).await;
    let (target, mut line) = (backend.target(quick()), Line::default());
    for _ in 0..2 {
        check_in_time(&target, &mut line).await.expect("a pass");
    }
    assert_eq!(backend.n_connections(), 1);
    assert!(line.kept.is_some());

    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let more = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore than was said";
    for text in [closing, more, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"] {
        let backend = Scripted::start(vec![[answer(text), vec![Act::Hold]].concat()]).await;
        let mut line = Line::default();
        check_in_time(&backend.target(quick()), &mut line).await.expect("a pass");
        assert!(line.kept.is_none(), "{text}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_has_died_is_no_failure() {
    let closes = answer(OK);
    let resets = [answer(OK), vec![Act::Await, Act::Reset]].concat();
    let speaks = [answer(OK), vec![send("HTTP/1.1 408 Timeout\r\n\r\n")]].concat();
    for first in [closes, resets, speaks] {
        let second = [answer(OK), vec![Act::Hold]].concat();
        let backend = Scripted::start(vec![first, second]).await;
        let (target, mut line) = (backend.target(quick()), Line::default());
        check_in_time(&target, &mut line).await.expect("a pass");
        check_in_time(&target, &mut line).await.expect("a pass on a new connection");
        assert_eq!(backend.n_connections(), 2);
    }
}

#[tokio::test]
async fn a_new_connection_that_dies_is_a_failure_even_after_a_kept_one() {
    let scripts = vec![answer(OK), vec![Act::Await], answer(OK)];
    let backend = Scripted::start(scripts).await;
    let (target, mut line) = (backend.target(quick()), Line::default());
    check_in_time(&target, &mut line).await.expect("a pass");
    let error = check_in_time(&target, &mut line).await.expect_err("both are dead");
    assert_eq!(error.to_string(), "connection closed without an answer");
    assert_eq!(backend.n_connections(), 2, "a third one was tried");
}

#[test]
fn the_request_is_what_was_configured() {
    let options = Health { path: "/up?x=1".into(), ..Health::default() };
    let target = |options: Health| {
        let address = crate::backend::Address::Tcp(([127, 0, 0, 1], 80).into());
        Target::new(&address, "10.0.0.1:80", std::sync::Arc::new(options))
    };
    let text = |options| String::from_utf8(request(&target(options))).expect("text");
    assert_eq!(
        text(options.clone()),
        "GET /up?x=1 HTTP/1.1\r\nhost: 10.0.0.1:80\r\nuser-agent: forebay-health\r\n\
         accept: */*\r\nconnection: keep-alive\r\n\r\n"
    );
    let named = Health { host: Some("shop.test".into()), method: "POST".into(), ..options };
    let text = text(named);
    assert!(text.starts_with("POST /up?x=1 HTTP/1.1\r\nhost: shop.test\r\n"), "{text}");
    assert!(text.contains("\r\ncontent-length: 0\r\n"), "{text}");
}

#[tokio::test]
async fn a_head_request_has_no_body_to_wait_for() {
    let options = Health { method: "HEAD".into(), ..quick() };
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
    let script = vec![Act::Await, send(head), Act::Hold];
    assert_eq!(verdict(script, options).await, "pass");
}

#[tokio::test]
async fn an_unexpected_status_can_be_the_wanted_one() {
    let expect = HealthExpect { status: Statuses::of([404]), body_contains: None };
    let options = Health { expect, ..quick() };
    assert_eq!(verdict(answer(OK), options).await, "answered 200, expected 404");
}
