//! Backends whose process ends: one, and all.

use forebay::backend::{Cause, State};

use crate::support::{Crowd, Death, Process, eventually};
use crate::{WHILE, before, before_three, crowd, three};

#[test]
fn a_process_that_is_killed_costs_no_error() {
    let mut processes = [(); 3].map(|()| Process::start("a_backend_process"));
    let proxy = before(&processes.each_ref().map(Process::address), "");
    let crowd = crowd(&proxy);
    processes[0].kill();
    crowd.goes_on_for(2 * WHILE);
    crowd.finish().all_well();
    let standing = proxy.standing(processes[0].address()).expect("a backend");
    assert_ne!(standing.state, State::Up, "{standing:?}");
}

#[test]
fn connections_that_are_reset_cost_no_error() {
    dies_and_comes_back(Death::Reset);
}

#[test]
fn connections_that_are_closed_cost_no_error() {
    dies_and_comes_back(Death::Fin);
}

fn dies_and_comes_back(death: Death) {
    let mut backends = three();
    let proxy = before_three(&backends, "[upstream.app.breaker]\nopen = \"200ms\"\n");
    let crowd = crowd(&proxy);
    backends[0].die(death);
    crowd.goes_on_for(2 * WHILE);
    let n_requests = backends[0].n_requests();
    backends[0].revive();
    eventually("it serves again", || backends[0].n_requests() > n_requests + WHILE / 4);
    crowd.finish().all_well();
    assert!(proxy.n_changes(Cause::ProbesPassed) >= 1, "it came back by a request that tried it");
}

#[test]
fn with_all_dead_answers_are_503_at_once_and_it_recovers_by_itself() {
    let mut backends = three();
    let proxy =
        before_three(&backends, "[upstream.app.breaker]\nopen = \"200ms\"\nmax_open = \"400ms\"\n");
    let crowd = crowd(&proxy);
    for backend in &mut backends {
        backend.die(Death::Fin);
    }
    eventually("503", || crowd.tally().statuses.contains_key(&503));
    crowd.goes_on_for(WHILE);
    for backend in &mut backends {
        backend.revive();
    }
    let n_before: usize = backends.iter().map(|backend| backend.n_requests()).sum();
    eventually("they serve again", || {
        backends.iter().map(|backend| backend.n_requests()).sum::<usize>() > n_before + WHILE
    });
    let tally = crowd.finish();
    assert!(tally.faults.is_empty() && tally.n_cut == 0, "{tally:?}");
    assert!(tally.statuses.keys().all(|status| [200, 502, 503].contains(status)), "{tally:?}");
    let refusal = &tally.examples[&503];
    let after: u32 = refusal.field("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=60).contains(&after), "{refusal:?}");
    // Who was at a backend when it died, and those whose tries found out that the others are dead as well.
    let n_told_502 = tally.statuses.get(&502).copied().unwrap_or(0);
    assert!(n_told_502 <= 3 * Crowd::SIZE, "{tally:?}");
    assert!(tally.statuses[&503] > n_told_502, "{tally:?}");
}

#[test]
fn a_check_brings_a_dead_backend_back_within_its_intervals() {
    let mut backends = three();
    let proxy = before_three(
        &backends,
        "[upstream.app.breaker]\nopen = \"1h\"\nmax_open = \"1h\"\n\
         [upstream.app.health]\ninterval = \"1s\"\ntimeout = \"1s\"\nrise = 1\nfall = 1\n",
    );
    let crowd = crowd(&proxy);
    backends[0].die(Death::Reset);
    crowd.goes_on_for(WHILE);
    let n_requests = backends[0].n_requests();
    backends[0].revive();
    eventually("it serves again", || backends[0].n_requests() > n_requests + WHILE / 4);
    crowd.finish().all_well();
}
