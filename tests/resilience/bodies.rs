//! POSTs: what a backend has seen a byte of is sent to no other.

use crate::support::{Crowd, Death, Mood, Moody, Proxy, Setup};
use crate::{WHILE, before_three, three};

/// Its number is in its target, so that backends know it again.
fn post(client: usize, n: usize) -> (String, &'static str) {
    let body = format!("{client}-{n}").repeat(1 + n % 50);
    let request = format!(
        "POST /{client}/{n} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    (request, "POST")
}

#[track_caller]
fn nothing_was_sent_twice(backends: &[Moody; 3]) {
    let mut counts = std::collections::HashMap::new();
    for backend in backends {
        for (target, n) in backend.seen() {
            *counts.entry(target).or_insert(0) += n;
        }
    }
    let twice: Vec<_> = counts.iter().filter(|(_, n)| **n > 1).collect();
    assert!(twice.is_empty(), "sent more than once: {twice:?}");
    assert!(counts.len() > WHILE, "too few to tell");
}

#[test]
fn a_post_is_never_sent_twice_whatever_befalls_its_backend() {
    let mut backends = three();
    let proxy =
        before_three(&backends, "[upstream.app.breaker]\nopen = \"100ms\"\nmax_open = \"100ms\"\n");
    let crowd = Crowd::start(proxy.address(), Crowd::SIZE, post);
    crowd.goes_on_for(WHILE);
    for death in [Death::Reset, Death::Fin, Death::Reset] {
        backends[0].die(death);
        crowd.goes_on_for(WHILE / 4);
        backends[0].revive();
        crowd.goes_on_for(WHILE / 4);
    }
    for mood in [Mood::Resetting, Mood::Status(503), Mood::Truncating] {
        backends[1].feels(mood);
        crowd.goes_on_for(WHILE / 4);
        backends[1].feels(Mood::Well);
        crowd.goes_on_for(WHILE / 4);
    }
    let tally = crowd.finish();
    assert!(tally.faults.is_empty(), "{tally:?}");
    assert!(tally.statuses.keys().all(|status| [200, 502, 503].contains(status)), "{tally:?}");
    nothing_was_sent_twice(&backends);
}

#[test]
fn a_post_that_waits_on_a_stalled_backend_is_not_raced() {
    let backends = three();
    let setup = Setup { workers: 4, timeouts: "first_byte = \"2s\"", ..Setup::default() };
    let proxy = Proxy::with(setup, &backends.each_ref().map(Moody::address));
    let crowd = Crowd::start(proxy.address(), Crowd::SIZE, post);
    crowd.goes_on_for(WHILE);
    backends[0].feels(Mood::Hung);
    crowd.goes_on_for(WHILE);
    let tally = crowd.finish();
    assert!(tally.faults.is_empty() && tally.n_cut == 0, "{tally:?}");
    assert!(tally.statuses.keys().all(|status| [200, 504].contains(status)), "{tally:?}");
    // They wait for the timeout, but nobody else begins to.
    assert!(tally.statuses.get(&504).is_none_or(|n| *n <= Crowd::SIZE), "{tally:?}");
    nothing_was_sent_twice(&backends);
}
