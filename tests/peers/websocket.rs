//! The `websockets` package as client and as server.

use crate::python::{Client, Server, python};
use crate::support::{Proxy, Setup};

const FOUR: Setup<'static> =
    Setup { workers: 4, global: "", timeouts: "", listener: "", upstream: "", more: "" };

/// The client's `case`, through the daemon in the clear.
#[track_caller]
fn in_the_clear(case: &str) {
    let Some(python) = python() else { return };
    let server = Server::start(python, "ws_server.py", &[]);
    let proxy = Proxy::with(FOUR, &[server.address()]);
    let url = format!("ws://{}", proxy.address());
    Client::start(python, "ws_client.py", &[case, &url]).is_content();
}

#[test]
fn text_and_bytes_go_both_ways_untouched() {
    in_the_clear("echoes");
}

#[test]
fn frames_of_16_mib_and_messages_in_pieces_pass() {
    in_the_clear("large");
}

#[test]
fn pings_are_the_peers_own() {
    in_the_clear("pings");
}

#[test]
fn close_codes_and_reasons_arrive_on_either_side() {
    in_the_clear("closes");
}

#[test]
fn many_at_once_on_all_workers() {
    in_the_clear("many");
}
