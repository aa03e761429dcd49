//! `forebay check`: every problem of a configuration, without touching the network.

use super::{CheckArguments, Outcome, complain, print, stderr_colour};
use crate::admit::trial;
use crate::config::{self, Failure, Loaded, Report, Source};
use crate::snapshot::compile_offline;

pub(super) fn check(arguments: &CheckArguments) -> Outcome {
    let loaded = match config::load(&Source::File(arguments.file.clone())) {
        Ok(loaded) => loaded,
        Err(Failure::Problems(report)) => return refuse(arguments, &report),
        Err(Failure::Io(error)) => {
            complain(&format!("{error}\n"));
            return Outcome::Failed;
        }
    };
    let failed = match compile_offline(&loaded.config) {
        Ok(snapshot) => trial::run_all(&snapshot, &loaded.config),
        Err(error) => {
            complain(&format!("{}: {error}\n", arguments.file.display()));
            return Outcome::Failed;
        }
    };
    if !failed.is_empty() {
        return refuse(arguments, &loaded.problems_at(failed));
    }
    show(&loaded.warnings, arguments.json);
    if !arguments.json {
        print(&format!("{}: {}\n", arguments.file.display(), praise(&loaded)));
    }
    Outcome::Good
}

/// `good (1 listener, 2 routes, …)`.
fn praise(Loaded { config, warnings, .. }: &Loaded) -> String {
    let backends = config.upstreams.values().map(|upstream| upstream.backends.len());
    let mut parts = vec![
        count(config.listeners.len(), "listener"),
        count(config.routes.len(), "route"),
        count(config.upstreams.len(), "upstream"),
        count(backends.sum(), "backend"),
    ];
    if !config.tests.is_empty() {
        parts.push(format!("{} passed", count(config.tests.len(), "test")));
    }
    let besides =
        if warnings.is_empty() { String::new() } else { format!("; {}", warnings.summary()) };
    format!("good ({}{besides})", parts.join(", "))
}

fn refuse(arguments: &CheckArguments, report: &Report) -> Outcome {
    show(report, arguments.json);
    if !arguments.json {
        complain(&format!("\n{}: {}\n", arguments.file.display(), report.summary()));
    }
    Outcome::Problems
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
