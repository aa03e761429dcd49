//! A backend that is fast enough not to be the limit: answers every request head with a fixed body.
//!
//! `cargo run --release --example backend -- 127.0.0.1:9001 128`

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const HEAD_END: &[u8] = b"\r\n\r\n";

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr =
        arguments.next().as_deref().unwrap_or("127.0.0.1:9001").parse().map_err(invalid)?;
    let body_bytes: usize =
        arguments.next().as_deref().unwrap_or("128").parse().map_err(invalid)?;
    let mut reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {body_bytes}\r\n\r\n"
    )
    .into_bytes();
    reply.resize(reply.len() + body_bytes, b'x');
    let reply: &'static [u8] = reply.leak();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(serve(stream, reply));
        }
    })
}

/// Answers each head; bytes of bodies are skipped by their Content-Length.
async fn serve(mut stream: TcpStream, reply: &'static [u8]) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let (mut held, mut body_left) = (0, 0_usize);
    loop {
        let n = stream.read(&mut buffer[held..]).await?;
        if n == 0 {
            return Ok(());
        }
        held += n;
        loop {
            let skipped = body_left.min(held);
            buffer.copy_within(skipped..held, 0);
            held -= skipped;
            body_left -= skipped;
            let Some(end) =
                memchr::memmem::find(&buffer[..held], HEAD_END).filter(|_| body_left == 0)
            else {
                break;
            };
            body_left = content_length(&buffer[..end]);
            buffer.copy_within(end + HEAD_END.len()..held, 0);
            held -= end + HEAD_END.len();
            stream.write_all(reply).await?;
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = text.split_once("content-length:").and_then(|(_, rest)| rest.lines().next());
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidInput, error)
}
