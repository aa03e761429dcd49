//! What every kind of check must do, run over all of [`PROBES`].

use std::sync::Arc;
use std::time::Duration;

use super::scripted::{Act, Scripted, answer};
use super::{Line, PROBES, Target, check};
use crate::backend::Address;
use crate::config::Health;

fn options(kind: &'static str) -> Health {
    Health { kind, timeout: Duration::from_millis(500), ..Health::default() }
}

/// A backend that passes checks of this kind.
async fn live(kind: &str) -> Scripted {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    match kind {
        "grpc" => Scripted::grpc().await,
        _ => Scripted::start(vec![[answer(ok), vec![Act::Hold]].concat()]).await,
    }
}

/// A port that nobody listens on, for as long as the socket lives.
fn refused() -> (Address, socket2::Socket) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a free port");
    let address = socket.local_addr().expect("an address").as_socket().expect("IPv4");
    (Address::Tcp(address), socket)
}

#[tokio::test]
async fn every_kind_passes_at_a_live_backend_and_fails_where_nobody_listens() {
    let (dead, _socket) = refused();
    for kind in PROBES {
        let live = live(kind.name).await;
        let passed = check(&live.target(options(kind.name)), &mut Line::default()).await;
        passed.unwrap_or_else(|error| panic!("{}: {error}", kind.name));
        let target = Target::new(&dead, "x", Arc::new(options(kind.name)));
        let error = check(&target, &mut Line::default()).await.expect_err("nobody listens");
        assert_eq!(error.to_string(), "connection refused", "{}", kind.name);
    }
}

#[tokio::test]
async fn every_kind_reaches_unix_sockets_and_says_when_there_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("backend.sock");
    for kind in PROBES {
        let address = Address::Unix(path.clone());
        let target = Target::new(&address, "localhost", Arc::new(options(kind.name)));
        let error = check(&target, &mut Line::default()).await.expect_err("no file");
        assert_eq!(error.to_string(), "there is no such socket file", "{}", kind.name);
    }
}

#[tokio::test]
async fn a_port_of_its_own_is_where_a_check_goes() {
    let (dead, _socket) = refused();
    for kind in PROBES {
        let live = live(kind.name).await;
        let options = Health { port: Some(live.address.port()), ..options(kind.name) };
        let target = Target::new(&dead, "x", Arc::new(options));
        check(&target, &mut Line::default()).await.expect("a pass at the other port");
    }
}

#[tokio::test]
async fn an_unknown_kind_is_a_failure_and_no_panic() {
    let (dead, _socket) = refused();
    let target = Target::new(&dead, "x", Arc::new(options("carrier pigeon")));
    let error = check(&target, &mut Line::default()).await.expect_err("no such kind");
    assert_eq!(error.to_string(), "there is no check of kind carrier pigeon");
}

#[test]
fn what_a_configuration_can_name_is_what_there_is() {
    let names: Vec<&str> = PROBES.iter().map(|kind| kind.name).collect();
    assert_eq!(names, crate::config::PROBES);
}
