//! `passive`, at any level.

use std::time::Duration;

use super::super::super::schema::Passive;
use super::Part;
use super::events::{self, Words};

const FAILURES_MAX: i64 = 1000;
const MIN_REQUESTS_MAX: i64 = 1_000_000;
const WINDOW_MIN: Duration = Duration::from_secs(1);
const WINDOW_MAX: Duration = Duration::from_secs(3600);

/// What the table `part` writes, over `passive`.
pub(super) fn read(part: &Part<'_>, mut passive: Passive) -> Passive {
    const RATIO: &str = "accepted: \"off\", or above 0.0 up to 1.0 (all of them)";
    const FACTOR: &str = "accepted: \"off\", or 1.5 to 100.0 times the median of its peers";
    part.set("failures", &mut passive.failures, |item| item.integer_or("off", 1..=FAILURES_MAX));
    part.set("error_ratio", &mut passive.error_ratio, |item| {
        item.number_or_off(RATIO, |ratio| ratio > 0.0 && ratio <= 1.0)
    });
    part.set("min_requests", &mut passive.min_requests, |item| item.integer(1..=MIN_REQUESTS_MAX));
    part.set("window", &mut passive.window, |item| item.duration_in(WINDOW_MIN..=WINDOW_MAX));
    part.set("count", &mut passive.count, |item| events::read(item, Words::Passive));
    part.set("latency_factor", &mut passive.latency_factor, |item| {
        item.number_or_off(FACTOR, |factor| (1.5..=100.0).contains(&factor))
    });
    part.set("stall", &mut passive.stall, |item| item.word(&[("auto", true), ("off", false)]));
    passive
}
