//! Whether what became of a test's request is what its operator expects.

use super::{Outcome, run};
use crate::admit::status;
use crate::config::{Config, Expect, Finding};
use crate::snapshot::Snapshot;

/// Tries every `[[test]]` of `config`, compiled into `snapshot`: what each that fails is to be told as, at its place.
pub fn run_all(snapshot: &Snapshot, config: &Config) -> Vec<Finding> {
    let failed = config.tests.iter().filter_map(|test| {
        let (message, help) = match run(snapshot, config, &test.request) {
            Err(error) => (format!("this test cannot be run: {error}"), None),
            Ok(outcome) => {
                let unmet = unmet(&test.expect, &outcome);
                if unmet.is_empty() {
                    return None;
                }
                let message = format!("this test fails: {}", unmet.join("; "));
                (message, Some(outcome.to_string()))
            }
        };
        Some(Finding { place: test.place.clone(), message, help })
    });
    failed.collect()
}

/// Each expectation that is not met, in words: what was wanted and what came.
fn unmet(expect: &Expect, outcome: &Outcome) -> Vec<String> {
    let mut unmet = Vec::new();
    let mut compare = |what: &str, wanted: Option<&str>, met: bool, came: Option<&str>| {
        if let Some(wanted) = wanted.filter(|_| !met) {
            let came = came.map_or_else(|| "none".to_owned(), |came| format!("`{came}`"));
            unmet.push(format!("{what} `{wanted}` was expected and it was {came}"));
        }
    };
    let route = outcome.route.as_deref();
    let no_route = expect.route.as_deref() == Some("none") && route.is_none();
    compare("route", expect.route.as_deref(), no_route || expect.route.as_deref() == route, route);
    let upstreams: Vec<&str> =
        outcome.targets.iter().map(|target| target.upstream.as_str()).collect();
    let wanted = expect.upstream.as_deref();
    let leads_there = wanted.is_some_and(|wanted| upstreams.contains(&wanted));
    let came = (!upstreams.is_empty()).then(|| upstreams.join("` or `"));
    compare("upstream", wanted, leads_there, came.as_deref());
    let refusal = outcome.refused.and_then(status);
    let came = outcome.answer.as_ref().map(|answer| answer.status).or(refusal);
    let (wanted, text) = (expect.status.map(|n| n.to_string()), came.map(|n| n.to_string()));
    compare("status", wanted.as_deref(), expect.status == came, text.as_deref());
    let (wanted, came) = (expect.path.as_deref(), outcome.backend_path.as_deref());
    compare("path", wanted, wanted == came, came);
    unmet
}
