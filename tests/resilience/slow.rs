//! A backend that becomes ten times slower than its peers, without failing.

use std::time::Duration;

use forebay::backend::Cause;

use crate::support::{Mood, Moody, Proxy, Setup, eventually};
use crate::{WHILE, before_three, crowd, three};

const USUAL: Mood = Mood::Late(Duration::from_millis(20));
const SLOW: Mood = Mood::Late(Duration::from_millis(200));

/// Of the requests that come when it is known to be slow, one in so many at most goes there; evenly it would be three.
const SHARE: usize = 20;

fn leaves_the_slow_one(proxy: &Proxy, backends: &[Moody; 3], is_known: impl Fn() -> bool) {
    for backend in backends {
        backend.feels(USUAL);
    }
    let crowd = crowd(proxy);
    backends[0].feels(SLOW);
    crowd.goes_on_for(WHILE);
    eventually("it is known", is_known);
    let n_before = backends[0].n_requests();
    crowd.goes_on_for(2 * WHILE);
    let n_slow = backends[0].n_requests() - n_before;
    assert!(n_slow <= 2 * WHILE / SHARE, "{n_slow} of {} went to the slow one", 2 * WHILE);
    crowd.finish().all_well();
}

#[test]
fn peak_ewma_leaves_it() {
    let backends = three();
    let setup = Setup { workers: 4, upstream: "balance = \"peak_ewma\"", ..Setup::default() };
    let proxy = Proxy::with(setup, &backends.each_ref().map(Moody::address));
    leaves_the_slow_one(&proxy, &backends, || true);
}

#[test]
fn latency_factor_takes_it_out() {
    let backends = three();
    let more = "[upstream.app.passive]\nlatency_factor = 3.0\n\
                [upstream.app.breaker]\nopen = \"1h\"\nmax_open = \"1h\"\n";
    let proxy = before_three(&backends, more);
    leaves_the_slow_one(&proxy, &backends, || proxy.n_changes(Cause::Latency) > 0);
}
