//! The `grpcio` package as client and as server.

use forebay::backend::{Cause, State};

use crate::Carried;
use crate::python::{Client, Server, python};
use crate::support::{Proxy, Setup, eventually, refused_address};

/// The client's `case`, with two servers, in the clear and through TLS.
#[track_caller]
fn case(case: &str) {
    case_with(case, "", "");
}

/// With more lines of timeouts and of the upstream.
#[track_caller]
fn case_with(case: &str, timeouts: &str, upstream: &str) {
    let Some(python) = python() else { return };
    for carried in [Carried::in_the_clear(), Carried::through_tls()] {
        let server = carried.server(python, "grpc_server.py");
        let upstream = format!("protocol = \"http2\"\n{upstream}");
        let proxy = carried.proxy(timeouts, &upstream, &[server.address()]);
        ask(python, case, &carried, &proxy);
        // Nothing is left of calls that are over.
        eventually("no exchange is under way", || {
            proxy.upstream().members.iter().all(|member| member.backend.in_flight() == 0)
        });
    }
}

#[track_caller]
fn ask(python: &std::path::Path, case: &str, carried: &Carried, proxy: &Proxy) {
    let address = proxy.address().to_string();
    let mut arguments = vec![case, &address];
    arguments.extend(carried.ca());
    Client::start(python, "grpc_client.py", &arguments).succeeds();
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
    case_with(
        "silent",
        "first_byte = \"200ms\"\nresponse_idle = \"200ms\"\nbody_idle = \"200ms\"",
        "",
    );
}

#[test]
fn the_time_for_the_whole_holds_and_is_told_as_a_deadline() {
    case_with("too_long", "total = \"500ms\"", "");
}

#[test]
fn refusals_of_the_proxy_are_statuses_of_grpc() {
    let Some(python) = python() else { return };
    let carried = Carried::in_the_clear();
    let refused = refused_address();
    let to_nobody = carried.proxy("", "", &[refused.address()]);
    ask(python, "nobody_there", &carried, &to_nobody);
    let text = Setup { listener: "http = { h2c = true }", ..Setup::default() };
    let text = text.text(&[refused.address()]);
    let nowhere = text.replace("name = \"all\"\n", "name = \"all\"\nhosts = [\"other\"]\n");
    ask(python, "no_route", &carried, &Proxy::from_text(&nowhere));
}

#[test]
fn a_server_that_dies_ends_its_calls_and_none_looks_whole() {
    let Some(python) = python() else { return };
    let carried = Carried::in_the_clear();
    let mut server = carried.server(python, "grpc_server.py");
    let proxy = carried.proxy("", "protocol = \"http2\"", &[server.address()]);
    let address = proxy.address().to_string();
    let mut client = Client::start(python, "grpc_client.py", &["bereft", &address]);
    client.says("begun");
    server.kill();
    client.succeeds();
}

#[test]
fn a_server_that_says_it_is_unavailable_is_taken_out() {
    let Some(python) = python() else { return };
    let carried = Carried::in_the_clear();
    let servers: [Server; 2] = std::array::from_fn(|_| carried.server(python, "grpc_server.py"));
    let addresses = servers.each_ref().map(Server::address);
    // One of the two: the other is the last one.
    let proxy = carried.proxy("", "protocol = \"http2\"", &addresses);
    ask(python, "unavailable", &carried, &proxy);
    assert_eq!(proxy.n_changes(Cause::Failures), 1);
    let states = addresses.map(|address| proxy.standing(address).map(|standing| standing.state));
    assert!(states.contains(&Some(State::Up)), "{states:?}");
}

#[test]
fn the_shipped_file_carries_calls_as_it_stands() {
    let Some(python) = python() else { return };
    let carried = Carried::in_the_clear();
    let mut servers: [Server; 2] =
        std::array::from_fn(|_| carried.server(python, "grpc_server.py"));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/grpc.toml");
    let mut text = std::fs::read_to_string(file).expect("it is there");
    // But for its ports, which may be anybody's here.
    for (port, server) in ["127.0.0.1:50051", "127.0.0.1:50052"].iter().zip(&servers) {
        text = text.replace(port, &server.address().to_string());
    }
    let text = text.replace("bind = \"127.0.0.1:50050\"", "bind = \"127.0.0.1:0\"");
    // The tests in it ask at the port it has.
    let text =
        text.split("[[test]]").next().expect("a part").replace("\"stdout\"", "\"/dev/null\"");
    let text = text.replace("kind = \"grpc\"", "kind = \"grpc\", interval = \"20ms\"");
    let proxy = Proxy::from_text(&text);
    for case in ["streams", "errors", "checks", "many"] {
        ask(python, case, &carried, &proxy);
    }
    // The checks that it asks for pass, and see who is not there.
    let [gone, left] = servers.each_ref().map(Server::address);
    let state = |address| proxy.standing(address).map(|standing| standing.state);
    assert_eq!((state(gone), state(left)), (Some(State::Up), Some(State::Up)));
    servers[0].kill();
    eventually("it is out", || state(gone) != Some(State::Up));
    assert_eq!(state(left), Some(State::Up));
}
