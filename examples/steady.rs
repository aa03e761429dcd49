//! Open-loop load over HTTP/1.1: requests are due at fixed times, whatever became of the ones before, and a
//! request's latency counts from when it was due. A closed loop would ask less while the other side stalls
//! and so hide the stall; here it is charged for everything it kept waiting.
//!
//! ```text
//! cargo run --release --example steady -- 127.0.0.1:8080 10000 64 5
//! #                                       address  requests/s  connections  seconds
//! ```
//!
//! Prints one line of JSON: requests, seconds, percentiles in microseconds, errors. Each connection has its
//! share of the rate and a timer of the kernel's, so times are exact to microseconds and no core is spun on.

#![allow(clippy::print_stdout, reason = "the result goes to standard output")]

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use forebay::http1::{Decoder, Parsed, Pieces, parse_response};
use forebay::message::ResponseHead;
use rustix::fd::OwnedFd;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What a connection saw.
#[derive(Default)]
struct Seen {
    latencies_us: Vec<u64>,
    bad_answers: usize,
    broken: usize,
}

#[derive(Clone, Copy)]
struct Plan {
    address: SocketAddr,
    /// When the first request of all is due.
    start: Instant,
    /// Between two requests of one connection.
    interval: Duration,
    time: Duration,
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plan = parse(&arguments);
    let Some((plan, n_connections)) = plan else {
        return Err(invalid("usage: steady ADDRESS REQUESTS_PER_SECOND CONNECTIONS SECONDS"));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut all = runtime.block_on(run(plan, n_connections));
    let seconds = plan.start.elapsed().as_secs_f64();
    all.latencies_us.sort_unstable();
    let percentile = |share: f64| {
        let index = (all.latencies_us.len() as f64 * share) as usize;
        all.latencies_us.get(index).copied().unwrap_or(0)
    };
    println!(
        "{{\"requests\": {}, \"seconds\": {seconds:.6}, \"p50\": {}, \"p99\": {}, \"p999\": {}, \
         \"bad_answers\": {}, \"broken\": {}}}",
        all.latencies_us.len(),
        percentile(0.5),
        percentile(0.99),
        percentile(0.999),
        all.bad_answers,
        all.broken
    );
    Ok(())
}

fn parse(arguments: &[String]) -> Option<(Plan, u32)> {
    let [address, rate, connections, seconds] = arguments else { return None };
    let n_connections = connections.parse().ok().filter(|n| *n > 0)?;
    let per_second = rate.parse::<f64>().ok().filter(|rate| *rate > 0.0)?;
    let plan = Plan {
        address: address.parse().ok()?,
        start: Instant::now() + SETTLE,
        interval: Duration::try_from_secs_f64(f64::from(n_connections) / per_second).ok()?,
        time: Duration::from_secs(seconds.parse().ok()?),
    };
    Some((plan, n_connections))
}

async fn run(plan: Plan, n_connections: u32) -> Seen {
    let mut connections = JoinSet::new();
    for index in 0..n_connections {
        // Spread evenly: together they ask at even distances.
        let offset = plan.interval * index / n_connections;
        connections.spawn(ask(plan, offset));
    }
    let mut all = Seen::default();
    while let Some(seen) = connections.join_next().await {
        let seen = seen.unwrap_or_else(|_| Seen { broken: 1, ..Seen::default() });
        all.latencies_us.extend(seen.latencies_us);
        all.bad_answers += seen.bad_answers;
        all.broken += seen.broken;
    }
    all
}

/// One connection: ends early, as broken, when the other side does.
async fn ask(plan: Plan, offset: Duration) -> Seen {
    let mut seen = Seen::default();
    if try_ask(plan, offset, &mut seen).await.is_err() {
        seen.broken += 1;
    }
    seen
}

async fn try_ask(plan: Plan, offset: Duration, seen: &mut Seen) -> io::Result<()> {
    let first = plan.start + offset;
    let mut stream = TcpStream::connect(plan.address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut head = ResponseHead::default();
    let timer = timer(first, plan.interval)?;
    let n_requests = (plan.time.as_secs_f64() / plan.interval.as_secs_f64()) as u32;
    let mut n_due = 0;
    for index in 0..n_requests {
        // Behind schedule means due already: no waiting, and the lateness is in the latency.
        while n_due <= index {
            n_due += expirations(&timer).await?;
        }
        stream.write_all(REQUEST).await?;
        let status = answer(&mut stream, &mut buffer, &mut head).await?;
        let due = first + plan.interval * index;
        seen.latencies_us.push(due.elapsed().as_micros() as u64);
        seen.bad_answers += usize::from(status >= 400);
    }
    Ok(())
}

/// Reads one whole response; returns its status.
async fn answer(
    stream: &mut TcpStream,
    buffer: &mut [u8],
    head: &mut ResponseHead,
) -> io::Result<u16> {
    let mut held = 0;
    let (head_bytes, facts) = loop {
        match stream.read(&mut buffer[held..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => held += n,
        }
        match parse_response(&buffer[..held], false, head) {
            Ok(Parsed::Complete { head_bytes, facts }) => break (head_bytes, facts),
            Ok(Parsed::Partial) => {}
            Err(_) => return Err(invalid("not HTTP")),
        }
    };
    let mut decoder = Decoder::new(facts.framing);
    let mut range = head_bytes..held;
    loop {
        let mut spill = Vec::new();
        let mut pieces = Pieces::new(&buffer[range], &mut spill, false);
        decoder.feed(&mut pieces).map_err(|_| invalid("a malformed body"))?;
        if decoder.is_done() {
            return Ok(head.status);
        }
        match stream.read(buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => range = 0..n,
        }
    }
}

/// A timer of the kernel's that expires at `first` and then every `interval`.
#[allow(deprecated, reason = "the replacement is unsafe; an OwnedFd keeps what it wants promised")]
fn timer(first: Instant, interval: Duration) -> io::Result<AsyncFd<OwnedFd>> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
    let times =
        Itimerspec { it_interval: timespec(interval), it_value: timespec(first - Instant::now()) };
    rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
    AsyncFd::try_with_interest(timer, Interest::READABLE).map_err(io::Error::from)
}

/// How often the timer expired since it was asked last; waits for the first time.
async fn expirations(timer: &AsyncFd<OwnedFd>) -> io::Result<u32> {
    let mut count = [0; 8];
    timer.async_io(Interest::READABLE, |timer| Ok(rustix::io::read(timer, &mut count)?)).await?;
    Ok(u64::from_ne_bytes(count) as u32)
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Until all connections are made.
const SETTLE: Duration = Duration::from_millis(100);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: bench.test\r\n\r\n";
