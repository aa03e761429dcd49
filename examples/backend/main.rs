//! A backend to try things out with and to measure against: fast, and as bad as you ask it to be.
//!
//! ```text
//! cargo run --release --example backend -- 127.0.0.1:9001 128      # address, bytes of the usual body
//! curl -i 'http://127.0.0.1:9001/'                                 # 200 and 128 bytes, as fast as it can
//! curl -i 'http://127.0.0.1:9001/?size=16k&delay=20ms&status=503'  # what the query says
//! cargo run --release --example backend -- 127.0.0.1:9002 128 busy=2ms  # the query of requests that have none
//! ```
//!
//! Any path will do. The query may hold, in any combination:
//!
//! | query | what happens |
//! |---|---|
//! | `size=16k` | a body of that many bytes; `k` and `m` count by 1024 |
//! | `status=503` | that status, 200 to 999 |
//! | `delay=20ms` | the answer begins so much later; `ms` or `s` |
//! | `busy=2ms` | nobody is served for so long: one request at a time, each taking this; at most 1 s |
//! | `spread=2s` | the body comes in ten pieces over that time |
//! | `chunked=1` | the body is chunked |
//! | `close=1` | the connection is closed behind the answer |
//! | `reset=1` | the connection is reset instead of an answer |
//! | `truncate=1` | the connection is closed in the middle of the body |
//! | `stall=1` | the answer never comes; `stall=body`: it stops in the middle of the body |
//! | `garbage=1` | what comes is not HTTP |
//! | `share=0.1` | of all this, only one request in ten gets any; the others get the usual answer |
//!
//! `/usual?stall=1` says what requests without a query get from now on, over all connections, and is itself answered
//! with 204; `/usual?` takes that back.
//!
//! Request bodies are read and forgotten. A WebSocket handshake is accepted on any path, and what the client
//! says is echoed. One thread serves everything.

#![allow(clippy::print_stdout, reason = "a program says where it listens")]

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use forebay::http1::{Decoder, HeadLimits, Parsed, Pieces, RequestFacts, parse_request};
use forebay::message::RequestHead;
use forebay::rng::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

mod answer;
mod websocket;
mod wish;

use answer::Ending;
use wish::{BODY_BYTES_MAX, Wish, bytes};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr =
        arguments.next().as_deref().unwrap_or("127.0.0.1:9001").parse().map_err(invalid)?;
    let size = arguments.next().unwrap_or("128".to_owned());
    let Some(body_bytes) = bytes(&size) else {
        return Err(invalid(format!(
            "{size}: expected bytes up to {BODY_BYTES_MAX}, like 128, 16k, 1m"
        )));
    };
    let query = ArcSwap::from_pointee(arguments.next().unwrap_or_default());
    let mut usual = answer::head(&Wish { body_bytes, ..Wish::default() });
    usual.resize(usual.len() + body_bytes, b'x');
    let usual = Arc::new(Usual { answer: usual, body_bytes, query });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        println!("listening on {}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let usual = Arc::clone(&usual);
            // A client that goes away is no news.
            tokio::spawn(async move { Connection::new(stream, usual).serve().await.ok() });
        }
    })
}

/// What a request without a query gets.
struct Usual {
    /// Head and body.
    answer: Vec<u8>,
    body_bytes: usize,
    /// What it would get with this query; empty: `answer`.
    query: ArcSwap<String>,
}

/// One connection.
struct Connection {
    stream: TcpStream,
    usual: Arc<Usual>,
    buffer: Vec<u8>,
    /// Bytes at the start of `buffer` that are not dealt with.
    held: usize,
    head: RequestHead,
    rng: Rng,
}

impl Connection {
    fn new(stream: TcpStream, usual: Arc<Usual>) -> Self {
        let buffer = vec![0; READ_BYTES];
        let rng = Rng::from_entropy();
        Connection { stream, usual, buffer, held: 0, head: RequestHead::default(), rng }
    }

    /// Answers one request after the other.
    async fn serve(mut self) -> std::io::Result<()> {
        while let Some(facts) = self.next_head().await? {
            if facts.upgrade && websocket::is_asked_for(&self.head) {
                let early = self.buffer[..self.held].to_vec();
                return websocket::echo(self.stream, &self.head, early).await;
            }
            self.skip_body(&facts).await?;
            if let Some(query) = self.head.target().strip_prefix(b"/usual?") {
                self.usual.query.store(Arc::new(String::from_utf8_lossy(query).into_owned()));
                self.stream.write_all(NO_CONTENT).await?;
                continue;
            }
            let is_head = self.head.method() == b"HEAD";
            let (usual, target) = (&*self.usual, self.head.target());
            let wish = wish::of(target, &usual.query.load(), usual.body_bytes, &mut self.rng);
            match wish {
                None if !is_head => self.stream.write_all(&usual.answer).await?,
                wish => {
                    let plain = Wish { body_bytes: usual.body_bytes, ..Wish::default() };
                    let wish = wish.unwrap_or(plain);
                    if answer::send(&mut self.stream, &wish, is_head).await? == Ending::Close {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The next request's head; `None` when there is none, or none that makes sense.
    async fn next_head(&mut self) -> std::io::Result<Option<RequestFacts>> {
        loop {
            if self.held > 0 {
                match parse_request(&self.buffer[..self.held], &LIMITS, &mut self.head) {
                    Ok(Parsed::Complete { head_bytes, facts }) => {
                        self.forget(head_bytes);
                        return Ok(Some(facts));
                    }
                    Ok(Parsed::Partial) if self.held < self.buffer.len() => {}
                    Ok(Parsed::Partial) | Err(_) => {
                        self.stream.write_all(BAD_REQUEST).await?;
                        return Ok(None);
                    }
                }
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// Reads a request's body and forgets it.
    async fn skip_body(&mut self, facts: &RequestFacts) -> std::io::Result<()> {
        let mut decoder = Decoder::new(facts.framing);
        while !decoder.is_done() {
            let mut spill = Vec::new();
            let mut pieces = Pieces::new(&self.buffer[..self.held], &mut spill, false);
            let taken = decoder.feed(&mut pieces).map_err(|_| invalid("a malformed body"))?;
            self.forget(taken);
            if !decoder.is_done() && !self.read().await? {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn forget(&mut self, n_bytes: usize) {
        self.buffer.copy_within(n_bytes..self.held, 0);
        self.held -= n_bytes;
    }

    /// Whether there was more.
    async fn read(&mut self) -> std::io::Result<bool> {
        let n = self.stream.read(&mut self.buffer[self.held..]).await?;
        self.held += n;
        Ok(n > 0)
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidInput, error)
}

const READ_BYTES: usize = 64 * 1024;

const LIMITS: HeadLimits =
    HeadLimits { header_bytes: READ_BYTES, headers: 100, uri_bytes: 16 * 1024 };

const NO_CONTENT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
