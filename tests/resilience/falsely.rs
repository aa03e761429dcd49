//! What looks like a stall and is none: nobody is taken out for it.

use std::time::Duration;

use forebay::backend::{Cause, State};

use crate::support::{Crowd, Mood, Moody, Proxy, Setup};
use crate::{WHILE, before_three, three};

#[track_caller]
fn nobody_was_suspected(proxy: &Proxy, backends: &[Moody; 3]) {
    assert_eq!(proxy.n_changes(Cause::Stalled), 0);
    assert_eq!(proxy.daemon().metrics().sum(|worker| &worker.races), 0);
    for backend in backends {
        let standing = proxy.standing(backend.address()).expect("a backend");
        assert_eq!(standing.state, State::Up);
    }
}

#[test]
fn an_upstream_that_is_slow_as_a_whole_is_not_stalled() {
    let backends = three();
    let proxy = before_three(&backends, "");
    let crowd = Crowd::of_gets(proxy.address());
    crowd.goes_on_for(WHILE / 2);
    // From one moment to the next, as when their database is: whoever was asked before has answered.
    crowd.between_requests(|| Moody::all_feel(&backends, Mood::Late(Duration::from_millis(700))));
    crowd.goes_on_for(WHILE / 2);
    crowd.finish().all_well();
    nobody_was_suspected(&proxy, &backends);
}

#[test]
fn an_upstream_that_hangs_as_a_whole_is_not_stalled() {
    let backends = three();
    let proxy = before_three(&backends, "");
    let crowd = Crowd::of_gets(proxy.address());
    crowd.goes_on_for(WHILE / 2);
    crowd.between_requests(|| Moody::all_feel(&backends, Mood::Late(Duration::from_millis(3000))));
    // One answer to everybody.
    crowd.goes_on_for(2 * Crowd::SIZE);
    Moody::all_feel(&backends, Mood::Well);
    crowd.goes_on_for(WHILE / 2);
    crowd.finish().all_well();
    nobody_was_suspected(&proxy, &backends);
}

#[test]
fn long_polls_are_not_stalls_though_others_are_answered_meanwhile() {
    let backends = three();
    let proxy = before_three(&backends, "");
    let crowd = Crowd::start(proxy.address(), Crowd::SIZE, |client, _| {
        let target = if client % 8 == 0 { "/" } else { "/poll/1500" };
        (format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"), "GET")
    });
    // Several rounds of polls end within this.
    crowd.goes_on_for(3 * WHILE);
    crowd.finish().all_well();
    nobody_was_suspected(&proxy, &backends);
}

#[test]
fn a_backend_that_has_all_the_long_polls_is_not_stalled() {
    let backends = three();
    // All polls stay on one backend, which gets a third of the others as well.
    let setup = Setup {
        workers: 4,
        upstream: "balance = { strategy = \"ring_hash\", key = \"path\" }",
        ..Setup::default()
    };
    let proxy = Proxy::with(setup, &backends.each_ref().map(Moody::address));
    let crowd = Crowd::start(proxy.address(), Crowd::SIZE, |client, n| {
        let target = match client % 4 {
            0 => format!("/{n}"),
            _ => "/poll/1500".to_owned(),
        };
        (format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"), "GET")
    });
    crowd.goes_on_for(3 * WHILE);
    crowd.finish().all_well();
    nobody_was_suspected(&proxy, &backends);
}
