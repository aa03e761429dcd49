//! What a case is, and how one is run: a daemon, a recording backend and a client of its own for each,
//! once with everything in one write and once byte by byte.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::{Framing, Message, Proxy, Record, Service, Setup, Wire, show};

/// Bytes that a client sends and what must come of them.
#[derive(Debug)]
pub struct Case {
    /// A sentence.
    pub name: &'static str,
    /// What the client sends.
    pub sends: Cow<'static, [u8]>,
    /// What must come of it.
    pub outcome: Outcome,
}

/// What must come of a case.
#[derive(Debug)]
pub enum Outcome {
    /// This status and reason, connection closed; no byte reached the backend.
    Refuse(u16, &'static str),
    /// This status and reason; no byte reached the backend. The connection may stay open.
    Answer(u16, &'static str),
    /// A fault found after the head had been passed on: this status and reason, connection closed, and
    /// the backend never saw a complete request.
    Abort(u16, &'static str),
    /// These requests, in this order and nothing else, reached the backend; each was answered.
    Pass(Vec<Want>),
    /// As `Pass`, and then as `Refuse` for what followed.
    PassThenRefuse(Vec<Want>, u16, &'static str),
}

/// A request as the backend must have got it. Its framing is checked by a parser that forgives nothing.
#[derive(Clone, Debug)]
pub struct Want {
    line: &'static str,
    framing: Framing,
    body: Vec<u8>,
    has: Vec<(&'static str, &'static str)>,
    lacks: Vec<&'static str>,
    trailers: Vec<(&'static str, &'static str)>,
}

/// A request with this line and no body.
pub fn want(line: &'static str) -> Want {
    let (body, has, lacks, trailers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    Want { line, framing: Framing::None, body, has, lacks, trailers }
}

impl Want {
    /// With this body, framed by its length.
    pub fn length(mut self, body: impl Into<Vec<u8>>) -> Want {
        self.body = body.into();
        self.framing = Framing::Length(self.body.len() as u64);
        self
    }

    /// With this body in chunks.
    pub fn chunked(mut self, body: impl Into<Vec<u8>>) -> Want {
        self.body = body.into();
        self.framing = Framing::Chunked;
        self
    }

    /// With exactly one field of this name, of this value.
    pub fn has(mut self, name: &'static str, value: &'static str) -> Want {
        self.has.push((name, value));
        self
    }

    /// Without any field of this name.
    pub fn lacks(mut self, name: &'static str) -> Want {
        self.lacks.push(name);
        self
    }

    /// With this trailer; all of them must be named.
    pub fn trailer(mut self, name: &'static str, value: &'static str) -> Want {
        self.trailers.push((name, value));
        self
    }

    fn check(&self, got: &Message) -> Result<(), String> {
        if got.line != self.line {
            return Err(format!("line {:?} instead of {:?}", got.line, self.line));
        }
        // No field at all and a length of 0 are the same empty body.
        let same_framing = got.framing == self.framing
            || (self.body.is_empty()
                && [got.framing, self.framing]
                    .iter()
                    .all(|f| matches!(f, Framing::None | Framing::Length(0))));
        if !same_framing || got.body != self.body {
            let body = show(&got.body);
            return Err(format!("framing {:?} with body {body} in {self:?}", got.framing));
        }
        for (name, value) in &self.has {
            if got.values(name) != [*value] {
                return Err(format!("{name} is {:?} instead of {value:?}", got.values(name)));
            }
        }
        for name in &self.lacks {
            if !got.values(name).is_empty() {
                return Err(format!("{name} was passed on: {:?}", got.values(name)));
            }
        }
        let trailers: Vec<(&str, &str)> =
            got.trailers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        if trailers != self.trailers {
            return Err(format!("trailers {trailers:?} instead of {:?}", self.trailers));
        }
        Ok(())
    }
}

/// A case that is refused with `status` and `reason`.
pub fn refuse(
    name: &'static str,
    sends: impl Into<Cow<'static, [u8]>>,
    status: u16,
    reason: &'static str,
) -> Case {
    Case { name, sends: sends.into(), outcome: Outcome::Refuse(status, reason) }
}

/// A case that is refused as malformed: 400.
pub fn bad(name: &'static str, sends: impl Into<Cow<'static, [u8]>>) -> Case {
    refuse(name, sends, 400, "bad_request")
}

/// A case that is answered by the proxy.
pub fn answer(
    name: &'static str,
    sends: impl Into<Cow<'static, [u8]>>,
    status: u16,
    reason: &'static str,
) -> Case {
    Case { name, sends: sends.into(), outcome: Outcome::Answer(status, reason) }
}

/// A case that is found malformed after its head.
pub fn abort(name: &'static str, sends: impl Into<Cow<'static, [u8]>>) -> Case {
    Case { name, sends: sends.into(), outcome: Outcome::Abort(400, "bad_request") }
}

/// A case of one good request.
pub fn pass(name: &'static str, sends: impl Into<Cow<'static, [u8]>>, want: Want) -> Case {
    Case { name, sends: sends.into(), outcome: Outcome::Pass(vec![want]) }
}

/// A case of several good requests.
pub fn pass_all(
    name: &'static str,
    sends: impl Into<Cow<'static, [u8]>>,
    wants: impl Into<Vec<Want>>,
) -> Case {
    Case { name, sends: sends.into(), outcome: Outcome::Pass(wants.into()) }
}

/// A case of good requests with a malformed one behind them.
pub fn pass_then_bad(
    name: &'static str,
    sends: impl Into<Cow<'static, [u8]>>,
    wants: impl Into<Vec<Want>>,
) -> Case {
    let outcome = Outcome::PassThenRefuse(wants.into(), 400, "bad_request");
    Case { name, sends: sends.into(), outcome }
}

/// How a peer hands its bytes to the network.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// In one write.
    Whole,
    /// Each byte in a write of its own; long inputs in pieces of a prime size.
    Dribble,
}

impl Pace {
    /// Sends `bytes`, or as many of them as the other end wants.
    pub fn hand_over(self, wire: &mut Wire, bytes: &[u8]) {
        const BYTEWISE_MAX: usize = 2000;
        let size = match self {
            Pace::Whole => bytes.len().max(1),
            Pace::Dribble if bytes.len() <= BYTEWISE_MAX => 1,
            Pace::Dribble => 997,
        };
        for piece in bytes.chunks(size) {
            // Who refuses early closes early; what counts is the answer.
            if wire.try_send(piece).is_err() {
                break;
            }
        }
    }
}

/// Runs every case both ways and reports all that failed.
///
/// # Panics
/// When a case failed.
pub fn run(cases: &[Case]) {
    let mut failures = Vec::new();
    for case in cases {
        for pace in [Pace::Whole, Pace::Dribble] {
            let result = catch_unwind(AssertUnwindSafe(|| run_one(case, pace)));
            let fault = match result {
                Ok(Ok(())) => continue,
                Ok(Err(fault)) => fault,
                Err(panic) => panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                    .unwrap_or_else(|| "a panic".to_owned()),
            };
            failures.push(Failure { case, pace, fault });
        }
    }
    let n = failures.len();
    let text: String = failures.iter().map(|failure| format!("\n{failure}")).collect();
    assert!(failures.is_empty(), "{n} of {} runs failed:{text}", 2 * cases.len());
}

struct Failure<'a> {
    case: &'a Case,
    pace: Pace,
    fault: String,
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { case, pace, fault } = self;
        write!(f, "✗ {} ({pace:?}): {fault}\n    sent {}", case.name, show(&case.sends))
    }
}

fn run_one(case: &Case, pace: Pace) -> Result<(), String> {
    let service = Service::echo();
    let proxy = Proxy::with(Setup::default(), &[service.address()]);
    let mut client = proxy.connect();
    pace.hand_over(&mut client, &case.sends);
    let answers = match &case.outcome {
        Outcome::Refuse(status, reason) | Outcome::Abort(status, reason) => {
            own_answer(&mut client, *status, reason).and_then(|()| closed(&mut client))
        }
        Outcome::Answer(status, reason) => own_answer(&mut client, *status, reason),
        Outcome::Pass(wants) => backend_answers(&mut client, wants),
        Outcome::PassThenRefuse(wants, status, reason) => backend_answers(&mut client, wants)
            .and_then(|()| own_answer(&mut client, *status, reason))
            .and_then(|()| closed(&mut client)),
    };
    drop(client);
    proxy.stop();
    let records = service.finish();
    let seen = backend_saw(case, &records);
    answers.and(seen)
}

fn own_answer(client: &mut Wire, status: u16, reason: &str) -> Result<(), String> {
    let answer = client.try_response_to("GET")?;
    if answer.status() != status || !answer.text().contains(reason) {
        let text = answer.text();
        return Err(format!("{:?} {text:?} instead of {status} {reason}", answer.line));
    }
    Ok(())
}

fn backend_answers(client: &mut Wire, wants: &[Want]) -> Result<(), String> {
    for want in wants {
        let method = want.line.split(' ').next().unwrap_or_default();
        let answer = client.try_response_to(method)?;
        if answer.status() != 200 {
            return Err(format!("{:?} {:?} for {}", answer.line, answer.text(), want.line));
        }
        let target = want.line.split(' ').nth(1).unwrap_or_default();
        if method != "HEAD" && answer.text() != target {
            return Err(format!("the answer to another request: {:?}", answer.text()));
        }
    }
    Ok(())
}

fn closed(client: &mut Wire) -> Result<(), String> {
    if !client.is_closed() {
        return Err("the connection was left open".to_owned());
    }
    match client.waiting() {
        [] => Ok(()),
        more => Err(format!("more after the refusal: {}", show(more))),
    }
}

fn backend_saw(case: &Case, records: &[Record]) -> Result<(), String> {
    let requests: Vec<&Message> = records.iter().flat_map(|record| &record.requests).collect();
    match &case.outcome {
        Outcome::Refuse(..) | Outcome::Answer(..) => {
            for record in records {
                if !record.bytes.is_empty() {
                    return Err(format!("the backend saw {}", show(&record.bytes)));
                }
            }
        }
        Outcome::Abort(..) => {
            for record in records {
                if !record.requests.is_empty() {
                    return Err(format!("a complete request got through: {}", show(&record.bytes)));
                }
                if record.bytes.windows(8).any(|bytes| bytes == b"smuggled") {
                    return Err(format!("smuggled: {}", show(&record.bytes)));
                }
            }
        }
        Outcome::Pass(wants) | Outcome::PassThenRefuse(wants, ..) => {
            for record in records {
                if let Some(fault) = &record.fault {
                    return Err(format!("the backend got nonsense: {fault}"));
                }
            }
            if requests.len() != wants.len() {
                let lines: Vec<&str> = requests.iter().map(|r| r.line.as_str()).collect();
                return Err(format!("the backend got {lines:?}"));
            }
            for (want, got) in wants.iter().zip(requests) {
                want.check(got)?;
            }
        }
    }
    Ok(())
}
