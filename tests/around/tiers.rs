//! Backups and bounds, without a queue: counted over all workers.

use forebay::error::Reason;

use crate::support::{Origin, Proxy, Service, Wire, eventually};
use crate::{OK, get, with_upstream};

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";

#[test]
fn a_backup_is_used_while_every_primary_is_full_and_left_again() {
    let (origin, backup) = (Origin::bind(), Service::named("backup"));
    let proxy = Proxy::from_text(&with_upstream(&format!(
        "backends = [{{ address = \"{}\", max_connections = 1 }}, \
         {{ address = \"{}\", backup = true }}]",
        origin.address(),
        backup.address()
    )));
    let mut first = proxy.connect();
    first.send(get("/"));
    let mut at_primary = origin.accept();
    at_primary.request();
    for _ in 0..8 {
        assert_eq!(proxy.connect().get("/").text(), "backup");
    }
    at_primary.send(OK);
    assert_eq!(first.response().text(), "ok");
    first.send(get("/again"));
    assert_eq!(at_primary.request().target(), "/again");
    at_primary.send(OK);
    assert_eq!((first.response().text().as_str(), backup.n_requests()), ("ok", 8));
}

#[test]
fn a_bound_holds_over_all_workers_for_exchanges_streams_and_tunnels() {
    let origin = Origin::bind();
    let proxy = Proxy::from_text(&with_upstream(&format!(
        "backends = [{{ address = \"{}\", max_connections = 3 }}]",
        origin.address()
    )));
    let busy = |request: &str, answer: &str| -> (Wire, Wire) {
        let mut client = proxy.connect();
        client.send(request);
        let mut backend = origin.accept();
        backend.request();
        backend.send(answer);
        (client, backend)
    };
    let _waiting = busy(&get("/"), "");
    let mut stream = busy(&get("/"), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    stream.0.until(b"half");
    let mut tunnel = busy(
        UPGRADE,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    );
    tunnel.0.head();
    for n in 1..=8 {
        let answer = proxy.connect().get("/");
        assert_eq!((answer.status(), answer.field("retry-after")), (503, Some("1")));
        proxy.counted(Reason::NoBackend, n);
    }
    // The tunnel ends, and its place is free.
    drop(tunnel);
    eventually("the tunnel ends", || {
        proxy.daemon().metrics().sum(|worker| &worker.responses[1]) == 1
    });
    let mut client = proxy.connect();
    client.send(get("/"));
    let mut backend = origin.accept();
    backend.request();
    backend.send(OK);
    assert_eq!(client.response().text(), "ok");
}
