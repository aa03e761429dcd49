//! The least of RFC 6455 that a WebSocket client can be tried with: the handshake, and an echo.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay::message::{Known, RequestHead};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Whether the request wants to become a WebSocket.
pub(crate) fn is_asked_for(head: &RequestHead) -> bool {
    head.fields.get(Known::Upgrade).is_some_and(|name| name.eq_ignore_ascii_case(b"websocket"))
}

/// Accepts the handshake and echoes messages, the first of which may be in `early`, until the client is
/// done.
///
/// # Errors
/// The client went away, or what it sent is no WebSocket frame.
pub(crate) async fn echo(
    mut stream: TcpStream,
    head: &RequestHead,
    early: Vec<u8>,
) -> io::Result<()> {
    let key = head.fields.named(b"sec-websocket-key").unwrap_or_default();
    let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    let mut input = early;
    loop {
        while let Some(frame) = take_frame(&mut input)? {
            let reply = match frame.opcode {
                PING => PONG,
                PONG => continue,
                opcode => opcode,
            };
            stream.write_all(&encode(frame.is_last, reply, &frame.payload)).await?;
            if frame.opcode == CLOSE {
                return Ok(());
            }
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}

struct Frame {
    is_last: bool,
    opcode: u8,
    payload: Vec<u8>,
}

/// Takes a whole frame off the front of `input`, if there is one.
fn take_frame(input: &mut Vec<u8>) -> io::Result<Option<Frame>> {
    let [first, second, rest @ ..] = input.as_slice() else { return Ok(None) };
    let length_bytes = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    if second & 0x80 == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "clients mask their frames"));
    }
    let Some((length, rest)) = rest.split_at_checked(length_bytes) else { return Ok(None) };
    let payload_bytes = match length_bytes {
        0 => usize::from(second & 0x7f),
        _ => length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
    };
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame beyond 16 MiB"));
    }
    let Some((mask, rest)) = rest.split_at_checked(4) else { return Ok(None) };
    let Some(masked) = rest.get(..payload_bytes) else { return Ok(None) };
    let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let frame = Frame { is_last: first & 0x80 != 0, opcode: first & 0x0f, payload };
    input.drain(..2 + length_bytes + 4 + payload_bytes);
    Ok(Some(frame))
}

fn encode(is_last: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![u8::from(is_last) << 7 | opcode];
    match payload.len() {
        n @ 0..=125 => frame.push(n as u8),
        n @ 126..=0xffff => {
            frame.push(126);
            frame.extend((n as u16).to_be_bytes());
        }
        n => {
            frame.push(127);
            frame.extend((n as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const PAYLOAD_BYTES_MAX: usize = 16 << 20;

const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
