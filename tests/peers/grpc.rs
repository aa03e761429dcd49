//! The `grpcio` package as client and as server.

use forebay::backend::State;

use crate::python::{Client, Server, python};
use crate::support::{Proxy, Setup, eventually, refused_address};

/// HTTP/2 in the clear on both sides, at four workers, with more lines of timeouts and of the upstream.
#[track_caller]
fn proxy(backend: &str, timeouts: &str, more: &str) -> Proxy {
    let upstream = format!("protocol = \"http2\"\n{more}");
    let listener = "http = { h2c = true }";
    let setup = Setup { workers: 4, timeouts, listener, upstream: &upstream, ..Setup::default() };
    Proxy::with(setup, &[backend.parse().expect("an address")])
}

/// The client's `case`, with the server behind a daemon of these timeouts.
#[track_caller]
fn case_with(case: &str, timeouts: &str) {
    let Some(python) = python() else { return };
    let server = Server::start(python, "grpc_server.py", &[]);
    let proxy = proxy(&server.address().to_string(), timeouts, "");
    let address = proxy.address().to_string();
    Client::start(python, "grpc_client.py", &[case, &address]).is_content();
    // Nothing is left of calls that are over.
    eventually("no exchange is under way", || {
        proxy.upstream().members.iter().all(|member| member.backend.in_flight() == 0)
    });
}

#[track_caller]
fn case(case: &str) {
    case_with(case, "");
}

#[test]
fn a_call_its_metadata_and_its_trailers_pass() {
    case("unary");
}

#[test]
fn streams_of_all_kinds_pass_message_by_message() {
    case("streams");
}

#[test]
fn messages_of_16_mib_pass() {
    case("large");
}

#[test]
fn what_a_service_refuses_arrives_as_it_said_it() {
    case("errors");
}

#[test]
fn a_deadline_reaches_the_server_and_ends_the_call_on_both_sides() {
    case("deadline");
}

#[test]
fn a_cancelled_call_is_cancelled_at_the_server() {
    case("cancels");
}

#[test]
fn the_health_service_can_be_asked_and_watched() {
    case("checks");
}

#[test]
fn many_calls_at_once_on_all_workers() {
    case("many");
}

#[test]
fn a_silent_stream_is_cut_by_no_time_of_requests_and_answers() {
    case_with("silent", "first_byte = \"200ms\"\nresponse_idle = \"200ms\"\nbody_idle = \"200ms\"");
}

#[test]
fn the_time_for_the_whole_holds_and_is_told_as_a_deadline() {
    case_with("too_long", "total = \"500ms\"");
}

#[test]
fn refusals_of_the_proxy_are_statuses_of_grpc() {
    let Some(python) = python() else { return };
    let refused = refused_address();
    let to_nobody = proxy(&refused.address().to_string(), "", "");
    let address = to_nobody.address().to_string();
    Client::start(python, "grpc_client.py", &["nobody_there", &address]).is_content();
    let text = Setup { listener: "http = { h2c = true }", ..Setup::default() };
    let text = text.text(&[refused.address()]).replace("name = \"all\"", "name = \"all\"\nhosts = [\"other\"]");
    let nowhere = Proxy::from_text(&text);
    let address = nowhere.address().to_string();
    Client::start(python, "grpc_client.py", &["no_route", &address]).is_content();
}

#[test]
fn a_server_that_dies_ends_its_calls_and_none_looks_whole() {
    let Some(python) = python() else { return };
    let mut server = Server::start(python, "grpc_server.py", &[]);
    let proxy = proxy(&server.address().to_string(), "", "");
    let address = proxy.address().to_string();
    let mut client = Client::start(python, "grpc_client.py", &["bereft", &address]);
    client.says("begun");
    server.kill();
    client.is_content();
}

#[test]
fn a_server_that_is_unavailable_in_its_own_words_is_taken_out() {
    let Some(python) = python() else { return };
    let server = Server::start(python, "grpc_server.py", &[]);
    let proxy = proxy(&server.address().to_string(), "", "breaker = { max_ejected = 1.0 }");
    let address = proxy.address().to_string();
    Client::start(python, "grpc_client.py", &["unavailable_often", &address]).is_content();
    let _ = State::Open;
}
