//! Conformance: what RFC 9113 and RFC 7541 say of framing, streams, heads and their compression, as tables. Each case
//! has a connection of its own that has said hello.

mod fields;
mod framing;
mod hpack;
mod states;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::proxy;
use crate::support::frames::{Frame, Framed, all};
use crate::support::{Proxy, Service, Setup};

/// What must come of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The connection ends with a GOAWAY of one of these codes; no request reached the backend.
    Goaway(&'static [&'static str]),
    /// This stream ends with a RST_STREAM of one of these codes, or as much with the whole connection; no request
    /// reached the backend.
    Reset(u32, &'static [&'static str]),
    /// This stream gets this status from us; no request reached the backend.
    Refused(u32, u16),
    /// This stream gets 200 from the backend.
    Served(u32),
    /// Nothing comes of it, and the next request is served.
    Ignored,
}

/// Frames that a client sends and what must come of them.
pub struct Case {
    /// The section, and a sentence.
    pub name: &'static str,
    pub sends: Vec<u8>,
    pub outcome: Outcome,
}

/// A case whose frames are good ones, if not in a good order.
pub fn case(name: &'static str, frames: &[Frame], outcome: Outcome) -> Case {
    Case { name, sends: all(frames), outcome }
}

/// Any stream that tests use for asking whether the connection still stands.
const AFTERWARDS: u32 = 1001;

fn tables() -> Vec<Vec<Case>> {
    vec![framing::cases(), states::cases(), fields::cases(), hpack::cases()]
}

/// Runs a case in one write (`piece`: all of it) or in small ones.
fn run(proxy: &Proxy, service: &Service, case: &Case, piece: usize) {
    let n_before = service.n_requests();
    let mut client = Framed::connect(proxy.address());
    for piece in case.sends.chunks(piece) {
        if client.wire.try_send(piece).is_err() {
            break;
        }
    }
    match case.outcome {
        Outcome::Goaway(codes) => {
            let code = client.goaway();
            assert!(codes.contains(&code), "{code}");
        }
        Outcome::Reset(stream, codes) => {
            client.until("an end", |client| {
                client.seen(stream).end.is_some() || client.last_goaway().is_some()
            });
            let end = client.seen(stream).end.or(client.last_goaway()).expect("one of both");
            assert!(codes.contains(&end), "{end}, {:?}", client.seen(stream));
            if client.last_goaway().is_none() {
                assert_eq!(client.get(AFTERWARDS, "/afterwards").status(), 200);
            }
        }
        Outcome::Refused(stream, status) => {
            let answer = client.answer(stream);
            assert_eq!((answer.status(), answer.end), (status, Some("END_STREAM")), "{answer:?}");
            assert_eq!(client.get(AFTERWARDS, "/afterwards").status(), 200);
        }
        Outcome::Served(stream) => {
            let answer = client.answer(stream);
            assert_eq!((answer.status(), answer.end), (200, Some("END_STREAM")), "{answer:?}");
            assert_eq!(client.get(AFTERWARDS, "/afterwards").status(), 200);
            return;
        }
        Outcome::Ignored => {
            client.round_trip();
            assert_eq!(client.get(AFTERWARDS, "/afterwards").status(), 200);
            assert_eq!(client.last_goaway(), None);
        }
    }
    let reached: Vec<String> = service
        .records()
        .iter()
        .flat_map(|record| &record.requests)
        .map(|request| request.line.clone())
        .skip(n_before)
        .filter(|line| !line.contains("/afterwards") && !line.contains("/good"))
        .collect();
    assert!(reached.is_empty(), "reached the backend: {reached:?}");
}

#[track_caller]
fn run_all(cases: &[Case]) {
    let service = Service::echo();
    let proxy = proxy(Setup { workers: 4, ..Setup::default() }, &[service.address()]);
    let mut failed = Vec::new();
    for case in cases {
        for piece in [usize::MAX, 7] {
            let ran = catch_unwind(AssertUnwindSafe(|| run(&proxy, &service, case, piece)));
            if let Err(panic) = ran {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default();
                failed.push(format!("{} ({piece}): {:?}: {text}", case.name, case.outcome));
            }
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn frames_are_checked() {
    run_all(&framing::cases());
}

#[test]
fn streams_have_states() {
    run_all(&states::cases());
}

#[test]
fn heads_are_checked() {
    run_all(&fields::cases());
}

#[test]
fn header_blocks_are_checked() {
    run_all(&hpack::cases());
}

#[test]
fn the_battery_has_at_least_80_cases_with_names_of_their_own() {
    const CASES_MIN: usize = 80;
    let tables = tables();
    let names: Vec<&str> = tables.iter().flatten().map(|case| case.name).collect();
    let different: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(different.len(), names.len(), "a name stands twice");
    assert!(names.len() >= CASES_MIN, "only {} cases", names.len());
}
