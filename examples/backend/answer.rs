//! Sending an answer as it was wished for, good or bad.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::wish::{Fault, Wish};

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It takes the next request.
    Keep,
    /// It is closed.
    Close,
}

/// The head of an answer.
pub(crate) fn head(wish: &Wish) -> Vec<u8> {
    let reason = match wish.status {
        200 => "OK",
        503 => "Service Unavailable",
        _ => "Whatever",
    };
    let framing = match wish.chunked {
        true => "transfer-encoding: chunked".to_owned(),
        false => format!("content-length: {}", wish.body_bytes),
    };
    let close = if wish.close { "connection: close\r\n" } else { "" };
    let status = wish.status;
    format!("HTTP/1.1 {status} {reason}\r\ncontent-type: text/plain\r\n{framing}\r\n{close}\r\n")
        .into()
}

/// Sends what `wish` says, the head alone if that is all that was asked for.
///
/// # Errors
/// The client went away.
pub(crate) async fn send(stream: &mut TcpStream, wish: &Wish, is_head: bool) -> io::Result<Ending> {
    if !wish.delay.is_zero() {
        sleep(wish.delay).await;
    }
    if !wish.busy.is_zero() {
        // One thread serves everybody: as in a program that can do one thing at a time.
        std::thread::sleep(wish.busy);
    }
    match wish.fault {
        Fault::Stall => return until_gone(stream).await,
        Fault::Reset => {
            stream.set_zero_linger()?;
            return Ok(Ending::Close);
        }
        Fault::Garbage => {
            stream
                .write_all(b"\x16\x03\x01 this is not the protocol you are looking for\r\n")
                .await?;
            return Ok(Ending::Close);
        }
        Fault::None | Fault::Truncate | Fault::StallBody => {}
    }
    stream.write_all(&head(wish)).await?;
    if !is_head && !matches!(wish.status, 204 | 304) {
        let n_bytes = if wish.fault == Fault::None { wish.body_bytes } else { wish.body_bytes / 2 };
        body(stream, wish, n_bytes).await?;
    }
    match wish.fault {
        Fault::StallBody => until_gone(stream).await,
        Fault::Truncate => Ok(Ending::Close),
        _ if wish.close => Ok(Ending::Close),
        _ => Ok(Ending::Keep),
    }
}

/// `n_bytes` of body, whole or spread over time; the end of a chunked one only if nothing is to go wrong.
async fn body(stream: &mut TcpStream, wish: &Wish, n_bytes: usize) -> io::Result<()> {
    let n_pieces = if wish.spread.is_zero() { 1 } else { SPREAD_PIECES };
    let piece_bytes = n_bytes.div_ceil(n_pieces);
    let mut left = n_bytes;
    while left > 0 {
        pause(wish.spread / n_pieces as u32).await;
        let n = left.min(piece_bytes);
        piece(stream, wish.chunked, n).await?;
        left -= n;
    }
    if wish.chunked && wish.fault == Fault::None {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}

async fn piece(stream: &mut TcpStream, chunked: bool, n_bytes: usize) -> io::Result<()> {
    let mut left = n_bytes;
    while left > 0 {
        let n = left.min(BLOCK.len());
        if chunked {
            stream.write_all(format!("{n:x}\r\n").as_bytes()).await?;
        }
        stream.write_all(&BLOCK[..n]).await?;
        if chunked {
            stream.write_all(b"\r\n").await?;
        }
        left -= n;
    }
    Ok(())
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

/// Says nothing until the client goes away.
async fn until_gone(stream: &mut TcpStream) -> io::Result<Ending> {
    let mut scratch = [0; 1024];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(Ending::Close)
}

const SPREAD_PIECES: usize = 10;

static BLOCK: [u8; 64 * 1024] = [b'x'; 64 * 1024];
