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

use crate::case::{Case, Outcome};
use crate::replies;
use crate::support::{Origin, Wire};

/// Names of cases, and why we refuse what hyper accepts.
type Stricter = &'static [(&'static str, &'static [&'static str])];

const STRICTER_WITH_REQUESTS: Stricter = &[];

/// Names of cases that hyper refuses and we accept, and why.
const LAXER_WITH_REQUESTS: Stricter = &[];

const STRICTER_WITH_REPLIES: Stricter = &[];

const LAXER_WITH_REPLIES: Stricter = &[];

#[test]
fn what_hypers_server_refuses_we_refuse() {
    let address = hyper_server();
    let mut stricter = BTreeSet::new();
    let mut laxer = BTreeSet::new();
    for case in crate::tables().iter().flatten() {
        let (n_ours, refused) = ours(case);
        let n_hypers = served_by_hyper(address, case);
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

/// How many requests of the case hyper's server serves.
fn served_by_hyper(address: SocketAddr, case: &Case) -> usize {
    /// Hyper waits for the rest of what it takes for a part of a head; we know that nothing follows.
    const PATIENCE: Duration = Duration::from_millis(300);
    let mut client = Wire::connect(address).with_patience(PATIENCE);
    let _ = client.try_send(&case.sends);
    let mut n = 0;
    loop {
        let method = if case.sends.starts_with(b"HEAD ") && n == 0 { "HEAD" } else { "GET" };
        match client.try_response_to(method) {
            Ok(answer) if answer.status() == 200 => n += 1,
            Ok(answer) if answer.status() == 100 => {}
            _ => return n,
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
    case.play(&mut backend);
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
