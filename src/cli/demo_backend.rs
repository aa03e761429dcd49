//! The demo's backends: three hyper servers on free ports of 127.0.0.1, all on one thread. They show who
//! answered and what arrived; they are no part of the proxy.

use std::convert::Infallible;
use std::fmt::Write;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::{Instant, Sleep, sleep};

/// One demo backend.
#[derive(Debug)]
pub(super) struct DemoBackend {
    /// What it calls itself.
    pub name: &'static str,
    /// How long it thinks before each answer, in milliseconds.
    pub delay_ms: u64,
}

/// All of them.
pub(super) const BACKENDS: [DemoBackend; 3] = [
    DemoBackend { name: "swift", delay_ms: 0 },
    DemoBackend { name: "steady", delay_ms: 20 },
    DemoBackend { name: "slow", delay_ms: 80 },
];

/// The running backends. They end with the process.
#[derive(Debug)]
pub(super) struct Backends {
    /// Where they listen, in the order of [`BACKENDS`].
    pub addresses: Vec<SocketAddr>,
}

impl Backends {
    /// Binds and starts them on a thread of their own.
    ///
    /// # Errors
    /// No port, descriptor or thread was to be had.
    pub(super) fn start() -> io::Result<Backends> {
        let mut listeners = Vec::new();
        for backend in &BACKENDS {
            let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            listeners.push((backend, listener));
        }
        let addresses = listeners.iter().map(|(_, listener)| listener.local_addr());
        let addresses = addresses.collect::<io::Result<Vec<_>>>()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("demo".into()).spawn(move || {
            runtime.block_on(async move {
                for (backend, listener) in listeners {
                    match TcpListener::from_std(listener) {
                        Ok(listener) => drop(tokio::spawn(accept(backend, listener))),
                        Err(error) => {
                            tracing::error!(%error, backend.name, "a demo backend failed")
                        }
                    }
                }
                std::future::pending::<()>().await;
            });
        })?;
        Ok(Backends { addresses })
    }
}

async fn accept(backend: &'static DemoBackend, listener: TcpListener) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(backend, request));
            // A connection that breaks is the proxy's or the client's business.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    backend: &'static DemoBackend,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    sleep(Duration::from_millis(backend.delay_ms)).await;
    let body = match (request.method(), request.uri().path()) {
        (_, "/") => Answer::text(seen(backend, &request)),
        (_, "/slow") => {
            sleep(Duration::from_secs(2)).await;
            Answer::text(format!("{} took two seconds for this\n", backend.name))
        }
        (_, "/stream") => {
            Answer::Ticks { name: backend.name, n_sent: 0, timer: Box::pin(sleep(Duration::ZERO)) }
        }
        (&Method::POST | &Method::PUT, "/echo") => Answer::Echo(request.into_body()),
        (_, "/echo") => {
            return Ok(respond(
                backend,
                StatusCode::METHOD_NOT_ALLOWED,
                Answer::text("POST something\n"),
            ));
        }
        _ => {
            let text = "There is /, /slow, /stream and, for POST, /echo.\n";
            return Ok(respond(backend, StatusCode::NOT_FOUND, Answer::text(text)));
        }
    };
    Ok(respond(backend, StatusCode::OK, body))
}

fn respond(backend: &DemoBackend, status: StatusCode, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, "text/plain; charset=utf-8".parse().expect("a valid value"));
    headers.insert("x-demo-backend", backend.name.parse().expect("a valid value"));
    response
}

/// The answer to `/`: who speaks, and the request as it arrived.
fn seen(backend: &DemoBackend, request: &Request<Incoming>) -> String {
    let mut text = format!("Hello from {}.\n\nYour request, as it arrived here:\n\n", backend.name);
    let line = format!("{} {} {:?}", request.method(), request.uri(), request.version());
    writeln!(text, "  {line}").expect("a String takes every write");
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        writeln!(text, "  {name}: {value}").expect("a String takes every write");
    }
    text
}

/// What a backend answers with.
enum Answer {
    /// A text, until it was taken.
    Text(Option<Bytes>),
    /// A line each half second.
    Ticks { name: &'static str, n_sent: u32, timer: Pin<Box<Sleep>> },
    /// The request's own body.
    Echo(Incoming),
}

const N_TICKS: u32 = 10;
const TICK: Duration = Duration::from_millis(500);

impl Answer {
    fn text(text: impl Into<Bytes>) -> Answer {
        Answer::Text(Some(text.into()))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Answer::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Answer::Ticks { n_sent, .. } if *n_sent == N_TICKS => Poll::Ready(None),
            Answer::Ticks { name, n_sent, timer } => {
                ready!(timer.as_mut().poll(cx));
                *n_sent += 1;
                timer.as_mut().reset(Instant::now() + TICK);
                let line = format!("tick {n_sent} of {N_TICKS} from {name}\n");
                Poll::Ready(Some(Ok(Frame::data(line.into()))))
            }
            Answer::Echo(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Answer::Ticks { .. } => SizeHint::default(),
            Answer::Echo(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        stream.write_all(request.as_bytes()).expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        answer
    }

    #[test]
    fn each_backend_says_who_it_is_and_what_it_saw() {
        let backends = Backends::start().expect("started");
        for (backend, address) in BACKENDS.iter().zip(&backends.addresses) {
            let answer = ask(
                *address,
                "GET / HTTP/1.1\r\nhost: demo\r\nx-a: b\r\nconnection: close\r\n\r\n",
            );
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.contains(&format!("Hello from {}.", backend.name)), "{answer}");
            assert!(answer.contains("  x-a: b\n"), "{answer}");
        }
    }

    #[test]
    fn a_body_is_echoed_and_an_unknown_path_lists_the_known_ones() {
        let address = Backends::start().expect("started").addresses[0];
        let answer = ask(
            address,
            "POST /echo HTTP/1.1\r\nhost: demo\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
        );
        assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
        let answer = ask(address, "GET /x HTTP/1.1\r\nhost: demo\r\nconnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("/stream"), "{answer}");
    }
}
