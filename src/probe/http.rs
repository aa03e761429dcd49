//! `http`: one request in the version that the backend is spoken to in, and whether its answer is the expected one.
//! Redirects are answers like others.

use std::future::poll_fn;
use std::io;
use std::time::Instant;

use ::http::Request;
use bytes::Bytes;
use memchr::memmem;

use super::response::{Answer, read_answer};
use super::{Checking, Line, Probe, ProbeError, SEARCHED_BYTES_MAX, Stage, Target, USER_AGENT};
use crate::config::HealthExpect;
use crate::http2;
use crate::net::{self, Stream};

/// The probe.
pub(super) struct Http;

impl Probe for Http {
    fn check<'a>(
        &'a self,
        target: &'a Target,
        line: &'a mut Line,
        _deadline: Instant,
    ) -> Checking<'a> {
        Box::pin(check(target, line))
    }
}

async fn check(target: &Target, line: &mut Line) -> Result<(), ProbeError> {
    let bytes = request(target);
    if let Some(kept) = line.kept.take().filter(is_quiet) {
        match ask(kept, &bytes, target, line).await {
            // It was closed while it was idle, or is: that says nothing about the backend.
            Err(ProbeError::Closed | ProbeError::Broken(_)) if line.stage == Stage::Asked => {}
            result => return result,
        }
    }
    line.stage = Stage::Connecting;
    let transport = target.transport.as_deref();
    let stream = net::dial(&target.address, transport).await?;
    match transport.is_some_and(|transport| transport.is_http2(&stream)) {
        true => ask_by_http2(stream, target, line).await,
        false => ask(stream, &bytes, target, line).await,
    }
}

async fn ask_by_http2(stream: Stream, target: &Target, line: &mut Line) -> Result<(), ProbeError> {
    line.stage = Stage::Asked;
    let options = &target.options;
    let host = options.host.as_deref().unwrap_or(&target.host);
    let scheme = if stream.tls().is_some() { "https" } else { "http" };
    let request = Request::builder()
        .method(&*options.method)
        .uri(format!("{scheme}://{host}{}", options.path))
        .version(::http::Version::HTTP_2)
        .header("user-agent", USER_AGENT)
        .header("accept", "*/*")
        .body(())
        .map_err(|_| ProbeError::Malformed)?;
    let asking = http2::ask(stream, request, Bytes::new(), SEARCHED_BYTES_MAX);
    let asked = asking.await.map_err(ProbeError::http2)?;
    if !options.expect.status.contains(asked.status) {
        return Err(ProbeError::Status(asked.status, options.expect.status));
    }
    match &options.expect.body_contains {
        Some(text) if memmem::find(&asked.body, text.as_bytes()).is_none() => {
            Err(ProbeError::Lacks(text.clone()))
        }
        _ => Ok(()),
    }
}

/// Whether nothing has come over an idle connection, neither bytes nor its end, as far as is known.
fn is_quiet(stream: &Stream) -> bool {
    let mut byte = [0];
    matches!(stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

async fn ask(
    mut stream: Stream,
    bytes: &[u8],
    target: &Target,
    line: &mut Line,
) -> Result<(), ProbeError> {
    line.stage = Stage::Asked;
    let mut sent = 0;
    while sent < bytes.len() {
        // Held alone, since a stream must not be looked at from two threads.
        let (stream, rest) = (&mut stream, &bytes[sent..]);
        let written = poll_fn(move |cx| stream.poll_write(cx, rest)).await;
        sent += written.map_err(ProbeError::Broken)?;
    }
    let expect = &target.options.expect;
    let is_head = target.options.method == "HEAD";
    let answer = read_answer(&mut stream, is_head, expect, &mut line.stage).await?;
    judge(&answer, expect)?;
    if answer.can_be_followed {
        line.kept = Some(stream);
    }
    Ok(())
}

fn judge(answer: &Answer, expect: &HealthExpect) -> Result<(), ProbeError> {
    match &expect.body_contains {
        Some(text) if !answer.contains(text) => Err(ProbeError::Lacks(text.clone())),
        _ => Ok(()),
    }
}

/// The whole request.
fn request(target: &Target) -> Vec<u8> {
    let options = &target.options;
    let host = options.host.as_deref().unwrap_or(&target.host);
    let length = match &*options.method {
        "POST" | "PUT" | "PATCH" => "content-length: 0\r\n",
        _ => "",
    };
    format!(
        "{} {} HTTP/1.1\r\nhost: {host}\r\nuser-agent: {USER_AGENT}\r\naccept: */*\r\n{length}\
         connection: keep-alive\r\n\r\n",
        options.method, options.path
    )
    .into_bytes()
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
