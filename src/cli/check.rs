//! `forebay check`: every problem of a configuration, without touching the network.

use super::{CheckArguments, Outcome, complain, print, stderr_colour};
use crate::config::{self, Failure, Loaded, Report, Source};

pub(super) fn check(arguments: &CheckArguments) -> Outcome {
    let file = arguments.file.display();
    match config::load(&Source::File(arguments.file.clone())) {
        Ok(Loaded { config, warnings, .. }) => {
            show(&warnings, arguments.json);
            if !arguments.json {
                let listeners = count(config.listeners.len(), "listener");
                let routes = count(config.routes.len(), "route");
                let upstreams = count(config.upstreams.len(), "upstream");
                let backends = config.upstreams.values().map(|upstream| upstream.backends.len());
                let backends = count(backends.sum(), "backend");
                let besides = if warnings.is_empty() {
                    String::new()
                } else {
                    format!("; {}", warnings.summary())
                };
                print(&format!(
                    "{file}: good ({listeners}, {routes}, {upstreams}, {backends}{besides})\n"
                ));
            }
            Outcome::Good
        }
        Err(Failure::Problems(report)) => {
            show(&report, arguments.json);
            if !arguments.json {
                complain(&format!("\n{file}: {}\n", report.summary()));
            }
            Outcome::Problems
        }
        Err(Failure::Io(error)) => {
            complain(&format!("{error}\n"));
            Outcome::Failed
        }
    }
}

/// JSON is what was asked for and goes to stdout; problems for people go to stderr.
fn show(report: &Report, json: bool) {
    if json {
        print(&format!("{:#}\n", report.to_json()));
    } else {
        complain(&report.render(stderr_colour()));
    }
}

/// `1 route`, `2 routes`.
pub(super) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
