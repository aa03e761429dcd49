//! The same bytes given to hyper's own server and client: what hyper refuses we refuse, and where we are
//! stricter a table says why. Our verdicts are those of the tables, which the battery proves.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::case::{Case, Outcome, Pace};
use crate::replies;
use crate::support::{Origin, Wire};

/// Names of cases, and why we refuse what hyper accepts.
type Stricter = &'static [(&'static str, &'static [&'static str])];

const STRICTER_WITH_REQUESTS: Stricter = &[
    (
        "RFC 9112, section 2.2: a bare LF is a line end to some and none to others",
        &[
            "a bare LF before the request",
            "a field that ends with a bare LF",
            "a head of bare LFs",
            "a head that ends with LF CR LF",
            "a head that ends with a bare LF",
            "a request line that ends with a bare LF",
            "chunked's field behind a bare LF",
        ],
    ),
    (
        "RFC 9112, section 6.1: a length beside a coding is how requests are smuggled; hyper repairs it",
        &[
            "a length before chunked",
            "a length behind chunked",
            "chunked named by Connection, and a length",
            "chunked, a length, and the length named by Connection",
            "the second request's framing conflicts",
        ],
    ),
    (
        "RFC 9112, section 6.1: chunked is applied once, and a proxy cannot undo other codings",
        &[
            "chunked twice in one field",
            "chunked twice in two fields",
            "gzip and then chunked",
            "identity and chunked in two fields",
            "identity and then chunked",
            "a comma before chunked",
        ],
    ),
    (
        "RFC 9112, section 6.3: equal lengths may be merged or refused; who sends two is broken or at it",
        &["two lengths that agree"],
    ),
    (
        "RFC 9112, section 7.1.1: an extension has no control bytes, and some readers end a line at them",
        &["a NUL in an extension", "a control byte in an extension"],
    ),
    (
        "RFC 9112, section 3.2: exactly one Host",
        &[
            "no Host",
            "no field at all",
            "two Hosts apart",
            "two Hosts in HTTP/1.0",
            "two Hosts that agree",
            "two Hosts that differ",
            "absolute form with two Hosts",
            "absolute form without a Host field",
            "a malformed request and a good one behind it",
            "nothing behind a refusal is served",
        ],
    ),
    (
        "RFC 9110, section 4.2.4 and RFC 3986: a Host is a name or an address, and perhaps a port",
        &[
            "a Host beyond ASCII",
            "a URL in the Host",
            "a backslash in the Host",
            "a bracket that never closes",
            "a fragment in the Host",
            "a name in brackets",
            "a negative port",
            "a path in the Host",
            "a port above 65535",
            "a port of many digits",
            "a port that is no number",
            "a port without a name",
            "a query in the Host",
            "a tab in the Host",
            "a user and password in the Host",
            "a user in the Host",
            "an IPv6 address without brackets",
            "angle brackets in the Host",
            "quotes in the Host",
            "something behind the bracket",
            "two Hosts in one field",
            "two Hosts with a blank between",
            "two ports",
            "absolute form with a bad port",
            "absolute form with a malformed Host",
            "absolute form with a user",
        ],
    ),
    (
        "RFC 9112, section 3.2: the forms of a target and the methods they belong to",
        &[
            "GET *",
            "OPTIONS with an asterisk and more",
            "a fragment in the target",
            "a target without a slash",
            "absolute form with another scheme",
            "authority form in a GET",
        ],
    ),
    (
        "the contract's bad_path: one more decoding would make another path of it",
        &[
            "a backslash in the path",
            "a dot segment with a parameter",
            "a dot segment with a parameter's value",
            "a dot segment with an encoded parameter",
            "an encoded NUL",
            "an encoded backslash",
            "an encoded dot segment",
            "an encoded dot segment at the end",
            "an encoded dot segment in capitals",
            "an encoded single dot",
            "an encoded slash",
            "an encoded slash in capitals",
            "half an encoded dot segment",
            "the other half",
        ],
    ),
    (
        "the contract's limits, which are lower than hyper's",
        &[
            "40 KiB of empty lines",
            "a field name of 40 KiB",
            "a head of 32 KiB and a byte",
            "a head of 64 KiB",
            "a method of 40 KiB",
            "a target of 16 KiB and a byte",
            "a target of 20 KiB",
        ],
    ),
    ("the contract's method_refused", &["CONNECT", "TRACE"]),
    (
        "the contract's bad_expect; hyper leaves an expectation it does not know to the application",
        &["an expectation beside 100-continue", "an unknown expectation"],
    ),
];

/// Names of cases that hyper refuses and we accept, and why.
const LAXER_WITH_REQUESTS: Stricter = &[];

const STRICTER_WITH_REPLIES: Stricter = &[
    (
        "RFC 9112, section 6.3: a length beside a coding is how responses are split",
        &[
            "reply to HEAD with conflicting framing",
            "reply: a length before chunked",
            "reply: a length behind chunked",
        ],
    ),
    (
        "RFC 9112, section 6.1: chunked is applied once",
        &["reply: chunked in two fields", "reply: chunked twice"],
    ),
    (
        "RFC 9112, section 2.2: a bare LF is a line end to some and none to others",
        &["reply: bare LFs", "reply: one bare LF"],
    ),
    (
        "RFC 9112, section 7.1.1: an extension has no control bytes",
        &["reply: a NUL in an extension"],
    ),
    (
        "RFC 9110, section 7.8: only a client that asked can be switched",
        &["reply: 101 that nobody asked for"],
    ),
];

/// Names of cases that hyper refuses and we accept, and why.
const LAXER_WITH_REPLIES: Stricter = &[];

#[test]
fn what_hypers_server_refuses_we_refuse() {
    let address = hyper_server();
    let mut stricter = BTreeSet::new();
    let mut laxer = BTreeSet::new();
    let tables = crate::tables();
    for case in tables.iter().flatten() {
        let (n_ours, refused) = ours(case);
        let n_hypers = served_by_hyper(address, case, n_ours, refused);
        if n_hypers > n_ours || (n_hypers == n_ours && n_ours == 0 && !refused) {
            stricter.insert(case.name);
        } else if n_hypers < n_ours {
            laxer.insert(case.name);
        }
    }
    compare("we are stricter", &stricter, STRICTER_WITH_REQUESTS);
    compare("hyper is stricter", &laxer, LAXER_WITH_REQUESTS);
}

#[test]
fn what_hypers_client_refuses_we_refuse() {
    let mut stricter = BTreeSet::new();
    let mut laxer = BTreeSet::new();
    for case in replies::cases() {
        match (case.is_passed_on(), accepted_by_hyper(&case)) {
            (Some(false), true) => stricter.insert(case.name),
            (Some(true), false) => laxer.insert(case.name),
            _ => continue,
        };
    }
    compare("we are stricter", &stricter, STRICTER_WITH_REPLIES);
    compare("hyper is stricter", &laxer, LAXER_WITH_REPLIES);
}

/// Holds what was found against what the table says, both ways.
fn compare(what: &str, found: &BTreeSet<&str>, table: Stricter) {
    let told: BTreeSet<&str> = table.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let untold: Vec<_> = found.difference(&told).collect();
    let outdated: Vec<_> = told.difference(found).collect();
    assert!(
        untold.is_empty() && outdated.is_empty(),
        "{what}, and no reason is given for {untold:#?}; a reason is given and it is not so for {outdated:#?}"
    );
}

/// How many requests of the case we serve, and whether we refuse something.
fn ours(case: &Case) -> (usize, bool) {
    match &case.outcome {
        Outcome::Refuse(..) | Outcome::Answer(..) | Outcome::Abort(..) => (0, true),
        Outcome::Pass(wants) => (wants.len(), false),
        Outcome::PassThenRefuse(wants, ..) => (wants.len(), true),
    }
}

/// How many requests of the case hyper's server serves; `n_expected` are, `more` says that we refuse more.
fn served_by_hyper(address: SocketAddr, case: &Case, n_expected: usize, more: bool) -> usize {
    /// Hyper waits for the rest of what it takes for a part of a head; we know that nothing follows.
    const PATIENCE: Duration = Duration::from_millis(300);
    let mut client = Wire::connect(address).with_patience(PATIENCE);
    let _ = client.try_send(&case.sends);
    loop {
        let waits = !client.read_some();
        let n = client.received().windows(9).filter(|bytes| bytes == b" 200 OK\r\n").count();
        if waits || n > n_expected {
            return n;
        }
        if n == n_expected && !more {
            // Nothing should be left: hyper closes at once.
            client.finish();
        }
    }
}

/// A server that reads each body to its end and says 200.
fn hyper_server() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    listener.set_nonblocking(true).expect("a mode");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(serve));
                tokio::spawn(served);
            }
        });
    });
    address
}

async fn serve(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    request.into_body().collect().await?;
    Ok(Response::new(Full::default()))
}

/// Whether hyper's client takes the case's reply for a complete response.
fn accepted_by_hyper(case: &replies::Case) -> bool {
    let origin = Origin::bind();
    let address = origin.address();
    let method = case.method();
    let verdict = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let exchange = ask(address, method);
            matches!(tokio::time::timeout(Duration::from_secs(1), exchange).await, Ok(Ok(())))
        })
    });
    let mut backend = origin.accept();
    backend.head();
    case.play(&mut backend, Pace::Whole);
    let accepted = verdict.join().expect("hyper's client does not panic");
    drop(backend);
    accepted
}

async fn ask(address: SocketAddr, method: &str) -> Result<(), Box<dyn std::error::Error>> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri("/first").header("host", "test");
    let response = sender.send_request(request.body(Empty::new())?).await?;
    let _body: Bytes = response.into_body().collect().await?.to_bytes();
    Ok(())
}
