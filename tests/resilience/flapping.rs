//! A backend that is well and ill in turn: each time it is ill it is taken out for longer, so that it hurts nobody and
//! the set does not swing.

use std::time::Instant;

use forebay::backend::Cause;

use crate::support::{Death, Mood};
use crate::{WHILE, before_three, crowd, three};

/// The first time out, in seconds, at its shortest.
const OPEN_MIN: f64 = 0.1 * 0.8;

const OPEN: &str = "[upstream.app.breaker]\nopen = \"100ms\"\nmax_open = \"1h\"\n";

/// How often a breaker can open in so many seconds when its time out doubles.
fn n_openings_max(seconds: f64) -> u64 {
    // 1 + 2 + 4 + … times the shortest.
    ((seconds / OPEN_MIN + 1.0).log2().floor() as u64) + 1
}

#[test]
fn a_backend_that_dies_and_comes_back_again_and_again_costs_no_error() {
    let mut backends = three();
    let proxy = before_three(&backends, OPEN);
    let crowd = crowd(&proxy);
    for _ in 0..8 {
        backends[0].die(Death::Reset);
        crowd.goes_on_for(WHILE / 2);
        backends[0].revive();
        crowd.goes_on_for(WHILE / 2);
    }
    crowd.finish().all_well();
}

#[test]
fn probes_and_openings_are_bounded_while_it_flaps() {
    let backends = three();
    let proxy = before_three(&backends, OPEN);
    let (crowd, began) = (crowd(&proxy), Instant::now());
    let mut n_while_ill = 0;
    for _ in 0..8 {
        let n_before = backends[0].n_requests();
        backends[0].feels(Mood::Status(503));
        crowd.goes_on_for(WHILE / 2);
        n_while_ill += backends[0].n_requests() - n_before;
        backends[0].feels(Mood::Well);
        crowd.goes_on_for(WHILE / 2);
    }
    crowd.finish().all_well();
    let n_openings: u64 =
        [Cause::Failures, Cause::ErrorRatio, Cause::ProbeFailed, Cause::ProbeLate]
            .map(|cause| proxy.n_changes(cause))
            .iter()
            .sum();
    let n_max = n_openings_max(began.elapsed().as_secs_f64());
    assert!((1..=n_max).contains(&n_openings), "{n_openings} openings, expected up to {n_max}");
    // Each opening costs the failures that it takes and those that were on their way, at most one for each client.
    assert!(n_while_ill as u64 <= n_openings * (64 + 5), "{n_while_ill} requests while ill");
}
