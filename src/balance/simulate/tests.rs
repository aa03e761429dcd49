//! Strategies under simulated load: what they are for.

use super::*;
use crate::balance::testing::Bench;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// `n` servers with one place each, 10 ms a request on average, at `load` (0..1) of what they can do.
fn queues(strategy: &'static str, n: usize, load: f64) -> Scenario {
    Scenario {
        balance: config::Balance::of(strategy),
        servers: vec![Server::new(1, Service::Exponential(ms(10))); n],
        arrivals_per_second: 100.0 * n as f64 * load,
        duration: Duration::from_secs(20),
        n_keys: 0,
        n_workers: 2,
        changes: Vec::new(),
        seed: 11,
    }
}

/// Four servers with many places, one of which is ten times slower from the second `at` on.
fn one_slow(strategy: &'static str, at: u64) -> Scenario {
    Scenario {
        servers: vec![Server::new(100, Service::Exponential(ms(10))); 4],
        arrivals_per_second: 1000.0,
        changes: vec![Change { at: Duration::from_secs(at), server: 3, to: Condition::Slow(10.0) }],
        ..queues(strategy, 4, 0.0)
    }
}

fn report(scenario: &Scenario) -> Report {
    run(scenario).expect("a strategy")
}

/// The part of requests that `server` gets from second `from` to second `to`.
fn part(scenario: &Scenario, server: usize, from: u64, to: u64) -> f64 {
    let window = Duration::from_secs(from)..Duration::from_secs(to);
    let (mut ours, mut all) = (0.0, 0.0);
    run_with(scenario, |at, picked| {
        if window.contains(&at) {
            all += 1.0;
            ours += f64::from(u8::from(picked == server));
        }
    })
    .expect("a strategy");
    ours / all
}

#[test]
fn the_same_scenario_gives_the_same_report() {
    for strategy in crate::balance::STRATEGIES {
        let scenario = Scenario { n_keys: 100, ..one_slow(strategy.name, 2) };
        let (one, two) = (report(&scenario), report(&scenario));
        assert_eq!(one, two);
        assert_eq!(one.servers.iter().map(|server| server.n_requests).sum::<u64>(), one.n_requests);
        assert!(one.to_string().starts_with(&format!("{}: ", strategy.name)));
    }
}

/// Balls into bins: ln n / ln ln n at random, ln ln n / ln 2 with two choices.
#[test]
fn two_choices_keep_the_fullest_of_many_near_the_mean() {
    const N: usize = 4096;
    let fullest = |strategy: &'static str| {
        let mut bench = Bench::new(strategy, &[1; N], 1);
        let permits: Vec<_> = (0..N).filter_map(|_| bench.take()).collect();
        assert_eq!(permits.len(), N);
        bench.members.iter().map(|member| member.backend.in_flight()).max()
    };
    let (random, p2c) = (fullest("random"), fullest("p2c"));
    assert!(random >= Some(6), "{random:?}");
    assert!(p2c <= Some(4), "{p2c:?}");
}

#[test]
fn two_choices_keep_queues_short() {
    let random = report(&queues("random", 64, 0.9));
    let p2c = report(&queues("p2c", 64, 0.9));
    assert!(p2c.in_flight_max() * 3 <= random.in_flight_max(), "{random}{p2c}");
    assert!(p2c.p99 * 2 < random.p99, "{random}{p2c}");
}

#[test]
fn peak_ewma_leaves_a_backend_that_turns_slow_within_two_seconds() {
    let scenario = one_slow("peak_ewma", 5);
    let (before, after) = (part(&scenario, 3, 0, 5), part(&scenario, 3, 7, 20));
    assert!(before > 0.15, "a quarter, more or less: {before}");
    assert!(after < 0.05, "hardly any: {after}");
}

#[test]
fn peak_ewma_does_not_flock_to_a_backend_that_fails_fast() {
    let fails = Condition::FailsFast(Duration::from_micros(200));
    for at in [0, 5] {
        let mut scenario = one_slow("peak_ewma", at);
        scenario.changes[0].to = fails;
        let after = part(&scenario, 3, at + 1, 20);
        assert!(after < 0.02, "{after}");
    }
    let mut blind = one_slow("least_conn", 5);
    blind.changes[0].to = fails;
    assert!(part(&blind, 3, 6, 20) > 0.25, "what least_conn does");
}

#[test]
fn peak_ewma_comes_back_to_a_backend_that_is_well_again() {
    let mut scenario = one_slow("peak_ewma", 2);
    scenario.duration = Duration::from_secs(60);
    let well = Change { at: Duration::from_secs(10), server: 3, to: Condition::Well };
    scenario.changes.push(well);
    let after = part(&scenario, 3, 45, 60);
    assert!(after > 0.15, "{after}");
}

#[test]
fn with_one_slow_backend_those_that_look_are_twice_as_fast_at_least() {
    let by = |strategy| report(&one_slow(strategy, 0));
    let [round_robin, least_conn, p2c, peak_ewma] =
        ["round_robin", "least_conn", "p2c", "peak_ewma"].map(by);
    let shown = format!("{round_robin}{least_conn}{p2c}{peak_ewma}");
    assert!(least_conn.p99 * 2 <= round_robin.p99, "{shown}");
    assert!(peak_ewma.p99 * 2 <= round_robin.p99, "{shown}");
    assert!(p2c.p99 < round_robin.p99, "{shown}");
}

#[test]
fn the_comparison_with_one_slow_backend_is_a_line_for_each_strategy() {
    let names = ["round_robin", "least_conn", "p2c", "peak_ewma"];
    let reports = names.map(|name| report(&Scenario::with_one_slow(name)));
    assert_eq!(reports, names.map(|name| report(&one_slow(name, 0))), "what these tests prove");
    let table = Table(&reports).to_string();
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 1 + names.len());
    for ((line, report), name) in lines[1..].iter().zip(&reports).zip(names) {
        let p99 = format!("{:.2}", report.p99.as_secs_f64() * 1e3);
        assert_eq!((line.len(), line[0], line[6]), (9, name, &*p99), "{table}");
    }
}

#[test]
fn a_backend_that_vanishes_loses_what_it_has_and_gets_nothing_more() {
    let mut scenario = one_slow("round_robin", 5);
    scenario.changes[0].to = Condition::Gone;
    assert!(part(&scenario, 3, 5, 20) == 0.0);
    let report = report(&scenario);
    assert!((1..60).contains(&report.n_failed), "{report}");
    assert_eq!(report.n_refused, 0);
    scenario.servers.truncate(1);
    scenario.changes[0].server = 0;
    assert!(run(&scenario).expect("a strategy").n_refused > 10_000);
}

#[test]
fn when_a_backend_vanishes_a_ring_moves_its_keys_and_random_moves_all() {
    let gone = |strategy| {
        let mut scenario = Scenario { n_keys: 1000, ..one_slow(strategy, 10) };
        scenario.changes[0].to = Condition::Gone;
        report(&scenario)
    };
    let (ring, maglev, random) = (gone("ring_hash"), gone("maglev"), gone("random"));
    for stable in [&ring, &maglev] {
        assert!((150..350).contains(&stable.n_moved), "{stable}");
    }
    assert!(random.n_moved > 10_000, "{random}");
}

#[test]
fn the_bound_on_connections_holds_and_more_is_refused() {
    let mut scenario = queues("first", 3, 2.0);
    scenario.servers.iter_mut().for_each(|server| server.max_connections = Some(4));
    let report = report(&scenario);
    assert_eq!(report.in_flight_max(), 4);
    assert!(report.n_refused > 0, "{report}");
}
