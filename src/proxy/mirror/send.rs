//! One copy of a request, from picking up a connection to the end of an answer that nobody reads.

use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::coop::consume_budget;

use super::super::connect::{self, Wish};
use super::super::worker::Worker;
use super::Place;
use crate::backend::Permit;
use crate::error::Reason;
use crate::http1::{
    Decoder, HeadLimits, Parsed, Pieces, ResponseFacts, parse_request, parse_response,
};
use crate::message::{RequestHead, ResponseHead};
use crate::net::{Channel, Stream};
use crate::pool;
use crate::snapshot::Upstream;

/// The whole of a copy, whatever its upstream's timeouts say.
const TOTAL: Duration = Duration::from_secs(60);

/// Interim responses before the final one; a backend that sends more is broken.
const INTERIMS_MAX: u32 = 32;

/// A copy on its way. It keeps nothing of the configuration alive but its upstream, and ends with its worker.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) worker: Rc<Worker>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) permit: Permit,
    /// Head and body.
    pub(super) bytes: Vec<u8>,
    /// It asks for a head only.
    pub(super) to_head: bool,
    /// Given back at the end.
    #[expect(dead_code, reason = "what counts is when it is dropped")]
    pub(super) place: Place,
}

impl Copy {
    /// Sends it and reads the answer to its end; a failure is counted and else told nobody.
    pub(super) async fn run(mut self) {
        let total = self.upstream.timeouts.total.map_or(TOTAL, |total| total.min(TOTAL));
        let outcome = within(Some(total), Reason::TotalTimeout, self.exchange()).await;
        if let Err(reason) | Ok(Err(reason)) = outcome {
            self.worker.counters().mirrors_failed.add(1);
            let (upstream, backend) = (&self.upstream.name, &self.permit.backend().label);
            tracing::debug!(%upstream, %backend, %reason, "a mirrored request failed");
        }
    }

    async fn exchange(&mut self) -> Result<(), Reason> {
        let timeouts = self.upstream.timeouts;
        let mut connection = self.connect().await?;
        connection.n_requests += 1;
        let bytes = std::mem::take(&mut self.bytes);
        let begins = begin(&connection.stream, &bytes)?;
        let sending = send_all(&connection.stream, &bytes[begins..]);
        within(timeouts.send_idle, Reason::FirstByteTimeout, sending)
            .await?
            .map_err(|_| Reason::UpstreamReset)?;
        drop(bytes);
        let mut read = Vec::new();
        let heading = self.read_head(&connection.stream, &mut read);
        let facts = within(timeouts.first_byte, Reason::FirstByteTimeout, heading).await??;
        let clean = self.read_body(&connection.stream, &facts, read).await?;
        if clean && facts.keep_alive {
            let backend = self.permit.backend().id;
            self.worker.pool.put(backend, connection, self.upstream.pool, Instant::now());
        }
        Ok(())
    }

    /// An idle connection, or a new one.
    async fn connect(&self) -> Result<pool::Connection, Reason> {
        let (backend, worker) = (self.permit.backend(), &self.worker);
        let transport = self.upstream.transport(backend.id).map(|transport| &**transport);
        let key = pool::Key::new(backend.id, transport);
        if let Some(idle) = worker.pool.take(key, Instant::now()) {
            worker.counters().upstream_reuses.add(1);
            return Ok(idle);
        }
        let wish = Wish { backend, transport, policy: self.upstream.pool, since: None };
        let connect = self.upstream.timeouts.connect;
        let made = within(connect, Reason::ConnectTimeout, connect::make(worker, wish)).await??;
        Ok(made.0)
    }

    /// Reads up to the final head; what came behind it is left in `read`.
    async fn read_head(
        &self,
        stream: &Stream,
        read: &mut Vec<u8>,
    ) -> Result<ResponseFacts, Reason> {
        let mut head = ResponseHead::default();
        let mut n_interims = 0;
        if let Some(channel) = stream.channel().and_then(Channel::backend) {
            loop {
                let facts = poll_fn(|cx| channel.poll_response(cx, &mut head)).await?;
                match head.status {
                    100 | 102..=199 if n_interims < INTERIMS_MAX => n_interims += 1,
                    100..=199 => return Err(Reason::UpstreamProtocol),
                    _ => return Ok(facts),
                }
            }
        }
        loop {
            match parse_response(read, self.to_head, &mut head) {
                Err(_) => return Err(Reason::UpstreamProtocol),
                Ok(Parsed::Complete { head_bytes, facts }) => {
                    read.drain(..head_bytes);
                    match head.status {
                        100 | 102..=199 if n_interims < INTERIMS_MAX => n_interims += 1,
                        100..=199 => return Err(Reason::UpstreamProtocol),
                        _ => return Ok(facts),
                    }
                }
                Ok(Parsed::Partial) => {
                    if self.read_some(stream, read).await.unwrap_or(0) == 0 {
                        return Err(Reason::UpstreamReset);
                    }
                }
            }
        }
    }

    /// Throws the body away, which begins with `read`. `true`: the connection stands right behind it.
    async fn read_body(
        &self,
        stream: &Stream,
        facts: &ResponseFacts,
        mut read: Vec<u8>,
    ) -> Result<bool, Reason> {
        let (mut decoder, mut spill) = (Decoder::new(facts.framing), Vec::new());
        loop {
            let mut pieces = Pieces::new(&read, &mut spill, false);
            let taken = decoder.feed(&mut pieces).map_err(|_| Reason::UpstreamProtocol)?;
            if decoder.is_done() {
                return Ok(taken == read.len());
            }
            spill.clear();
            read.clear();
            let idle = self.upstream.timeouts.response_idle;
            let reading = self.read_some(stream, &mut read);
            match within(idle, Reason::ResponseTimeout, reading).await? {
                Ok(1..) => consume_budget().await,
                Ok(0) if matches!(decoder, Decoder::UntilClose) => return Ok(false),
                Ok(0) | Err(_) => return Err(Reason::UpstreamTruncated),
            }
        }
    }

    /// Appends what comes next, at most a buffer of it; 0 is the end of the stream. The buffer is the worker's, and
    /// not kept while nothing comes.
    async fn read_some(&self, stream: &Stream, read: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            poll_fn(|cx| stream.poll_readable(cx)).await?;
            let buffers = self.worker.resources().buffers;
            let mut buffer = buffers.take();
            let result = stream.try_read(&mut buffer);
            if let Ok(n) = result {
                read.extend_from_slice(&buffer[..n]);
            }
            buffers.put(buffer);
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }
}

/// Sends the head in front of `bytes` where it goes beside them; returns where those begin that are to be written.
fn begin(stream: &Stream, bytes: &[u8]) -> Result<usize, Reason> {
    let Some(channel) = stream.channel().and_then(Channel::backend) else { return Ok(0) };
    let mut head = RequestHead::default();
    match parse_request(bytes, &HeadLimits::kept_by(bytes), &mut head)? {
        Parsed::Complete { head_bytes, facts } => {
            channel.request(&head, None, facts.framing)?;
            Ok(head_bytes)
        }
        Parsed::Partial => Err(Reason::Internal),
    }
}

async fn send_all(stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = poll_fn(|cx| stream.poll_write(cx, bytes)).await?;
        bytes = &bytes[n..];
    }
    Ok(())
}

/// What `work` comes to, or `reason` once it has taken too long.
async fn within<T>(
    limit: Option<Duration>,
    reason: Reason,
    work: impl Future<Output = T>,
) -> Result<T, Reason> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, work).await.map_err(|_| reason),
        None => Ok(work.await),
    }
}
