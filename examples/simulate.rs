//! What each strategy makes of one slow backend among four, by simulation: the code that serves real requests, under
//! a clock that stands still while it thinks. The same seed gives the same table.
//!
//! ```text
//! cargo run --release --example simulate                       # the four that differ most
//! cargo run --release --example simulate -- p2c ring_hash      # these
//! ```
//!
//! `spread` is the largest share of a backend as a multiple of the mean, `most at once` the longest queue that any
//! backend had, requests in service included, and `keys moved` how many of the requests with a known key (a
//! thousand different ones, equally likely) went to another backend than the one before with that key.

#![allow(clippy::print_stdout, reason = "the table goes to standard output")]
#![allow(clippy::print_stderr, reason = "what is wrong with the arguments goes to standard error")]

use std::process::ExitCode;

use forebay::balance::STRATEGIES;
use forebay::balance::simulate::{Scenario, Table, run};

/// What is compared if nothing else is asked for.
const USUAL: [&str; 4] = ["round_robin", "least_conn", "p2c", "peak_ewma"];

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let asked = if asked.is_empty() { USUAL.map(str::to_owned).to_vec() } else { asked };
    let mut reports = Vec::new();
    for name in &asked {
        let Some(strategy) = STRATEGIES.iter().find(|strategy| strategy.name == *name) else {
            let all: Vec<&str> = STRATEGIES.iter().map(|strategy| strategy.name).collect();
            eprintln!("there is no strategy `{name}`; there are {}", all.join(", "));
            return ExitCode::FAILURE;
        };
        let scenario = Scenario { n_keys: 1000, ..Scenario::with_one_slow(strategy.name) };
        match run(&scenario) {
            Ok(report) => reports.push(report),
            Err(name) => {
                eprintln!("there is no strategy `{name}`");
                return ExitCode::FAILURE;
            }
        }
    }
    println!(
        "four backends, 10 ms a request on average, the last one 100 ms; 1000 requests a second"
    );
    print!("{}", Table(&reports));
    ExitCode::SUCCESS
}
