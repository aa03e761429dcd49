//! For tests: a backend that does what a script says, connection by connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::Target;
use crate::backend::Address;
use crate::config::Health;

/// A step of a connection. After the last one it is closed.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Waits for a request.
    Await,
    /// Sends this.
    Send(Vec<u8>),
    /// Sends this again and again, until nobody takes it.
    Repeat(Vec<u8>),
    /// Sends this a byte at a time, one each 20 ms.
    Trickle(Vec<u8>),
    /// Does nothing any more, but keeps the connection.
    Hold,
    /// Closes with a reset.
    Reset,
}

/// Sends text.
pub(crate) fn send(text: &str) -> Act {
    Act::Send(text.as_bytes().to_vec())
}

/// Awaits a request and answers with `text`.
pub(crate) fn answer(text: &str) -> Vec<Act> {
    vec![Act::Await, send(text)]
}

/// A backend; dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    n_connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Scripted {
    /// One script for each connection; the last one for all further ones.
    pub(crate) async fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let n_connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&n_connections);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let nth = counter.fetch_add(1, SeqCst).min(scripts.len() - 1);
                tokio::spawn(play(stream, scripts[nth].clone()));
            }
        });
        Scripted { address, n_connections, accepting }
    }

    /// One that answers every request over HTTP/2 with a `HealthCheckResponse` that says `SERVING`.
    pub(crate) async fn grpc() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_grpc(stream));
            }
        });
        Scripted { address, n_connections: Arc::default(), accepting }
    }

    /// Connections so far.
    pub(crate) fn n_connections(&self) -> usize {
        self.n_connections.load(SeqCst)
    }

    /// This backend as a target.
    pub(crate) fn target(&self, options: Health) -> Target {
        Target::new(&Address::Tcp(self.address), "shop.test", Arc::new(options))
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve_grpc(stream: TcpStream) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(accepted) = connection.accept().await {
        let (request, mut respond) = accepted?;
        let path = request.uri().path();
        let is_asked = path == "/grpc.health.v1.Health/Check";
        let mut trailers = http::HeaderMap::new();
        let status = if is_asked { "0" } else { "12" };
        trailers.insert("grpc-status", http::HeaderValue::from_static(status));
        let mut stream = respond.send_response(http::Response::new(()), false)?;
        stream.send_data(bytes::Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]), false)?;
        stream.send_trailers(trailers)?;
    }
    Ok(())
}

async fn play(mut stream: TcpStream, acts: Vec<Act>) {
    for act in acts {
        let went = match act {
            Act::Await => await_request(&mut stream).await,
            Act::Send(bytes) => stream.write_all(&bytes).await,
            Act::Repeat(bytes) => loop {
                if let Err(error) = stream.write_all(&bytes).await {
                    break Err(error);
                }
            },
            Act::Trickle(bytes) => trickle(&mut stream, &bytes).await,
            Act::Hold => std::future::pending().await,
            Act::Reset => {
                socket2::SockRef::from(&stream)
                    .set_linger(Some(Duration::ZERO))
                    .expect("SO_LINGER");
                return;
            }
        };
        if went.is_err() {
            return;
        }
    }
}

async fn await_request(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

async fn trickle(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
