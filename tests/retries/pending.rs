//! The bound on requests that wait for a response head.

use forebay::error::Reason;

use crate::support::Origin;
use crate::{GET, OK, answer_one, with};

#[test]
fn beyond_the_bound_it_is_a_503_at_once_and_an_answer_makes_room() {
    let origin = Origin::bind();
    let proxy = with("max_pending = 2\npool = { max_idle = 0 }", &[origin.address()]);
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut client = proxy.connect();
        client.send(GET);
        let mut backend = origin.accept();
        backend.request();
        waiting.push((client, backend));
    }
    let mut refused = proxy.connect();
    let answer = refused.get("/");
    assert_eq!((answer.status(), answer.field("retry-after")), (503, Some("1")));
    assert!(answer.text().contains("pending_limit"), "{}", answer.text());
    proxy.counted(Reason::PendingLimit, 1);
    // The head is what is waited for, not the end of the body.
    let (client, backend) = &mut waiting[0];
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    client.head();
    refused.send(GET);
    let mut next = origin.accept();
    next.request();
    next.send(OK);
    assert_eq!(refused.response().text(), "ok");
    // One that leaves makes room as well.
    drop(waiting.pop());
    proxy.counted(Reason::ClientGone, 1);
    let mut third = proxy.connect();
    third.send(GET);
    answer_one(&origin, OK);
    assert_eq!(third.response().text(), "ok");
}
