//! Several backends: in turn, and around those that refuse.

use std::collections::BTreeMap;

use forebay::error::Reason;

use crate::support::{Proxy, Service, refused_address};

#[test]
fn three_backends_are_served_in_turn() {
    let services = [Service::named("a"), Service::named("b"), Service::named("c")];
    let proxy = Proxy::to(&services.each_ref().map(Service::address));
    let mut client = proxy.connect();
    let names: Vec<String> = (0..9).map(|_| client.get("/").text()).collect();
    let mut counts = BTreeMap::new();
    for name in &names {
        *counts.entry(name.as_str()).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([("a", 3), ("b", 3), ("c", 3)]));
    assert_eq!(names[..3], names[3..6]);
    assert_eq!(names[3..6], names[6..]);
}

#[test]
fn a_backend_that_refuses_costs_no_error_while_there_is_another() {
    let (refused, service) = (refused_address(), Service::named("alive"));
    let proxy = Proxy::to(&[refused.address(), service.address()]);
    let mut client = proxy.connect();
    for _ in 0..6 {
        let answer = client.get("/");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "alive"));
    }
}

#[test]
fn a_body_goes_whole_to_the_second_backend_when_the_first_refuses() {
    let (refused, service) = (refused_address(), Service::echo());
    let proxy = Proxy::to(&[refused.address(), service.address()]);
    let mut client = proxy.connect();
    for _ in 0..2 {
        client.send("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(client.response().status(), 200);
        client.send(
            "POST /b HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        );
        assert_eq!(client.response().status(), 200);
        client.send(
            "POST /c HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
             3;a=b\r\nhel\r\n2;c\r\nlo\r\n0\r\nX-Sum: 5\r\n\r\n",
        );
        assert_eq!(client.response().status(), 200);
    }
    let records = service.records();
    let bodies: Vec<&[u8]> =
        records.iter().flat_map(|r| &r.requests).map(|request| request.body.as_slice()).collect();
    assert_eq!(bodies, [b"hello"; 6]);
}

#[test]
fn when_all_backends_refuse_the_client_gets_502() {
    let refused = [refused_address(), refused_address()];
    let proxy = Proxy::to(&refused.each_ref().map(|refused| refused.address()));
    let mut client = proxy.connect();
    let answer = client.get("/");
    assert_eq!(answer.status(), 502);
    assert!(answer.text().contains("connect_failed"), "{}", answer.text());
    proxy.counted(Reason::ConnectFailed, 1);
    // The connection is as good as before.
    assert_eq!(client.get("/").status(), 502);
}
