//! The `websockets` package as client and as server.

use crate::Carried;
use crate::python::{Client, python};

/// The client's `case`, in the clear and through TLS.
#[track_caller]
fn case(case: &str) {
    let Some(python) = python() else { return };
    for carried in [Carried::in_the_clear(), Carried::through_tls()] {
        let server = carried.server(python, "ws_server.py");
        let proxy = carried.proxy("", "", &[server.address()]);
        let (scheme, host) = match carried.ca() {
            None => ("ws", "127.0.0.1"),
            Some(_) => ("wss", "localhost"),
        };
        let url = format!("{scheme}://{host}:{}", proxy.address().port());
        let mut arguments = vec![case, &url];
        arguments.extend(carried.ca());
        Client::start(python, "ws_client.py", &arguments).succeeds();
    }
}

#[test]
fn text_and_bytes_go_both_ways_untouched() {
    case("echoes");
}

#[test]
fn frames_of_16_mib_and_messages_in_pieces_pass() {
    case("large");
}

#[test]
fn pings_are_the_peers_own() {
    case("pings");
}

#[test]
fn close_codes_and_reasons_arrive_on_either_side() {
    case("closes");
}

#[test]
fn many_at_once_on_all_workers() {
    case("many");
}

#[test]
fn a_server_that_would_rather_speak_http_2_is_spoken_to_in_http_1() {
    let Some(python) = python() else { return };
    let carried = Carried::through_tls();
    let server = carried.server(python, "ws_server.py");
    let ca = carried.ca().expect("a file");
    // It agrees on HTTP/2 with whoever offers that, and speaks it as badly as it must.
    for (upstream, case) in [("protocol = \"http2\"", "refused"), ("", "echoes")] {
        let proxy = carried.proxy("", upstream, &[server.address()]);
        let url = format!("wss://localhost:{}", proxy.address().port());
        Client::start(python, "ws_client.py", &[case, &url, ca]).succeeds();
    }
}
