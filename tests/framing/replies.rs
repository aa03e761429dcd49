//! A backend's replies with the same sins: a 502, a cut, or one correct framing; and a connection that
//! lied once never carries another request.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::case::Pace;
use crate::support::{Framing, Origin, Proxy, Wire};

#[test]
fn replies_are_framed_correctly_or_refused() {
    let mut failures = Vec::new();
    let cases = cases();
    for case in &cases {
        for pace in [Pace::Whole, Pace::Dribble] {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run_one(case, pace))) {
                let text = panic.downcast_ref::<String>().map_or("a panic", String::as_str);
                failures.push(format!("\n✗ {} ({pace:?}): {text}", case.name));
            }
        }
    }
    let (n, of) = (failures.len(), cases.len());
    assert!(failures.is_empty(), "{n} of {of} replies failed:{}", failures.concat());
}

/// What a backend replies and what the client must see.
pub struct Case {
    /// A sentence.
    pub name: &'static str,
    method: &'static str,
    reply: Vec<u8>,
    then: Then,
    outcome: Outcome,
    reuse: Reuse,
}

impl Case {
    /// The method of the request.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// Whether a client gets the reply as a complete response; `None` where both are correct.
    pub fn is_passed_on(&self) -> Option<bool> {
        match self.outcome {
            Outcome::Refused | Outcome::Cut => Some(false),
            Outcome::Passed(..) => Some(true),
            Outcome::Safe(..) => None,
        }
    }

    /// Sends the reply.
    pub fn play(&self, backend: &mut Wire, pace: Pace) {
        pace.hand_over(backend, &self.reply);
        if self.then == Then::Closes {
            backend.finish();
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// The backend waits for more.
    StaysOpen,
    /// The backend ends the connection.
    Closes,
}

enum Outcome {
    /// 502 `upstream_protocol`.
    Refused,
    /// 502, or a beginning that the client cannot take for the whole.
    Cut,
    /// This status, framing and body.
    Passed(u16, Framing, &'static str),
    /// 502, or this status with this body.
    Safe(u16, &'static str),
}

#[derive(Clone, Copy, PartialEq)]
enum Reuse {
    Must,
    Never,
    /// Both are correct.
    Free,
}

fn run_one(case: &Case, pace: Pace) {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send(format!("{} /first HTTP/1.1\r\nHost: test\r\n\r\n", case.method));
    let mut backend = origin.accept();
    backend.request();
    case.play(&mut backend, pace);
    check_client(case, &mut client);
    check_reuse(case, &proxy, &origin, backend);
}

fn check_client(case: &Case, client: &mut Wire) {
    let answer = client.try_response_to(case.method);
    match (&case.outcome, answer) {
        (Outcome::Refused, answer) => {
            let answer = answer.expect("a well-framed refusal");
            assert_eq!(answer.status(), 502, "{answer:?}");
            assert!(case.method == "HEAD" || answer.text().contains("upstream_protocol"));
        }
        (Outcome::Cut | Outcome::Safe(..), Ok(answer)) if answer.status() == 502 => {
            assert!(answer.text().contains("upstream_protocol"), "{answer:?}");
        }
        (Outcome::Cut, Ok(answer)) => panic!("passed on as complete: {answer:?}"),
        (Outcome::Cut, Err(fault)) => {
            assert!(client.is_closed(), "not cut: {fault}");
            let received = String::from_utf8_lossy(client.received());
            assert!(!received.contains("smuggled"), "{received}");
            return;
        }
        (Outcome::Passed(status, framing, body), answer) => {
            let answer = answer.expect("a well-framed response");
            assert_eq!((answer.status(), answer.framing), (*status, *framing), "{answer:?}");
            assert_eq!(answer.text(), *body);
        }
        (Outcome::Safe(status, body), answer) => {
            let answer = answer.expect("a well-framed response");
            assert_eq!((answer.status(), answer.text().as_str()), (*status, *body));
        }
    }
    assert!(client.waiting().is_empty(), "bytes behind the response: {:?}", client.waiting());
}

/// A second request of another client shows where it goes.
fn check_reuse(case: &Case, proxy: &Proxy, origin: &Origin, mut first: Wire) {
    let mut client = proxy.connect();
    client.send("GET /second HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = match case.reuse {
        Reuse::Must => first,
        Reuse::Never => {
            let backend = origin.accept();
            assert!(first.is_closed(), "a backend that lied is still connected");
            assert!(first.waiting().is_empty(), "a backend that lied got another request");
            backend
        }
        Reuse::Free => return,
    };
    assert_eq!(backend.request().target(), "/second");
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
    assert_eq!(client.response().text(), "second");
}

pub fn cases() -> Vec<Case> {
    let mut cases = good();
    cases.extend(framing());
    cases.extend(fields());
    cases.extend(status_lines());
    cases.extend(bodies());
    cases.extend(without_a_body());
    cases
}

fn case(name: &'static str, reply: impl AsRef<[u8]>, outcome: Outcome, reuse: Reuse) -> Case {
    let reply = reply.as_ref().to_vec();
    Case { name, method: "GET", reply, then: Then::StaysOpen, outcome, reuse }
}

fn closing(name: &'static str, reply: impl AsRef<[u8]>, outcome: Outcome) -> Case {
    Case { then: Then::Closes, ..case(name, reply, outcome, Reuse::Never) }
}

fn refused(name: &'static str, reply: impl AsRef<[u8]>) -> Case {
    case(name, reply, Outcome::Refused, Reuse::Never)
}

fn cut(name: &'static str, reply: impl AsRef<[u8]>) -> Case {
    case(name, reply, Outcome::Cut, Reuse::Never)
}

fn good() -> Vec<Case> {
    let hello = |framing| Outcome::Passed(200, framing, "hello");
    vec![
        case(
            "reply: a length",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            hello(Framing::Length(5)),
            Reuse::Must,
        ),
        case(
            "reply: chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n",
            hello(Framing::Chunked),
            Reuse::Must,
        ),
        case(
            "reply: a length of zero",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Outcome::Passed(200, Framing::Length(0), ""),
            Reuse::Must,
        ),
        case(
            "reply: a reason beyond ASCII",
            b"HTTP/1.1 404 Pas trouv\xe9\r\nContent-Length: 5\r\n\r\nhello",
            Outcome::Passed(404, Framing::Length(5), "hello"),
            Reuse::Must,
        ),
        case(
            "reply: an empty reason",
            "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello",
            hello(Framing::Length(5)),
            Reuse::Must,
        ),
        case(
            "reply: no reason and no blank before it",
            "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
            Outcome::Safe(200, "hello"),
            Reuse::Free,
        ),
        case(
            "reply: Connection: close",
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
            hello(Framing::Length(5)),
            Reuse::Never,
        ),
        closing("reply: until close", "HTTP/1.1 200 OK\r\n\r\nhello", hello(Framing::Chunked)),
        closing(
            "reply: HTTP/1.0 until close",
            "HTTP/1.0 200 OK\r\n\r\nhello",
            hello(Framing::Chunked),
        ),
        case(
            "reply: HTTP/1.0 with a length",
            "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            hello(Framing::Length(5)),
            Reuse::Never,
        ),
    ]
}

fn framing() -> Vec<Case> {
    vec![
        refused(
            "reply: a length before chunked",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        refused(
            "reply: a length behind chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        ),
        refused(
            "reply: two lengths that differ",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        ),
        case(
            "reply: two lengths that agree",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            Outcome::Safe(200, "hello"),
            Reuse::Free,
        ),
        refused(
            "reply: a list of lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!",
        ),
        refused(
            "reply: a length with a plus",
            "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        ),
        refused("reply: a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
        refused("reply: an empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello"),
        refused(
            "reply: a hexadecimal length",
            "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello",
        ),
        refused(
            "reply: a length of 2^64",
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nhello",
        ),
        refused("reply: gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello"),
        refused(
            "reply: chunked twice",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        ),
        refused(
            "reply: chunked in two fields",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        refused(
            "reply: chunked and identity",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        ),
        refused(
            "reply: xchunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        ),
        refused(
            "reply: chunked behind a vertical tab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        ),
        refused(
            "reply: chunked in HTTP/1.0",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ]
}

fn fields() -> Vec<Case> {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(300 * 1024));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(5000));
    vec![
        refused(
            "reply: obs-fold",
            "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
        ),
        refused(
            "reply: a length in the fold of another field",
            "HTTP/1.1 200 OK\r\nX: a\r\n Content-Length: 100\r\nContent-Length: 5\r\n\r\nhello",
        ),
        case(
            "reply: a space before a colon",
            "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 5\r\n\r\nhello",
            Outcome::Safe(200, "hello"),
            Reuse::Free,
        ),
        refused(
            "reply: a space before the length's colon",
            "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
        ),
        refused("reply: bare LFs", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
        refused("reply: one bare LF", "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5\r\n\r\nhello"),
        refused("reply: a bare CR", "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 5\r\n\r\nhello"),
        refused("reply: a NUL", "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 5\r\n\r\nhello"),
        refused(
            "reply: a control byte",
            "HTTP/1.1 200 OK\r\nX: \x1b\r\nContent-Length: 5\r\n\r\nhello",
        ),
        refused("reply: an empty name", "HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 5\r\n\r\nhello"),
        refused("reply: no colon", "HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 5\r\n\r\nhello"),
        refused(
            "reply: a name with a space",
            "HTTP/1.1 200 OK\r\nX Y: a\r\nContent-Length: 5\r\n\r\nhello",
        ),
        refused("reply: a field of 300 KiB", long),
        refused("reply: five thousand fields", many),
    ]
}

fn status_lines() -> Vec<Case> {
    vec![
        refused("reply: two digits", "HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello"),
        refused("reply: four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello"),
        refused("reply: letters for digits", "HTTP/1.1 abc OK\r\nContent-Length: 5\r\n\r\nhello"),
        refused("reply: a status below 100", "HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\nhello"),
        refused("reply: a negative status", "HTTP/1.1 -20 OK\r\nContent-Length: 5\r\n\r\nhello"),
        refused("reply: HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        refused("reply: another protocol", "ICY 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        refused("reply: no status line", "hello, this is no HTTP\r\n\r\n"),
        refused("reply: a page without a head", "<html><body>hello</body></html>\r\n\r\n"),
        refused(
            "reply: a NUL in the reason",
            "HTTP/1.1 200 O\0K\r\nContent-Length: 5\r\n\r\nhello",
        ),
        refused(
            "reply: a bare CR in the reason",
            "HTTP/1.1 200 O\rK\r\nContent-Length: 5\r\n\r\nhello",
        ),
        refused(
            "reply: a space before the version",
            " HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ),
        refused(
            "reply: 101 that nobody asked for",
            "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nhello",
        ),
        refused("reply: binary", b"\x16\x03\x03\x00\x02\x02\x28\r\n\r\n"),
    ]
}

fn bodies() -> Vec<Case> {
    let chunked = |tail: &str| {
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n{tail}")
    };
    vec![
        cut("reply: a chunk size that is no number", chunked("g\r\nhello\r\n0\r\n\r\n")),
        cut("reply: a negative chunk size", chunked("-5\r\nhello\r\n0\r\n\r\n")),
        cut("reply: a chunk size of 2^64 + 5", chunked("10000000000000005\r\nhello\r\n0\r\n\r\n")),
        cut("reply: a chunk size with 0x", chunked("0x5\r\nhello\r\n0\r\n\r\n")),
        cut("reply: a chunk size behind a space", chunked(" 5\r\nhello\r\n0\r\n\r\n")),
        cut("reply: a chunk line that ends with a bare LF", chunked("5\nhello\r\n0\r\n\r\n")),
        cut("reply: chunk data without an end", chunked("5\r\nhelloXX0\r\n\r\n")),
        cut("reply: a NUL in an extension", chunked("5;\0\r\nhello\r\n0\r\n\r\n")),
        cut("reply: a malformed trailer", chunked("0\r\nnonsense\r\n\r\n")),
        cut("reply: a folded trailer", chunked("0\r\nX: y\r\n z\r\n\r\n")),
        closing("reply: chunks without the last", chunked(""), Outcome::Cut),
        closing("reply: a last chunk without its end", chunked("0\r\n"), Outcome::Cut),
        closing(
            "reply: a body shorter than its length",
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            Outcome::Cut,
        ),
        case(
            "reply: a response behind the length",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
             HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled",
            Outcome::Passed(200, Framing::Length(5), "hello"),
            Reuse::Never,
        ),
        case(
            "reply: a byte behind the length",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!",
            Outcome::Passed(200, Framing::Length(5), "hello"),
            Reuse::Never,
        ),
        case(
            "reply: a response behind the last chunk",
            chunked("0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"),
            Outcome::Passed(200, Framing::Chunked, "hello"),
            Reuse::Never,
        ),
    ]
}

fn without_a_body() -> Vec<Case> {
    let head = |name, reply: &str, outcome, reuse| Case {
        method: "HEAD",
        ..case(name, reply, outcome, reuse)
    };
    let none = |status| Outcome::Passed(status, Framing::None, "");
    vec![
        case("reply: 204", "HTTP/1.1 204 No Content\r\n\r\n", none(204), Reuse::Must),
        case(
            "reply: 304",
            "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
            none(304),
            Reuse::Must,
        ),
        case(
            "reply: 304 with the length it would have",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            none(304),
            Reuse::Must,
        ),
        case(
            "reply: 204 with a length",
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            none(204),
            Reuse::Free,
        ),
        case(
            "reply: 204 with a body",
            "HTTP/1.1 204 No Content\r\nContent-Length: 8\r\n\r\nsmuggled",
            none(204),
            Reuse::Never,
        ),
        case(
            "reply: 204 with chunks",
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            none(204),
            Reuse::Never,
        ),
        case(
            "reply: 304 with a body",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\nsmuggled",
            none(304),
            Reuse::Never,
        ),
        head(
            "reply to HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            none(200),
            Reuse::Must,
        ),
        head(
            "reply to HEAD with chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            none(200),
            Reuse::Must,
        ),
        head(
            "reply to HEAD with a body",
            "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled",
            none(200),
            Reuse::Never,
        ),
        head(
            "reply to HEAD with conflicting framing",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            Outcome::Refused,
            Reuse::Never,
        ),
    ]
}
