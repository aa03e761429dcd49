//! Every timeout and every limit that HTTP/1.1 can meet: what the client gets, what the backend sees,
//! what is counted; and that none of them fires while it is not its turn.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod backends;
mod clients;
mod connections;
mod sizes;

use support::{Message, Wire};

/// Checks an answer of ours.
#[track_caller]
fn check(answer: &Message, status: u16, reason: &str) {
    assert_eq!(answer.status(), status, "{answer:?}");
    assert!(answer.text().contains(reason), "{answer:?}");
    let status_field = answer.field("proxy-status").expect("a Proxy-Status");
    assert!(status_field.contains(reason), "{status_field}");
}

/// Waits for an answer of ours and for the end of the connection behind it.
#[track_caller]
fn check_closed(client: &mut Wire, status: u16, reason: &str) {
    let answer = client.response();
    check(&answer, status, reason);
    assert_eq!(answer.field("connection").map(str::to_ascii_lowercase).as_deref(), Some("close"));
    client.closed();
}
