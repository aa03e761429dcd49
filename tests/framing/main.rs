//! Framing safety: bytes in, and either a refusal of which the backend saw nothing, or a request whose
//! framing even the strictest reader finds unambiguous. The tables are the specification; the replies of
//! a backend have their own.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod case;
mod chunks;
mod connection;
mod content_length;
mod differential;
mod fields;
mod host;
mod limits;
mod pipelining;
mod replies;
mod request_line;
mod target;
mod transfer_encoding;

use std::collections::BTreeSet;

use case::Case;

/// Every table of requests.
fn tables() -> Vec<Vec<Case>> {
    vec![
        chunks::cases(),
        connection::cases(),
        content_length::cases(),
        fields::cases(),
        host::cases(),
        limits::cases(),
        pipelining::cases(),
        request_line::cases(),
        target::cases(),
        transfer_encoding::cases(),
    ]
}

#[test]
fn the_battery_has_at_least_80_cases_with_names_of_their_own() {
    const CASES_MIN: usize = 80;
    let requests: Vec<&str> = tables().iter().flatten().map(|case| case.name).collect();
    let replies: Vec<&str> = replies::cases().iter().map(|case| case.name).collect();
    let names: BTreeSet<&str> = requests.iter().chain(&replies).copied().collect();
    assert_eq!(names.len(), requests.len() + replies.len(), "a name stands twice");
    assert!(requests.len() >= CASES_MIN, "only {} cases of requests", requests.len());
}
