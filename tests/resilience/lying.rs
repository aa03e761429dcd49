//! Backends that answer, but wrongly.

use forebay::backend::State;

use crate::support::{Mood, eventually};
use crate::{WHILE, before_three, crowd, three};

const COUNTS_500: &str = "[upstream.app.retry]\non = [\"connect\", \"reset_before_response\", \"500\"]\n\
                          [upstream.app.passive]\ncount = [\"connect\", \"reset\", \"500\"]\n";

#[test]
fn a_backend_that_answers_500_to_everything_costs_no_error() {
    let backends = three();
    let proxy = before_three(&backends, COUNTS_500);
    let crowd = crowd(&proxy);
    backends[0].feels(Mood::Status(500));
    crowd.goes_on_for(2 * WHILE);
    crowd.finish().all_well();
    let standing = proxy.standing(backends[0].address()).expect("a backend");
    assert_ne!(standing.state, State::Up, "{standing:?}");
}

#[test]
fn a_503_is_a_failure_by_itself() {
    let backends = three();
    let proxy = before_three(&backends, "");
    let crowd = crowd(&proxy);
    backends[0].feels(Mood::Status(503));
    crowd.goes_on_for(2 * WHILE);
    crowd.finish().all_well();
}

#[test]
fn a_500_is_the_clients_to_see_by_itself_and_takes_nobody_out() {
    let backends = three();
    let proxy = before_three(&backends, "");
    let crowd = crowd(&proxy);
    backends[0].feels(Mood::Status(500));
    eventually("many 500", || crowd.tally().statuses.get(&500).is_some_and(|n| *n > WHILE / 4));
    let tally = crowd.finish();
    assert!(tally.statuses.keys().all(|status| [200, 500].contains(status)), "{tally:?}");
    assert!(tally.faults.is_empty() && tally.n_cut == 0, "{tally:?}");
    let standing = proxy.standing(backends[0].address()).expect("a backend");
    assert_eq!(standing.state, State::Up);
}

#[test]
fn resets_instead_of_answers_cost_no_error() {
    let backends = three();
    let proxy = before_three(&backends, "");
    let crowd = crowd(&proxy);
    backends[0].feels(Mood::Resetting);
    crowd.goes_on_for(2 * WHILE);
    crowd.finish().all_well();
    let standing = proxy.standing(backends[0].address()).expect("a backend");
    assert_ne!(standing.state, State::Up, "{standing:?}");
}

#[test]
fn a_cut_body_is_a_cut_response_and_never_a_complete_one_and_who_cuts_them_is_taken_out() {
    let backends = three();
    let proxy = before_three(&backends, "");
    let crowd = crowd(&proxy);
    backends[0].feels(Mood::Truncating);
    eventually("it is out", || {
        proxy.standing(backends[0].address()).is_some_and(|standing| standing.state != State::Up)
    });
    let tally = crowd.finish();
    assert!(tally.n_cut > 0 && tally.faults.is_empty(), "{tally:?}");
    assert_eq!(tally.statuses.keys().copied().collect::<Vec<_>>(), [200]);
}
