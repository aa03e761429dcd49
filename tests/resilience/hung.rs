//! Backends that take requests and answer none. The first-byte timeout is a minute, and a client waits for ten seconds
//! at most: a request that took the timeout would be a fault.

use forebay::backend::{Cause, State};

use crate::support::{Mood, Process, eventually};
use crate::{WHILE, before, before_three, crowd, three};

#[test]
fn a_backend_that_never_answers_costs_no_error_and_is_left_alone() {
    let backends = three();
    let proxy =
        before_three(&backends, "[upstream.app.breaker]\nopen = \"1h\"\nmax_open = \"1h\"\n");
    let crowd = crowd(&proxy);
    backends[0].feels(Mood::Hung);
    eventually("it is found", || proxy.n_changes(Cause::Stalled) > 0);
    let n_requests = backends[0].n_requests();
    crowd.goes_on_for(2 * WHILE);
    // Those that were on their way when it was found.
    assert!(backends[0].n_requests() <= n_requests + 64, "it was asked all the same");
    crowd.finish().all_well();
    let standing = proxy.standing(backends[0].address()).expect("a backend");
    assert_eq!((standing.state, standing.cause), (State::Open, Cause::Stalled));
    let n_races = proxy.daemon().metrics().sum(|worker| &worker.races);
    // Each client once for each finding: on a machine that is busy enough another may look hung, too.
    let n_races_max = 64 * proxy.n_changes(Cause::Stalled);
    assert!((1..=n_races_max).contains(&n_races), "{n_races} races");
}

#[test]
fn a_process_that_is_stopped_costs_no_error_and_comes_back_when_it_goes_on() {
    let processes = [(); 3].map(|()| Process::start("a_backend_process"));
    let more = "[upstream.app.breaker]\nopen = \"200ms\"\nmax_open = \"400ms\"\n";
    let proxy = before(&processes.each_ref().map(Process::address), more);
    let crowd = crowd(&proxy);
    processes[0].pause();
    eventually("it is found", || proxy.n_changes(Cause::Stalled) > 0);
    crowd.goes_on_for(2 * WHILE);
    processes[0].resume();
    let is_up = || proxy.standing(processes[0].address()).is_some_and(|now| now.state == State::Up);
    eventually("it is back", is_up);
    crowd.goes_on_for(WHILE);
    crowd.finish().all_well();
    assert!(is_up(), "it stays");
}

#[test]
fn two_of_three_that_hang_one_after_the_other_cost_no_error() {
    let backends = three();
    let more = "[upstream.app.breaker]\nopen = \"1h\"\nmax_open = \"1h\"\nmax_ejected = 1.0\n";
    let proxy = before_three(&backends, more);
    let crowd = crowd(&proxy);
    for (n, backend) in backends.iter().take(2).enumerate() {
        backend.feels(Mood::Hung);
        eventually("it is found", || proxy.n_changes(Cause::Stalled) > n as u64);
        crowd.goes_on_for(WHILE);
    }
    crowd.finish().all_well();
}
